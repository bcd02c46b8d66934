//! threshold.wgsl: the masks of replicas whose counts have a threshold, of inputs, activations and deltas; those of the others stay.

use super::case::Case;
use super::fixture::{Fixture, POISON, SCALING, by_word, floats, packed_settings};
use super::kernels::{InputFormat, Kernels, Shader};
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::reference::gather::mask;
use crate::reference::step::to_f32;
use crate::reference::threshold::{bound, counts};
use crate::settings::ReplicaSettings;

/// T of a replica; some have none.
fn threshold_of(replica: usize) -> f32 {
    [0.3, 0.0, 0.8][replica % 3]
}

/// The words of a row of which those values count that are above a bound.
fn mask_above(row: &[f32], bound: f64) -> Vec<u32> {
    mask(&row.iter().map(|&value| f32::from(u8::from(counts(value.into(), bound)))).collect::<Vec<_>>())
}

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    let fixture = Fixture::new(case)?;
    let rows = |words: &[u32]| words.chunks(fixture.stride()).map(floats).collect::<Vec<_>>();
    let (activations, deltas) = (fixture.packed_activations(), fixture.packed_deltas());
    let of_neurons = |replica: usize| {
        let (threshold, words) = (threshold_of(replica), fixture.network.row_count as usize * fixture.stride());
        let own = replica * words..(replica + 1) * words;
        let of_delta =
            |row: &Vec<f32>| mask_above(row, to_f32(bound(threshold, row.iter().map(|&delta| delta.into()))));
        let activations = rows(&activations[own.clone()]).into_iter().map(|row| mask_above(&row, threshold.into()));
        by_word(&activations.chain(rows(&deltas[own]).iter().map(of_delta)).collect::<Vec<_>>())
    };
    let of_inputs = |replica: usize| {
        let bound = threshold_of(replica).into();
        by_word(&fixture.input_rows(replica).iter().map(|row| mask_above(row, bound)).collect::<Vec<_>>())
    };
    // All that is written is poison before: the masks of replicas with a threshold, of the inputs in the batch's slot.
    let (mut masks, mut input_masks) = (fixture.packed_masks(), fixture.packed_input_masks());
    let mut expected = [masks.clone(), input_masks.clone()];
    let (words, input_words) =
        (masks.len() / case.replicas, input_masks.len() / case.replicas / fixture.slots as usize);
    for replica in (0..case.replicas).filter(|&replica| threshold_of(replica) > 0.0) {
        let own = replica * words..(replica + 1) * words;
        expected[0][own.clone()].copy_from_slice(&of_neurons(replica));
        masks[own].fill(POISON);
        let first = ((fixture.slots as usize - 1) * case.replicas + replica) * input_words;
        expected[1][first..first + input_words].copy_from_slice(&of_inputs(replica));
        input_masks[first..first + input_words].fill(POISON);
    }
    let input_dropout = if case.inputs == InputFormat::ScaledU8 { SCALING } else { 0.0 };
    let replica = |replica: usize| {
        let count_threshold = threshold_of(replica);
        ReplicaSettings { count_threshold, input_dropout, ..Default::default() }
    };
    let settings = packed_settings((0..case.replicas).map(replica));
    let storage = [&fixture.packed_inputs()[..], &activations, &deltas, &masks, &input_masks, &settings];
    let buffers = fixture.run(kernels, Shader::Threshold, fixture.batch(0), &storage)?;
    comparison.all_equal(|| format!("{case}; masks"), &buffers[3], &expected[0]);
    comparison.all_equal(|| format!("{case}; masks of the inputs"), &buffers[4], &expected[1]);
    Ok(())
}
