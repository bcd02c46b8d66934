//! Parameters of one replica, in shares.
//!
//! Each member of a team (team.rs) owns a share: some rows of every layer, where a row holds the weights of one input. In
//! the first half of a step all members read all shares, in the second each writes its own.

use std::ops::Range;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::clip::Squares;
use super::panels::{PANEL, Panels, panel_count, panel_lanes};
use super::simd::{LANES, Lanes, floats, floats_mut};
use crate::model::Model;
use crate::spec::NetworkSpec;

/// What a share holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The rows of each layer. Of layers that read panels they are whole panels.
    pub rows: Vec<Range<usize>>,
    /// Whether it holds what the neurons of all layers have beside their weights.
    pub has_biases: bool,
}

/// A multiply-add of the first layer's lists takes about as long as so many of a dense layer.
pub const LIST_COST: f64 = 4.0;

impl Split {
    /// All rows and biases.
    pub fn whole(spec: &NetworkSpec) -> Self {
        Self { rows: spec.layers().map(|(inputs, _)| 0..inputs).collect(), has_biases: true }
    }
}

/// Splits the rows of every layer among `members`, so that each has about the same work in a batch of `batch_size`.
///
/// `entries[k]` is how many samples in a batch have an input k that is not zero, where the first layer walks lists; it is
/// empty where the first layer reads panels like the others.
pub fn split(spec: &NetworkSpec, members: usize, batch_size: usize, entries: &[f64]) -> Vec<Split> {
    let mut splits: Vec<Split> =
        (0..members).map(|member| Split { rows: Vec::new(), has_biases: member == 0 }).collect();
    let mut costs = vec![0.0; members];
    for (layer, (inputs, outputs)) in spec.layers().enumerate() {
        let panels = panel_count(inputs);
        for (member, split) in splits.iter_mut().enumerate() {
            let bound = |member: usize| (member * panels / members * PANEL).min(inputs);
            let rows = if layer == 0 && !entries.is_empty() { 0..0 } else { bound(member)..bound(member + 1) };
            costs[member] += (batch_size * rows.len() * outputs) as f64;
            split.rows.push(rows);
        }
    }
    if let Some((inputs, outputs)) = spec.layers().next().filter(|_| !entries.is_empty()) {
        let cost = |entries: f64| entries * outputs as f64 * LIST_COST;
        let total = costs.iter().sum::<f64>() + entries.iter().copied().map(cost).sum::<f64>();
        let (mut begin, mut done) = (0, 0.0);
        for (member, split) in splits.iter_mut().enumerate() {
            done += costs[member];
            let mut end = begin;
            while end < inputs && (member + 1 == members || done < total * (member + 1) as f64 / members as f64) {
                done += cost(entries[end]);
                end += 1;
            }
            split.rows[0] = begin..end;
            begin = end;
        }
    }
    splits
}

/// Weights and biases of a share.
#[derive(Debug, Clone)]
pub struct Values {
    /// Each layer's rows: (rows, outputs).
    pub weights: Vec<Panels>,
    /// Each layer's biases: (outputs); empty in shares that hold none. Where it is normalized, beta.
    pub biases: Vec<Vec<Lanes>>,
    /// gamma of each layer: (outputs); empty where it is not normalized, and in shares that hold no biases.
    pub gammas: Vec<Vec<Lanes>>,
}

impl Values {
    /// As many zeros.
    fn zeroed(&self) -> Self {
        let neurons = |rows: &[Vec<Lanes>]| rows.iter().map(|row| vec![Lanes::ZERO; row.len()]).collect();
        Self {
            weights: self.weights.iter().map(|weights| Panels::zeros(weights.rows(), weights.columns())).collect(),
            biases: neurons(&self.biases),
            gammas: neurons(&self.gammas),
        }
    }
}

/// A member's part of the parameters.
#[derive(Debug, Clone)]
pub struct Share {
    /// What it holds.
    pub split: Split,
    /// The parameters.
    pub values: Values,
    /// Running mean and variance of each normalized layer, (outputs) each, which no rule moves; where the biases are.
    pub statistics: Vec<[Vec<Lanes>; 2]>,
    /// The moments of the rule, each of every parameter.
    pub moments: Vec<Values>,
    /// The parameters before the step that [`Self::keep`] was called for.
    pub before: Values,
    /// The gradient of the last step that was clipped by its norm, and its squares: clip.rs.
    pub gradient: Option<Values>,
    /// See `gradient`.
    pub squares: Squares,
    /// Each layer's weights the other way round, (outputs, rows), for the deltas of the layer below; empty for the first.
    pub transposed: Vec<Panels>,
}

impl Share {
    fn new(
        spec: &NetworkSpec,
        split: &Split,
        values: Values,
        statistics: Vec<[Vec<Lanes>; 2]>,
        moments: usize,
    ) -> Self {
        let transposed = spec.layers().zip(&split.rows).enumerate().map(|(layer, ((_, outputs), rows))| match layer {
            0 => Panels::default(),
            _ => Panels::zeros(outputs, rows.len()),
        });
        let transposed = transposed.collect();
        let mut share = Self {
            split: split.clone(),
            before: values.clone(),
            moments: vec![values.zeroed(); moments],
            values,
            statistics,
            gradient: None,
            squares: Squares::default(),
            transposed,
        };
        for layer in 1..share.values.weights.len() {
            share.transpose(layer);
        }
        share
    }

    /// Keeps the parameters as they are now.
    pub fn keep(&mut self) {
        self.before.clone_from(&self.values);
    }

    /// Hands to `each` what a step with so many moments may have changed, for another process to overwrite or to be told: of the
    /// first layer only the rows of the inputs that are `active`, in rising order, where those are known.
    pub fn exchanged(&mut self, moments: usize, active: Option<&[usize]>, each: &mut dyn FnMut(&mut [u32])) {
        let Self { split, values, moments: all_moments, .. } = self;
        let first = &split.rows[0];
        let active = active.map(|active| {
            let place = |bound: usize| active.partition_point(|&input| input < bound);
            &active[place(first.start)..place(first.end)]
        });
        for values in [values].into_iter().chain(&mut all_moments[..moments]) {
            for (layer, weights) in values.weights.iter_mut().enumerate() {
                let Some(active) = active.filter(|_| layer == 0) else {
                    each(bytemuck::cast_slice_mut(weights.data_mut()));
                    continue;
                };
                for panel in 0..weights.panels() {
                    let lanes = weights.lanes(panel);
                    let rows = weights.panel_mut(panel);
                    for input in active {
                        each(bytemuck::cast_slice_mut(&mut rows[(input - first.start) * lanes..][..lanes]));
                    }
                }
            }
            values.biases.iter_mut().for_each(|biases| each(bytemuck::cast_slice_mut(biases)));
        }
    }

    /// Brings the transposed weights of a layer up to date.
    pub fn transpose(&mut self, layer: usize) {
        let (weights, transposed) = (&self.values.weights[layer], &mut self.transposed[layer]);
        let (rows, outputs) = (weights.rows(), weights.columns());
        for panel in 0..transposed.panels() {
            let width = transposed.lanes(panel) * LANES;
            let first = panel * PANEL;
            let target = floats_mut(transposed.panel_mut(panel));
            for from in 0..weights.panels() {
                let source_width = weights.lanes(from) * LANES;
                let source = floats(weights.panel(from));
                let columns = PANEL.min(outputs - from * PANEL);
                for row in first..rows.min(first + PANEL) {
                    let source = &source[row * source_width..][..columns];
                    for (column, &value) in source.iter().enumerate() {
                        target[(from * PANEL + column) * width + row - first] = value;
                    }
                }
            }
        }
    }
}

/// Parameters of one replica.
#[derive(Debug)]
pub struct Parameters {
    shares: Vec<RwLock<Share>>,
}

impl Parameters {
    /// Those of replica `replica` of a model, with so many moments, which are zero.
    pub fn new(model: &Model, moments: usize, replica: usize, splits: &[Split]) -> Self {
        let share = |split: &Split| {
            let (values, statistics) = (values_of(model, replica, split), statistics_of(model, replica, split));
            RwLock::new(Share::new(model.spec(), split, values, statistics, moments))
        };
        Self { shares: splits.iter().map(share).collect() }
    }

    /// Takes over the moments of replica `replica`.
    pub fn set_moments(&mut self, moments: &[Model], replica: usize) {
        for share in &mut self.shares {
            let share = share.get_mut().unwrap_or_else(PoisonError::into_inner);
            share.moments = moments.iter().map(|moment| values_of(moment, replica, &share.split)).collect();
        }
    }

    /// Writes them into replica `replica` of a model.
    pub fn write_to(&self, model: &mut Model, replica: usize) {
        for share in self.read() {
            write_to(&share.split, &share.values, model, replica);
            for (layer, [mean, variance]) in share.statistics.iter().enumerate() {
                write_neurons(mean, model.running_mean_mut(layer, replica));
                write_neurons(variance, model.running_variance_mut(layer, replica));
            }
        }
    }

    /// Writes a moment into replica `replica` of a model.
    pub fn write_moment_to(&self, moment: usize, model: &mut Model, replica: usize) {
        self.read().iter().for_each(|share| write_to(&share.split, &share.moments[moment], model, replica));
    }

    /// Writes what they were before the step that [`Share::keep`] was called for into a model of one replica.
    pub fn write_before_to(&self, model: &mut Model) {
        self.read().iter().for_each(|share| write_to(&share.split, &share.before, model, 0));
    }

    /// Whether none is NaN or infinite: divergence.wgsl.
    pub fn are_finite(&self) -> bool {
        let is_finite = |lanes: &Lanes| lanes.0.iter().all(|value| value.is_finite());
        self.read().iter().all(|share| {
            share.values.weights.iter().all(|weights| weights.data().iter().all(is_finite))
                && share.values.biases.iter().chain(&share.values.gammas).flatten().all(is_finite)
                && share.statistics.iter().flatten().flatten().all(is_finite)
        })
    }

    /// All shares, to be read.
    pub fn read(&self) -> Vec<RwLockReadGuard<'_, Share>> {
        self.shares.iter().map(|share| share.read().unwrap_or_else(PoisonError::into_inner)).collect()
    }

    /// One share, to be written.
    pub fn write(&self, member: usize) -> RwLockWriteGuard<'_, Share> {
        self.shares[member].write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of one replica's parameters: as they are, transposed, and as they were before the last step; and of `others` as many: the
/// moments, and the gradient where its norm is wanted.
pub fn parameter_bytes(spec: &NetworkSpec, others: usize) -> u64 {
    (3 + others as u64) * 4 * spec.arena_stride() as u64
}

/// A share of replica `replica`.
fn values_of(model: &Model, replica: usize, split: &Split) -> Values {
    let mut values = Values { weights: Vec::new(), biases: Vec::new(), gammas: Vec::new() };
    for (layer, ((inputs, outputs), rows)) in model.spec().layers().zip(&split.rows).enumerate() {
        let source = model.weight(layer, replica);
        let mut weights = Panels::zeros(rows.len(), outputs);
        for panel in 0..weights.panels() {
            let width = weights.lanes(panel) * LANES;
            let target = floats_mut(weights.panel_mut(panel));
            let columns = source[panel * PANEL * inputs..].chunks_exact(inputs).take(PANEL);
            for (column, row_of_source) in columns.enumerate() {
                for (row, &value) in row_of_source[rows.clone()].iter().enumerate() {
                    target[row * width + column] = value;
                }
            }
        }
        values.weights.push(weights);
        values.biases.push(neurons(split, model.bias(layer, replica)));
        values.gammas.push(neurons(split, model.gamma(layer, replica)));
    }
    values
}

/// Running mean and variance of each normalized layer of replica `replica`.
fn statistics_of(model: &Model, replica: usize, split: &Split) -> Vec<[Vec<Lanes>; 2]> {
    let of_layer = |layer: usize| {
        [model.running_mean(layer, replica), model.running_variance(layer, replica)]
            .map(|values| neurons(split, values))
    };
    (0..model.spec().normalized_layers()).map(of_layer).collect()
}

/// One number for each neuron of a layer, in vectors; nothing in shares that hold none.
fn neurons(split: &Split, values: &[f32]) -> Vec<Lanes> {
    let values = if split.has_biases { values } else { &[] };
    let mut vectors = vec![Lanes::ZERO; values.len().div_ceil(LANES)];
    floats_mut(&mut vectors)[..values.len()].copy_from_slice(values);
    vectors
}

/// The inverse of [`neurons`], where there are any.
fn write_neurons(vectors: &[Lanes], target: &mut [f32]) {
    target.iter_mut().zip(floats(vectors)).for_each(|(target, &value)| *target = value);
}

fn write_to(split: &Split, values: &Values, model: &mut Model, replica: usize) {
    let layers: Vec<_> = model.spec().layers().collect();
    for (layer, (&(inputs, outputs), rows)) in layers.iter().zip(&split.rows).enumerate() {
        let weights = &values.weights[layer];
        let target = model.weight_mut(layer, replica);
        for panel in 0..weights.panels() {
            let width = panel_lanes(outputs, panel) * LANES;
            let source = floats(weights.panel(panel));
            for (column, target) in target[panel * PANEL * inputs..].chunks_exact_mut(inputs).take(PANEL).enumerate() {
                for (row, value) in target[rows.clone()].iter_mut().enumerate() {
                    *value = source[row * width + column];
                }
            }
        }
        write_neurons(&values.biases[layer], model.bias_mut(layer, replica));
        write_neurons(&values.gammas[layer], model.gamma_mut(layer, replica));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Init;

    #[test]
    fn every_row_is_in_one_share_and_comes_back() {
        for widths in [&[2, 1][..], &[784, 30, 20, 10], &[40, 65, 100, 33, 3], &[5, 70, 2]] {
            let spec = NetworkSpec::new(widths).unwrap().with_batch_norm(widths[0] == 40);
            let model = Init::Pytorch.model(&spec, &[1, 2]).unwrap();
            for members in 1..5 {
                for entries in [vec![], (0..widths[0]).map(|k| (k % 7) as f64).collect::<Vec<_>>()] {
                    let splits = split(&spec, members, 64, &entries);
                    for (layer, (inputs, _)) in spec.layers().enumerate() {
                        let all: Vec<usize> = splits.iter().flat_map(|split| split.rows[layer].clone()).collect();
                        assert_eq!(all, (0..inputs).collect::<Vec<_>>(), "{widths:?} {members} {layer}");
                    }
                    let mut copy = Model::zeros(&spec, 2);
                    for replica in 0..2 {
                        Parameters::new(&model, 0, replica, &splits).write_to(&mut copy, replica);
                    }
                    assert_eq!(copy, model);
                }
            }
        }
    }
}
