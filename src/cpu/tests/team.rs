//! Whole steps by teams of any size, which are chosen here rather than by the amount of work.

use super::fixture::{dense, model, on_every_machine, Case};
use crate::cpu::optimizer::{Effective, Mean, Update};
use crate::cpu::parameters::{split, Parameters};
use crate::cpu::samples::StoredSamples;
use crate::cpu::simd::InstructionSet;
use crate::cpu::team::{Step, Team};
use crate::Model;

const BATCH_SIZE: usize = 64;

/// The model after one step a batch, the last batch shorter than the others.
fn trained<U: Update + Send + Sync>(
    simd: InstructionSet,
    initial: &Model,
    samples: &StoredSamples,
    members: usize,
    update: U,
) -> Model {
    let entries: Vec<f64> = samples.entries_per_feature().into_iter().map(|count| count as f64 / 10.0).collect();
    let parameters = Parameters::new(initial, 0, &split(initial.spec(), members, BATCH_SIZE, &entries));
    let team = Team::new(initial.spec(), samples, members, BATCH_SIZE);
    assert_eq!(team.members(), members);
    let order: Vec<u32> = (0..samples.len() as u32).map(|position| position * 7 % samples.len() as u32).collect();
    let work = |member: usize| {
        for batch in order.chunks(BATCH_SIZE) {
            let indices = &batch[team.range(member, batch.len())];
            let step = Step { simd, samples, parameters: &parameters, is_kept: false };
            team.step(member, step, (indices, &[]), update);
        }
    };
    std::thread::scope(|scope| {
        (1..members).for_each(|member| drop(scope.spawn(move || work(member))));
        work(0);
    });
    let mut model = Model::zeros(initial.spec(), 1);
    parameters.write_to(&mut model, 0);
    model
}

/// Teams of 1 to 5, lists and panels, and every instruction set give the same bits.
#[test]
fn the_bits_do_not_depend_on_the_team() {
    let shapes: [(&[usize], u64); 6] = [
        (&[40, 100, 70, 5], 8),
        (&[9, 33, 1], 8),
        (&[65, 31, 32, 33, 3], 5),
        (&[2, 10, 10, 1], 0),
        (&[33, 2], 9),
        (&[100, 64, 10], 7),
    ];
    for (index, (widths, zeros)) in shapes.into_iter().enumerate() {
        let (inputs, outputs) = (widths[0], widths[widths.len() - 1]);
        let data = Case { inputs, outputs, samples: 200 + index, zeros, is_u8: index % 2 == 0 }.data(outputs.max(2));
        let initial = model(widths);
        let forms = [StoredSamples::new(&data), dense(&data)];
        let run = |members: usize, form: usize| {
            on_every_machine(|simd| {
                let effective = Effective { learning_rate: 0.05, epsilon: 1e-8 };
                let mean = Mean { learning_rate: 0.2, samples: BATCH_SIZE as f32 };
                let trained = [
                    trained(simd, &initial, &forms[form], members, effective),
                    trained(simd, &initial, &forms[form], members, mean),
                ];
                trained.map(|model| model.to_bytes())
            })
        };
        let alone = run(1, 0);
        assert!(alone[0] != alone[1] && alone[0] != initial.to_bytes());
        for (members, form) in [(1, 1), (2, 0), (2, 1), (3, 0), (3, 1), (5, 0), (5, 1)] {
            assert!(run(members, form) == alone, "{widths:?}: {members} members, {}", ["as stored", "dense"][form]);
        }
    }
}

/// A member that panics does not leave the others waiting.
#[test]
fn a_panic_ends_the_team() {
    use crate::cpu::team::Membership;
    let data = Case { inputs: 3, outputs: 1, samples: 10, zeros: 0, is_u8: false }.data(2);
    let team = Team::new(model(&[3, 1]).spec(), &StoredSamples::new(&data), 2, 10);
    let ended = std::thread::scope(|scope| {
        let failing = scope.spawn(|| {
            let _membership = Membership(&team);
            panic!("on purpose");
        });
        let waiting = scope.spawn(|| {
            let _membership = Membership(&team);
            team.wait();
        });
        (failing.join().is_err(), waiting.join().is_err())
    });
    assert_eq!(ended, (true, true));
}
