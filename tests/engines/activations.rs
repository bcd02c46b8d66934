//! Activations beside ReLU, and thresholds of the counts: against the reference and PyTorch, and trainings against themselves, bit for
//! bit.

use asgd::check::training::Course;
use asgd::dataset::{Inputs, Samples};
use asgd::reference::step::Training;
use asgd::{Activation, Dataset, Init, Loss, Model, NetworkSpec, Optimizer, Order, ReplicaSettings, TrainSettings};

use crate::common::{first_clear, follows, grouping_leaves_no_trace, has_the_gradient};
use crate::support::{ENGINES, Engine, FORMS, circles, images, replica};

/// Engines and hidden layers: a GPU takes all of its forms.
fn forms() -> impl Iterator<Item = (Engine, [usize; 2])> {
    ENGINES.into_iter().map(|engine| (engine, [8, 6])).chain(FORMS)
}

/// A network with these hidden layers for each seed.
fn model(dataset: &Dataset, activation: Activation, hidden: &[usize], seeds: &[u64]) -> Model {
    let outputs = dataset.output_units();
    let widths = [&[dataset.features()], hidden, &[outputs]].concat();
    let spec = NetworkSpec::with(&widths, activation, Loss::for_units(outputs)).unwrap();
    Init::Kaiming.model(&spec, seeds).unwrap()
}

/// Replicas with the seeds from 1 on, of aSGD and SGD in turn, with these thresholds.
fn counting(thresholds: &[f32]) -> Vec<ReplicaSettings> {
    let optimizers = [Optimizer::ASGD, Optimizer::SGD].into_iter().cycle();
    let own = (1..).zip(thresholds).zip(optimizers);
    own.map(|((seed, &count_threshold), optimizer)| ReplicaSettings { count_threshold, ..replica(seed, optimizer) })
        .collect()
}

fn seeds(replicas: &[ReplicaSettings]) -> Vec<u64> {
    replicas.iter().map(|replica| replica.seed).collect()
}

/// Optimizers, thresholds and dropouts that meet a network each otherwise.
fn course(dataset: Dataset, activation: Activation, hidden: &[usize], seed: u64, thresholds: [f32; 3]) -> Course {
    let optimizers = ["asgd", "sgd", "asgd", "asgd", "aadam"].map(|name| name.parse::<Optimizer>().unwrap());
    let mut course = Course::new(dataset, hidden, 20, seed, &optimizers).unwrap();
    let [first, second, third] = thresholds;
    let settings = [(0.0, 0.0), (0.0, 0.0), (first, 0.0), (second, 0.3), (third, 0.2)];
    for (replica, (count_threshold, dropout)) in course.settings.replicas.iter_mut().zip(settings) {
        (replica.count_threshold, replica.dropout) = (count_threshold, dropout);
    }
    course.initial = model(&course.dataset, activation, hidden, &seeds(&course.settings.replicas));
    course
}

/// S, c and the parameters after these steps, evaluations, and the last replica against the same alone. The seed is the first with
/// which nothing comes so near a threshold of the counts, or a kink, that rounding could carry it across.
fn follow(dataset: Dataset, activation: Activation, hidden: &[usize], steps: [u64; 2], thresholds: [f32; 3]) {
    let courses = (1..60).map(|seed| course(dataset.clone(), activation, hidden, 10 * seed, thresholds));
    let (course, stops) = first_clear(courses, &steps);
    follows(&activation.to_string(), &course, &stops);
}

#[test]
fn fifty_steps_follow_the_reference() {
    for activation in Activation::all() {
        follow(circles(), activation, &[6, 5], [1, 50], [0.1, 0.02, 0.05]);
        follow(images(), activation, &[17, 9], [1, 50], [0.1, 0.02, 0.05]);
    }
}

/// On a GPU, all layers forward and back in one dispatch, and a dispatch a layer. Of so many values some are always near a threshold, so
/// that one replica has one, and the trainings are short.
#[test]
fn wider_networks_follow_the_reference() {
    for activation in [Activation::Gelu, Activation::Tanh] {
        for hidden in [&[100, 6][..], &[131]] {
            follow(images(), activation, hidden, [1, 8], [0.1, 0.0, 0.0]);
        }
    }
}

/// Where nothing is exactly zero, every sample counts; with a threshold, fewer do, though not none.
#[test]
fn counts_mean_something_with_a_threshold() {
    let (dataset, batch_size) = (circles(), 50);
    for (engine, hidden) in forms() {
        for activation in [Activation::Tanh, Activation::Gelu, Activation::Sigmoid] {
            let replicas = counting(&[0.0, 0.2, 0.2]);
            let initial = model(&dataset, activation, &hidden, &seeds(&replicas));
            let settings = TrainSettings { batch_size, replicas, ..Default::default() };
            let mut trainer = engine.trainer(&dataset, &initial, settings).unwrap();
            trainer.train(3).unwrap();
            let (_, counts) = trainer.last_reduction().unwrap().unwrap();
            let means = trainer.mean_adaptive_batch_sizes().unwrap().unwrap();
            for (replica, means) in means.iter().enumerate() {
                let (mut whole, mut parameters) = (0, 0);
                for (layer, (own, mean)) in Training::flatten_counts(&counts, replica).iter().zip(means).enumerate() {
                    let place = format!("{engine:?} {activation} replica {replica} layer {layer}");
                    let expected = own.iter().map(|&count| f64::from(count)).sum::<f64>() / own.len() as f64;
                    assert!((mean - expected).abs() < 1e-12 * expected.max(1.0), "{place}: {mean} {expected}");
                    whole += own.iter().filter(|&&count| count == batch_size as u32).count();
                    parameters += own.len();
                    assert!(expected > 0.0, "{place}");
                }
                assert_eq!(
                    whole == parameters,
                    replica == 0,
                    "{engine:?} {activation} replica {replica}: {whole} {parameters}"
                );
            }
        }
    }
}

/// S is the sum over all samples, also where none counts; then neither a parameter nor its moments change, bit for bit.
#[test]
fn what_no_sample_counts_for_stays() {
    let dataset = images();
    let optimizers = ["asgd", "aadam", "asgd"].map(|name| name.parse::<Optimizer>().unwrap());
    for (engine, hidden) in forms() {
        let replicas: Vec<ReplicaSettings> = (1..)
            .zip(optimizers)
            .map(|(seed, optimizer)| ReplicaSettings { count_threshold: 0.9, ..replica(seed, optimizer) })
            .enumerate()
            .map(|(index, own)| {
                let clip_norm = if index == 2 { 0.1 } else { f32::INFINITY };
                ReplicaSettings { optimizer: Optimizer { clip_norm, ..own.optimizer }, epsilon: 0.0, ..own }
            })
            .collect();
        let initial = model(&dataset, Activation::Tanh, &hidden, &seeds(&replicas));
        let settings = TrainSettings { replicas, ..Default::default() };
        let mut trainer = engine.trainer(&dataset, &initial, settings).unwrap();
        trainer.train(1).unwrap();
        let (sums, counts) = trainer.last_reduction().unwrap().unwrap();
        let (trained, moments) = (trainer.model().unwrap(), trainer.moments().unwrap());
        for replica in 0..3 {
            let flat = |model: &Model| Training::flatten(model, replica).concat();
            let counts = Training::flatten_counts(&counts, replica).concat();
            let (before, after, sums) = (flat(&initial), flat(&trained), flat(&sums));
            let (mut stayed, mut moved) = (0, 0);
            for (index, &count) in counts.iter().enumerate() {
                if count == 0 {
                    assert_eq!(before[index].to_bits(), after[index].to_bits(), "{engine:?} replica {replica} {index}");
                    assert!(moments.iter().all(|moment| flat(moment)[index] == 0.0), "{engine:?} replica {replica}");
                    stayed += usize::from(sums[index] != 0.0);
                } else {
                    moved += usize::from(before[index] != after[index]);
                }
            }
            assert!(stayed > 10 && moved > 10, "{engine:?} replica {replica}: {stayed} {moved}");
        }
    }
}

/// A replica is what it is alone, whatever thresholds others have; the threads leave no trace.
#[test]
fn a_replica_counts_by_itself() {
    let dataset = images();
    for (engine, hidden) in forms() {
        let trained = |replicas: Vec<ReplicaSettings>| {
            let initial = model(&dataset, Activation::Silu, &hidden, &seeds(&replicas));
            let mut trainer =
                engine.trainer(&dataset, &initial, TrainSettings { replicas, ..Default::default() }).unwrap();
            trainer.train(30).unwrap();
            trainer.model().unwrap()
        };
        let (plain, mixed) = (counting(&[0.0; 4]), counting(&[0.0, 0.0, 0.2, 0.4]));
        let (together, plain) = (trained(mixed.clone()), trained(plain));
        for (replica, own) in mixed.iter().enumerate() {
            let range = replica..replica + 1;
            assert_eq!(trained(vec![*own]), together.slice(range.clone()), "{engine:?} {replica}");
            // Neither no threshold nor the mean gradient makes a difference.
            let is_same = together.slice(range.clone()) == plain.slice(range);
            assert_eq!(is_same, replica != 2, "{engine:?} {replica}");
        }
        if let Engine::Cpu(_) = engine {
            let initial = model(&dataset, Activation::Silu, &hidden, &seeds(&mixed));
            let settings = TrainSettings { replicas: mixed, ..Default::default() };
            let mut other = Engine::Cpu(2).trainer(&dataset, &initial, settings).unwrap();
            other.train(30).unwrap();
            assert_eq!(other.model().unwrap(), together, "{engine:?}");
        }
    }
}

#[test]
fn how_steps_are_grouped_leaves_no_trace() {
    let dataset = images();
    for (engine, hidden) in forms() {
        for activation in [Activation::Elu, Activation::Gelu] {
            let replicas = counting(&[0.1, 0.0, 0.3]);
            let initial = model(&dataset, activation, &hidden, &seeds(&replicas));
            let settings = TrainSettings { replicas, ..Default::default() };
            let start = |initial: &Model| engine.trainer(&dataset, initial, settings.clone()).unwrap();
            grouping_leaves_no_trace(engine, start, &initial, 40);
        }
    }
}

/// Central differences of the loss; leaky ReLU stays away from its kink.
#[test]
fn the_reference_gradient_equals_finite_differences() {
    let (dataset, all) = (circles(), (0..12).collect::<Vec<u32>>());
    for activation in Activation::all() {
        let initial = model(&dataset, activation, &[5, 4], &[3]);
        let training = Training::new(&initial, 0, replica(3, Optimizer::SGD), |value| value);
        has_the_gradient(training, &dataset.train, &all, 1e-7);
    }
}

#[test]
fn thresholds_without_sense_are_refused() {
    let dataset = circles();
    let initial = model(&dataset, Activation::Tanh, &[3], &[1]);
    for engine in ENGINES {
        for wrong in [1.0, -0.1, f32::NAN, f32::INFINITY] {
            let settings = TrainSettings { replicas: counting(&[wrong]), ..Default::default() };
            let error = engine.trainer(&dataset, &initial, settings).err().expect("refused").to_string();
            assert!(error.contains("--count-threshold") && error.contains("at least 0 and below 1"), "{error}");
        }
    }
}

/// One network trained with every activation of torch.nn, with and without a threshold: tests/golden/make_activations.py.
#[derive(serde::Deserialize)]
struct Golden {
    widths: Vec<usize>,
    inputs: Vec<f64>,
    labels: Vec<u32>,
    initial: Vec<f64>,
    steps: Vec<u64>,
    trajectories: Vec<Trajectory>,
}

#[derive(serde::Deserialize)]
struct Trajectory {
    activation: String,
    optimizer: String,
    learning_rate: f32,
    count_threshold: f32,
    /// After each of the steps.
    parameters: Vec<Vec<f64>>,
    /// Of each of the steps.
    counts: Vec<Vec<u32>>,
}

impl Golden {
    /// PyTorch's flat numbers, weight and bias of layer after layer, as a model.
    fn model(&self, activation: Activation, numbers: &[f64]) -> Model {
        let loss = Loss::for_units(*self.widths.last().unwrap());
        let mut model = Model::zeros(&NetworkSpec::with(&self.widths, activation, loss).unwrap(), 1);
        let mut numbers = numbers.iter().map(|&number| number as f32);
        for layer in 0..self.widths.len() - 1 {
            model.weight_mut(layer, 0).fill_with(|| numbers.next().unwrap());
            model.bias_mut(layer, 0).fill_with(|| numbers.next().unwrap());
        }
        model
    }

    /// Its flat counts, in the same order as parameters.
    fn counts(&self, counts: &[u32]) -> Vec<f64> {
        let counts: Vec<f64> = counts.iter().map(|&count| count.into()).collect();
        Training::flatten(&self.model(Activation::Relu, &counts), 0).concat()
    }
}

/// The activations are torch.nn's: 50 steps of each, of the reference and of every engine, with equal counts.
#[test]
fn activations_equal_pytorch() {
    let golden: Golden = serde_json::from_str(include_str!("../golden/activations.json")).unwrap();
    let inputs = golden.inputs.iter().map(|&value| value as f32).collect();
    let classes = *golden.widths.last().unwrap();
    let samples = Samples::new(golden.widths[0], Inputs::F32(inputs), golden.labels.clone(), classes).unwrap();
    let all: Vec<u32> = (0..samples.len() as u32).collect();
    let (train, test, class_names) = (samples.clone(), samples.clone(), Vec::new());
    let dataset = Dataset { name: "golden".into(), class_names, classes, train, test, validation: None };
    assert_eq!(golden.trajectories.len(), 7 * 3);
    for trajectory in &golden.trajectories {
        let activation: Activation = trajectory.activation.parse().unwrap();
        let Trajectory { learning_rate, count_threshold, .. } = *trajectory;
        let optimizer = trajectory.optimizer.parse().unwrap();
        let settings = ReplicaSettings { optimizer, learning_rate, count_threshold, ..Default::default() };
        let initial = golden.model(activation, &golden.initial);
        let expected = |index: usize| {
            let parameters = golden.model(activation, &trajectory.parameters[index]);
            (Training::flatten(&parameters, 0).concat(), golden.counts(&trajectory.counts[index]))
        };
        let as_floats = |counts: Vec<Vec<u32>>| counts.concat().into_iter().map(f64::from).collect::<Vec<_>>();
        let place = |who: &str, step: u64| format!("{who}: {activation} {optimizer} {count_threshold}, step {step}");
        let mut training = Training::new(&initial, 0, settings, |value| value);
        let mut done = 0;
        for (index, &stop) in golden.steps.iter().enumerate() {
            (done..stop).for_each(|_| training.step(&samples, &all));
            done = stop;
            let (parameters, counts) = expected(index);
            assert_eq!(as_floats(training.counts.clone()), counts, "{}", place("reference", stop));
            for (actual, expected) in training.parameters.iter().flatten().zip(parameters) {
                // The file's numbers were rounded to f32 on their way.
                assert!((actual - expected).abs() < 1e-7 * expected.abs().max(0.1), "{}", place("reference", stop));
            }
        }
        for engine in ENGINES {
            let settings = TrainSettings {
                batch_size: all.len(),
                order: Order::Sequential,
                replicas: vec![settings],
                ..Default::default()
            };
            let mut trainer = engine.trainer(&dataset, &initial, settings).unwrap();
            for (index, &stop) in golden.steps.iter().enumerate() {
                trainer.train(stop - trainer.step()).unwrap();
                let (parameters, counts) = expected(index);
                let place = || place(&format!("{engine:?}"), stop);
                let (_, own) = trainer.last_reduction().unwrap().unwrap();
                assert_eq!(as_floats(Training::flatten_counts(&own, 0)), counts, "{}", place());
                let actual = Training::flatten(&trainer.model().unwrap(), 0).concat();
                for (actual, expected) in actual.iter().zip(parameters) {
                    // f32 after 50 steps; `fifty_steps_follow_the_reference` has bounds.
                    assert!((actual - expected).abs() < 2e-5, "{}: {actual} {expected}", place());
                }
            }
        }
    }
}
