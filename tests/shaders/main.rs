//! Each shader alone, on this machine's adapter, against its twin in the reference: integers equal, floats
//! within the error bound of their sum. Outputs are poisoned first, and rows that are no neurons must come back
//! as they were.

#![allow(missing_docs, reason = "a test binary")]

mod activity;
mod comparator;
mod count;
mod delta;
mod divergence;
mod evaluate;
mod fixture;
mod forward;
mod gather;
mod loss;
mod permute;
mod propagate;
mod reduce;
mod select;
mod update;
