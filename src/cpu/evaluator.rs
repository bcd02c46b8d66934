//! Evaluation: loss, accuracy and dummy nodes over a whole data set.

use rayon::prelude::*;

use super::block::Block;
use super::evaluate::{Evaluate, Totals};
use super::panels::panel_columns;
use super::parameters::{Parameters, Split};
use super::samples::StoredSamples;
use super::simd::{floats, LANES};
use super::Cpu;
use crate::dataset::Samples;
use crate::engine::EvaluationEngine;
use crate::error::Result;
use crate::evaluation::{Activity, Evaluation};
use crate::model::Model;
use crate::spec::NetworkSpec;

/// Samples that go through a network at once. The losses of a block are summed first, then those of the blocks, so this
/// number is part of the result.
const BLOCK: usize = 256;

/// Networks of one shape.
pub struct Replicas<'a> {
    /// Their shape.
    pub spec: &'a NetworkSpec,
    /// One a replica.
    pub parameters: &'a [&'a Parameters],
}

/// What every replica makes of a data set.
pub fn evaluate(cpu: &Cpu, replicas: &Replicas<'_>, samples: &StoredSamples) -> Vec<Evaluation> {
    let Replicas { spec, parameters } = replicas;
    let blocks = samples.len().div_ceil(BLOCK);
    let tasks = (0..parameters.len() * blocks).into_par_iter();
    let totals = tasks.map_init(
        || Block::new(spec, samples, BLOCK),
        |block, task| {
            forward(cpu, parameters[task / blocks], samples, task % blocks, block);
            cpu.simd.run(Evaluate(block))
        },
    );
    let totals: Vec<Totals> = cpu.pool.install(|| totals.collect());
    let count = samples.len() as f64;
    let per_replica = totals.chunks_exact(blocks).zip(*parameters).map(|(blocks, parameters)| {
        let mut totals = Totals::default();
        blocks.iter().for_each(|block| totals.add(block));
        let nodes = totals.nodes.iter().map(|&(some_active, some_inactive)| match (some_active, some_inactive) {
            (true, false) => Activity::Always,
            (false, true) => Activity::Never,
            _ => Activity::Sometimes,
        });
        Evaluation {
            loss: totals.loss / count,
            accuracy: totals.hits as f64 / count,
            nodes: nodes.collect(),
            has_diverged: !totals.loss.is_finite() || !parameters.are_finite(),
        }
    });
    per_replica.collect()
}

/// Takes block `index` of the samples forward.
fn forward(cpu: &Cpu, parameters: &Parameters, samples: &StoredSamples, index: usize, block: &mut Block) {
    let range = index * BLOCK..samples.len().min((index + 1) * BLOCK);
    let indices: Vec<u32> = range.map(|index| index as u32).collect();
    block.forward(cpu.simd, samples, (&indices, &[]), &parameters.read());
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
    /// [`Error::Setting`](crate::Error::Setting) if the samples have other features than the networks have inputs.
    pub fn new(cpu: &Cpu, model: &Model, samples: &Samples) -> Result<Self> {
        samples.check_fits(model.spec())?;
        let whole = [Split::whole(model.spec())];
        let parameters = (0..model.replicas()).map(|replica| Parameters::new(model, replica, &whole)).collect();
        Ok(Self { cpu: cpu.clone(), spec: model.spec().clone(), parameters, samples: StoredSamples::new(samples) })
    }
}

impl EvaluationEngine for Predictor {
    fn evaluate(&mut self) -> Result<Vec<Evaluation>> {
        let parameters: Vec<&Parameters> = self.parameters.iter().collect();
        Ok(evaluate(&self.cpu, &Replicas { spec: &self.spec, parameters: &parameters }, &self.samples))
    }

    fn outputs(&self, layer: usize) -> Result<Vec<f32>> {
        let (samples, width) = (self.samples.len(), self.spec.widths()[layer + 1]);
        let mut outputs = vec![0.0; self.parameters.len() * samples * width];
        let per_replica = outputs.chunks_exact_mut(samples * width).zip(&self.parameters);
        let tasks: Vec<(&Parameters, usize, &mut [f32])> = per_replica
            .flat_map(|(outputs, parameters)| {
                outputs.chunks_mut(BLOCK * width).enumerate().map(move |(index, rows)| (parameters, index, rows))
            })
            .collect();
        let task = |block: &mut Block, (parameters, index, rows): (&Parameters, usize, &mut [f32])| {
            forward(&self.cpu, parameters, &self.samples, index, block);
            let outputs = &block.activations[layer];
            for panel in 0..outputs.panels() {
                let stride = outputs.lanes(panel) * LANES;
                let columns = panel_columns(width, panel);
                for (row, source) in rows.chunks_exact_mut(width).zip(floats(outputs.panel(panel)).chunks_exact(stride))
                {
                    row[columns.clone()].copy_from_slice(&source[..columns.len()]);
                }
            }
        };
        self.cpu.pool.install(|| {
            tasks.into_par_iter().for_each_init(|| Block::new(&self.spec, &self.samples, BLOCK), task);
        });
        Ok(outputs)
    }
}
