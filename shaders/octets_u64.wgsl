// octets_u64.wgsl: how eight consecutive floats are kept in a buffer, for adapters with 64-bit integers: as four of
// those, two floats each. Software Vulkan loads lane by lane and takes as long for four words of 64 bits as for four
// of 32, so this halves the loads. Little-endian, as every adapter's memory is.

alias StoredOctet = vec4<u64>;

fn unpack_octet(stored: StoredOctet) -> Octet {
    let x = bitcast<vec2<f32>>(vec2(u32(stored.x), u32(stored.x >> 32u)));
    let y = bitcast<vec2<f32>>(vec2(u32(stored.y), u32(stored.y >> 32u)));
    let z = bitcast<vec2<f32>>(vec2(u32(stored.z), u32(stored.z >> 32u)));
    let w = bitcast<vec2<f32>>(vec2(u32(stored.w), u32(stored.w >> 32u)));
    return Octet(vec4(x, y), vec4(z, w));
}

fn pack_pair(low: f32, high: f32) -> u64 {
    return u64(bitcast<u32>(low)) | (u64(bitcast<u32>(high)) << 32u);
}

fn pack_octet(octet: Octet) -> StoredOctet {
    let low = octet.low;
    let high = octet.high;
    return vec4(pack_pair(low.x, low.y), pack_pair(low.z, low.w), pack_pair(high.x, high.y), pack_pair(high.z, high.w));
}
