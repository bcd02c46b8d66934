// optimizer.wgsl: the update rules (algorithm 2), for four parameters at once.
//
//   aSGD:  theta -= learning_rate S / (c + epsilon)     c = 0 leaves theta as it is, for every epsilon
//   SGD:   theta -= learning_rate S / m                 m = samples really in the batch

fn updated(theta: vec4<f32>, sums: vec4<f32>, counts: vec4<u32>, settings: Replica) -> vec4<f32> {
    if settings.optimizer == OPTIMIZER_ASGD {
        let moved = theta - settings.learning_rate * sums / (vec4<f32>(counts) + settings.epsilon);
        return select(moved, theta, counts == vec4<u32>());
    }
    return theta - settings.learning_rate * sums / f32(batch.size);
}
