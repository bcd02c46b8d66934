//! Sweeps: settings that were listed train side by side, cell by cell, and are held against one another.

pub mod cells;
pub mod figure;
pub mod groups;
pub mod ranking;
pub mod results;
