//! The checks must find wrong results, or the other tests mean nothing: an error is planted in every buffer that a kernel
//! writes.

use std::cell::Cell;

use asgd::check::Comparison;
use asgd::check::shaders::{ALL, Case, InputFormat, Job, Kernels, POISON};
use asgd::{Activation, Loss, Result};

use crate::gpu;

/// Kernels with an error in one word of one buffer.
struct Planted<'a, K> {
    kernels: &'a K,
    /// Which buffer, and which of the words that were poisoned or that the kernel changed.
    buffer: usize,
    word: usize,
    /// Whether there was such a word.
    was_planted: Cell<bool>,
}

impl<K: Kernels> Kernels for Planted<'_, K> {
    fn workgroup_bytes(&self) -> u32 {
        self.kernels.workgroup_bytes()
    }

    fn run(&self, job: &Job<'_>) -> Result<Vec<Vec<u32>>> {
        let mut after = self.kernels.run(job)?;
        let before = job.storage[self.buffer];
        let is_output = |&index: &usize| before[index] == POISON || after[self.buffer][index] != before[index];
        if let Some(index) = (0..before.len()).filter(is_output).nth(self.word) {
            // A float far away, or another integer.
            after[self.buffer][index] ^= 0x4000_0001;
            self.was_planted.set(true);
        }
        Ok(after)
    }
}

/// The first words of each output, which no kernel leaves to chance, and a later one where there are many.
const WORDS: [usize; 5] = [0, 1, 5, 7, 40];

#[test]
fn errors_are_found() {
    // Whole words of samples: what is left in samples past a batch is nobody's business.
    let case = |loss| {
        let (inputs, activation) = (InputFormat::U8, Activation::Tanh);
        Case { widths: vec![3, 9, 4], batch_size: 32, size: 32, replicas: 2, inputs, activation, loss }
    };
    let cases = [Loss::CrossEntropy, Loss::MeanSquaredError].map(case);
    for (check, case) in ALL.iter().flat_map(|check| cases.iter().map(move |case| (check, case))) {
        let outputs = check.shader.outputs().into_iter();
        let mut planted = 0;
        for (buffer, word) in outputs.flat_map(|buffer| WORDS.map(|word| (buffer, word))) {
            let kernels = Planted { kernels: gpu(), buffer, word, was_planted: false.into() };
            let mut comparison = Comparison::default();
            check.run(&kernels, case, &mut comparison).unwrap();
            let was_planted = kernels.was_planted.get();
            planted += u32::from(was_planted);
            assert!(comparison.passed() != was_planted, "{}: buffer {buffer}, word {word}", check.name);
        }
        assert!(planted > 3, "{} {}", check.name, case.loss);
    }
}
