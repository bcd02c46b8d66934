// Uses: nothing
// hash.wgsl: random bits from counters, which need no state.

// The finalizer of MurmurHash3 (Appleby): every input bit reaches every output bit.
fn mix(value: u32) -> u32 {
    let x = (value ^ (value >> 16u)) * 0x85ebca6bu;
    let y = (x ^ (x >> 13u)) * 0xc2b2ae35u;
    return y ^ (y >> 16u);
}
