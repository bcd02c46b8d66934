// Uses: common
// divergence.wgsl: whether a replica's parameters have left the numbers.
//
// One invocation owns up to 64 vec4s of a replica's parameters. Outputs are set to 1 where one of them is NaN or infinite; the host
// clears them first. It looks at the bits, because WGSL lets compilers assume that floats are finite.

@group(0) @binding(2) var<storage, read> parameters: array<vec4<u32>>;          // (R, 1 + M, P), bits
@group(0) @binding(3) var<storage, read_write> diverged: array<atomic<u32>>;    // (R)

const SHARE = 64u;          // DIVERGENCE_SHARE of dispatch.rs
const EXPONENT = 0x7f800000u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn find_divergence(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = flat_index(id, groups);
    let shares = (network.parameter_vec4s + SHARE - 1u) / SHARE;
    let replica = index / shares;
    if replica >= network.replica_count {
        return;
    }
    var found = false;
    for (var offset = index % shares; offset < network.parameter_vec4s; offset += shares) {
        let exponents = parameters[replica * network.replica_vec4s + offset] & vec4(EXPONENT);
        found |= any(exponents == vec4(EXPONENT));
    }
    if found {
        atomicStore(&diverged[replica], 1u);
    }
}
