//! theta and its moments from S and c: update.wgsl and optimizer.wgsl.

use super::simd::{Lanes, floats, floats_mut};
use crate::optimizer::{Gradient, Optimizer, Rule};
use crate::settings::ReplicaSettings;

/// What becomes of parameters, and of their M moments, from their gradient sums and adaptive batch sizes.
pub trait Update<const M: usize>: Copy {
    /// Whether parameters may change whose S and c are 0. Otherwise weights of inputs that are zero in the whole batch are
    /// skipped.
    fn moves_inactive(self) -> bool;

    /// Whether c matters; otherwise it may be anything.
    #[inline(always)]
    fn counts(self) -> bool {
        true
    }

    /// Moves parameters and their moments. All slices are of one length.
    fn apply(self, thetas: &mut [Lanes], moments: [&mut [Lanes]; M], sums: &[Lanes], counts: &[Lanes]);
}

/// SGD: theta - lr S / m.
#[derive(Clone, Copy)]
pub struct Mean {
    /// lr.
    pub learning_rate: f32,
    /// m.
    pub samples: f32,
}

impl Update<0> for Mean {
    #[inline(always)]
    fn moves_inactive(self) -> bool {
        false
    }

    #[inline(always)]
    fn counts(self) -> bool {
        false
    }

    #[inline(always)]
    fn apply(self, thetas: &mut [Lanes], _moments: [&mut [Lanes]; 0], sums: &[Lanes], _counts: &[Lanes]) {
        for (theta, sum) in floats_mut(thetas).iter_mut().zip(floats(sums)) {
            *theta = (-self.learning_rate).mul_add(sum / self.samples, *theta);
        }
    }
}

/// aSGD: theta - lr S / (c + epsilon), and theta, bit for bit, where c = 0. Only where S = 0 then: without a threshold of the counts, in
/// networks that are not normalized.
#[derive(Clone, Copy)]
pub struct Effective {
    /// lr.
    pub learning_rate: f32,
    /// epsilon.
    pub epsilon: f32,
}

impl Update<0> for Effective {
    #[inline(always)]
    fn moves_inactive(self) -> bool {
        false
    }

    #[inline(always)]
    fn apply(self, thetas: &mut [Lanes], _moments: [&mut [Lanes]; 0], sums: &[Lanes], counts: &[Lanes]) {
        let pairs = floats(sums).iter().zip(floats(counts));
        for (theta, (sum, count)) in floats_mut(thetas).iter_mut().zip(pairs) {
            // Where c = 0, S = 0 too: over any other number it is 0, and theta - lr * 0 is theta, bit for bit. (A choice after the
            // division would be compiled to branches.)
            let divisor = if *count == 0.0 { 1.0 } else { count + self.epsilon };
            *theta = (-self.learning_rate).mul_add(sum / divisor, *theta);
        }
    }
}

/// Any rule on either gradient, with weight decay, at some step. Its formulas are those of [`Rule`].
#[derive(Clone, Copy)]
pub struct Ruled<const M: usize> {
    optimizer: Optimizer,
    learning_rate: f32,
    epsilon: f32,
    /// m.
    samples: f32,
    /// What clipping by norm multiplies the gradient by.
    scale: f32,
    /// Of Adam: 1 / (1 - beta1^t) and 1 / sqrt(1 - beta2^t).
    unbias: [f32; 2],
}

/// 0 instead of a subnormal number. A moment that decays without a gradient would stay one for ever, because 0.9 times the smallest is
/// rounded to itself, and processors take far longer for each.
#[inline(always)]
fn flushed(moment: f32) -> f32 {
    if moment.abs() < f32::MIN_POSITIVE { 0.0 } else { moment }
}

/// Parameters with all that moves them, number by number.
struct Moving<'a, const M: usize> {
    thetas: &'a mut [f32],
    moments: [&'a mut [f32]; M],
    sums: &'a [f32],
    counts: &'a [f32],
}

impl<const M: usize> Ruled<M> {
    /// At step t, from 1, for a batch of `samples`; `scale` is that of clip.rs, 1 where nothing is clipped by norm.
    pub fn at(t: u64, settings: &ReplicaSettings, samples: usize, scale: f32) -> Self {
        let ReplicaSettings { optimizer, learning_rate, epsilon, .. } = *settings;
        // In f64, because 1 - beta^t is small at first; the same bits on every machine.
        let bias = |beta: f32| -libm::expm1(t as f64 * libm::log(f64::from(beta)));
        let unbias = match optimizer.rule {
            Rule::Adam { beta1, beta2, .. } => [1.0 / bias(beta1), 1.0 / bias(beta2).sqrt()],
            _ => [1.0; 2],
        };
        let unbias = unbias.map(|factor| factor as f32);
        Self { optimizer, learning_rate, epsilon, samples: samples as f32, scale, unbias }
    }

    /// Moves parameters; `step` says of a gradient, and of the moments before, the step, to be multiplied by lr, and the moments
    /// after.
    #[inline(always)]
    fn each(
        self,
        Moving { thetas, mut moments, sums, counts }: Moving<'_, M>,
        step: impl Fn(f32, [f32; 2]) -> (f32, [f32; 2]),
    ) {
        let Self { optimizer: Optimizer { gradient, rule, weight_decay, .. }, learning_rate, scale, .. } = self;
        let gradient_of = GradientOf::new(&self.optimizer, self.epsilon, self.samples);
        let (in_gradient, in_step) =
            if rule.is_decoupled() { (0.0, learning_rate * weight_decay) } else { (weight_decay, 0.0) };
        let length = thetas.len();
        let (sums, counts) = (&sums[..length], &counts[..length]);
        for moment in &mut moments {
            *moment = &mut std::mem::take(moment)[..length];
        }
        for index in 0..length {
            let theta = thetas[index];
            let is_still = gradient == Gradient::Effective && counts[index] == 0.0;
            let g = in_gradient.mul_add(theta, scale * gradient_of.of(sums[index], counts[index]));
            let before = [0, 1].map(|moment| if moment < M { moments[moment][index] } else { 0.0 });
            let (step, after) = step(g, before);
            let moved = theta - in_step.mul_add(theta, learning_rate * step);
            thetas[index] = if is_still { theta } else { moved };
            for moment in 0..M {
                moments[moment][index] = if is_still { before[moment] } else { flushed(after[moment]) };
            }
        }
    }
}

impl<const M: usize> Update<M> for Ruled<M> {
    #[inline(always)]
    fn moves_inactive(self) -> bool {
        self.optimizer.moves_inactive()
    }

    #[inline(always)]
    fn counts(self) -> bool {
        self.optimizer.gradient == Gradient::Effective
    }

    #[inline(always)]
    fn apply(self, thetas: &mut [Lanes], moments: [&mut [Lanes]; M], sums: &[Lanes], counts: &[Lanes]) {
        let all = Moving {
            thetas: floats_mut(thetas),
            moments: moments.map(floats_mut),
            sums: floats(sums),
            counts: floats(counts),
        };
        // share old + (1 - share) g^2
        let squares = |old: f32, share: f32, g: f32| share.mul_add(old, (1.0 - share) * g * g);
        // A loop for each rule, so that no parameter asks for the rule.
        match self.optimizer.rule {
            Rule::Sgd => self.each(all, |g, moments| (g, moments)),
            Rule::Momentum { momentum, nesterov } => self.each(all, |g, [v, unused]| {
                let v = momentum.mul_add(v, g);
                (if nesterov { momentum.mul_add(v, g) } else { v }, [v, unused])
            }),
            Rule::Adagrad { eps } => self.each(all, |g, [s, unused]| {
                let s = g.mul_add(g, s);
                (g / (s.sqrt() + eps), [s, unused])
            }),
            Rule::RmsProp { alpha, eps } => self.each(all, |g, [s, unused]| {
                let s = squares(s, alpha, g);
                (g / (s.sqrt() + eps), [s, unused])
            }),
            Rule::Adadelta { rho, eps } => self.each(all, |g, [s, u]| {
                let s = squares(s, rho, g);
                let step = (u + eps).sqrt() / (s + eps).sqrt() * g;
                (step, [s, squares(u, rho, step)])
            }),
            Rule::Adam { beta1, beta2, eps, .. } => self.each(all, |g, [m, v]| {
                let [of_mean, of_root] = self.unbias;
                let m = beta1.mul_add(m, (1.0 - beta1) * g);
                let v = squares(v, beta2, g);
                (of_mean * m / of_root.mul_add(v.sqrt(), eps), [m, v])
            }),
            Rule::Lion { beta1, beta2 } => self.each(all, |g, [m, unused]| {
                let mixed = |share: f32| share.mul_add(m, (1.0 - share) * g);
                let x = mixed(beta1);
                (if x == 0.0 { 0.0 } else { x.signum() }, [mixed(beta2), unused])
            }),
        }
    }
}

/// The gradient, clipped by value; 0 where c = 0.
#[derive(Clone, Copy)]
pub struct GradientOf {
    gradient: Gradient,
    clip_value: f32,
    epsilon: f32,
    /// m.
    samples: f32,
}

impl GradientOf {
    /// What an optimizer makes of a batch of `samples`.
    #[inline(always)]
    pub fn new(optimizer: &Optimizer, epsilon: f32, samples: f32) -> Self {
        let Optimizer { gradient, clip_value, .. } = *optimizer;
        Self { gradient, clip_value, epsilon, samples }
    }

    #[inline(always)]
    fn of(self, sum: f32, count: f32) -> f32 {
        let Self { gradient, clip_value: bound, epsilon, samples } = self;
        let g = match gradient {
            Gradient::Mean => sum / samples,
            // S need not be 0 where c is: counts may have a threshold, and layers be normalized.
            Gradient::Effective => {
                let (counted, divisor) = if count == 0.0 { (0.0, 1.0) } else { (sum, count + epsilon) };
                counted / divisor
            }
        };
        // NaN stays NaN.
        if g > bound {
            bound
        } else if g < -bound {
            -bound
        } else {
            g
        }
    }
}

/// Puts the gradient where the parameters are.
impl Update<0> for GradientOf {
    #[inline(always)]
    fn moves_inactive(self) -> bool {
        true
    }

    #[inline(always)]
    fn apply(self, thetas: &mut [Lanes], _moments: [&mut [Lanes]; 0], sums: &[Lanes], counts: &[Lanes]) {
        let pairs = floats(sums).iter().zip(floats(counts));
        for (theta, (sum, count)) in floats_mut(thetas).iter_mut().zip(pairs) {
            *theta = self.of(*sum, *count);
        }
    }
}

/// Puts S where the parameters are.
#[derive(Clone, Copy)]
pub struct Sums;

impl Update<0> for Sums {
    #[inline(always)]
    fn moves_inactive(self) -> bool {
        true
    }

    #[inline(always)]
    fn apply(self, thetas: &mut [Lanes], _moments: [&mut [Lanes]; 0], sums: &[Lanes], _counts: &[Lanes]) {
        thetas.copy_from_slice(sums);
    }
}

/// Puts c where the parameters are.
#[derive(Clone, Copy)]
pub struct Counts;

impl Update<0> for Counts {
    #[inline(always)]
    fn moves_inactive(self) -> bool {
        true
    }

    #[inline(always)]
    fn apply(self, thetas: &mut [Lanes], _moments: [&mut [Lanes]; 0], _sums: &[Lanes], counts: &[Lanes]) {
        thetas.copy_from_slice(counts);
    }
}
