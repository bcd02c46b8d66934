// Uses: forward, loss, delta
// propagate.wgsl: forward, loss and delta of every layer in one dispatch, for networks of narrow layers: the same functions, so the
// same outputs as their dispatches one by one.
//
// No sample needs another one: a workgroup takes 32 samples of a replica through the whole network and back, block by block, and
// reads what it wrote itself.

// x is the mask word.
@compute @workgroup_size(128)
fn propagate(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let last = network.layer_count - 1u;
    for (var replica = id.z; replica < network.replica_count; replica += groups.z) {
        for (var l = 0u; l <= last; l++) {
            let layer = network.layers[l];
            for (var block = 0u; BLOCK * block < layer.outputs; block++) {
                forward_block(replica, id.x, l, block, local);
            }
        }
        loss_block(replica, id.x, network.layers[last], local);
        for (var l = last; l > 0u; l--) {
            let layer = network.layers[l];
            for (var block = 0u; BLOCK * block < layer.inputs; block++) {
                delta_block(replica, id.x, l, block, local);
            }
        }
    }
}
