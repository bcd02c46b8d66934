// Uses: nothing
// optimizer.wgsl: the settings of a replica, which are columns of its axis, and the update rules, for four parameters at once. Formulas
// are those of optimizer.rs, named as in torch.optim. A rule's gradient g is
//
//   mean        S / m                  m = samples really in the batch
//   effective   S / (c + epsilon)      where c = 0, neither theta nor its moments change, bit for bit (algorithm 2)

struct Replica {
    seed_low: u32,
    seed_high: u32,
    is_effective: u32,
    rule: u32,
    moments: u32,           // that the rule keeps for each parameter
    is_decoupled: u32,      // 1: weights decay by themselves rather than in g
    learning_rate: f32,
    epsilon: f32,
    clip_value: f32,        // 0: no bound
    clip_norm: f32,         // 0: no bound; see clip.wgsl
    weight_decay: f32,
    first: f32,             // momentum, rho, alpha, beta1
    second: f32,            // beta2
    eps: f32,
    log_first: f32,
    log_second: f32,
    moves_inactive: u32,    // 1: parameters of inactive features move as well
    is_plain: u32,          // 1: SGD or aSGD, without clipping and weight decay
    dropout_threshold: u32, // P 2^32; see dropout.wgsl
    dropout_scale: f32,     // 1 / (1 - P)
    input_dropout_threshold: u32,
    input_dropout_scale: f32,
    count_threshold: f32,   // T; see threshold.wgsl
    byte_threshold: f32,    // the largest byte, times input_dropout_scale, that is not above T
}

// Positions in RULES of optimizer.rs.
const RULE_SGD = 0u;
const RULE_MOMENTUM = 1u;
const RULE_NESTEROV = 2u;
const RULE_ADAGRAD = 3u;
const RULE_ADADELTA = 4u;
const RULE_RMSPROP = 5u;
const RULE_ADAM = 6u;
const RULE_ADAMW = 7u;
const RULE_LION = 8u;

// Of the step in hand.
struct Step {
    size: u32,      // samples really in its batch
    t: u32,         // its number, from 1
    rate_factor: f32,
}

// Whether any replica is not plain. Without, a kernel has fewer registers.
override HAS_RULES = true;

struct Parameters {
    theta: vec4<f32>,
    first: vec4<f32>,       // the moments in the order of the rule's formulas; 0 before the first step
    second: vec4<f32>,
}

// 1 - beta^t from ln beta, without the cancellation of its first steps.
fn bias(log_beta: f32, t: u32) -> f32 {
    let x = -log_beta * f32(t);
    if x > 0.5 {
        return 1.0 - exp(-x);
    }
    // x - x^2/2! + x^3/3! - ..; the next term is below the rounding error.
    return x * (1.0 - x / 2.0 * (1.0 - x / 3.0 * (1.0 - x / 4.0 * (1.0 - x / 5.0 * (1.0 - x / 6.0 * (1.0 - x / 7.0 * (1.0 - x / 8.0)))))));
}

// g / (sqrt(s) + eps)
fn scaled(g: vec4<f32>, s: vec4<f32>, eps: f32) -> vec4<f32> {
    return g / (sqrt(s) + eps);
}

// The step, to be multiplied by the learning rate and subtracted from theta, and the moments after it.
fn rule_step(g: vec4<f32>, before: Parameters, settings: Replica, t: u32) -> Parameters {
    let beta = settings.first;
    switch settings.rule {
        case RULE_MOMENTUM, RULE_NESTEROV: {
            let v = beta * before.first + g;
            return Parameters(select(v, beta * v + g, settings.rule == RULE_NESTEROV), v, before.second);
        }
        case RULE_ADAGRAD: {
            let s = before.first + g * g;
            return Parameters(scaled(g, s, settings.eps), s, before.second);
        }
        case RULE_RMSPROP: {
            let s = beta * before.first + (1.0 - beta) * g * g;
            return Parameters(scaled(g, s, settings.eps), s, before.second);
        }
        case RULE_ADADELTA: {
            let s = beta * before.first + (1.0 - beta) * g * g;
            let step = sqrt(before.second + settings.eps) / sqrt(s + settings.eps) * g;
            return Parameters(step, s, beta * before.second + (1.0 - beta) * step * step);
        }
        case RULE_ADAM, RULE_ADAMW: {
            let m = beta * before.first + (1.0 - beta) * g;
            let v = settings.second * before.second + (1.0 - settings.second) * g * g;
            let step = scaled(m / bias(settings.log_first, t), v / bias(settings.log_second, t), settings.eps);
            return Parameters(step, m, v);
        }
        case RULE_LION: {
            let step = sign(beta * before.first + (1.0 - beta) * g);
            return Parameters(step, settings.second * before.first + (1.0 - settings.second) * g, before.second);
        }
        default: {
            return Parameters(g, before.first, before.second);
        }
    }
}

// Where no gradient is effective, nothing changes.
fn is_still(counts: vec4<u32>, settings: Replica) -> vec4<bool> {
    return vec4(settings.is_effective == 1u) & (counts == vec4<u32>());
}

fn divisor_of(counts: vec4<u32>, settings: Replica, step: Step) -> vec4<f32> {
    return select(vec4(f32(step.size)), vec4<f32>(counts) + settings.epsilon, settings.is_effective == 1u);
}

// The gradient, clipped by value; 0 where nothing changes.
fn gradient_of(sums: vec4<f32>, counts: vec4<u32>, settings: Replica, step: Step) -> vec4<f32> {
    let gradient = select(sums / divisor_of(counts, settings, step), vec4<f32>(), is_still(counts, settings));
    let bound = vec4(settings.clip_value);
    // NaN stays NaN.
    let clipped = select(select(gradient, -bound, gradient < -bound), bound, gradient > bound);
    return select(gradient, clipped, settings.clip_value > 0.0);
}

// `scale` is what clipping by norm multiplies the gradient by, 1 without.
fn updated(before: Parameters, sums: vec4<f32>, counts: vec4<u32>, scale: f32, settings: Replica, step: Step) -> Parameters {
    let stays = is_still(counts, settings);
    if !HAS_RULES || settings.is_plain == 1u {
        let change = select(settings.learning_rate * sums / divisor_of(counts, settings, step), vec4<f32>(), stays);
        return Parameters(before.theta - change, before.first, before.second);
    }
    let decay = settings.weight_decay * before.theta;
    let is_decoupled = settings.is_decoupled == 1u;
    let gradient = scale * gradient_of(sums, counts, settings, step);
    let after = rule_step(gradient + select(decay, vec4<f32>(), is_decoupled), before, settings, step.t);
    let change = settings.learning_rate * (after.theta + select(vec4<f32>(), decay, is_decoupled));
    return Parameters(
        select(before.theta - change, before.theta, stays),
        select(after.first, before.first, stays),
        select(after.second, before.second, stays),
    );
}
