use super::fixture::{blocks, for_each_case, gathered, lists};
use crate::cpu::block::Block;
use crate::cpu::gather::BatchInputs;
use crate::cpu::samples::StoredSamples;
use crate::cpu::select::Columns;
use crate::cpu::simd::InstructionSet;
use crate::NetworkSpec;

/// The entries of a feature that the textbook finds: samples in their order.
fn column(values: &[f32], samples: usize, feature: usize) -> Vec<(u32, f32)> {
    let row = values[feature * samples..][..samples].iter().enumerate();
    row.filter(|(_, &value)| value != 0.0).map(|(sample, &value)| (sample as u32, value)).collect()
}

/// The lists by feature are the batch's entries, none left out and none twice, in the order of the samples; for shares
/// of the features, and for batches in several blocks.
#[test]
fn equals_its_twin() {
    let simd = InstructionSet::Baseline;
    // Filled again and again: nothing of the batches before may stay.
    let mut columns = Columns::default();
    for_each_case(|case| {
        let (data, values) = (case.data(2), case.values());
        let spec = NetworkSpec::new(&[case.inputs, 1]).unwrap();
        // As lists, whatever the share of zeros.
        let stored = StoredSamples::new(&data);
        for members in [1, 2, 3, 5] {
            let blocks: Vec<Block> = blocks(case.samples, members)
                .iter()
                .map(|indices| {
                    let mut block = gathered(simd, &spec, &stored, indices);
                    let of_block = crate::reference::gather::gather(&data, indices);
                    block.inputs = BatchInputs::Listed(lists(&of_block, indices.len().max(1)));
                    block
                })
                .collect();
            let blocks: Vec<&Block> = blocks.iter().collect();
            // One member has all features, of several each some.
            let bounds = if members == 1 { vec![0, case.inputs] } else { vec![0, case.inputs / 3, case.inputs] };
            for share in bounds.windows(2).map(|pair| pair[0]..pair[1]) {
                columns.fill(&blocks, share.clone());
                for (index, feature) in share.enumerate() {
                    assert_eq!(
                        columns.of(index),
                        column(&values, case.samples, feature),
                        "{case:?} {members} {feature}"
                    );
                }
            }
        }
    });
}
