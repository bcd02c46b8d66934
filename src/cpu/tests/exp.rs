use super::fixture::{bits, on_every_machine};
use crate::cpu::exp::exp;
use crate::cpu::simd::Kernel;

struct Exp<'a>(&'a [f32]);

impl Kernel for Exp<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run(self) -> Vec<f32> {
        self.0.iter().map(|&x| exp(x)).collect()
    }
}

/// The same bits from every instruction set, within 1.1 units in the last place.
#[test]
fn equals_its_twin() {
    let x: Vec<f32> = (0..200_003).map(|step| -120.0 + 208.0 * step as f32 / 200_003.0).collect();
    let actual = on_every_machine(|simd| bits(&simd.run(Exp(&x))));
    for (&x, &actual) in x.iter().zip(&actual) {
        let (actual, exact) = (f64::from(f32::from_bits(actual)), f64::from(x).exp());
        let unit = f64::from(f32::EPSILON) * exact.log2().floor().exp2();
        let bound = if x < -87.3 { exact } else { 1.1 * unit };
        assert!((actual - exact).abs() <= bound, "exp({x}) = {actual}");
    }
    let special = on_every_machine(|simd| bits(&simd.run(Exp(&[0.0, -0.0, f32::NEG_INFINITY, -1e30, f32::NAN]))));
    assert_eq!(special[..4], bits(&[1.0, 1.0, 0.0, 0.0]));
    assert!(f32::from_bits(special[4]).is_nan());
}
