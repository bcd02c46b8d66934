// Uses: replica
// optimizer.wgsl: the update rules (algorithm 2), for four parameters at once. A parameter's new value is
// theta - parameter_step().
//
//   aSGD:  step = learning_rate S / (c + epsilon)     and 0 where c = 0, so that theta stays as it is, bit for bit
//   SGD:   step = learning_rate S / m                 m = samples really in the batch

fn parameter_step(sums: vec4<f32>, counts: vec4<u32>, settings: Replica) -> vec4<f32> {
    let is_asgd = settings.optimizer == OPTIMIZER_ASGD;
    let divisor = select(vec4(f32(batch.size)), vec4<f32>(counts) + settings.epsilon, is_asgd);
    let is_still = vec4(is_asgd) & (counts == vec4<u32>());
    return select(settings.learning_rate * sums / divisor, vec4<f32>(), is_still);
}
