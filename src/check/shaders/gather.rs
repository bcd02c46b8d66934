//! gather.wgsl: the samples, what dropout makes of their inputs, and their masks, bit for bit.

use super::case::Case;
use super::fixture::{Fixture, POISON, below, by_word, floats, packed_settings, samples, with_dropout};
use super::kernels::{Batch, InputFormat, Kernels, Shader, padded_bytes};
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::random::Random;
use crate::reference::dropout;
use crate::reference::gather::{gather, mask};
use crate::settings::ReplicaSettings;

/// Samples of the data set; the one after the last is the row of zeros.
const SAMPLES: usize = 50;

/// Bytes are gathered as such, without dropout, and as floats that it has scaled.
pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    check_one(kernels, case, comparison)?;
    match case.inputs.gathered(true) {
        inputs if inputs == case.inputs => Ok(()),
        inputs => check_one(kernels, &Case { inputs, ..case.clone() }, comparison),
    }
}

fn check_one(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    let fixture = Fixture::new(case)?;
    let (replicas, steps, stride) = (case.replicas, 3, fixture.stride());
    let rows = fixture.network.input_rows as usize;
    let set = samples(SAMPLES, case.widths[0], case.inputs, 3)?;
    let mut random = Random::new(5, 0);
    let indices: Vec<u32> = (0..steps * replicas * stride).map(|_| below(&mut random, SAMPLES as u32 + 1)).collect();
    let words_of_sample4 = if case.inputs == InputFormat::U8 { 1 } else { 4 };
    let sample4s = steps * replicas * rows * fixture.sample4s as usize;
    let settings = |replica: usize| match case.inputs {
        InputFormat::U8 => ReplicaSettings { input_dropout: 0.0, ..with_dropout(replica) },
        InputFormat::F32 | InputFormat::ScaledU8 => with_dropout(replica),
    };
    let data: Vec<u32> = bytemuck::pod_collect_to_vec(&padded_bytes(&set));
    let (values, masks) = (vec![POISON; sample4s * words_of_sample4], vec![POISON; sample4s / 8]);
    let storage = [&data[..], &indices, &values, &masks, &packed_settings((0..replicas).map(settings))];
    let batch = Batch { steps: steps as u32, sample_count: SAMPLES as u32, ..fixture.batch(0) };
    let buffers = fixture.run(kernels, Shader::Gather, batch, &storage)?;
    for (index, samples) in indices.chunks(stride).enumerate() {
        let ReplicaSettings { seed, input_dropout: p, .. } = settings(index % replicas);
        let t = u64::from(batch.t) + (index / replicas) as u64;
        let mut expected = gather(&set, samples);
        // The row that multiplies the bias, then zeros.
        expected.extend(samples.iter().map(|&sample| if sample as usize == SAMPLES { 0.0 } else { 1.0 }));
        expected.resize(rows * stride, 0.0);
        if case.inputs == InputFormat::ScaledU8 {
            // Bytes again.
            expected.iter_mut().for_each(|value| *value = (*value * 255.0).round());
        }
        for (place, value) in expected[..case.widths[0] * stride].iter_mut().enumerate() {
            *value = dropout::input(p, seed, t, place / stride, place % stride, *value);
        }
        let masks = by_word(&expected.chunks(stride).map(mask).collect::<Vec<_>>());
        let found = &buffers[3][index * masks.len()..][..masks.len()];
        comparison.all_equal(|| format!("{case}; masks of batch {index}"), found, &masks);
        let values = match case.inputs {
            InputFormat::U8 => {
                let bytes: &[u8] = bytemuck::cast_slice(&buffers[2]);
                bytes[index * expected.len()..][..expected.len()].iter().map(|&b| f32::from(b) / 255.0).collect()
            }
            InputFormat::F32 | InputFormat::ScaledU8 => floats(&buffers[2][index * expected.len()..][..expected.len()]),
        };
        comparison.all_equal(|| format!("{case}; inputs of batch {index}"), &values, &expected);
    }
    Ok(())
}
