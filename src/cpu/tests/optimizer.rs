use super::fixture::{assert_close, numbers, on_every_machine, within};
use crate::cpu::optimizer::{Effective, Mean, Update};
use crate::cpu::simd::{Kernel, Lanes, floats, floats_mut};
use crate::random::Random;
use crate::reference::update::update;
use crate::reference::{Sum, gamma};
use crate::{Optimizer, ReplicaSettings};

const SAMPLES: usize = 300;

struct Apply<'a, U>(U, &'a [[Lanes; 3]]);

impl<U: Update> Kernel for Apply<'_, U> {
    type Output = Vec<Lanes>;

    #[inline(always)]
    fn run(self) -> Vec<Lanes> {
        let Self(rule, parameters) = self;
        parameters.iter().map(|&[theta, sum, count]| rule.apply(theta, sum, count)).collect()
    }
}

fn apply(settings: &ReplicaSettings, parameters: &[[Lanes; 3]]) -> Vec<u32> {
    let ReplicaSettings { optimizer, learning_rate, epsilon, .. } = *settings;
    on_every_machine(|simd| {
        let moved = if optimizer == Optimizer::ASGD {
            simd.run(Apply(Effective { learning_rate, epsilon }, parameters))
        } else {
            simd.run(Apply(Mean { learning_rate, samples: SAMPLES as f32 }, parameters))
        };
        super::fixture::bits(floats(&moved))
    })
}

/// theta after the step, with the errors of c + epsilon, of the division and of the fused multiply-add.
pub fn bounded_update(
    theta: f32,
    sum: Sum,
    roundings: usize,
    count: u32,
    samples: usize,
    settings: &ReplicaSettings,
) -> Sum {
    let theta = f64::from(theta);
    let value = update(theta, sum.value, count, samples, settings);
    let per_unit = update(0.0, 1.0, count, samples, settings).abs();
    let error_of_sum = gamma(roundings) * sum.magnitude;
    let error = per_unit * (error_of_sum + gamma(2) * (sum.value.abs() + error_of_sum));
    within(value, error + gamma(1) * (value.abs() + error))
}

#[test]
fn equals_its_twin() {
    let mut random = Random::new(3, 0);
    let thetas = numbers(&mut random, 808, 1);
    let counts: Vec<u32> = (0..808).map(|index| index * 7 % (SAMPLES as u32 + 1)).collect();
    let sums: Vec<f32> =
        counts.iter().map(|&count| if count == 0 { 0.0 } else { random.normal() as f32 * count as f32 }).collect();
    let mut parameters = vec![[Lanes::ZERO; 3]; 101];
    for (index, parameter) in parameters.iter_mut().enumerate() {
        let range = index * 8..index * 8 + 8;
        floats_mut(&mut parameter[..1]).copy_from_slice(&thetas[range.clone()]);
        floats_mut(&mut parameter[1..2]).copy_from_slice(&sums[range.clone()]);
        parameter[2] = Lanes(std::array::from_fn(|lane| counts[range.start + lane] as f32));
    }
    let rules = [
        (Optimizer::ASGD, 0.01, 1e-8),
        (Optimizer::ASGD, 0.5, 0.0),
        (Optimizer::ASGD, 1.0, 1.0),
        (Optimizer::ASGD, 0.3, 0.4),
        (Optimizer::ASGD, 0.0, 0.0),
        (Optimizer::SGD, 0.1, 1e-8),
        (Optimizer::SGD, 0.0, 0.0),
    ];
    for (optimizer, learning_rate, epsilon) in rules {
        let settings = ReplicaSettings { seed: 0, optimizer, learning_rate, epsilon };
        let actual = apply(&settings, &parameters);
        let exact = |sum: f32| Sum { value: f64::from(sum), magnitude: 0.0 };
        let bounded =
            |index: usize| bounded_update(thetas[index], exact(sums[index]), 0, counts[index], SAMPLES, &settings);
        assert_close(&settings, &actual, &(0..808).map(bounded).collect::<Vec<_>>(), 1);
        let moved = (0..808).filter(|&index| actual[index] != thetas[index].to_bits());
        let may_move = |&index: &usize| counts[index] > 0 && learning_rate > 0.0;
        let wrong: Vec<usize> = moved.filter(|index| !may_move(index)).collect();
        assert!(wrong.is_empty(), "{settings:?}: c = 0, or lr = 0, leaves theta bit for bit: {wrong:?}");
    }
}

/// c = 0 leaves every theta, whatever bits it has.
#[test]
fn nothing_moves_without_a_gradient() {
    let theta = Lanes([0.0, -0.0, 1.0, f32::MIN_POSITIVE / 2.0, f32::MAX, f32::INFINITY, -3.5, 1e-30]);
    for epsilon in [0.0, 1e-8, 1.0] {
        let settings = ReplicaSettings { learning_rate: 0.5, epsilon, ..Default::default() };
        let actual = apply(&settings, &[[theta, Lanes::ZERO, Lanes::ZERO]]);
        assert_eq!(actual, super::fixture::bits(&theta.0), "{epsilon}");
    }
}
