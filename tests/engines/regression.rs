//! The mean squared error: trainings against the reference and PyTorch, gradients by finite differences, and trainings against
//! themselves, bit for bit.

use asgd::check::training::{Course, Stop};
use asgd::dataset::{Inputs, Samples, Sine, Targets};
use asgd::reference::step::Training;
use asgd::{
    Activation, Dataset, Device, Init, Loss, Model, NetworkSpec, Optimizer, Predictor, ReplicaSettings, Split,
    TrainSettings, r2,
};

use crate::common::{follows, grouping_leaves_no_trace, has_the_gradient};
use crate::support::{ENGINES, Engine, FORMS, images, replicas};

fn sine() -> Dataset {
    Sine::default().dataset().unwrap()
}

/// The images of the other tests with so many numbers a sample, some of which are 0.
fn several(outputs: usize) -> Dataset {
    let images = images();
    let numbered = |samples: &Samples| {
        let number = |index: usize| ((index * 7919 + 13) % 101) as f32 / 50.0 - 1.0;
        let values = (0..samples.len() * outputs).map(|index| if index % 7 == 0 { 0.0 } else { number(index) });
        Samples::of_numbers(samples.features(), samples.inputs().clone(), values.collect(), outputs).unwrap()
    };
    Dataset {
        name: "several".into(),
        classes: 0,
        train: numbered(&images.train),
        test: numbered(&images.test),
        validation: images.validation.as_ref().map(numbered),
        ..images
    }
}

fn model(dataset: &Dataset, hidden: &[usize], seeds: &[u64]) -> Model {
    let widths = [&[dataset.features()], hidden, &[dataset.output_units()]].concat();
    let spec = NetworkSpec::with(&widths, Activation::Relu, Loss::MeanSquaredError).unwrap();
    Init::Kaiming.model(&spec, seeds).unwrap()
}

/// Evaluations, S, c and the parameters after some steps, and the last replica against the same alone.
fn follow(dataset: Dataset, hidden: &[usize], batch_size: usize, seed: u64, steps: u64) {
    let optimizers = ["asgd", "sgd", "asgd", "adamw"].map(|name| name.parse::<Optimizer>().unwrap());
    let mut course = Course::new(dataset, hidden, batch_size, seed, &optimizers).unwrap();
    // A step of SGD is twice as long as with cross-entropy.
    course.settings.replicas[1].learning_rate = 0.05;
    follows("regression", &course, &Stop::all(&course, &[steps]));
}

#[test]
fn one_step_equals_the_reference() {
    follow(sine(), &[6, 5], 33, 40, 1);
    follow(sine(), &[], 1, 40, 1);
    follow(several(3), &[17, 9], 40, 40, 1);
    follow(several(40), &[9], 40, 40, 1);
    // All layers forward and back in one dispatch on a GPU, and a dispatch a layer.
    follow(several(2), &[100, 6], 20, 40, 1);
    follow(several(5), &[131], 33, 40, 1);
}

/// Seeds are such that no hidden node comes so near its kink that rounding could carry it across.
#[test]
fn fifty_steps_follow_the_reference() {
    follow(sine(), &[8], 64, 40, 50);
    follow(several(3), &[10], 40, 40, 50);
}

#[derive(serde::Deserialize)]
struct Golden {
    rates: Rates,
    epsilon: f32,
    steps: Vec<u64>,
    cases: Vec<GoldenCase>,
}

#[derive(serde::Deserialize)]
struct Rates {
    sgd: f32,
    asgd: f32,
}

/// Tensors in PyTorch's order: weight and bias of each layer.
#[derive(serde::Deserialize)]
struct GoldenCase {
    widths: Vec<usize>,
    inputs: Vec<f64>,
    targets: Vec<f64>,
    initial: Vec<Vec<f64>>,
    mean_loss: f64,
    sums: Vec<Vec<f64>>,
    counts: Vec<Vec<u32>>,
    sgd: Vec<Vec<Vec<f64>>>,
    asgd: Vec<Vec<Vec<f64>>>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/regression.json")).unwrap()
}

impl GoldenCase {
    fn samples(&self) -> Samples {
        let floats = |values: &[f64]| values.iter().map(|&value| value as f32).collect::<Vec<f32>>();
        let outputs = *self.widths.last().unwrap();
        Samples::of_numbers(self.widths[0], Inputs::F32(floats(&self.inputs)), floats(&self.targets), outputs).unwrap()
    }

    fn model(&self) -> Model {
        let spec = NetworkSpec::with(&self.widths, Activation::Relu, Loss::MeanSquaredError).unwrap();
        let mut model = Model::zeros(&spec, 1);
        for (layer, tensors) in self.initial.chunks(2).enumerate() {
            model.weight_mut(layer, 0).iter_mut().zip(&tensors[0]).for_each(|(to, from)| *to = *from as f32);
            model.bias_mut(layer, 0).iter_mut().zip(&tensors[1]).for_each(|(to, from)| *to = *from as f32);
        }
        model
    }

    /// In the reference's order: rows with the bias at their end.
    fn rows<T: Copy>(&self, tensors: &[Vec<T>]) -> Vec<T> {
        let pairs = tensors.chunks(2).zip(&self.widths);
        let rows = pairs.flat_map(|(pair, &inputs)| pair[0].chunks(inputs).zip(&pair[1]));
        rows.flat_map(|(row, bias)| row.iter().chain([bias])).copied().collect()
    }
}

/// The reference is right: torch.nn.MSELoss gives the same loss, sums, counts and trajectories.
#[test]
fn the_reference_equals_pytorch() {
    let Golden { rates, epsilon, steps, cases } = golden();
    for case in &cases {
        let (samples, all) = (case.samples(), (0..case.inputs.len() / case.widths[0]).map(|i| i as u32));
        let all: Vec<u32> = all.collect();
        for (optimizer, learning_rate, expected) in
            [(Optimizer::SGD, rates.sgd, &case.sgd), (Optimizer::ASGD, rates.asgd, &case.asgd)]
        {
            let settings = ReplicaSettings { optimizer, learning_rate, epsilon, ..Default::default() };
            let mut training = Training::new(&case.model(), 0, settings, |value| value);
            let mean = training.loss(&samples, &all) / all.len() as f64;
            assert!((mean - case.mean_loss).abs() < 1e-13 * case.mean_loss, "{mean} {}", case.mean_loss);
            let sums = training.reduce(&samples, &all).concat();
            for (actual, expected) in sums.iter().zip(case.rows(&case.sums)) {
                assert!((actual - expected).abs() < 1e-12, "{actual} {expected}");
            }
            assert_eq!(training.counts.concat(), case.rows(&case.counts));
            for (&stop, expected) in steps.iter().zip(expected) {
                let done = if stop == 1 { 0 } else { 1 };
                (done..stop).for_each(|_| training.step(&samples, &all));
                for (actual, expected) in training.parameters.concat().iter().zip(case.rows(expected)) {
                    assert!((actual - expected).abs() < 1e-11, "{optimizer} step {stop}: {actual} {expected}");
                }
            }
        }
    }
}

/// Each engine's 50 steps end where those of PyTorch do, to the rounding of f32.
#[test]
fn engines_follow_pytorch() {
    let Golden { rates, epsilon, cases, .. } = golden();
    for case in &cases {
        let train = case.samples();
        let name = "golden".to_string();
        let dataset = Dataset { name, classes: 0, class_names: vec![], test: train.clone(), train, validation: None };
        for engine in ENGINES {
            for (optimizer, learning_rate, expected) in
                [(Optimizer::SGD, rates.sgd, &case.sgd[1]), (Optimizer::ASGD, rates.asgd, &case.asgd[1])]
            {
                let replica = ReplicaSettings { optimizer, learning_rate, epsilon, ..Default::default() };
                let order = asgd::Order::Sequential;
                let batch_size = dataset.train.len();
                let settings = TrainSettings { batch_size, order, replicas: vec![replica], ..Default::default() };
                let mut trainer = engine.trainer(&dataset, &case.model(), settings).unwrap();
                trainer.train(50).unwrap();
                let own = Training::flatten(&trainer.model().unwrap(), 0).concat();
                for (own, expected) in own.iter().zip(case.rows(expected)) {
                    assert!((own - expected).abs() < 2e-5, "{engine:?} {optimizer}: {own} {expected}");
                }
            }
        }
    }
}

/// Central differences of the summed loss. Parameters are such that no hidden node is near its kink.
#[test]
fn the_reference_gradient_equals_finite_differences() {
    for case in &golden().cases {
        let samples = case.samples();
        let all: Vec<u32> = (0..samples.len() as u32).collect();
        let training = Training::new(&case.model(), 0, ReplicaSettings::default(), |value| value);
        has_the_gradient(training, &samples, &all, 1e-6);
    }
}

/// Zero weights and biases give 0, which some targets are: their deltas are 0 and not counted.
#[test]
fn targets_that_are_met_are_not_counted() {
    let (dataset, batch_size) = (several(3), 70);
    let Targets::Numbers { values, .. } = dataset.train.targets() else { panic!("classes") };
    for engine in ENGINES {
        let initial = Model::zeros(model(&dataset, &[], &[1]).spec(), 1);
        let replicas = vec![ReplicaSettings { learning_rate: 0.0, ..Default::default() }];
        let order = asgd::Order::Sequential;
        let settings = TrainSettings { batch_size, order, replicas, ..Default::default() };
        let mut trainer = engine.trainer(&dataset, &initial, settings).unwrap();
        trainer.train(1).unwrap();
        let (_, counts) = trainer.last_reduction().unwrap().unwrap();
        let is_counted = |output: usize, sample: &usize| values[3 * sample + output] != 0.0;
        let expected =
            [0, 1, 2].map(|output| (0..batch_size).filter(|sample| is_counted(output, sample)).count() as u32);
        assert_eq!(counts.bias(0, 0), expected, "{engine:?}");
        assert!(expected.iter().all(|&count| (50..70).contains(&count)), "{expected:?}");
    }
}

/// R^2 of evaluations is that of the loss and of all targets of the set together.
#[test]
fn the_score_is_r2() {
    for dataset in [sine(), several(3)] {
        for engine in ENGINES {
            let initial = model(&dataset, &[9], &[1, 2]);
            let settings = TrainSettings { replicas: replicas(1..3), ..Default::default() };
            let mut trainer = engine.trainer(&dataset, &initial, settings).unwrap();
            for (split, samples) in [(Split::Train, &dataset.train), (Split::Test, &dataset.test)] {
                let Targets::Numbers { values, outputs } = samples.targets() else { panic!("classes") };
                let mut total = 0.0;
                for output in 0..*outputs {
                    let own = || values[output..].iter().step_by(*outputs).map(|&value| f64::from(value));
                    let mean = own().sum::<f64>() / samples.len() as f64;
                    total += own().map(|value| (value - mean).powi(2)).sum::<f64>();
                }
                for evaluation in trainer.evaluate(split).unwrap() {
                    let residual = evaluation.loss * values.len() as f64;
                    let expected = 1.0 - residual / total;
                    assert!((evaluation.score - expected).abs() < 1e-9, "{engine:?}: {} {expected}", evaluation.score);
                }
            }
        }
    }
}

/// Replicas alone, threads, groups of steps and resuming leave no trace.
#[test]
fn trainings_are_the_same_bit_for_bit() {
    let dataset = several(3);
    for (engine, hidden) in ENGINES.into_iter().map(|engine| (engine, [8, 6])).chain(FORMS) {
        let initial = model(&dataset, &hidden, &[1, 2]);
        let settings = TrainSettings { replicas: replicas(1..3), ..Default::default() };
        let start = |initial: &Model| engine.trainer(&dataset, initial, settings.clone()).unwrap();
        let mut at_once = start(&initial);
        at_once.train(40).unwrap();
        let expected = at_once.model().unwrap();
        assert!(at_once.evaluate(Split::Validation).unwrap().iter().all(|evaluation| !evaluation.has_diverged));

        grouping_leaves_no_trace(engine, start, &initial, 40);

        let alone = TrainSettings { replicas: replicas(2..3), ..Default::default() };
        let mut alone = engine.trainer(&dataset, &initial.slice(1..2), alone).unwrap();
        alone.train(40).unwrap();
        assert_eq!(alone.model().unwrap(), expected.slice(1..2), "{engine:?}");
    }
    let initial = model(&dataset, &[8, 6], &[1, 2]);
    let [one, three] = [1, 3].map(|threads| {
        let settings = TrainSettings { replicas: replicas(1..3), ..Default::default() };
        let mut trainer = Engine::Cpu(threads).trainer(&dataset, &initial, settings).unwrap();
        trainer.train(40).unwrap();
        trainer.model().unwrap()
    });
    assert_eq!(one, three, "the threads");
}

#[test]
fn classes_and_numbers_do_not_mix() {
    let (classes, numbers) = (images(), several(3));
    let for_numbers = model(&numbers, &[4], &[1]);
    let for_classes = Init::Kaiming.model(&NetworkSpec::new(&[25, 4, 3]).unwrap(), &[1]).unwrap();
    for engine in ENGINES {
        for (dataset, model) in [(&classes, &for_numbers), (&numbers, &for_classes), (&several(2), &for_numbers)] {
            let settings = TrainSettings { replicas: replicas(1..2), ..Default::default() };
            let error = engine.trainer(dataset, model, settings).err().expect("refused").to_string();
            assert!(error.contains("does not fit"), "{error}");
        }
    }
    // Answers need no targets, scores do.
    let device = Device::open(Some("cpu")).unwrap();
    let mut predictor = Predictor::new(&device, &for_numbers, &classes.test).unwrap();
    assert_eq!(predictor.logits().unwrap().len(), 3 * classes.test.len());
    let error = predictor.evaluate().unwrap_err().to_string();
    assert!(error.contains("mse"), "{error}");
    predictor.replace_samples(&numbers.test).unwrap();
    assert!(predictor.evaluate().unwrap()[0].loss > 0.0);
    assert!(Samples::of_numbers(1, Inputs::U8(vec![1, 2]), vec![0.5, f32::INFINITY], 1).is_err());
    assert!(Samples::of_numbers(1, Inputs::U8(vec![1, 2]), vec![0.5; 3], 2).is_err());
    assert!(Samples::of_numbers(1, Inputs::U8(vec![1, 2]), vec![], 0).is_err());
}

/// Targets that do not vary: the score is 0 until they are met.
#[test]
fn constant_targets_have_no_variance() {
    let set = |count: usize| Samples::of_numbers(1, Inputs::U8(vec![9; count]), vec![0.1; count], 1).unwrap();
    assert_eq!(set(7).targets().variance(), 0.0);
    let (name, train, test) = ("constant".to_string(), set(40), set(7));
    let dataset = Dataset { name, classes: 0, class_names: vec![], train, test, validation: None };
    for engine in ENGINES {
        let initial = model(&dataset, &[], &[1]);
        let settings = TrainSettings { batch_size: 40, replicas: replicas(1..2), ..Default::default() };
        let mut trainer = engine.trainer(&dataset, &initial, settings).unwrap();
        assert_eq!(trainer.evaluate(Split::Test).unwrap()[0].score, 0.0, "{engine:?}");
    }
    assert_eq!(r2(0.0, 0.0), 1.0);
}

/// A network of the usual size learns the function.
#[test]
fn sine_is_learned() {
    let dataset = sine();
    let device = Device::open(Some("cpu")).unwrap();
    let settings = TrainSettings { replicas: replicas(2..4), ..Default::default() };
    let mut trainer = asgd::Trainer::new(&device, &dataset, &model(&dataset, &[20, 20], &[2, 3]), settings).unwrap();
    trainer.train(2500).unwrap();
    for evaluation in trainer.evaluate(Split::Test).unwrap() {
        assert!(evaluation.score > 0.9, "{evaluation:?}");
    }
}
