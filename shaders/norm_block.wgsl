// Uses: block, norms
// norm_block.wgsl: what normalize.wgsl and normalize_back.wgsl share: a block of 32 neurons and the whole batch of a replica, by a
// workgroup of 128. An invocation owns neurons 2 (local / 8).. of every eighth sample4, from local % 8 on: of each mask word one.
//
// Every sum is a chain over the words, and then over the eight invocations of a neuron, in their order.

var<workgroup> partial_sums: array<vec2<f32>, 128>;

// Both neurons that an invocation owns; past the last one, that again.
struct Rows {
    a: u32,     // first sample4
    b: u32,
}

fn rows_of(replica: u32, layer: Layer, block: u32, local: u32) -> Rows {
    let neuron = BLOCK * block + local / 8u * 2u;
    let last = layer.outputs - 1u;
    return Rows(
        row_start(replica, layer.output_row + min(neuron, last)),
        row_start(replica, layer.output_row + min(neuron + 1u, last)),
    );
}

fn sum_of(samples: vec4<f32>) -> f32 {
    return (samples.x + samples.y) + (samples.z + samples.w);
}

// What the eight invocations of two neurons have, added up. Called by whole workgroups.
fn sums_of_neurons(own: vec2<f32>, local: u32) -> vec2<f32> {
    workgroupBarrier();
    partial_sums[local] = own;
    workgroupBarrier();
    let first = local / 8u * 8u;
    var sums = partial_sums[first];
    for (var i = 1u; i < 8u; i++) {
        sums += partial_sums[first + i];
    }
    return sums;
}

// Numbers of both neurons, from those of a row of the parameters.
fn of_neurons(start: u32, block: u32, local: u32, layer: Layer) -> vec2<f32> {
    let pair = BLOCK / 2u * block + local / 8u;
    let four = parameters[start + min(pair / 2u, layer.weight_stride - 1u)];
    return select(four.xy, four.zw, pair % 2u == 1u);
}
