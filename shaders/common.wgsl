// Uses: nothing
// common.wgsl: what every kernel shares. Names of dimensions in the shapes of the bindings:
//   R  replicas           P  parameters of a replica, rows padded to a multiple of 8
//   M  moments of each parameter, after the parameters of a replica
//   B  batch size, rounded up to a multiple of 32 (one mask word)
//   K  input rows: features, one row of ones for the bias, zeros up to a multiple of 4
//   N  rows of all layers 1..L: outputs, one row of ones, zeros up to a multiple of 4
//   T  steps whose batches are gathered at once
// A *sample4* is four consecutive samples of one neuron: the unit of most loads.
//
// Kernels of blocks have dispatches of three axes. The last one is replicas (or batches), and a workgroup takes every 65,535th.

const WORKGROUP_SIZE = 64u;     // of the other kernels, whose dispatches continue in y past 65,535 workgroups
const MAX_LAYERS = 32u;

// One weight matrix, transposed: a row of n_l weights for each input, and the biases as the row of the input
// that is always 1. So the parameters of an input that is zero in a whole batch are together, and are skipped.
struct Layer {
    inputs: u32,         // n_(l-1)
    outputs: u32,        // n_l
    weight_start: u32,   // vec4s from the start of a replica's parameters
    weight_stride: u32,  // vec4s in a matrix row
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
    replica_vec4s: u32,     // (1 + M) P / 4
    input_rows: u32,        // K
    moved_vec4s: u32,       // of P / 4: those that rules move; running statistics are after them, see norms.wgsl
    @align(16) layers: array<Layer, MAX_LAYERS>,
}

// What differs from dispatch to dispatch; bound with a dynamic offset.
struct Batch {
    size: u32,          // samples really in this batch
    batch_size: u32,    // samples in a full batch
    sample4s: u32,      // B / 4
    slot: u32,          // which of the T gathered batches; the first one, in kernels that take several
    steps: u32,         // how many batches
    input_replicas: u32,// R, or 1 where all replicas read the same samples
    position: u32,      // of the first sample of the first batch, within the epoch
    epoch: u32,
    sample_count: u32,  // in the data set
    shuffled: u32,      // 0: the order of the data set
    layer: u32,         // for the kernels that do one layer a dispatch
    t: u32,             // the step's number, from 1
    @align(16) rate_factors: array<vec4<f32>, 8>,   // what the step of each slot multiplies learning rates by
}

@group(0) @binding(0) var<uniform> network: Network;
@group(0) @binding(1) var<uniform> batch: Batch;

fn flat_index(id: vec3<u32>, groups: vec3<u32>) -> u32 {
    return id.y * groups.x * WORKGROUP_SIZE + id.x;
}

// First vec4 of the weights of input `input`, or of the biases after the last.
fn weight_start(replica: u32, layer: Layer, input: u32) -> u32 {
    return replica * network.replica_vec4s + layer.weight_start + input * layer.weight_stride;
}

// First sample4 of row `row` of replica `replica` in an (R, N, B) array.
fn row_start(replica: u32, row: u32) -> u32 {
    return (replica * network.row_count + row) * batch.sample4s;
}

// First sample4 of the sums z of row `row` that are kept: an (R, N, B) array after that of the activations.
fn kept_start(replica: u32, row: u32) -> u32 {
    return row_start(network.replica_count + replica, row);
}

// Word `word` of the mask of row 0 of the activations in an (R, B / 32, 2 N) array; rows N.. are the deltas'.
fn mask_start(replica: u32, word: u32) -> u32 {
    return (replica * (batch.sample4s / 8u) + word) * 2u * network.row_count;
}

// Of the gathered batch in a slot: its epoch, and where its samples begin in it.
struct Place {
    epoch: u32,
    position: u32,
}

fn place_of(slot: u32) -> Place {
    let steps_per_epoch = (batch.sample_count + batch.batch_size - 1u) / batch.batch_size;
    let step = batch.position / batch.batch_size + slot;
    return Place(batch.epoch + step / steps_per_epoch, step % steps_per_epoch * batch.batch_size);
}

// The gathered batch of a slot that `replica` reads, of T R.
fn batch_at(slot: u32, replica: u32) -> u32 {
    return slot * batch.input_replicas + min(replica, batch.input_replicas - 1u);
}

fn batch_of(replica: u32) -> u32 {
    return batch_at(batch.slot, replica);
}

// First sample4 of feature `feature` in (T, R, K, B).
fn input_start(replica: u32, feature: u32) -> u32 {
    return (batch_of(replica) * network.input_rows + feature) * batch.sample4s;
}

// Word `word` of the mask of feature 0 in (T, R, B / 32, K).
fn input_mask_start(replica: u32, word: u32) -> u32 {
    return (batch_of(replica) * (batch.sample4s / 8u) + word) * network.input_rows;
}

// How many features are active, before three zeros and the list of all of them, in (T, R, 4 + K).
fn features_start(replica: u32) -> u32 {
    return batch_of(replica) * (4u + network.input_rows);
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
