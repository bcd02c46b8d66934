//! Whole steps by teams of any size, which are chosen here rather than by the amount of work.

use super::fixture::{Case, dense, model, on_every_machine};
use crate::cpu::dropout::Dropout;
use crate::cpu::optimizer::{Effective, GradientOf, Mean, Ruled};
use crate::cpu::parameters::{Parameters, split};
use crate::cpu::samples::StoredSamples;
use crate::cpu::simd::InstructionSet;
use crate::cpu::team::{Step, Team, Worker};
use crate::{Model, Optimizer, ReplicaSettings};

const BATCH_SIZE: usize = 64;

/// The model after one step a batch, the last batch shorter than the others, by `crew` threads.
fn trained(
    simd: InstructionSet,
    initial: &Model,
    samples: &StoredSamples,
    (members, crew): (usize, usize),
    ([dropout, input_dropout], count_threshold): ([Option<Dropout>; 2], f32),
    step: impl Fn(&Worker<'_>, Step<'_>) + Sync,
) -> Model {
    let entries: Vec<f64> = samples.entries_per_feature().into_iter().map(|count| count as f64 / 10.0).collect();
    let parameters = Parameters::new(initial, 0, 0, &split(initial.spec(), members, BATCH_SIZE, &entries));
    let team = Team::new(initial.spec(), samples, members, BATCH_SIZE);
    assert_eq!(team.members(), members);
    let order: Vec<u32> = (0..samples.len() as u32).map(|position| position * 7 % samples.len() as u32).collect();
    let work = |thread: usize| {
        let mut worker = Worker::new(&team, thread, crew);
        for batch in order.chunks(BATCH_SIZE) {
            worker.plan(|positions, indices| indices.extend(&batch[positions]), batch.len());
            worker.advance();
            let size = batch.len();
            let parameters = &parameters;
            let own = Step { simd, samples, parameters, size, dropout, input_dropout, count_threshold, is_kept: false };
            step(&worker, own);
        }
    };
    std::thread::scope(|scope| {
        (1..crew).for_each(|thread| drop(scope.spawn(move || work(thread))));
        work(0);
    });
    let mut model = Model::zeros(initial.spec(), 1);
    parameters.write_to(&mut model, 0);
    model
}

/// Teams of 1 to 5 members and threads, lists and panels, and every instruction set give the same bits.
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
        let run = |team: (usize, usize), form: usize| {
            on_every_machine(|simd| {
                let effective = Effective { learning_rate: 0.05, epsilon: 1e-8 };
                let mean = Mean { learning_rate: 0.2, samples: BATCH_SIZE as f32 };
                let optimizer = Optimizer { clip_norm: 0.1, clip_value: 0.01, ..Optimizer::ASGD };
                let settings = ReplicaSettings { optimizer, ..Default::default() };
                let clipped = |worker: &Worker<'_>, step: Step<'_>| {
                    worker.propagate(step);
                    let gradient = GradientOf::new(&optimizer, 1e-8, BATCH_SIZE as f32);
                    let scale = worker.clip(step, gradient, optimizer.clip_norm);
                    worker.update(step, Ruled::<0>::at(1, &settings, BATCH_SIZE, scale));
                };
                let dropout = Dropout::new(0.3, 0, 5);
                let (none, of_nodes, of_inputs) = ([None; 2], [dropout, None], [None, dropout]);
                let counted = |worker: &Worker<'_>, step: Step<'_>| {
                    let settings = ReplicaSettings { optimizer: Optimizer::ASGD, ..settings };
                    worker.step(step, Ruled::<0>::at(1, &settings, BATCH_SIZE, 1.0));
                };
                let samples = &forms[form];
                let trained = [
                    trained(simd, &initial, samples, team, (none, 0.0), |worker, step| worker.step(step, effective)),
                    trained(simd, &initial, samples, team, (none, 0.0), |worker, step| worker.step(step, mean)),
                    trained(simd, &initial, samples, team, (none, 0.0), clipped),
                    trained(simd, &initial, samples, team, (of_nodes, 0.0), |worker, step| {
                        worker.step(step, effective)
                    }),
                    trained(simd, &initial, samples, team, (none, 0.2), counted),
                    trained(simd, &initial, samples, team, (none, 0.0), counted),
                    trained(simd, &initial, samples, team, (of_inputs, 0.0), |worker, step| {
                        worker.step(step, effective)
                    }),
                    trained(simd, &initial, samples, team, (of_inputs, 0.2), counted),
                ];
                trained.map(|model| model.to_bytes())
            })
        };
        let alone = run((1, 1), 0);
        assert!(alone[0] != alone[1] && alone[0] != initial.to_bytes() && alone[2] != initial.to_bytes());
        assert!(alone[4] != alone[5], "there is a threshold");
        assert_eq!(alone[3] == alone[0], widths.len() == 2, "there is dropout where there are hidden nodes");
        assert!(alone[6] != alone[0] && alone[7] != alone[4], "there is dropout of inputs");
        for team in [(1, 1), (2, 2), (2, 1), (3, 3), (3, 2), (5, 5), (5, 1)] {
            for form in [0, 1] {
                assert!(run(team, form) == alone, "{widths:?}: {team:?}, {}", ["as stored", "dense"][form]);
            }
        }
    }
}

/// A member that panics does not leave the others waiting.
#[test]
fn a_panic_ends_the_team() {
    let data = Case { inputs: 3, outputs: 1, samples: 10, zeros: 0, is_u8: false }.data(2);
    let team = Team::new(model(&[3, 1]).spec(), &StoredSamples::new(&data), 2, 10);
    let ended = std::thread::scope(|scope| {
        let failing = scope.spawn(|| {
            let _worker = Worker::new(&team, 0, 2);
            panic!("on purpose");
        });
        let waiting = scope.spawn(|| {
            Worker::new(&team, 1, 2).wait();
        });
        (failing.join().is_err(), waiting.join().is_err())
    });
    assert_eq!(ended, (true, true));
}
