// Uses: nothing
// optimizer.wgsl: the settings of a replica, which are columns of its axis, and the update rules (algorithm 2), for four parameters at
// once. A parameter's new value is theta - parameter_step().
//
//   aSGD:  step = learning_rate S / (c + epsilon)     and 0 where c = 0, so that theta stays as it is, bit for bit
//   SGD:   step = learning_rate S / m                 m = samples really in the batch

struct Replica {
    seed_low: u32,
    seed_high: u32,
    optimizer: u32,
    learning_rate: f32,
    epsilon: f32,
}

const OPTIMIZER_SGD = 0u;
const OPTIMIZER_ASGD = 1u;

fn parameter_step(sums: vec4<f32>, counts: vec4<u32>, settings: Replica) -> vec4<f32> {
    let is_asgd = settings.optimizer == OPTIMIZER_ASGD;
    let divisor = select(vec4(f32(batch.size)), vec4<f32>(counts) + settings.epsilon, is_asgd);
    let is_still = vec4(is_asgd) & (counts == vec4<u32>());
    return select(settings.learning_rate * sums / divisor, vec4<f32>(), is_still);
}
