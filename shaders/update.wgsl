// Uses: optimizer, common
// update.wgsl: theta from S and c, for every parameter of every replica (algorithm 2, last line).
//
// One invocation owns four neighbouring parameters and updates them in place.

@group(0) @binding(2) var<storage, read> replicas: array<Replica>;                     // (R)
@group(0) @binding(3) var<storage, read> gradient_sums: array<vec4<f32>>;              // (R, P)
@group(0) @binding(4) var<storage, read> adaptive_batch_sizes: array<vec4<u32>>;       // (R, P)
@group(0) @binding(5) var<storage, read_write> parameters: array<vec4<f32>>;           // (R, P)

@compute @workgroup_size(WORKGROUP_SIZE)
fn update(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = flat_index(id, groups);
    let replica = index / network.parameter_vec4s;
    if replica >= network.replica_count {
        return;
    }
    parameters[index] -= parameter_step(gradient_sums[index], adaptive_batch_sizes[index], replicas[replica]);
}
