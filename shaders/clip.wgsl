// Uses: parameters
// clip.wgsl: replicas that clip their gradient by its norm, or whose counts have a threshold (threshold.wgsl). Their step leaves the
// parameters alone; store.wgsl then writes S and c, and here
//
//   g = g min(1, clip_norm / (|g| + 1e-6))      |g| over all parameters of a replica, as torch.nn.utils.clip_grad_norm_ has it;
//                                             g without a clip_norm
//
// goes to the rule. A workgroup owns a replica, an invocation every 256th vec4 of its parameters, of which it sums the squares in
// their order. The sums of all are added in pairs.

const INVOCATIONS = 256u;

@group(0) @binding(11) var<storage, read> gradient_sums: array<vec4<f32>>;          // (R, P)
@group(0) @binding(12) var<storage, read> adaptive_batch_sizes: array<vec4<u32>>;   // (R, P)

var<workgroup> squares: array<f32, INVOCATIONS>;

// z is the replica.
@compute @workgroup_size(INVOCATIONS)
fn clip(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    for (var replica = id.z; replica < network.replica_count; replica += groups.z) {
        let settings = replicas[replica];
        let step = step_of(batch.slot, batch.size);
        // No iterations for the others.
        let count = select(network.moved_vec4s, 0u, moves_at_once(replica));
        let start = replica * network.parameter_vec4s;
        var own = 0.0;
        for (var i = local; i < count; i += INVOCATIONS) {
            let g = gradient_of(gradient_sums[start + i], adaptive_batch_sizes[start + i], settings, step);
            own += dot(g, g);
        }
        squares[local] = own;
        workgroupBarrier();
        for (var half = INVOCATIONS / 2u; half > 0u; half /= 2u) {
            if local < half {
                squares[local] += squares[local + half];
            }
            workgroupBarrier();
        }
        let norm = sqrt(squares[0]) + 1e-6;
        // NaN stays NaN.
        let scale = select(settings.clip_norm / norm, 1.0, settings.clip_norm == 0.0 || norm < settings.clip_norm);
        workgroupBarrier();
        for (var i = local; i < count; i += INVOCATIONS) {
            let parameter = replica * network.replica_vec4s + i;
            let theta = parameters[parameter];
            parameters[parameter] = moved(replica, parameter, theta, gradient_sums[start + i], adaptive_batch_sizes[start + i], scale, step);
        }
    }
}
