//! How fast a device trains: workloads, what was measured of them, and how it is shown.

pub mod measurement;
pub mod show;
pub mod workload;
