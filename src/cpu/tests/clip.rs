use super::fixture::model;
use crate::cpu::clip::{norm, scale, square};
use crate::cpu::parameters::{Parameters, split};
use crate::reference::clip as reference;
use crate::{Model, Optimizer, ReplicaSettings};

/// A replica whose gradient is its parameters.
fn squared(model: &Model, members: usize) -> Parameters {
    let parameters = Parameters::new(model, 0, 0, &split(model.spec(), members, 64, &[]));
    for member in 0..members {
        let mut share = parameters.write(member);
        let own = share.values.clone();
        square(&mut share, |share| share.values = own);
    }
    parameters
}

/// Over all parameters, with the same bits for every team.
#[test]
fn the_norm_does_not_depend_on_the_team() {
    for widths in [&[2, 1][..], &[40, 65, 100, 33, 3], &[200, 2]] {
        let model = model(widths);
        let values = (0..widths.len() - 1).flat_map(|layer| model.weight(layer, 0).iter().chain(model.bias(layer, 0)));
        let expected = values.map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        let norms: Vec<f64> = (1..6).map(|members| norm(&squared(&model, members))).collect();
        assert!(norms.iter().all(|norm| *norm == norms[0]), "{widths:?}: {norms:?}");
        assert!((norms[0] - expected).abs() < 1e-12 * expected, "{widths:?}: {} {expected}", norms[0]);
    }
}

#[test]
fn equals_its_twin() {
    let settings =
        |clip_norm| ReplicaSettings { optimizer: Optimizer { clip_norm, ..Optimizer::SGD }, ..Default::default() };
    for norm in [0.0, 1e-7, 0.3, 2.0, 1e9] {
        for bound in [1e-6, 0.3, 5.0] {
            // The gradient of one parameter.
            let expected = reference::scale([(norm, 1)].into_iter(), 1, &settings(bound));
            let actual = f64::from(scale(norm, bound));
            assert!(
                (actual - expected).abs() <= f64::from(f32::EPSILON) * expected,
                "{norm} {bound}: {actual} {expected}"
            );
        }
    }
    assert!(scale(f64::NAN, 1.0).is_nan());
}
