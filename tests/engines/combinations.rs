//! Activations, batch normalization, dropout, thresholds of the counts, clipping and regression together, as nobody trains them one by
//! one: both engines against the reference, and against themselves, bit for bit.

use asgd::check::training::Course;
use asgd::dataset::Sine;
use asgd::{Activation, Dataset, Init, NetworkSpec, Optimizer};

use crate::common::{first_clear, follows};
use crate::support::{circles, images};

/// Five replicas, each with other optimizers, thresholds, dropouts and bounds.
fn course(dataset: Dataset, activation: Activation, hidden: &[usize], batch_norm: bool, seed: u64) -> Course {
    let optimizers = ["asgd", "sgd", "asgd", "aadam", "momentum"].map(|name| name.parse::<Optimizer>().unwrap());
    let mut course = Course::new(dataset, hidden, 20, seed, &optimizers).unwrap();
    let settings = [(0.0, 0.0), (0.0, 0.2), (0.1, 0.0), (0.05, 0.3), (0.0, 0.0)];
    for (replica, (count_threshold, dropout)) in course.settings.replicas.iter_mut().zip(settings) {
        (replica.count_threshold, replica.dropout) = (count_threshold, dropout);
        // So that no regression diverges, to where the slope of GELU is below every f32.
        replica.learning_rate = replica.learning_rate.min(0.01);
    }
    course.settings.replicas[4].optimizer.clip_norm = 0.3;
    course.settings.replicas[1].input_dropout = 0.2;
    let seeds: Vec<u64> = course.settings.replicas.iter().map(|replica| replica.seed).collect();
    let spec = course.initial.spec();
    let spec = NetworkSpec::with(spec.widths(), activation, spec.loss()).unwrap().with_batch_norm(batch_norm);
    course.initial = Init::Kaiming.model(&spec, &seeds).unwrap();
    course
}

/// S, c and the parameters after these steps, evaluations, and the last replica against the same alone. The seed is the first with
/// which nothing comes so near a threshold of the counts, or a kink, that rounding could carry it across.
fn follow(dataset: &Dataset, activation: Activation, hidden: &[usize], batch_norm: bool, steps: [u64; 2]) {
    let courses = (1..90).map(|seed| course(dataset.clone(), activation, hidden, batch_norm, 10 * seed));
    let (course, stops) = first_clear(courses, &steps);
    follows(&activation.to_string(), &course, &stops);
}

#[test]
fn normalized_networks_of_any_activation_and_threshold() {
    for activation in [Activation::Relu, Activation::Gelu, Activation::Tanh, Activation::LeakyRelu { slope: 0.1 }] {
        follow(&circles(), activation, &[6, 5], true, [1, 20]);
    }
    follow(&images(), Activation::Elu, &[9, 6], true, [1, 8]);
}

#[test]
fn regressions_of_any_activation() {
    let sine = Sine::default().dataset().unwrap();
    follow(&sine, Activation::Silu, &[6, 5], true, [1, 20]);
    // On a GPU whole steps, all layers forward and back, and a dispatch a layer.
    follow(&sine, Activation::Sigmoid, &[6, 5], false, [1, 20]);
    follow(&sine, Activation::Tanh, &[100, 6], false, [1, 4]);
    follow(&sine, Activation::Gelu, &[131], false, [1, 4]);
}
