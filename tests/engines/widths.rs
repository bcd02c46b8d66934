//! A narrow network padded to a wider one trains as it does alone, bit for bit, and what was added never moves.

use asgd::{Activity, Dataset, Init, Model, NetworkSpec, Optimizer, Split, TrainSettings};

use crate::support::{ENGINES, Engine, circles, images, replica};

/// (hidden layers, those of the padded network)
///
/// The last one is so wide that the GPU's engine takes a dispatch a layer for it, and one for all layers of the narrow one.
const WIDTHS: [(&[usize], &[usize]); 5] =
    [(&[7, 5], &[9, 16]), (&[3], &[70]), (&[10, 10, 10], &[30, 20, 11]), (&[33, 5], &[34, 40]), (&[31, 6], &[130, 8])];

fn for_each_case(check: impl Fn(Engine, &Dataset, [NetworkSpec; 2], Optimizer)) {
    for dataset in [circles(), images()] {
        for (narrow, wide) in WIDTHS {
            let spec = |hidden: &[usize]| {
                NetworkSpec::new(&[&[dataset.features()], hidden, &[dataset.output_units()]].concat()).unwrap()
            };
            for (engine, optimizer) in ENGINES.into_iter().flat_map(|e| [(e, Optimizer::SGD), (e, Optimizer::ASGD)]) {
                check(engine, &dataset, [spec(narrow), spec(wide)], optimizer);
            }
        }
    }
}

#[test]
fn padding_changes_no_bit() {
    for_each_case(|engine, dataset, [narrow, wide], optimizer| {
        let case = format!("{engine:?}, {:?} in {:?}, {optimizer}", narrow.widths(), wide.widths());
        // Biases that are not zero, so that a padded node that had one would show.
        let initial = Init::Pytorch.model(&narrow, &[3, 4]).unwrap();
        let replicas = vec![replica(3, optimizer), replica(4, optimizer)];
        let settings = TrainSettings { batch_size: 32, replicas, ..TrainSettings::default() };
        let mut alone = engine.trainer(dataset, &initial, settings.clone()).unwrap();
        let mut padded = engine.trainer(dataset, &initial.resized(&wide), settings).unwrap();
        alone.train(25).unwrap();
        padded.train(25).unwrap();

        let (model, of_padded) = (alone.model().unwrap(), padded.model().unwrap());
        assert_ne!(model, initial, "{case}");
        same_bits(&of_padded, &model.resized(&wide), &case);
        let (_, counts) = alone.last_reduction().unwrap().unwrap();
        let (_, counts_of_padded) = padded.last_reduction().unwrap().unwrap();
        assert_eq!(counts_of_padded, counts.resized(&wide), "{case}");
        let evaluations = alone.evaluate(Split::Test).unwrap().into_iter().zip(padded.evaluate(Split::Test).unwrap());
        for (alone, padded) in evaluations {
            assert_eq!((alone.loss, alone.score), (padded.loss, padded.score), "{case}");
            assert_eq!(padded.nodes, widened(&alone.nodes, &narrow, &wide), "{case}");
        }
    });
}

/// The nodes of a network with the padding, which never fires.
fn widened(nodes: &[Activity], narrow: &NetworkSpec, wide: &NetworkSpec) -> Vec<Activity> {
    let mut nodes = nodes.iter().copied();
    let layers = narrow.hidden().iter().zip(wide.hidden());
    let layers = layers.map(|(&narrow, &wide)| {
        let mut layer: Vec<Activity> = nodes.by_ref().take(narrow).collect();
        layer.resize(wide, Activity::Never);
        layer
    });
    layers.flatten().collect()
}

#[track_caller]
fn same_bits(a: &Model, b: &Model, case: &str) {
    for layer in 0..a.spec().layers().len() {
        for replica in 0..a.replicas() {
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(a.weight(layer, replica)), bits(b.weight(layer, replica)), "{case}: layer {layer}");
            assert_eq!(bits(a.bias(layer, replica)), bits(b.bias(layer, replica)), "{case}: layer {layer}");
        }
    }
}
