// Uses: common
// divergence.wgsl: whether a replica's parameters have left the numbers.
//
// One invocation owns every 64th vec4 of a replica's parameters. Outputs are written: 1 where one of them is NaN or
// infinite, else 0. It looks at the bits, because WGSL lets compilers assume that floats are finite.

@group(0) @binding(2) var<storage, read> parameters: array<vec4<u32>>;          // (R, P), bits
@group(0) @binding(3) var<storage, read_write> diverged: array<u32>;            // (R, 64)

const DIVERGENCE_LANES = 64u;
const EXPONENT = 0x7f800000u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn find_divergence(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = flat_index(id, groups);
    let replica = index / DIVERGENCE_LANES;
    if replica >= network.replica_count {
        return;
    }
    var found = 0u;
    for (var offset = index % DIVERGENCE_LANES; offset < network.parameter_vec4s; offset += DIVERGENCE_LANES) {
        let exponents = parameters[replica * network.parameter_vec4s + offset] & vec4(EXPONENT);
        found |= u32(any(exponents == vec4(EXPONENT)));
    }
    diverged[index] = found;
}
