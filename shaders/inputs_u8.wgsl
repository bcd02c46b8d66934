// Uses: nothing
// inputs_u8.wgsl: samples that stay 8-bit on the GPU. Kernels compute with the bytes as they are, which are exact in
// f32, and divide the finished sum by 255.

alias InputSample4 = u32;          // four samples of a feature
alias InputOctet = vec2<u32>;   // eight samples of a feature
alias InputBlock = vec4<u32>;   // 16 features of a sample, or 16 samples of a feature

const BLOCK = 16u;
const INPUT_ONE = 255.0;

fn input_values(sample4: InputSample4) -> vec4<f32> {
    return vec4<f32>((vec4(sample4) >> vec4(0u, 8u, 16u, 24u)) & vec4(255u));
}

fn input_octet(octet: InputOctet) -> Octet {
    return Octet(input_values(octet.x), input_values(octet.y));
}

// Which of a block's 16 values are not zero, one bit each.
fn block_bits(block: InputBlock) -> u32 {
    // The highest bit of each byte: set where the byte is not zero. The product moves the four bits of a word together.
    let nonzero = (((block & vec4(0x7f7f7f7fu)) + vec4(0x7f7f7f7fu)) | block) & vec4(0x80808080u);
    let bits = (((nonzero >> vec4(7u)) * vec4(0x01020408u)) >> vec4(24u)) & vec4(15u);
    return bits.x | (bits.y << 4u) | (bits.z << 8u) | (bits.w << 12u);
}

// The same for 16 blocks.
fn blocks_bits(blocks: array<InputBlock, BLOCK>) -> array<vec4<u32>, BLOCK / 4u> {
    return array<vec4<u32>, BLOCK / 4u>(
        vec4(block_bits(blocks[0]), block_bits(blocks[1]), block_bits(blocks[2]), block_bits(blocks[3])),
        vec4(block_bits(blocks[4]), block_bits(blocks[5]), block_bits(blocks[6]), block_bits(blocks[7])),
        vec4(block_bits(blocks[8]), block_bits(blocks[9]), block_bits(blocks[10]), block_bits(blocks[11])),
        vec4(block_bits(blocks[12]), block_bits(blocks[13]), block_bits(blocks[14]), block_bits(blocks[15])),
    );
}

// Four samples of four features each, to four features of four samples each.
fn transpose_4x4(a: u32, b: u32, c: u32, d: u32) -> vec4<u32> {
    let ab_low = (a & 0xffu) | ((b & 0xffu) << 8u) | ((a & 0xff00u) << 8u) | ((b & 0xff00u) << 16u);
    let cd_low = (c & 0xffu) | ((d & 0xffu) << 8u) | ((c & 0xff00u) << 8u) | ((d & 0xff00u) << 16u);
    let ab_high = ((a >> 16u) & 0xffu) | ((b >> 8u) & 0xff00u) | ((a >> 8u) & 0xff0000u) | (b & 0xff000000u);
    let cd_high = ((c >> 16u) & 0xffu) | ((d >> 8u) & 0xff00u) | ((c >> 8u) & 0xff0000u) | (d & 0xff000000u);
    return vec4(
        (ab_low & 0xffffu) | (cd_low << 16u),
        (ab_low >> 16u) | (cd_low & 0xffff0000u),
        (ab_high & 0xffffu) | (cd_high << 16u),
        (ab_high >> 16u) | (cd_high & 0xffff0000u),
    );
}

// Four samples of 16 features each, to 16 features of four samples each, four features a vec4.
fn transpose_rows(a: InputBlock, b: InputBlock, c: InputBlock, d: InputBlock) -> array<vec4<u32>, 4> {
    return array<vec4<u32>, 4>(
        transpose_4x4(a.x, b.x, c.x, d.x),
        transpose_4x4(a.y, b.y, c.y, d.y),
        transpose_4x4(a.z, b.z, c.z, d.z),
        transpose_4x4(a.w, b.w, c.w, d.w),
    );
}

// 16 samples of 16 features each, to 16 features of 16 samples each.
fn transpose_block(samples: array<InputBlock, BLOCK>) -> array<InputBlock, BLOCK> {
    let a = transpose_rows(samples[0], samples[1], samples[2], samples[3]);
    let b = transpose_rows(samples[4], samples[5], samples[6], samples[7]);
    let c = transpose_rows(samples[8], samples[9], samples[10], samples[11]);
    let d = transpose_rows(samples[12], samples[13], samples[14], samples[15]);
    return array<InputBlock, BLOCK>(
        vec4(a[0].x, b[0].x, c[0].x, d[0].x),
        vec4(a[0].y, b[0].y, c[0].y, d[0].y),
        vec4(a[0].z, b[0].z, c[0].z, d[0].z),
        vec4(a[0].w, b[0].w, c[0].w, d[0].w),
        vec4(a[1].x, b[1].x, c[1].x, d[1].x),
        vec4(a[1].y, b[1].y, c[1].y, d[1].y),
        vec4(a[1].z, b[1].z, c[1].z, d[1].z),
        vec4(a[1].w, b[1].w, c[1].w, d[1].w),
        vec4(a[2].x, b[2].x, c[2].x, d[2].x),
        vec4(a[2].y, b[2].y, c[2].y, d[2].y),
        vec4(a[2].z, b[2].z, c[2].z, d[2].z),
        vec4(a[2].w, b[2].w, c[2].w, d[2].w),
        vec4(a[3].x, b[3].x, c[3].x, d[3].x),
        vec4(a[3].y, b[3].y, c[3].y, d[3].y),
        vec4(a[3].z, b[3].z, c[3].z, d[3].z),
        vec4(a[3].w, b[3].w, c[3].w, d[3].w),
    );
}
