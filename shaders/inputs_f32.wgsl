// Uses: nothing
// inputs_f32.wgsl: samples as 32-bit floats.

alias InputSample4 = vec4<f32>;    // four samples of a feature
alias InputOctet = Octet;       // eight samples of a feature
alias InputBlock = vec4<f32>;   // four features of a sample, or four samples of a feature

const BLOCK = 4u;
const INPUT_ONE = 1.0;

fn input_values(sample4: InputSample4) -> vec4<f32> {
    return sample4;
}

fn input_octet(octet: InputOctet) -> Octet {
    return octet;
}

// Which of a block's four values are not zero, one bit each, for four blocks.
fn blocks_bits(blocks: array<InputBlock, BLOCK>) -> array<vec4<u32>, BLOCK / 4u> {
    var bits: array<vec4<u32>, BLOCK / 4u>;
    let zero = vec4<f32>();
    bits[0] = vec4(sample4_bits(blocks[0] != zero), sample4_bits(blocks[1] != zero), sample4_bits(blocks[2] != zero), sample4_bits(blocks[3] != zero));
    return bits;
}

// Four samples of four features each, to four features of four samples each.
fn transpose_block(samples: array<InputBlock, BLOCK>) -> array<InputBlock, BLOCK> {
    var features: array<InputBlock, BLOCK>;
    features[0] = vec4(samples[0].x, samples[1].x, samples[2].x, samples[3].x);
    features[1] = vec4(samples[0].y, samples[1].y, samples[2].y, samples[3].y);
    features[2] = vec4(samples[0].z, samples[1].z, samples[2].z, samples[3].z);
    features[3] = vec4(samples[0].w, samples[1].w, samples[2].w, samples[3].w);
    return features;
}
