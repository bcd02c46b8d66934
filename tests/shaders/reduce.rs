use asgd::gpu::kernels::REDUCE;
use asgd::reference::reduce::{reduce, Reduction};
use asgd::reference::Sum;

use crate::fixture::{assert_close, bits, cases, many_workgroups, Case, Fixture, Parameter, POISON};

/// By replica and layer.
pub fn expected(fixture: &Fixture) -> Vec<Vec<Reduction>> {
    let layers = 0..fixture.network.layers().len();
    let of_replica = |replica: usize| {
        layers
            .clone()
            .map(|layer| reduce(&fixture.deltas[replica][layer], fixture.below(replica, layer), fixture.case.size))
            .collect()
    };
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

/// A product a sample, summed, and up to three roundings in the division by 255 (2.5 ULP in WGSL).
pub fn roundings(case: &Case) -> usize {
    case.size + 5
}

/// What both forms of the kernel read.
pub fn reduced_buffers(fixture: &Fixture) -> Vec<Vec<u32>> {
    vec![
        fixture.packed_inputs(),
        fixture.packed_input_masks(),
        fixture.packed_features(),
        bits(&fixture.packed_activations()),
        bits(&fixture.packed_deltas()),
        fixture.packed_masks(),
    ]
}

#[test]
fn equals_its_twin() {
    for case in cases().iter().chain([&many_workgroups()]) {
        let fixture = Fixture::new(case);
        let expected = expected(&fixture);
        let buffers = reduced_buffers(&fixture);
        let poison = vec![POISON; case.replicas * fixture.network.parameter_stride()];
        let mut storage: Vec<&[u32]> = buffers.iter().map(Vec::as_slice).collect();
        storage.extend([&poison[..], &poison[..]]);
        let results = fixture.run(&REDUCE, fixture.batch(0), fixture.dispatch().reduce(), &storage);
        for (index, parameter) in fixture.parameters().into_iter().enumerate() {
            let what = format!("{case:?} {parameter:?}");
            let (sum, count) = of_parameter(&expected, parameter);
            assert_close(&what, results[6][index], sum, roundings(case));
            assert_eq!(results[7][index], count, "{what}");
        }
    }
}
