//! Clipping by the norm of a replica's gradient: twin of clip.wgsl.
//!
//! The norm is known once every member has reduced its share, so such a step reduces twice: for the gradient, then for the
//! update. Squares are summed row by row, and rows in their order, whichever share they are in.

use super::parameters::{Parameters, Share, Values};
use super::simd::{LANES, Lanes};

/// Sums of squares of a share's gradient.
#[derive(Debug, Clone, Default)]
pub struct Squares {
    /// Of each of the share's rows, layer by layer.
    rows: Vec<Vec<f64>>,
    /// Of what each layer's neurons have beside their weights.
    neurons: Vec<f64>,
}

impl Squares {
    fn of(values: &Values) -> Self {
        let rows = values.weights.iter().map(|weights| {
            let mut rows = vec![0.0; weights.rows()];
            for panel in 0..weights.panels() {
                for (sum, row) in rows.iter_mut().zip(weights.panel(panel).chunks_exact(weights.lanes(panel))) {
                    *sum += sum_of_squares(row);
                }
            }
            rows
        });
        let neurons = values.biases.iter().zip(&values.gammas);
        let neurons = neurons.map(|(biases, gammas)| sum_of_squares(biases) + sum_of_squares(gammas));
        Self { rows: rows.collect(), neurons: neurons.collect() }
    }

    /// Makes room for those of `values`, which another process finds.
    pub fn make_room(&mut self, values: &Values) {
        self.rows.resize(values.weights.len(), Vec::new());
        self.rows.iter_mut().zip(&values.weights).for_each(|(rows, weights)| rows.resize(weights.rows(), 0.0));
        self.neurons.resize(values.biases.len(), 0.0);
    }

    /// Hands all to `each`, for another process to overwrite or to be told.
    pub fn exchanged(&mut self, each: &mut dyn FnMut(&mut [u32])) {
        self.rows.iter_mut().chain([&mut self.neurons]).for_each(|sums| each(bytemuck::cast_slice_mut(sums)));
    }
}

/// Squares of f32 are exact in f64.
fn sum_of_squares(vectors: &[Lanes]) -> f64 {
    let mut sums = [0.0; LANES];
    for vector in vectors {
        for lane in 0..LANES {
            sums[lane] += f64::from(vector.0[lane]) * f64::from(vector.0[lane]);
        }
    }
    sums.iter().sum()
}

/// Has `reduce` put a share's gradient where its parameters are, keeps the squares, and puts the parameters back.
pub fn square(share: &mut Share, reduce: impl FnOnce(&mut Share)) {
    let mut gradient = share.gradient.take().unwrap_or_else(|| share.values.clone());
    std::mem::swap(&mut share.values, &mut gradient);
    reduce(share);
    std::mem::swap(&mut share.values, &mut gradient);
    share.squares = Squares::of(&gradient);
    share.gradient = Some(gradient);
}

/// The norm of the gradient of a replica whose shares were all squared.
pub fn norm(parameters: &Parameters) -> f64 {
    let shares = parameters.read();
    let mut sum = 0.0;
    for layer in 0..shares[0].values.weights.len() {
        // One by one, because where one share ends and the next begins is the team's affair.
        shares.iter().flat_map(|share| &share.squares.rows[layer]).for_each(|row| sum += row);
        shares.iter().for_each(|share| sum += share.squares.neurons[layer]);
    }
    sum.sqrt()
}

/// What a gradient of this norm is multiplied by: torch.nn.utils.clip_grad_norm_. NaN stays NaN.
pub fn scale(norm: f64, clip_norm: f32) -> f32 {
    let (norm, bound) = (norm + 1e-6, f64::from(clip_norm));
    if norm <= bound { 1.0 } else { (bound / norm) as f32 }
}
