// Uses: nothing
// activation.wgsl: what hidden neurons do to their sums z, and its derivative: phi(z) and phi'(z), as spec/activation.rs defines them. NaN stays
// NaN, so that a diverged replica shows.
//
// exp, tanh and erf are written out: WGSL's are as exact as the driver likes, or not there. The polynomials are those of
// src/cpu/exp.rs and src/cpu/activation.rs, where their error is tested. What could overflow is not chosen.

// Which activation, and the slope of leaky ReLU below 0 as bits. ReLU compiles to nothing but a choice.
override ACTIVATION = 0u;
override NEGATIVE_SLOPE = 0u;

// Whether the sums of hidden neurons are kept for the deltas: kept_start of common.wgsl. ReLU needs only the activations.
override KEEPS_SUMS = false;

// Positions in ACTIVATIONS of spec/activation.rs.
const RELU = 0u;
const LEAKY_RELU = 1u;
const ELU = 2u;
const GELU = 3u;
const SILU = 4u;
const TANH = 5u;
const SIGMOID = 6u;

// e^x = 2^n (1 + p), with |p| below 0.42: for x of at least -87 and at most 88.
struct Power {
    scale: vec4<f32>,   // 2^n
    p: vec4<f32>,
}

fn power_of(x: vec4<f32>) -> Power {
    let n = round(x * 1.44269504);
    let r = fma(n, vec4(2.12194440e-4), fma(n, vec4(-0.693359375), x));
    var p = fma(vec4(1.9875691500e-4), r, vec4(1.3981999507e-3));
    p = fma(p, r, vec4(8.3334519073e-3));
    p = fma(p, r, vec4(4.1665795894e-2));
    p = fma(p, r, vec4(1.6666665459e-1));
    p = fma(p, r, vec4(5.0000001201e-1));
    return Power(bitcast<vec4<f32>>((vec4<i32>(n) + 127) << vec4(23u)), fma(p, r * r, r));
}

// e^x for x of at most 0, and not below e^-87; NaN for NaN. By its bits: NVIDIA's compiler makes a maximum of the choice below, which is
// never NaN there.
fn exp_of(x: vec4<f32>) -> vec4<f32> {
    let power = power_of(select(x, vec4(-87.0), x < vec4(-87.0)));
    let is_nan = (bitcast<vec4<u32>>(x) & vec4(0x7fffffffu)) > vec4(0x7f800000u);
    return select(fma(power.p, power.scale, power.scale), x, is_nan);
}

// 1 / (1 + e^-|z|), and e^-|z| times that: the sigmoids of |z| and -|z|.
struct Sigmoids {
    above: vec4<f32>,
    below: vec4<f32>,
}

fn sigmoids_of(z: vec4<f32>) -> Sigmoids {
    let e = exp_of(-abs(z));
    let above = 1.0 / (1.0 + e);
    return Sigmoids(above, e * above);
}

fn tanh_of(z: vec4<f32>) -> vec4<f32> {
    let s = z * z;
    var p = fma(vec4(-5.70498872745e-3), s, vec4(2.06390887954e-2));
    p = fma(p, s, vec4(-5.37397155531e-2));
    p = fma(p, s, vec4(1.33314422036e-1));
    p = fma(p, s, vec4(-3.33332819422e-1));
    let e = exp_of(-2.0 * abs(z));
    let far = (1.0 - e) / (1.0 + e);
    return select(select(far, -far, z < vec4<f32>()), fma(p * s, z, z), abs(z) < vec4(0.625));
}

// The normal distribution's Phi(z) = (1 + erf(z / sqrt(2))) / 2. (N. Juffa's erf.)
fn normal_of(z: vec4<f32>) -> vec4<f32> {
    let x = z * 0.707106781;
    let s = x * x;
    var p = fma(vec4(-5.96761703e-4), s, vec4(4.99119423e-3));
    p = fma(p, s, vec4(-2.67681349e-2));
    p = fma(p, s, vec4(1.12819925e-1));
    p = fma(p, s, vec4(-3.76125336e-1));
    p = fma(p, s, vec4(1.28379166e-1));
    let near = 0.5 + 0.5 * fma(p, x, x);
    let t = select(abs(x), vec4(8.0), abs(x) > vec4(8.0));
    var q = fma(vec4(-1.72853470e-5), t, vec4(3.83197126e-4));
    q = fma(q, t * t, fma(vec4(-3.88396438e-3), t, vec4(2.42546219e-2)));
    q = fma(q, t, vec4(-1.06777877e-1));
    q = fma(q, t, vec4(-6.34846687e-1));
    q = fma(q, t, vec4(-1.28717512e-1));
    let tail = 0.5 * exp_of(fma(q, t, -t));
    return select(select(1.0 - tail, tail, x < vec4<f32>()), near, abs(x) < vec4(0.927734375));
}

fn activation(z: vec4<f32>) -> vec4<f32> {
    switch ACTIVATION {
        case LEAKY_RELU: {
            return select(z, z * bitcast<f32>(NEGATIVE_SLOPE), z <= vec4<f32>());
        }
        case ELU: {
            let power = power_of(select(z, vec4(-87.0), z < vec4(-87.0)));
            return select(z, fma(power.p, power.scale, power.scale - 1.0), z <= vec4<f32>());
        }
        case GELU: {
            return z * normal_of(z);
        }
        case SILU: {
            let sigmoids = sigmoids_of(z);
            return z * select(sigmoids.above, sigmoids.below, z < vec4<f32>());
        }
        case TANH: {
            return tanh_of(z);
        }
        case SIGMOID: {
            let sigmoids = sigmoids_of(z);
            return select(sigmoids.above, sigmoids.below, z < vec4<f32>());
        }
        default: {
            return select(z, vec4<f32>(), z <= vec4<f32>());
        }
    }
}

// phi'(z); at the kinks of ReLU and leaky ReLU, that of below.
fn slope(z: vec4<f32>) -> vec4<f32> {
    switch ACTIVATION {
        case LEAKY_RELU: {
            return select(vec4(1.0), vec4(bitcast<f32>(NEGATIVE_SLOPE)), z <= vec4<f32>());
        }
        case ELU: {
            return select(vec4(1.0), exp_of(z), z <= vec4<f32>());
        }
        case GELU: {
            // Phi(z) + z Phi'(z)
            let near = select(z, vec4(13.0), abs(z) > vec4(13.0));
            return fma(z, 0.398942280 * exp_of(-0.5 * near * near), normal_of(z));
        }
        case SILU: {
            let sigmoids = sigmoids_of(z);
            let is_below = z < vec4<f32>();
            let own = select(sigmoids.above, sigmoids.below, is_below);
            let other = select(sigmoids.below, sigmoids.above, is_below);
            return own * fma(z, other, vec4(1.0));
        }
        case TANH: {
            let e = exp_of(-2.0 * abs(z));
            let half = 2.0 / (1.0 + e);
            return e * half * half;
        }
        case SIGMOID: {
            let sigmoids = sigmoids_of(z);
            return sigmoids.above * sigmoids.below;
        }
        default: {
            return select(vec4(1.0), vec4<f32>(), z <= vec4<f32>());
        }
    }
}
