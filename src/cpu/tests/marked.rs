use super::fixture::{for_each_case, numbers, on_every_machine, panels, values_of};
use crate::cpu::marked::{Mark, MarkedDeltas};
use crate::cpu::panels::{panel_columns, panel_count, panel_lanes};
use crate::cpu::simd::{Lanes, floats, with_lanes};
use crate::random::Random;

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

/// Deltas come through as they are, each with a byte that is 1 where it is not 0.
#[test]
fn deltas_and_flags() {
    for_each_case(|case| {
        let (width, samples) = (case.outputs, case.samples);
        let deltas = numbers(&mut Random::new(2, width as u64), width * samples, case.zeros);
        let matrix = panels(&deltas, samples);
        let (actual, marks) = on_every_machine(|simd| {
            let mut marked = MarkedDeltas::new(matrix.rows(), width);
            simd.run(Mark { deltas: &matrix, counted: &matrix, marked: &mut marked, samples, bounds: None });
            unpacked(&marked, width, samples)
        });
        assert_eq!(actual, super::fixture::bits(&values_of(&matrix, samples)), "{case:?}");
        let expected: Vec<u8> = deltas.iter().map(|&delta| u8::from(delta != 0.0)).collect();
        assert_eq!(marks, expected, "{case:?}");
    });
}
