//! Runs beside each other: read from their folders, told apart by what differs, as a table, a figure and a page.

mod differences;
mod figure;
mod history;
mod runs;
mod show;

pub use self::differences::Differences;
pub use self::figure::{Axis, panels};
pub use self::runs::{PastRun, read};
pub use self::show::{common, json, notes, page, table};
