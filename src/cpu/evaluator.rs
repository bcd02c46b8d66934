//! Evaluation: loss, score and dummy nodes over a whole data set.

use std::ops::Range;

use rayon::prelude::*;

use super::Cpu;
use super::block::{Block, block_bytes};
use super::evaluate::{Evaluate, Totals};
use super::panels::panel_columns;
use super::parameters::{Parameters, Split, parameter_bytes};
use super::samples::StoredSamples;
use super::simd::{LANES, floats};
use crate::dataset::Samples;
use crate::engine::EvaluationEngine;
use crate::error::Result;
use crate::evaluation::{Activity, Evaluation, r2};
use crate::memory;
use crate::model::Model;
use crate::spec::NetworkSpec;

/// Samples that go through a network at once. The losses of a block are summed first, then those of the blocks, so this
/// number is part of the result.
pub const BLOCK: usize = 256;

/// Networks of one shape.
pub struct Replicas<'a> {
    /// Their shape.
    pub spec: &'a NetworkSpec,
    /// One a replica.
    pub parameters: &'a [&'a Parameters],
}

impl Replicas<'_> {
    /// Takes blocks of the samples through every replica, and collects what `each(block)` gives: for each replica in turn
    /// one result a block.
    fn forward<T: Send>(
        &self,
        cpu: &Cpu,
        samples: &StoredSamples,
        blocks: Range<usize>,
        each: impl Fn(&Block) -> T + Sync,
    ) -> Vec<Vec<T>> {
        /// Tasks for each thread, so that none is left with much while others have nothing.
        const TASKS: usize = 4;
        let Self { spec, parameters } = *self;
        // A block is gathered once for a whole group of replicas.
        let groups = (TASKS * cpu.threads()).div_ceil(blocks.len().max(1)).min(parameters.len());
        let group = |index: usize| index * parameters.len() / groups..(index + 1) * parameters.len() / groups;
        let tasks = (0..groups * blocks.len()).into_par_iter().map_init(
            || Block::new(spec, samples, BLOCK),
            |block, task| {
                let (index, replicas) = (blocks.start + task / groups, group(task % groups));
                let range = index * BLOCK..samples.len().min((index + 1) * BLOCK);
                let indices: Vec<u32> = range.map(|index| index as u32).collect();
                block.gather(cpu.simd, samples, &indices, &[]);
                let forward = |replica: usize| {
                    block.forward(cpu.simd, &parameters[replica].read(), None);
                    each(block)
                };
                replicas.map(forward).collect::<Vec<T>>()
            },
        );
        let tasks: Vec<Vec<T>> = cpu.pool.install(|| tasks.collect());
        let mut results: Vec<Vec<T>> = parameters.iter().map(|_| Vec::with_capacity(blocks.len())).collect();
        for (task, of_task) in tasks.into_iter().enumerate() {
            group(task % groups).zip(of_task).for_each(|(replica, result)| results[replica].push(result));
        }
        results
    }
}

/// Blocks of some samples.
pub fn block_count(samples: usize) -> usize {
    samples.div_ceil(BLOCK)
}

/// What every replica makes of a data set.
pub fn evaluate(cpu: &Cpu, replicas: &Replicas<'_>, samples: &StoredSamples) -> Vec<Evaluation> {
    let blocks = block_count(samples.len());
    let own = cpu.together.as_ref().map_or(0..blocks, |together| together.part(blocks));
    let mut totals = replicas.forward(cpu, samples, own, |block| cpu.simd.run(Evaluate(block)));
    if let Some(together) = &cpu.together {
        let nodes = replicas.spec.hidden().iter().sum();
        let block_words = |block: usize| totals.iter().flat_map(move |blocks| blocks[block].to_words());
        let own: Vec<u32> = (0..together.part(blocks).len()).flat_map(block_words).collect();
        let all = together.collect(&own, blocks, totals.len() * Totals::words(nodes));
        for (replica, blocks) in totals.iter_mut().enumerate() {
            let words = all.chunks_exact(Totals::words(nodes)).skip(replica).step_by(replicas.parameters.len());
            *blocks = words.map(|words| Totals::from_words(words, nodes)).collect();
        }
    }
    let (count, is_regression) = (samples.len() as f64, replicas.spec.loss().is_regression());
    let per_replica = totals.iter().zip(replicas.parameters).map(|(blocks, parameters)| {
        let mut totals = Totals::default();
        blocks.iter().for_each(|block| totals.add(block));
        let nodes = totals.nodes.iter().map(|&(some_active, some_inactive)| match (some_active, some_inactive) {
            (true, false) => Activity::Always,
            (false, true) => Activity::Never,
            _ => Activity::Sometimes,
        });
        let loss = totals.loss / count;
        Evaluation {
            loss,
            score: if is_regression { r2(loss, samples.variance) } else { totals.hits as f64 / count },
            nodes: nodes.collect(),
            has_diverged: !totals.loss.is_finite() || !parameters.are_finite(),
        }
    });
    per_replica.collect()
}

/// The CPU's engine of a [`Predictor`](crate::Predictor).
pub struct Predictor {
    cpu: Cpu,
    spec: NetworkSpec,
    parameters: Vec<Parameters>,
    samples: StoredSamples,
}

impl Predictor {
    /// Lists the samples.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) if the samples have other features than the networks have inputs,
    /// [`Error::Memory`](crate::Error::Memory) if it all does not fit.
    pub fn new(cpu: &Cpu, model: &Model, samples: &Samples) -> Result<Self> {
        let model = &*model.folded();
        samples.check_fits(model.spec())?;
        let parameters = u128::from(parameter_bytes(model.spec(), 0)) * model.replicas() as u128;
        let blocks = block_bytes(model.spec(), BLOCK) * cpu.threads() as u128;
        require_memory(parameters + blocks, samples)?;
        let parameters = folded(model);
        Ok(Self { cpu: cpu.alone(), spec: model.spec().clone(), parameters, samples: StoredSamples::new(samples) })
    }
}

/// The networks of a model without batch normalization.
pub fn folded(model: &Model) -> Vec<Parameters> {
    let model = &*model.folded();
    let whole = [Split::whole(model.spec())];
    (0..model.replicas()).map(|replica| Parameters::new(model, 0, replica, &whole)).collect()
}

fn require_memory(others: u128, samples: &Samples) -> Result<()> {
    let bytes = others + u128::from(samples.bytes());
    memory::require("these networks and samples", bytes, "use fewer of them, or fewer threads")
}

impl EvaluationEngine for Predictor {
    fn replace_samples(&mut self, samples: &Samples) -> Result<()> {
        samples.check_fits(&self.spec)?;
        if samples.len() > self.samples.len() {
            require_memory(0, samples)?;
        }
        self.samples = StoredSamples::new(samples);
        Ok(())
    }

    fn evaluate(&mut self) -> Result<Vec<Evaluation>> {
        let parameters: Vec<&Parameters> = self.parameters.iter().collect();
        Ok(evaluate(&self.cpu, &Replicas { spec: &self.spec, parameters: &parameters }, &self.samples))
    }

    fn outputs(&self, layer: usize) -> Result<Vec<f32>> {
        let width = self.spec.widths()[layer + 1];
        // As blocks, and then as one.
        let bytes = 2 * 4 * (self.parameters.len() as u128 * self.samples.len() as u128 * width as u128);
        memory::require("the outputs of all samples", bytes, "use fewer samples or replicas")?;
        let parameters: Vec<&Parameters> = self.parameters.iter().collect();
        let replicas = Replicas { spec: &self.spec, parameters: &parameters };
        let rows = |block: &Block| {
            let outputs = &block.activations[layer];
            let mut rows = vec![0.0; block.samples * width];
            for panel in 0..outputs.panels() {
                let stride = outputs.lanes(panel) * LANES;
                let columns = panel_columns(width, panel);
                let sources = floats(outputs.panel(panel)).chunks_exact(stride);
                for (row, source) in rows.chunks_exact_mut(width).zip(sources) {
                    row[columns.clone()].copy_from_slice(&source[..columns.len()]);
                }
            }
            rows
        };
        Ok(replicas
            .forward(&self.cpu, &self.samples, 0..block_count(self.samples.len()), rows)
            .into_iter()
            .flatten()
            .flatten()
            .collect())
    }
}
