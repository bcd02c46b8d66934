//! store.wgsl: reduce.wgsl, where it writes the gradient sum S and the adaptive batch size c of every parameter.

use super::case::Case;
use super::fixture::{Fixture, POISON, Parameter};
use super::kernels::{Kernels, Shader};
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::reference::Sum;
use crate::reference::reduce::{Reduction, reduce};

/// By replica and layer.
pub fn expected(fixture: &Fixture) -> Vec<Vec<Reduction>> {
    let of_layer = |replica: usize, layer: usize| {
        reduce(&fixture.deltas[replica][layer], fixture.below(replica, layer), fixture.case.size)
    };
    let of_replica = |replica: usize| (0..=fixture.last()).map(|layer| of_layer(replica, layer)).collect();
    (0..fixture.case.replicas).map(of_replica).collect()
}

/// S and c of a parameter; nothing in the padding.
pub fn of_parameter(reductions: &[Vec<Reduction>], parameter: Parameter) -> (Sum, u32) {
    let Parameter { replica, layer, neuron, column, is_padding } = parameter;
    let reduction = &reductions[replica][layer];
    let inputs = reduction.weight_sums.len() / reduction.bias_sums.len();
    if is_padding {
        (Sum::default(), 0)
    } else if column < inputs {
        (reduction.weight_sums[neuron * inputs + column], reduction.weight_counts[neuron * inputs + column])
    } else {
        (reduction.bias_sums[neuron], reduction.bias_counts[neuron])
    }
}

/// A product a sample, summed, and two roundings in the scale of 8-bit inputs.
pub fn roundings(case: &Case) -> usize {
    case.size + 2
}

/// What both forms of the kernel read.
pub fn reduced_buffers(fixture: &Fixture) -> [Vec<u32>; 6] {
    [
        fixture.packed_inputs(),
        fixture.packed_activations(),
        fixture.packed_masks(),
        fixture.packed_deltas(),
        fixture.packed_features(),
        fixture.packed_input_masks(),
    ]
}

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    for fixture in [Fixture::new(case)?, Fixture::normalized(case, 0)?] {
        check_one(kernels, &fixture, comparison)?;
    }
    Ok(())
}

fn check_one(kernels: &dyn Kernels, fixture: &Fixture, comparison: &mut Comparison) -> Result<()> {
    let case = &fixture.case;
    let expected = expected(fixture);
    let buffers = reduced_buffers(fixture);
    let poison = vec![POISON; case.replicas * fixture.network.parameter_stride()];
    let mut storage: Vec<&[u32]> = buffers.iter().map(Vec::as_slice).collect();
    storage.extend([&poison[..], &poison]);
    let results = fixture.run(kernels, Shader::Reduce, fixture.batch(0), &storage)?;
    for (index, parameter) in fixture.parameters().into_iter().enumerate() {
        let place = |what: &str| format!("{case}; {what} of {parameter:?}");
        if fixture.is_normalized(parameter.layer) && parameter.column >= case.widths[parameter.layer] {
            // What reduce_norms.wgsl writes, and what has none.
            comparison.equal(|| place("S, which stays,"), index, results[6][index], POISON);
            comparison.equal(|| place("c, which stays,"), index, results[7][index], POISON);
            continue;
        }
        let (sum, count) = of_parameter(&expected, parameter);
        comparison.close(|| place("S"), index, f32::from_bits(results[6][index]), sum, roundings(case));
        comparison.equal(|| place("c"), index, results[7][index], count);
    }
    Ok(())
}
