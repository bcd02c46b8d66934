//! Twin of update.wgsl and optimizer.wgsl.

use super::{Sum, gamma};
use crate::optimizer::{Gradient, Optimizer, Rule};
use crate::settings::ReplicaSettings;

/// A parameter and its moments, of which a rule uses the first ones.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Parameter {
    /// theta.
    pub theta: f64,
    /// In the order of the rule's formulas.
    pub moments: [f64; 2],
}

impl Parameter {
    /// Before the first step.
    pub fn new(theta: f64) -> Self {
        Self { theta, moments: [0.0; 2] }
    }
}

/// What an update depends on beside S.
#[derive(Debug, Clone, Copy)]
pub struct At {
    /// c.
    pub count: u32,
    /// m.
    pub samples: usize,
    /// The step's number, from 1.
    pub t: u64,
    /// What clipping by norm multiplies the gradient by: [`clip::scale`](super::clip::scale).
    pub scale: f64,
}

/// The gradient, clipped by value, with gradient sum `sum` and adaptive batch size `count` for a batch of `samples`. `None` where
/// nothing changes.
pub fn gradient(sum: f64, count: u32, samples: usize, settings: &ReplicaSettings) -> Option<f64> {
    let bound = f64::from(settings.optimizer.clip_value);
    let gradient = match settings.optimizer.gradient {
        Gradient::Mean => sum / samples as f64,
        Gradient::Effective if count == 0 => return None,
        Gradient::Effective => sum / (f64::from(count) + f64::from(settings.epsilon)),
    };
    Some(gradient.clamp(-bound, bound))
}

/// A parameter after a step with gradient sum `sum`.
pub fn update(parameter: Parameter, sum: f64, at: At, settings: &ReplicaSettings) -> Parameter {
    let ReplicaSettings { optimizer: Optimizer { rule, weight_decay, .. }, learning_rate, .. } = *settings;
    let (lr, decay, t) = (f64::from(learning_rate), f64::from(weight_decay), at.t);
    let Some(gradient) = gradient(sum, at.count, at.samples, settings) else { return parameter };
    let gradient = at.scale * gradient;
    let Parameter { theta, moments: [first, second] } = parameter;
    let (g, of_weights) =
        if rule.is_decoupled() { (gradient, lr * decay * theta) } else { (gradient + decay * theta, 0.0) };
    let moved = |step: f64, moments: [f64; 2]| Parameter { theta: theta - (of_weights + step), moments };
    match rule {
        Rule::Sgd => moved(lr * g, [0.0; 2]),
        Rule::Momentum { momentum, nesterov } => {
            let momentum = f64::from(momentum);
            let v = momentum * first + g;
            moved(lr * if nesterov { g + momentum * v } else { v }, [v, 0.0])
        }
        Rule::Adagrad { eps } => {
            let s = first + g * g;
            moved(lr * g / (s.sqrt() + f64::from(eps)), [s, 0.0])
        }
        Rule::Adadelta { rho, eps } => {
            let (rho, eps) = (f64::from(rho), f64::from(eps));
            let s = rho * first + (1.0 - rho) * g * g;
            let d = (second + eps).sqrt() / (s + eps).sqrt() * g;
            moved(lr * d, [s, rho * second + (1.0 - rho) * d * d])
        }
        Rule::RmsProp { alpha, eps } => {
            let alpha = f64::from(alpha);
            let s = alpha * first + (1.0 - alpha) * g * g;
            moved(lr * g / (s.sqrt() + f64::from(eps)), [s, 0.0])
        }
        Rule::Adam { beta1, beta2, eps, .. } => {
            let (beta1, beta2) = (f64::from(beta1), f64::from(beta2));
            let m = beta1 * first + (1.0 - beta1) * g;
            let v = beta2 * second + (1.0 - beta2) * g * g;
            let unbiased = |moment: f64, beta: f64| moment / (1.0 - beta.powf(t as f64));
            moved(lr * unbiased(m, beta1) / (unbiased(v, beta2).sqrt() + f64::from(eps)), [m, v])
        }
        Rule::Lion { beta1, beta2 } => {
            let mixed = |share: f64| share * first + (1.0 - share) * g;
            let sign = |x: f64| if x == 0.0 { 0.0 } else { x.signum() };
            moved(lr * sign(mixed(beta1.into())), [mixed(beta2.into()), 0.0])
        }
    }
}

/// An updated parameter, theta and then its moments, with bounds for one rounding: how far f32 can carry it where S is off by
/// `sum_roundings` roundings of its terms and everything else, inputs and results of operations, by `roundings`.
///
/// No rule subtracts but in g = S / m + decay theta and in sums of an old moment and g: what is off there is told by how the results
/// move with S, theta and the moments. The other operations hand relative errors on. Where all of these together turn a sign,
/// as Lion takes one, either sign is right.
pub fn bounded(
    before: Parameter,
    sum: Sum,
    sum_roundings: usize,
    roundings: usize,
    at: At,
    settings: &ReplicaSettings,
) -> [Sum; 3] {
    let numbers = |parameter: Parameter| [parameter.theta, parameter.moments[0], parameter.moments[1]];
    let of = |parameter: Parameter, sum: f64| numbers(update(parameter, sum, at, settings));
    let (u, exact) = (gamma(roundings), of(before, sum.value));
    let Parameter { theta, moments: [first, second] } = before;
    let of_sum = gamma(sum_roundings) * sum.magnitude + u * sum.value.abs();
    let together = |direction: f64| {
        let moments = [first + direction * u * first.abs(), second + direction * u * second.abs()];
        of(Parameter { theta, moments }, sum.value + direction * of_sum)
    };
    let together = [together(1.0), together(-1.0)];
    let variations = [
        of(before, sum.value + of_sum),
        of(before, sum.value - of_sum),
        of(Parameter { theta: theta * (1.0 + u), ..before }, sum.value),
        of(Parameter { moments: [first * (1.0 + u), second], ..before }, sum.value),
        of(Parameter { moments: [first, second * (1.0 + u)], ..before }, sum.value),
    ];
    std::array::from_fn(|index| {
        let distance = |varied: &[f64; 3]| (varied[index] - exact[index]).abs();
        let moved = together.iter().map(distance).fold(variations.iter().map(distance).sum(), f64::max);
        // theta, and the step that is subtracted from it.
        let of_step = if index == 0 { u * (theta - exact[0]).abs() + gamma(2) * theta.abs() } else { 0.0 };
        let error =
            moved + of_step + u * if index == 0 { 0.0 } else { exact[index].abs() } + gamma(1) * exact[index].abs();
        Sum { value: exact[index], magnitude: error / gamma(1) }
    })
}
