// Uses: forward, loss, delta, update
// step.wgsl: a whole step of a small network in one dispatch, where a layer would not fill the blocks of propagate.wgsl and the tiles of
// reduce.wgsl: the same sums in the same order, so the same bits.
//
// A workgroup owns a replica. First an invocation takes four samples through the network and back, four neurons at a time; no
// sample needs another one. Then it owns 4 inputs by 4 neurons, walks over the batch, 8 samples a stage, and updates them. What is
// read again was written by the same workgroup.

const INVOCATIONS = 64u;    // MAX_SMALL_SAMPLE4S of dispatch.rs: so many sample4s has a batch at most
const STAGED_ROW4S = 36u;   // MAX_SMALL_ROWS / 4 of dispatch.rs

// A column is two sample4s of each of four rows: inputs, activations, then deltas. A 9th vec4 against bank conflicts. 5.1 KiB.
var<workgroup> staged: array<array<vec4<f32>, 9>, STAGED_ROW4S>;

// Writes the mask words of four rows, `count` of which are such, from row `row` of the masks on.
fn store_row_masks(replica: u32, row: u32, count: u32, tile: Tile, local: u32) {
    stage_bits(local, tile.a, local);
    stage_bits(local + INVOCATIONS, tile.b, local);
    stage_bits(local + 2u * INVOCATIONS, tile.c, local);
    stage_bits(local + 3u * INVOCATIONS, tile.d, local);
    workgroupBarrier();
    if local / 8u < min(count, 4u) && local % 8u < batch.sample4s / 8u {
        masks[mask_start(replica, local % 8u) + row + local / 8u] = mask_word(8u * local);
    }
    workgroupBarrier();
}

// Four samples of four neurons.
fn add_neurons(sums: ptr<function, Tile>, samples: vec4<f32>, weights: vec4<f32>) {
    (*sums).a = fma(samples, vec4(weights.x), (*sums).a);
    (*sums).b = fma(samples, vec4(weights.y), (*sums).b);
    (*sums).c = fma(samples, vec4(weights.z), (*sums).c);
    (*sums).d = fma(samples, vec4(weights.w), (*sums).d);
}

fn forward_samples(replica: u32, layer: Layer, local: u32) {
    for (var first = 0u; first < layer.outputs; first += 4u) {
        var tile: Tile;
        if local < batch.sample4s {
            for (var k = 0u; k <= layer.inputs; k++) {
                let weights = parameters[weight_start(replica, layer, k) + first / 4u];
                add_neurons(&tile, load_input(replica, layer, k, local), weights);
            }
            tile.a = activate(replica, layer, first, local, tile.a);
            tile.b = activate(replica, layer, first + 1u, local, tile.b);
            tile.c = activate(replica, layer, first + 2u, local, tile.c);
            tile.d = activate(replica, layer, first + 3u, local, tile.d);
        }
        store_row_masks(replica, layer.output_row + first, layer.outputs - first, tile, local);
    }
}

fn loss_samples(replica: u32, layer: Layer, local: u32) {
    let total = total_of(replica, layer, min(local, batch.sample4s - 1u));
    for (var first = 0u; first < layer.outputs; first += 4u) {
        var tile: Tile;
        if local < batch.sample4s {
            tile.a = unit_delta(replica, layer, first, local, total);
            tile.b = unit_delta(replica, layer, first + 1u, local, total);
            tile.c = unit_delta(replica, layer, first + 2u, local, total);
            tile.d = unit_delta(replica, layer, first + 3u, local, total);
        }
        store_row_masks(replica, network.row_count + layer.output_row + first, layer.outputs - first, tile, local);
    }
}

// `layer` is layer l + 1.
fn delta_samples(replica: u32, layer: Layer, local: u32) {
    for (var first = 0u; first < layer.inputs; first += 4u) {
        var tile: Tile;
        if local < batch.sample4s {
            for (var j = 0u; j < layer.outputs; j += 4u) {
                let columns = transpose(mat4x4(
                    load_weights(replica, layer, first, j, true), load_weights(replica, layer, first + 1u, j, true),
                    load_weights(replica, layer, first + 2u, j, true), load_weights(replica, layer, first + 3u, j, true),
                ));
                add_neurons(&tile, load_delta(replica, layer, j, local), columns[0]);
                add_neurons(&tile, load_delta(replica, layer, j + 1u, local), columns[1]);
                add_neurons(&tile, load_delta(replica, layer, j + 2u, local), columns[2]);
                add_neurons(&tile, load_delta(replica, layer, j + 3u, local), columns[3]);
            }
            tile.a = mask_delta(replica, layer, first, local, tile.a);
            tile.b = mask_delta(replica, layer, first + 1u, local, tile.b);
            tile.c = mask_delta(replica, layer, first + 2u, local, tile.c);
            tile.d = mask_delta(replica, layer, first + 3u, local, tile.d);
        }
        store_row_masks(replica, network.row_count + layer.input_row + first, layer.inputs - first, tile, local);
    }
}

// Two sample4s of every row of the inputs, the activations and the deltas.
fn stage_rows(replica: u32, sample4: u32, local: u32) {
    for (var i = local; i < 2u * network.input_rows; i += INVOCATIONS) {
        staged[i / 8u][i % 8u] = input_values(inputs[input_start(replica, i / 2u) + sample4 + i % 2u]);
    }
    for (var i = local; i < 2u * network.row_count; i += INVOCATIONS) {
        let row = row_start(replica, i / 2u) + sample4 + i % 2u;
        staged[network.input_rows / 4u + i / 8u][i % 8u] = activations[row];
        staged[(network.input_rows + network.row_count) / 4u + i / 8u][i % 8u] = deltas[row];
    }
}

// Sample4 `first` of a stage.
fn add_staged(sums: ptr<function, Tile>, input4: u32, neuron4: u32, first: u32) {
    let columns = transpose(mat4x4(staged[neuron4][first], staged[neuron4][first + 2u], staged[neuron4][first + 4u], staged[neuron4][first + 6u]));
    (*sums).a = add_product((*sums).a, columns, staged[input4][first]);
    (*sums).b = add_product((*sums).b, columns, staged[input4][first + 2u]);
    (*sums).c = add_product((*sums).c, columns, staged[input4][first + 4u]);
    (*sums).d = add_product((*sums).d, columns, staged[input4][first + 6u]);
}

fn tiles_of(layer: Layer) -> u32 {
    return (layer.inputs / 4u + 1u) * ((layer.outputs + 3u) / 4u);
}

// S, c and update of tile `index`, all layers' in turn, if there is such a one.
fn reduce_samples(replica: u32, index: u32, local: u32) {
    var tile = index;
    var l = 0u;
    while l < network.layer_count && tile >= tiles_of(network.layers[l]) {
        tile -= tiles_of(network.layers[l]);
        l++;
    }
    let layer = network.layers[min(l, network.layer_count - 1u)];
    let input4 = tile % (layer.inputs / 4u + 1u);
    let neuron4 = tile / (layer.inputs / 4u + 1u);
    let input_column = select((network.input_rows + layer.input_row) / 4u, 0u, layer.reads_data == 1u) + input4;
    let neuron_column = (network.input_rows + network.row_count + layer.output_row) / 4u + neuron4;
    var sums: Tile;
    for (var sample4 = 0u; sample4 < batch.sample4s; sample4 += 2u) {
        workgroupBarrier();
        stage_rows(replica, sample4, local);
        workgroupBarrier();
        if l < network.layer_count {
            add_staged(&sums, input_column, neuron_column, 0u);
            add_staged(&sums, input_column, neuron_column, 1u);
        }
    }
    if l < network.layer_count {
        let inputs = vec4(4u * input4) + vec4(0u, 1u, 2u, 3u);
        finish_tile(replica, layer, inputs, inputs <= vec4(layer.inputs), neuron4, sums);
    }
}

// z is the replica.
@compute @workgroup_size(INVOCATIONS)
fn step_samples(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let last = network.layer_count - 1u;
    for (var replica = id.z; replica < network.replica_count; replica += groups.z) {
        var tiles = 0u;
        for (var l = 0u; l <= last; l++) {
            forward_samples(replica, network.layers[l], local);
            tiles += tiles_of(network.layers[l]);
        }
        loss_samples(replica, network.layers[last], local);
        for (var l = last; l > 0u; l--) {
            delta_samples(replica, network.layers[l], local);
        }
        storageBarrier();
        for (var first = 0u; first < tiles; first += INVOCATIONS) {
            reduce_samples(replica, first + local, local);
        }
    }
}
