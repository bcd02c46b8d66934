//! How many invocations each kernel takes.

use super::kernels::MAX_WORKGROUPS;
use super::layout::{InputFormat, Layer, Network};
use crate::error::{Error, Result};

/// Totals that `evaluate.wgsl` keeps for each replica, and flags of `divergence.wgsl`.
pub const EVALUATE_LANES: u64 = 64;

/// Neurons that one invocation owns: TILE_ROWS of common.wgsl.
const TILE_ROWS: u32 = 8;

/// The widest layer of a network whose layers are all computed in one dispatch.
pub const MAX_NARROW: u32 = 128;

/// Iterations that all loops of one invocation may do together on software Vulkan: Mesa's llvmpipe 22.3.6 silently leaves
/// every loop of an invocation after so many. (25.0.7 does not.)
pub const MAX_LOOP_ITERATIONS: u64 = 65_535;

/// Invocations of the kernels for R replicas and rows of `sample4s` times four samples.
#[derive(Debug, Clone, Copy)]
pub struct Dispatch<'a> {
    /// Shape and number of the replicas.
    pub network: &'a Network,
    /// Four samples each, in a batch row.
    pub sample4s: u32,
    /// How samples are stored.
    pub format: InputFormat,
}

impl Dispatch<'_> {
    fn replicas(&self) -> u64 {
        u64::from(self.network.replica_count)
    }

    /// One for each sample of `steps` batches of `input_replicas` replicas.
    pub fn permute(&self, steps: u32, input_replicas: u32) -> u64 {
        u64::from(steps) * u64::from(input_replicas) * u64::from(self.sample4s) * 4
    }

    /// One for each block of features and 32 samples.
    pub fn gather(&self, steps: u32, input_replicas: u32) -> u64 {
        let blocks = self.network.input_rows / self.format.row_multiple();
        self.select(steps, input_replicas) * u64::from(blocks) * u64::from(self.sample4s / 8)
    }

    /// One for each batch.
    pub fn select(&self, steps: u32, input_replicas: u32) -> u64 {
        u64::from(steps) * u64::from(input_replicas)
    }

    /// Tiles that cover `neurons`.
    fn tiles(&self, neurons: u32) -> u64 {
        u64::from(neurons.div_ceil(TILE_ROWS))
    }

    /// One for each tile of the layer's outputs and each sample4.
    pub fn forward(&self, layer: &Layer) -> u64 {
        self.replicas() * self.tiles(layer.outputs) * u64::from(self.sample4s)
    }

    /// A sample4.
    pub fn loss(&self) -> u64 {
        self.replicas() * u64::from(self.sample4s)
    }

    /// One for each tile of the layer's inputs and each sample4.
    pub fn delta(&self, layer: &Layer) -> u64 {
        self.replicas() * self.tiles(layer.inputs) * u64::from(self.sample4s)
    }

    /// A sample4.
    pub fn propagate(&self) -> u64 {
        self.loss()
    }

    /// Four inputs by a tile of neurons, over all layers.
    pub fn reduce(&self) -> u64 {
        let invocations = |layer: &Layer| {
            let columns = if layer.reads_data == 1 { self.network.input_rows / 4 } else { layer.inputs / 4 + 1 };
            u64::from(columns) * self.tiles(layer.outputs)
        };
        self.replicas() * self.network.layers().iter().map(invocations).sum::<u64>()
    }

    /// One for four parameters.
    pub fn update(&self) -> u64 {
        self.replicas() * u64::from(self.network.parameter_vec4s)
    }

    /// One for each lane of totals.
    pub fn evaluate(&self) -> u64 {
        self.replicas() * EVALUATE_LANES
    }

    /// One for each row of the activations.
    pub fn rows(&self) -> u64 {
        self.replicas() * u64::from(self.network.row_count)
    }

    /// One for each mask word of a row of the activations.
    pub fn count(&self) -> u64 {
        self.rows() * u64::from(self.sample4s / 8)
    }

    /// Iterations of the loops over a layer's inputs in forward.wgsl.
    fn forward_iterations(&self, layer: &Layer) -> u64 {
        let sample4s =
            u64::from(if layer.reads_data == 1 { self.network.input_rows / 4 } else { layer.inputs / 4 + 1 });
        sample4s + sample4s.div_ceil(8)
    }

    /// Iterations of the loop over a layer's outputs in delta.wgsl.
    fn delta_iterations(&self, layer: &Layer) -> u64 {
        u64::from(layer.outputs.div_ceil(8))
    }

    /// Iterations of the loops in loss.wgsl.
    fn loss_iterations(&self) -> u64 {
        self.network.layers().last().map_or(0, |layer| 3 * u64::from(layer.outputs) + 8 * self.tiles(layer.outputs))
    }

    /// Iterations of all loops of propagate.wgsl, which takes a sample4 through all tiles of all layers.
    pub fn propagate_iterations(&self) -> u64 {
        // What a tile takes besides its main loop: its masks, and itself.
        const TILE: u64 = 4;
        let forward = |layer: &Layer| self.tiles(layer.outputs) * (self.forward_iterations(layer) + TILE);
        let delta = |layer: &Layer| self.tiles(layer.inputs) * (self.delta_iterations(layer) + TILE);
        let layers = self.network.layers();
        let deltas: u64 = layers.iter().skip(1).map(delta).sum();
        layers.iter().map(forward).sum::<u64>() + self.loss_iterations() + deltas
    }

    /// Whether a step takes all layers in one dispatch: where none is wide, and none has many inputs.
    pub fn is_narrow(&self) -> bool {
        let widest = self.network.layers().iter().map(|layer| layer.outputs).max().unwrap_or(0);
        widest <= MAX_NARROW && self.propagate_iterations() <= MAX_LOOP_ITERATIONS
    }

    /// An error if an invocation of a kernel that does one tile of one layer might do more than [`MAX_LOOP_ITERATIONS`].
    pub fn check_iterations(&self) -> Result<()> {
        let layers = self.network.layers();
        let of_layers =
            layers.iter().map(|layer| self.forward_iterations(layer).max(self.delta_iterations(layer))).max();
        let of_samples = u64::from(self.sample4s / 2 + self.sample4s / 8) + 4 * u64::from(self.network.layer_count);
        limit_iterations(
            "the loop over a layer's inputs",
            of_layers.unwrap_or(0),
            "use narrower layers, fewer features or a GPU",
        )?;
        limit_iterations("the loop over a batch", of_samples, "use a smaller batch or a GPU")?;
        limit_iterations("the loop over the output units", self.loss_iterations(), "use fewer classes or a GPU")
    }

    /// An error if an invocation of evaluate.wgsl might do more than [`MAX_LOOP_ITERATIONS`] for a block of this size.
    pub fn check_evaluate_iterations(&self) -> Result<()> {
        limit_iterations(
            "the loop over the output units",
            self.evaluate_iterations(self.sample4s),
            "use fewer classes or a GPU",
        )
    }

    /// Iterations of the loops of evaluate.wgsl for blocks of `sample4s` sample4s.
    pub fn evaluate_iterations(&self, sample4s: u32) -> u64 {
        let outputs = self.network.layers().last().map_or(0, |layer| u64::from(layer.outputs));
        u64::from(sample4s).div_ceil(EVALUATE_LANES) * (2 * outputs + 1)
    }

    /// An error if a dispatch has more invocations than a 32-bit index can name.
    pub fn check(&self, steps: u32, input_replicas: u32) -> Result<()> {
        let layers = self.network.layers();
        let widest = layers.iter().map(|layer| self.forward(layer).max(self.delta(layer))).max().unwrap_or(0);
        let largest = [
            widest,
            self.permute(steps, input_replicas),
            self.gather(steps, input_replicas),
            self.reduce(),
            self.update(),
            self.count(),
        ];
        let needed = largest.into_iter().max().unwrap_or(0);
        let available = u64::from(u32::MAX) - MAX_WORKGROUPS * 256;
        if needed > available {
            return Err(Error::Limit {
                what: "the largest dispatch".into(),
                limit: "the range of a 32-bit index",
                unit: "invocations",
                needed,
                available,
                mend: "use fewer replicas or a smaller batch",
            });
        }
        Ok(())
    }
}

fn limit_iterations(what: &str, needed: u64, mend: &'static str) -> Result<()> {
    if needed > MAX_LOOP_ITERATIONS {
        let (limit, unit, available) = ("the limit on loops", "iterations", MAX_LOOP_ITERATIONS);
        return Err(Error::Limit { what: what.into(), limit, unit, needed, available, mend });
    }
    Ok(())
}
