// planted.wgsl: what `compilers.py --bound` must refuse. An array that no compiler can keep in registers.

@group(0) @binding(2) var<storage, read_write> values: array<u32>;

@compute @workgroup_size(64)
fn planted(@builtin(local_invocation_index) local: u32) {
    var array: array<u32, 256>;
    for (var i = 0u; i < 256u; i++) {
        array[values[i] % 256u] += i;
    }
    values[local] = array[values[local] % 256u];
}
