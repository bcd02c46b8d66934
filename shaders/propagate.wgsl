// Uses: forward, loss, delta
// propagate.wgsl: forward, loss and delta of every layer in one dispatch. No sample needs another one,
// so an invocation takes its sample4 through the whole network and back; it reads only what it
// wrote itself. Appended to forward.wgsl, loss.wgsl and delta.wgsl, whose functions it calls: same
// outputs as their dispatches one by one. For adapters where a dispatch costs more than a small layer.

@compute @workgroup_size(WORKGROUP_SIZE)
fn propagate(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let index = flat_index(id, groups);
    let sample4 = index % batch.sample4s;
    let in_bounds = index / batch.sample4s < network.replica_count;
    let replica = min(index / batch.sample4s, network.replica_count - 1u);
    let last = network.layer_count - 1u;

    for (var l = 0u; l <= last; l++) {
        let layer = network.layers[l];
        for (var tile = 0u; tile * TILE_ROWS < layer.outputs; tile++) {
            forward_tile(replica, layer, tile, sample4, local, in_bounds);
        }
    }
    loss_sample4(replica, network.layers[last], sample4, local, in_bounds);
    for (var l = last; l > 0u; l--) {
        let layer = network.layers[l];
        for (var tile = 0u; tile * TILE_ROWS < layer.inputs; tile++) {
            delta_tile(replica, layer, tile, sample4, local, in_bounds);
        }
    }
}
