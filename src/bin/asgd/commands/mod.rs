//! One file a subcommand.

pub mod bench;
pub mod check;
pub mod compare;
pub mod devices;
pub mod evaluate;
pub mod export;
pub mod fetch;
pub mod inspect;
pub mod manual;
pub mod merge;
pub mod predict;
pub mod prune;
pub mod train;
