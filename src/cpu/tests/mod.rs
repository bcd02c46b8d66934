//! Each stage alone, for every instruction set of this machine, against its twin in the reference: integers equal, floats
//! within the error bound of their sum, the same bits from every instruction set. Outputs are NaN before each run.

mod activation;
mod clip;
mod delta;
mod dropout;
mod evaluate;
mod exp;
mod fixture;
mod forward;
mod gather;
mod loss;
mod marked;
mod masks;
mod normalize;
mod normalize_back;
mod optimizer;
mod permute;
mod reduce;
mod team;
