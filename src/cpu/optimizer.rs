//! theta and its moments from S and c: update.wgsl and optimizer.wgsl.

use super::simd::{LANES, Lanes};
use crate::optimizer::{Gradient, Optimizer, Rule};
use crate::settings::ReplicaSettings;

/// What becomes of eight parameters, and of their M moments, from their gradient sums and adaptive batch sizes.
pub trait Update<const M: usize>: Copy {
    /// Whether parameters may change whose S and c are 0. Otherwise weights of inputs that are zero in the whole batch are
    /// skipped.
    fn moves_inactive(self) -> bool;

    /// The new parameters; the moments change in place.
    fn apply(self, theta: Lanes, moments: &mut [Lanes; M], sum: Lanes, count: Lanes) -> Lanes;
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
    fn apply(self, theta: Lanes, _moments: &mut [Lanes; 0], sum: Lanes, _count: Lanes) -> Lanes {
        theta.zip(sum, |theta, sum| (-self.learning_rate).mul_add(sum / self.samples, theta))
    }
}

/// aSGD: theta - lr S / (c + epsilon), and theta, bit for bit, where c = 0. Not for normalized networks, where S need not be 0 then.
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
    fn apply(self, theta: Lanes, _moments: &mut [Lanes; 0], sum: Lanes, count: Lanes) -> Lanes {
        // Where c = 0, S = 0 too: over any other number it is 0, and theta - lr * 0 is theta, bit for bit. (A choice after
        // the division would be compiled to branches.)
        let divisor = count.map(|count| if count == 0.0 { 1.0 } else { count + self.epsilon });
        let gradient = sum.zip(divisor, |sum, divisor| sum / divisor);
        theta.zip(gradient, |theta, gradient| (-self.learning_rate).mul_add(gradient, theta))
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

    /// Steps, to be multiplied by lr, and the moments after them.
    #[inline(always)]
    fn steps(self, g: Lanes, [first, second]: [Lanes; 2]) -> (Lanes, [Lanes; 2]) {
        // share old + (1 - share) g^2
        let squares = |old: Lanes, share: f32, g: Lanes| old.zip(g, |old, g| share.mul_add(old, (1.0 - share) * g * g));
        let scaled = |s: Lanes, eps: f32| g.zip(s, |g, s| g / (s.sqrt() + eps));
        match self.optimizer.rule {
            Rule::Sgd => (g, [first, second]),
            Rule::Momentum { momentum, nesterov } => {
                let v = first.zip(g, |v, g| momentum.mul_add(v, g));
                (if nesterov { v.zip(g, |v, g| momentum.mul_add(v, g)) } else { v }, [v, second])
            }
            Rule::Adagrad { eps } => {
                let s = first.zip(g, |s, g| g.mul_add(g, s));
                (scaled(s, eps), [s, second])
            }
            Rule::RmsProp { alpha, eps } => {
                let s = squares(first, alpha, g);
                (scaled(s, eps), [s, second])
            }
            Rule::Adadelta { rho, eps } => {
                let s = squares(first, rho, g);
                let root = second.zip(s, |u, s| (u + eps).sqrt() / (s + eps).sqrt());
                let step = root.zip(g, |root, g| root * g);
                (step, [s, squares(second, rho, step)])
            }
            Rule::Adam { beta1, beta2, eps, .. } => {
                let [of_mean, of_root] = self.unbias;
                let m = first.zip(g, |m, g| beta1.mul_add(m, (1.0 - beta1) * g));
                let v = squares(second, beta2, g);
                (m.zip(v, |m, v| of_mean * m / of_root.mul_add(v.sqrt(), eps)), [m, v])
            }
            Rule::Lion { beta1, beta2 } => {
                let mixed = |share: f32| first.zip(g, |m, g| share.mul_add(m, (1.0 - share) * g));
                let sign = |x: f32| if x == 0.0 { 0.0 } else { x.signum() };
                (mixed(beta1).map(sign), [mixed(beta2), second])
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
    fn apply(self, theta: Lanes, moments: &mut [Lanes; M], sum: Lanes, count: Lanes) -> Lanes {
        let Self { optimizer: Optimizer { gradient, rule, weight_decay, .. }, learning_rate, scale, .. } = self;
        let gradients = GradientOf::new(&self.optimizer, self.epsilon, self.samples).of(sum, count);
        let gradients = gradients.map(|gradient| scale * gradient);
        let (in_gradient, in_step) =
            if rule.is_decoupled() { (0.0, learning_rate * weight_decay) } else { (weight_decay, 0.0) };
        let decayed = theta.zip(gradients, |theta, gradient| in_gradient.mul_add(theta, gradient));
        let before = [0, 1].map(|moment| moments.get(moment).copied().unwrap_or(Lanes::ZERO));
        let (steps, after) = self.steps(decayed, before);
        let moved = theta.zip(steps, |theta, step| theta - in_step.mul_add(theta, learning_rate * step));
        let is_still = |count: f32| gradient == Gradient::Effective && count == 0.0;
        let kept = |before: Lanes, after: Lanes| {
            let mut kept = after;
            for lane in 0..LANES {
                kept.0[lane] = if is_still(count.0[lane]) { before.0[lane] } else { after.0[lane] };
            }
            kept
        };
        for (moment, (before, after)) in moments.iter_mut().zip(before.into_iter().zip(after)) {
            *moment = kept(before, after);
        }
        kept(theta, moved)
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
    fn of(self, sum: Lanes, count: Lanes) -> Lanes {
        let Self { gradient, clip_value: bound, epsilon, samples } = self;
        let gradients = match gradient {
            Gradient::Mean => sum.map(|sum| sum / samples),
            // In normalized layers S may be anything where c = 0.
            Gradient::Effective => sum
                .zip(count.map(|count| if count == 0.0 { f32::INFINITY } else { count + epsilon }), |sum, divisor| {
                    sum / divisor
                }),
        };
        // NaN stays NaN.
        gradients.map(|g| {
            if g > bound {
                bound
            } else if g < -bound {
                -bound
            } else {
                g
            }
        })
    }
}

/// Puts the gradient where the parameters are.
impl Update<0> for GradientOf {
    #[inline(always)]
    fn moves_inactive(self) -> bool {
        true
    }

    #[inline(always)]
    fn apply(self, _theta: Lanes, _moments: &mut [Lanes; 0], sum: Lanes, count: Lanes) -> Lanes {
        self.of(sum, count)
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
    fn apply(self, _theta: Lanes, _moments: &mut [Lanes; 0], sum: Lanes, _count: Lanes) -> Lanes {
        sum
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
    fn apply(self, _theta: Lanes, _moments: &mut [Lanes; 0], _sum: Lanes, count: Lanes) -> Lanes {
        count
    }
}
