use super::fixture::{blocks, for_each_case, gathered, numbers, on_every_machine, panels, values_of};
use crate::cpu::block::Block;
use crate::cpu::marked::{Mark, MarkedDeltas};
use crate::cpu::panels::{panel_columns, panel_count, panel_lanes};
use crate::cpu::samples::StoredSamples;
use crate::cpu::simd::{floats, with_lanes, Lanes};
use crate::random::Random;
use crate::NetworkSpec;

/// A byte a column.
fn flags(vector: &Lanes) -> &[u8] {
    bytemuck::cast_slice(&vector.0)
}

/// Deltas and flags: (columns, samples).
fn unpacked(marked: &MarkedDeltas, columns: usize, samples: usize) -> (Vec<u32>, Vec<u8>) {
    let (mut deltas, mut marks) = (vec![u32::MAX; columns * samples], vec![u8::MAX; columns * samples]);
    for panel in 0..panel_count(columns) {
        with_lanes!(panel_lanes(columns, panel), P, Q => {
            for (sample, row) in marked.rows_of::<Q>(panel)[..samples].iter().enumerate() {
                for (lane, column) in panel_columns(columns, panel).enumerate() {
                    deltas[column * samples + sample] = floats(&row[..P])[lane].to_bits();
                    marks[column * samples + sample] = flags(&row[P])[lane];
                }
            }
        });
    }
    (deltas, marks)
}

/// Deltas come through as they are, block after block, each with a byte that is 1 where it is not 0.
#[test]
fn deltas_and_flags() {
    for_each_case(|case| {
        let (width, samples) = (case.outputs, case.samples);
        // In a network of one layer, the deltas of the first layer are where the logits were.
        let spec = NetworkSpec::new(&[case.inputs, width]).unwrap();
        let stored = StoredSamples::new(&case.data(2));
        let deltas = numbers(&mut Random::new(2, width as u64), width * samples, case.zeros);
        let whole = panels(&deltas, samples);
        for members in [1, 2, 3] {
            let (actual, marks) = on_every_machine(|simd| {
                let cut = |indices: &Vec<u32>| {
                    let mut block = gathered(simd, &spec, &stored, indices);
                    for (row, &index) in indices.iter().enumerate() {
                        (0..width).for_each(|column| {
                            block.activations[0].set(row, column, whole.get(index as usize, column))
                        });
                    }
                    (indices.len()..indices.len() + 3).for_each(|row| block.activations[0].set(row, 0, f32::NAN));
                    block
                };
                let blocks: Vec<Block> = blocks(samples, members).iter().map(cut).collect();
                let blocks: Vec<&Block> = blocks.iter().collect();
                let mut marked = MarkedDeltas::new(samples + 2, width);
                simd.run(Mark { blocks: &blocks, marked: &mut marked });
                unpacked(&marked, width, samples)
            });
            assert_eq!(actual, super::fixture::bits(&values_of(&whole, samples)), "{case:?} {members}");
            let expected: Vec<u8> = deltas.iter().map(|&delta| u8::from(delta != 0.0)).collect();
            assert_eq!(marks, expected, "{case:?} {members}");
        }
    });
}
