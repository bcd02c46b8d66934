// Uses: inputs, common
// state.wgsl: the buffers of forward.wgsl, loss.wgsl and delta.wgsl, which share one bind group.

@group(0) @binding(2) var<storage, read> parameters: array<Octet>;              // (R, P)
@group(0) @binding(3) var<storage, read> inputs: array<InputSample4>;              // (T, R, K, B)
@group(0) @binding(4) var<storage, read_write> activations: array<vec4<f32>>;   // (R, N, B)
@group(0) @binding(5) var<storage, read_write> masks: array<vec4<u32>>;         // (R, B / 32, 2 N)
@group(0) @binding(6) var<storage, read_write> deltas: array<vec4<f32>>;        // (R, N, B)
@group(0) @binding(7) var<storage, read> features: array<vec4<u32>>;            // (T, R, 1 + K / 4)
@group(0) @binding(8) var<storage, read> labels: array<vec4<u32>>;              // (T, R, B)

// Writes what the invocations of a mask word shared of a tile's masks; `row` is the tile's first row, 2 N a word's.
fn store_masks(replica: u32, row: u32, row_count: u32, sample4: u32, local: u32, in_bounds: bool, ones: u32) {
    workgroupBarrier();
    let first = (mask_start(replica, sample4 / 8u) + row) / 4u;
    for (var q = local % 8u; q < TILE_ROWS / 4u; q += 8u) {
        if in_bounds && 4u * q < row_count {
            let rows = vec4(4u * q) + vec4(0u, 1u, 2u, 3u);
            masks[first + q] = select(select(vec4<u32>(), vec4(ones), rows == vec4(row_count)), shared_masks(local, q), rows < vec4(row_count));
        }
    }
    workgroupBarrier();
}
