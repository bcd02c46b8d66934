// Uses: common
// divergence.wgsl: whether a replica's parameters have left the numbers.
//
// One invocation owns every 64th vec4 of a replica's parameters. Outputs are written: 1 where one of them is NaN or
// infinite, else 0. It looks at the bits, because WGSL lets compilers assume that floats are finite.

@group(0) @binding(2) var<storage, read> parameters: array<vec4<u32>>;          // (R, P), bits
@group(0) @binding(3) var<storage, read_write> diverged: array<u32>;            // (R, 64)

const DIVERGENCE_LANES = 64u;
const EXPONENT = 0x7f800000u;

fn not_finite(offset: u32) -> vec4<u32> {
    return select(vec4<u32>(), vec4(1u), (parameters[offset] & vec4(EXPONENT)) == vec4(EXPONENT));
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn find_divergence(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = flat_index(id, groups);
    let replica = index / DIVERGENCE_LANES;
    if replica >= network.replica_count {
        return;
    }
    let start = replica * network.parameter_vec4s;
    var found = vec4<u32>();
    let last = network.parameter_vec4s - 1u;
    // Four at a time, for the limit on iterations (see MAX_LOOP_ITERATIONS in dispatch.rs).
    for (var offset = index % DIVERGENCE_LANES; offset <= last; offset += 4u * DIVERGENCE_LANES) {
        found |= not_finite(start + offset) | not_finite(start + min(offset + DIVERGENCE_LANES, last))
            | not_finite(start + min(offset + 2u * DIVERGENCE_LANES, last)) | not_finite(start + min(offset + 3u * DIVERGENCE_LANES, last));
    }
    diverged[index] = found.x | found.y | found.z | found.w;
}
