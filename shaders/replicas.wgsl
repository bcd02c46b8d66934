// Uses: optimizer
// replicas.wgsl: the settings of all replicas, for the kernels that share the numbers of buffers.wgsl.

@group(0) @binding(10) var<storage, read> replicas: array<Replica>;                     // (R)
