// forward.wgsl: a^l = ReLU(W^l a^(l-1) + b^l), and the logits for the last layer.
//
// One invocation owns TILE_ROWS neurons of one quad of samples: it loads four inputs of its four samples
// (a 4 x 4 matrix) and four weights of each neuron, and multiplies. Eight neighbours share their weights
// and together write one mask word a neuron. Outputs are written. The row of ones that follows a layer's
// neurons, and its mask, are there before the first step and stay.


// z_j += X w_j for half a tile; X has a column of four samples for each of four inputs.
fn add_products(z: ptr<function, array<vec4<f32>, 8>>, columns: mat4x4<f32>, first: u32, weights: u32, stride: u32, last: u32, lane: u32) {
    let start = min(first, last);
    let rows = load_rows(weights + start * stride, stride, last - start, lane);
    for (var j = 0u; j < 8u; j++) {
        (*z)[j] = add_product((*z)[j], columns, rows[j]);
    }
}

// Called by whole workgroups, for the barriers; `owned` is false for invocations past the end.
fn forward_tile(replica: u32, layer: Layer, tile: u32, quad: u32, local: u32, owned: bool) {
    let first_neuron = tile * TILE_ROWS;
    let last = layer.outputs - 1u - min(first_neuron, layer.outputs - 1u);
    let weights = replica * network.parameter_vec4s + layer.weight_start
        + min(first_neuron, layer.outputs - 1u) * layer.weight_stride;
    let lane = local % 8u;

    // Only one of the two loops runs. (Software Vulkan executes both sides of an if, but leaves a loop.)
    var low: array<vec4<f32>, 8>;
    var high: array<vec4<f32>, 8>;
    let stride = layer.weight_stride;
    let data = input_start(replica, 0u) + quad;
    for (var k = 0u; k < stride * layer.reads_data; k++) {
        let columns = input_columns(data + 4u * k * batch.quads);
        add_products(&low, columns, 0u, weights + k, stride, last, lane);
        add_products(&high, columns, 8u, weights + k, stride, last, lane);
    }
    let hidden = row_start(replica, layer.input_row) + quad;
    for (var k = 0u; k < stride * (1u - layer.reads_data); k++) {
        let columns = activation_columns(hidden + 4u * k * batch.quads);
        add_products(&low, columns, 0u, weights + k, stride, last, lane);
        add_products(&high, columns, 8u, weights + k, stride, last, lane);
    }

    // A copy that may be indexed by a variable: the loop over it stays a loop, which keeps compilation short.
    var z: array<vec4<f32>, TILE_ROWS>;
    for (var j = 0u; j < 8u; j++) {
        z[j] = low[j];
        z[j + 8u] = high[j];
    }
    let row_count = min(last + 1u, TILE_ROWS);
    for (var j = 0u; j < row_count; j++) {
        // NaN stays NaN, so that a diverged replica shows.
        let is_negative = z[j] <= vec4<f32>();
        let a = select(z[j], vec4<f32>(), is_negative & vec4(layer.is_output == 0u));
        if owned {
            activations[row_start(replica, layer.output_row + first_neuron + j) + quad] = a;
        }
        share_mask(local, j, quad_bits(a != vec4<f32>()));
    }
    mask_barrier();
    for (var j = lane; j < TILE_ROWS; j += 8u) {
        if owned && first_neuron + j < layer.outputs {
            activation_masks[mask_start(replica, layer.output_row + first_neuron + j) + quad / 8u] = shared_mask(local, j);
        }
    }
    mask_barrier();
}

// One layer of all replicas: batch.layer.
@compute @workgroup_size(WORKGROUP_SIZE)
fn forward(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let index = flat_index(id, groups);
    let layer = network.layers[batch.layer];
    let tiles = (layer.outputs + TILE_ROWS - 1u) / TILE_ROWS;
    let quad = index % batch.quads;
    let tile = index / batch.quads % tiles;
    let replica = index / batch.quads / tiles;
    let owned = replica < network.replica_count;
    forward_tile(min(replica, network.replica_count - 1u), layer, tile, quad, local, owned);
}
