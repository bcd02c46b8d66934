//! How many workgroups each kernel takes along each axis.

use super::kernels::MAX_WORKGROUPS;
use super::layout::{Layer, Network};
use crate::error::{Error, Result};

/// vec4s of parameters that an invocation of divergence.wgsl looks at, at most.
const DIVERGENCE_SHARE: u64 = 64;

/// Totals that `evaluate.wgsl` keeps for each replica.
pub const EVALUATE_LANES: u64 = 64;

/// The widest layer of a network whose layers are all computed in one dispatch.
pub const MAX_NARROW: u32 = 128;

/// The most tiles of a network that step.wgsl is for: INVOCATIONS there.
const MAX_SMALL_TILES: u32 = 128;

/// The most bytes of workgroup memory that step.wgsl takes, where the adapter allows them: what D3D12 and most Vulkan drivers have.
const MAX_SMALL_BYTES: u32 = 32 << 10;

/// Neurons, samples or features of a block: BLOCK of block.wgsl.
const BLOCK: u32 = 32;

/// Inputs by neurons of a tile: TILE_INPUTS and TILE_NEURONS of reduce.wgsl.
const TILE: [u32; 2] = [64, 32];

/// Invocations of a workgroup of the kernels without blocks: WORKGROUP_SIZE of common.wgsl.
const WORKGROUP_SIZE: u64 = 64;

/// Iterations that all loops of one invocation may do together on software Vulkan: Mesa's llvmpipe 22.3.6 silently leaves
/// every loop of an invocation after so many. (25.0.7 does not.)
pub const MAX_LOOP_ITERATIONS: u64 = 65_535;

/// Workgroups of the kernels for R replicas and rows of `sample4s` times four samples.
#[derive(Debug, Clone, Copy)]
pub struct Dispatch<'a> {
    /// Shape and number of the replicas.
    pub network: &'a Network,
    /// Four samples each, in a batch row.
    pub sample4s: u32,
}

/// x and y for at least `invocations` of a kernel without blocks.
fn flat(invocations: u64) -> [u32; 3] {
    let groups = invocations.div_ceil(WORKGROUP_SIZE);
    let y = groups.div_ceil(MAX_WORKGROUPS);
    [groups.div_ceil(y.max(1)) as u32, y as u32, 1]
}

/// Replicas or batches: past the limit a workgroup takes several.
fn z(count: u64) -> u32 {
    count.min(MAX_WORKGROUPS) as u32
}

impl Dispatch<'_> {
    fn replicas(&self) -> u64 {
        u64::from(self.network.replica_count)
    }

    /// Mask words of a row.
    fn words(&self) -> u32 {
        self.sample4s / 8
    }

    /// An invocation for each sample of `steps` batches of `input_replicas` replicas.
    pub fn permute(&self, steps: u32, input_replicas: u32) -> [u32; 3] {
        flat(u64::from(steps) * u64::from(input_replicas) * u64::from(self.sample4s) * 4)
    }

    /// (mask words, blocks of features, batches).
    pub fn gather(&self, steps: u32, input_replicas: u32) -> [u32; 3] {
        let [_, _, batches] = self.select(steps, input_replicas);
        [self.words(), self.network.input_rows.div_ceil(BLOCK), batches]
    }

    /// A workgroup for each batch.
    pub fn select(&self, steps: u32, input_replicas: u32) -> [u32; 3] {
        [1, 1, z(u64::from(steps) * u64::from(input_replicas))]
    }

    /// (mask words, blocks of neurons, replicas).
    pub fn forward(&self, layer: &Layer) -> [u32; 3] {
        [self.words(), layer.outputs.div_ceil(BLOCK), z(self.replicas())]
    }

    /// (mask words, 1, replicas).
    pub fn loss(&self) -> [u32; 3] {
        [self.words(), 1, z(self.replicas())]
    }

    /// (mask words, blocks of the layer's inputs, replicas).
    pub fn delta(&self, layer: &Layer) -> [u32; 3] {
        [self.words(), layer.inputs.div_ceil(BLOCK), z(self.replicas())]
    }

    /// (1, blocks of the layer's neurons, replicas), forward and back.
    pub fn normalize(&self, layer: &Layer) -> [u32; 3] {
        [1, layer.outputs.div_ceil(BLOCK), z(self.replicas())]
    }

    /// An invocation for four rows of the activations.
    pub fn reduce_norms(&self) -> [u32; 3] {
        flat(self.rows() / 4)
    }

    /// (mask words, 1, replicas).
    pub fn propagate(&self) -> [u32; 3] {
        self.loss()
    }

    /// (tiles of all layers, 1, replicas).
    pub fn reduce(&self) -> [u32; 3] {
        let tiles = |layer: &Layer| {
            let inputs = if layer.reads_data == 1 { self.network.input_rows } else { layer.inputs + 1 };
            inputs.div_ceil(TILE[0]) * layer.outputs.div_ceil(TILE[1])
        };
        [self.network.layers().iter().map(tiles).sum(), 1, z(self.replicas())]
    }

    /// An invocation for each lane of totals.
    pub fn evaluate(&self) -> [u32; 3] {
        flat(self.replicas() * EVALUATE_LANES)
    }

    /// An invocation for each share of the parameters.
    pub fn divergence(&self) -> [u32; 3] {
        flat(self.replicas() * u64::from(self.network.parameter_vec4s).div_ceil(DIVERGENCE_SHARE))
    }

    /// An invocation for each row of the activations.
    pub fn activity(&self) -> [u32; 3] {
        flat(self.rows())
    }

    /// An invocation for each mask word of a row of the activations.
    pub fn count(&self) -> [u32; 3] {
        flat(self.rows() * u64::from(self.words()))
    }

    /// Rows of the activations of all replicas.
    pub fn rows(&self) -> u64 {
        self.replicas() * u64::from(self.network.row_count)
    }

    /// An invocation for each row of the inputs, and of the activations and deltas.
    pub fn threshold(&self) -> [u32; 3] {
        flat(self.replicas() * (u64::from(self.network.input_rows) + u64::from(self.network.row_count)))
    }

    /// (1, 1, replicas).
    pub fn step(&self) -> [u32; 3] {
        [1, 1, z(self.replicas())]
    }

    /// (1, 1, replicas).
    pub fn clip(&self) -> [u32; 3] {
        self.step()
    }

    /// Rows of inputs, activations and deltas: those that have masks.
    fn all_rows(&self) -> u32 {
        self.network.input_rows + 2 * self.network.row_count
    }

    /// The constants of step.wgsl that say how much workgroup memory it takes: vec4s of parameters and samples, and mask words.
    pub fn step_constants(&self, keeps_sums: bool) -> [(&'static str, u32); 2] {
        // What is out of all bounds stays so.
        let rows = self.all_rows() + if keeps_sums { self.network.row_count } else { 0 };
        let samples = ((rows / 4) | 1).saturating_mul(32);
        let pool = self.network.parameter_vec4s.saturating_add(samples);
        [("POOL", pool), ("MASKS", self.all_rows().saturating_mul(self.words()))]
    }

    /// Whether one dispatch does whole steps, where a workgroup may have so many bytes. Normalized networks take a dispatch a layer: a
    /// layer's statistics are of the whole batch.
    pub fn is_small(&self, keeps_sums: bool, workgroup_bytes: u32, is_software: bool) -> bool {
        let tiles = |layer: &Layer| (layer.inputs / 4 + 1) * layer.outputs.div_ceil(4);
        let [(_, pool), (_, masks)] = self.step_constants(keeps_sums);
        !self.network.has_norms()
            && self.network.layers().iter().map(tiles).sum::<u32>() <= MAX_SMALL_TILES
            && 16 * u64::from(pool) + 4 * u64::from(masks) <= u64::from(workgroup_bytes.min(MAX_SMALL_BYTES))
            && !(is_software && self.step_iterations() > MAX_LOOP_ITERATIONS)
    }

    /// How many steps step.wgsl may do in a dispatch.
    pub fn steps_at_once(&self, is_software: bool) -> u64 {
        if is_software { MAX_LOOP_ITERATIONS / self.step_iterations() } else { u64::MAX }
    }

    /// No fewer iterations than the loops of an invocation of step.wgsl do in a step.
    fn step_iterations(&self) -> u64 {
        let of_layer = |layer: &Layer| {
            let [inputs, outputs] = [layer.inputs, layer.outputs].map(u64::from);
            (outputs / 16 + 2) * (inputs / 4 + 2) + (inputs / 16 + 2) * (outputs / 4 + 2)
        };
        let outputs = self.network.layers().last().map_or(0, |layer| u64::from(layer.outputs));
        let rows = u64::from(self.all_rows());
        let of_word = self.network.layers().iter().map(of_layer).sum::<u64>() + 3 * outputs + rows / 4 + 64;
        (1 + of_word * u64::from(self.words())) * self.replicas().div_ceil(MAX_WORKGROUPS)
    }

    /// Whether all layers forward and back are one dispatch. It depends on the network alone.
    pub fn is_narrow(&self) -> bool {
        !self.network.has_norms() && self.network.layers().iter().all(|layer| layer.outputs <= MAX_NARROW)
    }

    /// No fewer iterations than the loops of any invocation do together.
    fn iterations(&self, batches: u64) -> u64 {
        let rows = u64::from(self.network.input_rows);
        let widths = self.network.layers().iter().flat_map(|layer| [layer.inputs, layer.outputs]);
        let widest = widths.map(u64::from).max().unwrap_or(0);
        let outputs = self.network.layers().last().map_or(0, |layer| u64::from(layer.outputs));
        let words = u64::from(self.words());
        let parameters = u64::from(self.network.parameter_vec4s).div_ceil(256);
        // Of count.wgsl (and all that propagate.wgsl does), loss.wgsl, reduce.wgsl (and the kernels of norms), clip.wgsl, and select.wgsl.
        let of_replica = (widest / 4 + 2048).max(3 * outputs).max(6 * words + 64).max(2 * parameters + 16);
        let of_batch = rows.div_ceil(256) * (words + 9);
        (of_replica * self.replicas().div_ceil(MAX_WORKGROUPS)).max(of_batch * batches.div_ceil(MAX_WORKGROUPS))
    }

    /// An error if a dispatch is larger than WebGPU allows, or than a 32-bit index can name, or, in software, if loops are
    /// too long for Mesa 22.
    pub fn check(&self, steps: u32, input_replicas: u32, is_software: bool) -> Result<()> {
        let layers = self.network.layers();
        let blocks = layers.iter().map(|layer| self.forward(layer)[1].max(self.delta(layer)[1])).max().unwrap_or(0);
        let axis = self.words().max(blocks).max(self.reduce()[0]).max(self.gather(1, 1)[1]);
        let batches = u64::from(steps) * u64::from(input_replicas);
        let samples = batches * u64::from(self.sample4s) * 4;
        let index = samples.max(self.rows() * u64::from(self.words()));
        let iterations = if is_software { self.iterations(batches) } else { 0 };
        let limits = [
            ("an axis of a dispatch", "the limit of WebGPU", "workgroups", u64::from(axis), MAX_WORKGROUPS),
            (
                "the largest dispatch",
                "the range of a 32-bit index",
                "invocations",
                index,
                u64::from(u32::MAX) - (1 << 24),
            ),
            ("a kernel", "the limit of software Vulkan", "iterations", iterations, MAX_LOOP_ITERATIONS),
        ];
        for (what, limit, unit, needed, available) in limits {
            if needed > available {
                let mend =
                    "use fewer replicas, smaller batches, narrower layers, fewer features or classes, or --device cpu";
                return Err(Error::Limit { what: what.into(), limit, unit, needed, available, mend });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::NetworkSpec;

    #[test]
    fn workgroups_cover_their_invocations() {
        for invocations in [1, 64, 65, 65_535 * 64, 65_535 * 64 + 1, 65_535 * 64 * 3 + 5, 4_000_000_000] {
            let [x, y, _] = flat(invocations);
            assert!(u64::from(x) <= MAX_WORKGROUPS && u64::from(y) <= MAX_WORKGROUPS);
            assert!(u64::from(x) * u64::from(y) * WORKGROUP_SIZE >= invocations);
        }
    }

    #[test]
    fn small_networks_take_whole_steps() {
        let is_small = |widths: &[usize], batch_size: u32, bytes| {
            let network = Network::new(&NetworkSpec::new(widths).unwrap(), 2);
            Dispatch { network: &network, sample4s: batch_size / 4 }.is_small(false, bytes, false)
        };
        // The extremes of its check, and the circles of the benchmarks.
        let cases: [(&[usize], u32); 5] = [
            (&[6, 60, 1], 256),
            (&[35, 40, 10, 3], 128),
            (&[36, 20, 20, 2], 256),
            (&[3, 30, 30, 1], 256),
            (&[2, 10, 10, 10, 10, 10, 1], 128),
        ];
        for (widths, batch_size) in cases {
            assert!(is_small(widths, batch_size, 32 << 10), "{widths:?}");
            assert!(!is_small(widths, batch_size, 16 << 10), "{widths:?}");
        }
        assert!(!is_small(&[784, 30, 20, 10], 64, 1 << 20));
        assert!(!is_small(&[2, 10, 1], 1 << 20, 1 << 20));
        // 2^32 mask words.
        assert!(!is_small(&[123, 2], 1 << 30, 1 << 20));
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let check = |widths: &[usize], replicas, batch_size: u32, is_software| {
            let network = Network::new(&NetworkSpec::new(widths).unwrap(), replicas);
            let dispatch = Dispatch { network: &network, sample4s: batch_size.next_multiple_of(32) / 4 };
            dispatch.check(1, replicas as u32, is_software).map_err(|error| error.to_string())
        };
        check(&[784, 4096, 2048, 10], 1, 4096, true).unwrap();
        check(&[2, 10, 10, 1], 1_000_000, 128, true).unwrap();
        check(&[2, 300_000, 2], 1, 32, false).unwrap();
        assert!(check(&[2, 300_000, 2], 1, 32, true).unwrap_err().contains("iterations"));
        assert!(check(&[2, 1_000_000, 512], 1, 32, false).unwrap_err().contains("workgroups"));
        assert!(check(&[2, 1], 100_000, 200_000, false).unwrap_err().contains("invocations"));
    }
}
