//! One file a subcommand.

pub mod devices;
pub mod train;
