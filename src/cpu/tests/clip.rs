use super::fixture::model;
use crate::Model;
use crate::cpu::clip::{scale, square};
use crate::cpu::parameters::{Parameters, split};

/// A replica whose gradient is its parameters.
fn squared(model: &Model, members: usize) -> Parameters {
    let parameters = Parameters::new(model, &[], 0, &split(model.spec(), members, 64, &[]));
    for member in 0..members {
        let mut share = parameters.write(member);
        let own = share.values.clone();
        square(&mut share, |share| share.values = own);
    }
    parameters
}

/// Over all parameters, with the same bits for every team.
#[test]
fn equals_its_twin() {
    for widths in [&[2, 1][..], &[40, 65, 100, 33, 3], &[200, 2]] {
        let model = model(widths);
        let values = (0..widths.len() - 1).flat_map(|layer| model.weight(layer, 0).iter().chain(model.bias(layer, 0)));
        let norm = values.map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        for bound in [0.001, 0.5 * norm as f32, 2.0 * norm as f32] {
            let expected = (f64::from(bound) / (norm + 1e-6)).min(1.0);
            let scales: Vec<f32> = (1..6).map(|members| scale(&squared(&model, members), bound)).collect();
            assert!(scales.iter().all(|scale| *scale == scales[0]), "{widths:?}: {scales:?}");
            let error = (f64::from(scales[0]) - expected).abs();
            assert!(error <= f64::from(f32::EPSILON) * expected, "{widths:?}: {} {expected}", scales[0]);
        }
    }
}
