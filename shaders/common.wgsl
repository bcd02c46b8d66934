// Uses: nothing
// common.wgsl: what every kernel shares.
//
// Names of dimensions in the shapes of the bindings:
//   R  replicas           P  parameters of a replica, rows padded to a multiple of 8
//   B  batch size, rounded up to a multiple of 32 (one mask word)
//   K  input rows: features, one row of ones for the bias, zeros up to a multiple of 4 (f32) or 16 (u8)
//   N  rows of all layers 1..L: outputs, one row of ones, zeros up to a multiple of 4
//   T  steps whose batches are gathered at once
// A *sample4* is four consecutive samples of one neuron, an *octet* eight consecutive floats of any kind: the units of
// most loads.

const MAX_LAYERS = 32u;

const WORKGROUP_SIZE = 64u;     // a multiple of 8

// Neurons (or inputs) that one invocation owns, and their sums for four samples.
const TILE_ROWS = 8u;
alias Tile = array<vec4<f32>, TILE_ROWS>;

struct Octet {
    low: vec4<f32>,
    high: vec4<f32>,
}

// One weight matrix, transposed: a row of n_l weights for each input, and the biases as the row of the input
// that is always 1. So the parameters of an input that is zero in a whole batch are together, and are skipped.
struct Layer {
    inputs: u32,         // n_(l-1)
    outputs: u32,        // n_l
    weight_start: u32,   // vec4s from the start of a replica's parameters
    weight_stride: u32,  // vec4s in a matrix row: n_l / 4, rounded up to an even number
    input_row: u32,      // first row of a^(l-1) among the N rows; unused where reads_data is 1
    output_row: u32,     // first row of a^l and delta^l among the N rows
    reads_data: u32,     // 1 for the first layer, whose inputs are the gathered samples
    is_output: u32,      // 1 for the last layer, which has no ReLU
}

struct Network {
    replica_count: u32,
    layer_count: u32,
    row_count: u32,         // N
    parameter_vec4s: u32,   // P / 4
    input_rows: u32,        // K
    pad_0: u32,
    pad_1: u32,
    pad_2: u32,
    layers: array<Layer, MAX_LAYERS>,
}

// What differs from dispatch to dispatch; bound with a dynamic offset.
struct Batch {
    size: u32,          // samples really in this batch
    batch_size: u32,      // samples in a full batch
    sample4s: u32,         // B / 4
    slot: u32,          // which of the T gathered batches
    steps: u32,         // how many batches to gather
    input_replicas: u32,// R, or 1 where all replicas read the same samples
    position: u32,      // of the first sample of the first batch, within the epoch
    epoch: u32,
    sample_count: u32,  // in the data set
    shuffled: u32,      // 0: the order of the data set
    layer: u32,         // for the kernels that do one layer a dispatch
    pad_0: u32,
}

// Settings that are numbers are columns of the replica axis.
struct Replica {
    seed_low: u32,
    seed_high: u32,
    optimizer: u32,
    learning_rate: f32,
    epsilon: f32,
    pad_0: u32,
    pad_1: u32,
    pad_2: u32,
}

const OPTIMIZER_SGD = 0u;
const OPTIMIZER_ASGD = 1u;

@group(0) @binding(0) var<uniform> network: Network;
@group(0) @binding(1) var<uniform> batch: Batch;

// Dispatches past 65,535 workgroups continue in y.
fn flat_index(id: vec3<u32>, groups: vec3<u32>) -> u32 {
    return id.y * groups.x * WORKGROUP_SIZE + id.x;
}

// First sample4 of row `row` of replica `replica` in an (R, N, B) array.
fn row_start(replica: u32, row: u32) -> u32 {
    return (replica * network.row_count + row) * batch.sample4s;
}

// Word `word` of the mask of row 0 of the activations in an (R, B / 32, 2 N) array; rows N.. are the deltas'.
fn mask_start(replica: u32, word: u32) -> u32 {
    return (replica * (batch.sample4s / 8u) + word) * 2u * network.row_count;
}

// First sample4 of feature `row` in the gathered batch that `replica` reads: (T, R, K, B).
fn input_start(replica: u32, row: u32) -> u32 {
    let input_replica = min(replica, batch.input_replicas - 1u);
    return ((batch.slot * batch.input_replicas + input_replica) * network.input_rows + row) * batch.sample4s;
}

// Word `word` of the mask of feature 0 in the gathered batch that `replica` reads: (T, R, B / 32, K).
fn input_mask_start(replica: u32, word: u32) -> u32 {
    let input_replica = min(replica, batch.input_replicas - 1u);
    return ((batch.slot * batch.input_replicas + input_replica) * (batch.sample4s / 8u) + word) * network.input_rows;
}

// Where the features of the gathered batch that `replica` reads are listed: (T, R, 1 + K / 4) vec4s.
fn features_start(replica: u32) -> u32 {
    let input_replica = min(replica, batch.input_replicas - 1u);
    return (batch.slot * batch.input_replicas + input_replica) * (1u + network.input_rows / 4u);
}

// First sample4 of the labels of the gathered batch that `replica` reads: (T, R, B).
fn label_start(replica: u32) -> u32 {
    let input_replica = min(replica, batch.input_replicas - 1u);
    return (batch.slot * batch.input_replicas + input_replica) * batch.sample4s;
}

// Which samples of a sample4 are really in the batch.
fn sample4_is_valid(sample4: u32) -> vec4<bool> {
    return vec4(sample4 * 4u) + vec4(0u, 1u, 2u, 3u) < vec4(batch.size);
}

// One bit a sample.
fn sample4_bits(nonzero: vec4<bool>) -> u32 {
    let bits = select(vec4(0u), vec4(1u, 2u, 4u, 8u), nonzero);
    return bits.x | bits.y | bits.z | bits.w;
}
