// Uses: hash, replicas, common
// dropout.wgsl: which hidden neurons and which inputs are silent for which samples of a step, by a hash of (seed, step, layer, neuron,
// sample): no state, and the same integers on the CPU. The others are multiplied by 1 / (1 - P) (inverted dropout), and so are the deltas
// of neurons; that of a silent neuron is 0, as its activation is.

// Whether any replica has dropout, of inputs in gather.wgsl and of hidden neurons elsewhere. Without, a kernel has nothing of it;
// evaluation never has.
override HAS_DROPOUT = true;

// The inputs, as a layer.
const INPUTS = 0xffffffffu;

// Of a replica in one step.
struct Dropout {
    key: u32,
    threshold: u32,     // a neuron is silent where its hash is below
    scale: f32,         // 1 / (1 - P)
}

fn dropout_of(replica: u32, t: u32) -> Dropout {
    if !HAS_DROPOUT {
        return Dropout();
    }
    return Dropout(dropout_key(replica, t), replicas[replica].dropout_threshold, replicas[replica].dropout_scale);
}

fn input_dropout_of(replica: u32, t: u32) -> Dropout {
    if !HAS_DROPOUT {
        return Dropout();
    }
    return Dropout(dropout_key(replica, t), replicas[replica].input_dropout_threshold, replicas[replica].input_dropout_scale);
}

fn dropout_key(replica: u32, t: u32) -> u32 {
    // Steps are counted down: epochs, which are the keys of the permutations, are counted up.
    return mix(mix(mix(replicas[replica].seed_low) + replicas[replica].seed_high) - t);
}

fn mix4(values: vec4<u32>) -> vec4<u32> {
    return vec4(mix(values.x), mix(values.y), mix(values.z), mix(values.w));
}

// Activations of four pairs of a neuron of layer `l` and a sample of the batch.
fn drop_out(dropout: Dropout, l: u32, neurons: vec4<u32>, samples: vec4<u32>, activations: vec4<f32>) -> vec4<f32> {
    if !HAS_DROPOUT || network.layers[l].is_output == 1u {
        return activations;
    }
    return silence(dropout, l, neurons, samples, activations);
}

// Four samples of an input, as the data has them.
fn drop_input(dropout: Dropout, input: u32, sample4: u32, values: vec4<f32>) -> vec4<f32> {
    // The 1 that multiplies the bias is none.
    if !HAS_DROPOUT || input >= network.layers[0].inputs {
        return values;
    }
    return silence(dropout, INPUTS, vec4(input), samples_of(sample4), values);
}

fn silence(dropout: Dropout, l: u32, neurons: vec4<u32>, samples: vec4<u32>, values: vec4<f32>) -> vec4<f32> {
    let hashes = mix4(mix4(vec4(mix(dropout.key + l)) + neurons) + samples);
    return select(vec4<f32>(), values * dropout.scale, hashes >= vec4(dropout.threshold));
}

// Four samples of the batch.
fn samples_of(sample4: u32) -> vec4<u32> {
    return vec4(4u * sample4) + vec4(0u, 1u, 2u, 3u);
}

// Deltas of hidden neurons that are not silent.
fn scale_deltas(dropout: Dropout, deltas: vec4<f32>) -> vec4<f32> {
    if !HAS_DROPOUT {
        return deltas;
    }
    return deltas * dropout.scale;
}
