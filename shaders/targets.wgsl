// Uses: common
// targets.wgsl: what the outputs of a sample are compared with: its class, or a number for each of them (bits of an f32), for the mean
// squared error.

// Whether targets are numbers. Otherwise a kernel has nothing of it.
override HAS_NUMBERS = false;

// Rows of targets of a gathered batch.
fn target_rows() -> u32 {
    if !HAS_NUMBERS {
        return 1u;
    }
    return network.layers[network.layer_count - 1u].outputs;
}

// First sample4 of the targets of unit `unit`, or of the labels (0), in (T, R, 1 or n_L, B).
fn target_start(gathered: u32, unit: u32) -> u32 {
    return (gathered * target_rows() + unit) * batch.sample4s;
}
