// Uses: nothing
// replica.wgsl: settings that are numbers are columns of the replica axis.

struct Replica {
    seed_low: u32,
    seed_high: u32,
    optimizer: u32,
    learning_rate: f32,
    epsilon: f32,
}

const OPTIMIZER_SGD = 0u;
const OPTIMIZER_ASGD = 1u;
