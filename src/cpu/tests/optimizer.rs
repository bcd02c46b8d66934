use super::fixture::{assert_close, bits, numbers, on_every_machine};
use crate::cpu::optimizer::{Effective, Mean, Ruled, Update};
use crate::cpu::simd::{Kernel, Lanes, floats};
use crate::random::Random;
use crate::reference::Sum;
use crate::reference::update::{At, Parameter, bounded};
use crate::{Optimizer, ReplicaSettings};

const SAMPLES: usize = 300;

/// What the gradient is multiplied by, where any rule applies; exact in f32.
const SCALE: f32 = 0.75;

/// theta, both moments, S, c: of eight parameters.
type State = [Lanes; 5];

struct Apply<'a, U, const M: usize>(U, &'a [State]);

impl<U: Update<M>, const M: usize> Kernel for Apply<'_, U, M> {
    type Output = Vec<[Lanes; 3]>;

    #[inline(always)]
    fn run(self) -> Vec<[Lanes; 3]> {
        let Self(rule, parameters) = self;
        let moved = parameters.iter().map(|&[theta, first, second, sum, count]| {
            let mut theta = [theta];
            let mut own: [[Lanes; 1]; M] = std::array::from_fn(|moment| [[first, second][moment]]);
            rule.apply(&mut theta, own.each_mut().map(|own| &mut own[..]), &[sum], &[count]);
            let [first, second] = [0, 1].map(|moment| own.get(moment).map_or(Lanes::ZERO, |own| own[0]));
            [theta[0], first, second]
        });
        moved.collect()
    }
}

/// Bits of theta and of both moments after step t.
fn apply(settings: &ReplicaSettings, t: u64, parameters: &[State]) -> [Vec<u32>; 3] {
    let ReplicaSettings { optimizer, learning_rate, epsilon, .. } = *settings;
    let all = on_every_machine(|simd| {
        let moved = match optimizer {
            Optimizer::SGD => simd.run(Apply::<_, 0>(Mean { learning_rate, samples: SAMPLES as f32 }, parameters)),
            Optimizer::ASGD => simd.run(Apply::<_, 0>(Effective { learning_rate, epsilon }, parameters)),
            _ => match optimizer.rule.moments() {
                0 => simd.run(Apply(Ruled::<0>::at(t, settings, SAMPLES, SCALE), parameters)),
                1 => simd.run(Apply(Ruled::<1>::at(t, settings, SAMPLES, SCALE), parameters)),
                _ => simd.run(Apply(Ruled::<2>::at(t, settings, SAMPLES, SCALE), parameters)),
            },
        };
        let numbers: Vec<Lanes> = (0..3).flat_map(|number| moved.iter().map(move |state| state[number])).collect();
        bits(floats(&numbers))
    });
    let mut parts = all.chunks(parameters.len() * 8).map(<[u32]>::to_vec);
    std::array::from_fn(|_| parts.next().unwrap())
}

/// theta after the step of plain SGD or aSGD, with the errors of c + epsilon, of the division and of the fused multiply-add.
pub fn bounded_update(
    theta: f32,
    sum: Sum,
    roundings: usize,
    count: u32,
    samples: usize,
    settings: &ReplicaSettings,
) -> Sum {
    let at = At { count, samples, t: 1, scale: 1.0 };
    let [theta, ..] = bounded(Parameter::new(theta.into()), sum, roundings, 2, at, settings);
    theta
}

/// 808 parameters on their way: counts from 0 on, sums that belong to them, and the moments of some training.
fn states(random: &mut Random) -> (Vec<State>, Vec<u32>) {
    let thetas = numbers(random, 808, 1);
    let counts: Vec<u32> = (0..808).map(|index| index * 7 % (SAMPLES as u32 + 1)).collect();
    let sum = |random: &mut Random, count: u32| if count == 0 { 0.0 } else { random.normal() as f32 * count as f32 };
    let mut states = vec![[Lanes::ZERO; 5]; 101];
    for (index, &count) in counts.iter().enumerate() {
        let moments = [random.normal() as f32, (random.normal() as f32).powi(2)];
        // A moment that is a sum of squares is never negative; the first may be one, too.
        let numbers = [thetas[index], moments[0], moments[1], sum(random, count), count as f32];
        for (lanes, number) in states[index / 8].iter_mut().zip(numbers) {
            lanes.0[index % 8] = number;
        }
    }
    (states, counts)
}

#[test]
fn equals_its_twin() {
    let (states, counts) = states(&mut Random::new(3, 0));
    let plain = [
        (Optimizer::ASGD, 0.01, 1e-8),
        (Optimizer::ASGD, 0.5, 0.0),
        (Optimizer::ASGD, 1.0, 1.0),
        (Optimizer::ASGD, 0.3, 0.4),
        (Optimizer::ASGD, 0.0, 0.0),
        (Optimizer::SGD, 0.1, 1e-8),
        (Optimizer::SGD, 0.0, 0.0),
    ];
    let decayed = |weight_decay: f32| Optimizer::all().map(move |optimizer| Optimizer { weight_decay, ..optimizer });
    let clipped = decayed(0.03).map(|optimizer| Optimizer { clip_value: 0.3, ..optimizer });
    let ruled = decayed(0.0).chain(decayed(0.03)).chain(clipped).map(|optimizer| (optimizer, 0.02, 1e-3));
    for (optimizer, learning_rate, epsilon) in plain.into_iter().chain(ruled) {
        let settings = ReplicaSettings { optimizer, learning_rate, epsilon, ..Default::default() };
        // First moments of these are sums of squares.
        let is_square = matches!(
            optimizer.rule,
            crate::Rule::Adagrad { .. } | crate::Rule::Adadelta { .. } | crate::Rule::RmsProp { .. }
        );
        let mut states = states.clone();
        if is_square {
            states.iter_mut().for_each(|state| state[1] = state[1].map(f32::abs));
        }
        let is_plain = [Optimizer::SGD, Optimizer::ASGD].contains(&optimizer);
        let scale = if is_plain { 1.0 } else { SCALE.into() };
        for t in [1, 2, 1000] {
            let actual = apply(&settings, t, &states);
            let number = |number: usize, index: usize| states[index / 8][number].0[index % 8];
            let all: Vec<[Sum; 3]> = (0..808)
                .map(|index| {
                    let [theta, first, second] = [0, 1, 2].map(|part| f64::from(number(part, index)));
                    let sum = Sum { value: number(3, index).into(), magnitude: 0.0 };
                    let before = Parameter { theta, moments: [first, second] };
                    let at = At { count: counts[index], samples: SAMPLES, t, scale };
                    bounded(before, sum, 0, 8, at, &settings)
                })
                .collect();
            for part in 0..=optimizer.rule.moments() {
                let expected: Vec<Sum> = all.iter().map(|sums| sums[part]).collect();
                assert_close(&(settings, t, part), &actual[part], &expected, 1);
                let is_same = |&index: &usize| actual[part][index] == number(part, index).to_bits();
                let is_effective = optimizer.gradient == crate::Gradient::Effective;
                let is_still = |&index: &usize| is_effective && counts[index] == 0 || part == 0 && learning_rate == 0.0;
                let wrong: Vec<usize> = (0..808).filter(is_still).filter(|index| !is_same(index)).collect();
                assert!(wrong.is_empty(), "{settings:?}: c = 0, or lr = 0, leaves it bit for bit: {wrong:?}");
            }
        }
    }
}

/// c = 0 leaves every theta, whatever bits it has, under every rule.
#[test]
fn nothing_moves_without_a_gradient() {
    let theta = Lanes([0.0, -0.0, 1.0, f32::MIN_POSITIVE / 2.0, f32::MAX, f32::INFINITY, -3.5, 1e-30]);
    for optimizer in Optimizer::all().filter(|optimizer| optimizer.gradient == crate::Gradient::Effective) {
        for epsilon in [0.0, 1e-8, 1.0] {
            let settings = ReplicaSettings { optimizer, learning_rate: 0.5, epsilon, ..Default::default() };
            let [actual, ..] = apply(&settings, 3, &[[theta, theta, theta, Lanes::ZERO, Lanes::ZERO]]);
            assert_eq!(actual, bits(&theta.0), "{optimizer} {epsilon}");
        }
    }
}

/// A moment that decays ends at 0, not at a subnormal number, which no later step could tell from 0 and every step would pay for.
#[test]
fn moments_decay_to_zero() {
    for optimizer in Optimizer::all().filter(|optimizer| optimizer.moves_inactive()) {
        let settings = ReplicaSettings { optimizer, ..Default::default() };
        let moment = Lanes([1.5 * f32::MIN_POSITIVE; 8]);
        let state = [Lanes([0.5; 8]), moment, moment, Lanes::ZERO, Lanes::ZERO];
        let mut state = [state];
        for t in 1..2000 {
            let [theta, first, second] = apply(&settings, t, &state);
            let lanes = |bits: &[u32]| Lanes(std::array::from_fn(|lane| f32::from_bits(bits[lane])));
            (state[0][0], state[0][1], state[0][2]) = (lanes(&theta), lanes(&first), lanes(&second));
        }
        let moments = &state[0][1..=optimizer.rule.moments()];
        assert!(
            moments.iter().flat_map(|moment| moment.0).all(|x| x == 0.0 || x.is_normal()),
            "{optimizer}: {moments:?}"
        );
    }
}
