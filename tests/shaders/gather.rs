use asgd::gpu::buffers::padded_bytes;
use asgd::gpu::kernels::GATHER;
use asgd::gpu::layout::{Batch, InputFormat};
use asgd::reference::gather::{gather, mask};

use crate::fixture::{cases, many_batches, samples, Fixture, Numbers, POISON};

#[test]
fn equals_its_twin() {
    for case in cases().into_iter().chain([many_batches()]) {
        let fixture = Fixture::new(&case);
        let (features, replicas, steps) = (case.widths[0], case.replicas, 3);
        let set = samples(50, features, case.inputs, 3);
        let mut numbers = Numbers::new(5);
        // 50 is the row of zeros after the last sample.
        let indices: Vec<u32> = (0..steps * replicas * fixture.stride()).map(|_| numbers.below(51)).collect();
        let rows = fixture.network.input_rows as usize;
        let value_words = if case.inputs == InputFormat::U8 { 1 } else { 4 };
        let sample4s = steps * replicas * rows * fixture.sample4s as usize;
        let data: Vec<u32> = bytemuck::pod_collect_to_vec(&padded_bytes(&set));
        let (poisoned_inputs, poisoned_masks) = (vec![POISON; sample4s * value_words], vec![POISON; sample4s / 8]);
        let storage = [&data[..], &indices, &poisoned_inputs, &poisoned_masks];
        let batch = Batch { steps: steps as u32, sample_count: 50, ..fixture.batch(0) };
        let workgroups = fixture.dispatch().gather(steps as u32, replicas as u32);
        let buffers = fixture.run(&GATHER, batch, workgroups, &storage);
        for (index, samples) in indices.chunks(fixture.stride()).enumerate() {
            let mut expected = gather(&set, samples);
            // The row that multiplies the bias, then zeros.
            expected.extend(samples.iter().map(|&sample| if sample == 50 { 0.0 } else { 1.0 }));
            expected.resize(rows * fixture.stride(), 0.0);
            let expected_masks: Vec<u32> = expected.chunks(fixture.stride()).flat_map(mask).collect();
            let (words, all) = (fixture.stride() / 32, rows * fixture.stride() / 32);
            // (rows, words) as (words, rows).
            let expected_masks: Vec<u32> =
                (0..all).map(|offset| expected_masks[offset % rows * words + offset / rows]).collect();
            assert_eq!(buffers[3][index * all..][..all], expected_masks, "{case:?} masks of batch {index}");
            let actual: Vec<f32> = match case.inputs {
                InputFormat::U8 => {
                    let bytes: &[u8] = bytemuck::cast_slice(&buffers[2]);
                    bytes[index * expected.len()..][..expected.len()]
                        .iter()
                        .map(|&byte| f32::from(byte) / 255.0)
                        .collect()
                }
                InputFormat::F32 => buffers[2][index * expected.len()..][..expected.len()]
                    .iter()
                    .map(|&word| f32::from_bits(word))
                    .collect(),
            };
            assert_eq!(actual, expected, "{case:?} batch {index}");
        }
    }
}
