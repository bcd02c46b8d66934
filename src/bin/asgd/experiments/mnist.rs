//! The paper's network and batches for MNIST (section 3.3).

use asgd::Dataset;

pub const WIDTHS: [usize; 4] = [784, 30, 20, 10];
pub const BATCH_SIZE: usize = 64;

pub fn steps_per_epoch(data: &Dataset) -> u64 {
    data.train.len().div_ceil(BATCH_SIZE) as u64
}
