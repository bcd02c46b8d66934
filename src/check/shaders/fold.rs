//! fold.wgsl: weights and biases of normalized layers as evaluation sees them; all other numbers as they are.

use super::case::Case;
use super::fixture::{Fixture, POISON, Parameter, floats};
use super::kernels::{Kernels, Shader};
use super::normalize::ROUNDINGS;
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::reference::fold::fold;
use crate::reference::{Sum, gamma as rounding_error};

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    // Moments are between the replicas' numbers, and are not copied.
    let fixture = Fixture::normalized(case, 1)?;
    let own = fixture.packed_parameters();
    let stride = fixture.network.parameter_stride();
    let arena: Vec<u32> = own.chunks(stride).flat_map(|own| [own, &vec![POISON; stride]].concat()).collect();
    let after = fixture.run(kernels, Shader::Fold, fixture.batch(0), &[&arena, &vec![POISON; own.len()]])?;
    let numbers = floats(&own);
    for (index, parameter) in fixture.parameters().into_iter().enumerate() {
        let Parameter { replica, layer, neuron, column, is_padding } = parameter;
        let inputs = case.widths[layer];
        let place = || format!("{case}; {parameter:?}, folded");
        if is_padding || column > inputs || !fixture.is_normalized(layer) {
            comparison.equal(place, index, after[1][index], own[index]);
            continue;
        }
        let model = &fixture.model;
        let [gamma, beta, mean, variance] = [
            model.gamma(layer, replica),
            model.bias(layer, replica),
            model.running_mean(layer, replica),
            model.running_variance(layer, replica),
        ]
        .map(|values| values[neuron]);
        let (scale, bias) = fold(gamma, beta, mean, variance);
        let expected = if column < inputs {
            let value = f64::from(numbers[index]) * scale;
            Sum { value, magnitude: value.abs() }
        } else {
            Sum { value: bias, magnitude: f64::from(beta).abs() + (f64::from(mean) * scale).abs() }
        };
        let bound = 3.0 * rounding_error(ROUNDINGS) * expected.magnitude + f64::from(f32::MIN_POSITIVE);
        comparison.within(place, index, f32::from_bits(after[1][index]).into(), expected.value, bound);
    }
    Ok(())
}
