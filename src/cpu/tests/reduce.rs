use super::fixture::{
    Case, assert_close, bits, blocks, dense, for_each_case, model, on_every_machine, shared, values_of,
};
use super::optimizer::bounded_update;
use crate::cpu::block::Block;
use crate::cpu::gather::BatchInputs;
use crate::cpu::optimizer::{Counts, Effective, Mean, Sums, Update};
use crate::cpu::parameters::Share;
use crate::cpu::reduce::{ReduceLists, ReduceNeurons, ReducePanels};
use crate::cpu::samples::{StoredInputs, StoredSamples};
use crate::cpu::simd::{InstructionSet, floats_mut};
use crate::dataset::{Inputs, Samples};
use crate::reference::Sum;
use crate::reference::reduce::{Reduction, reduce_above};
use crate::{Activation, Init, Loss, Model, NetworkSpec, Optimizer, ReplicaSettings};

/// A batch that went forward and back, in blocks.
struct Batch {
    blocks: Vec<Block>,
    samples: usize,
    is_listed: bool,
    /// T.
    threshold: f32,
}

impl Batch {
    fn new(simd: InstructionSet, model: &Model, stored: &StoredSamples, members: usize) -> Self {
        Self::with_threshold(simd, model, stored, members, 0.0)
    }

    fn with_threshold(
        simd: InstructionSet,
        model: &Model,
        stored: &StoredSamples,
        members: usize,
        threshold: f32,
    ) -> Self {
        let parameters = shared(model, 1, false);
        let propagate = |indices: &Vec<u32>| {
            let mut block = Block::new(model.spec(), stored, indices.len() + 2);
            block.gather(simd, stored, indices, &[]);
            block.propagate(simd, &parameters.read(), None);
            if threshold > 0.0 {
                block.find_largest(simd);
            }
            block
        };
        let samples = stored.len();
        let is_listed = matches!(stored.inputs, StoredInputs::Listed(_));
        let mut blocks: Vec<Block> = blocks(samples, members).iter().map(propagate).collect();
        let mut largest = Vec::new();
        if threshold > 0.0 {
            blocks.iter().for_each(|block| block.merge_largest(&mut largest));
        }
        blocks.iter_mut().for_each(|block| block.find_masks(simd, threshold, &largest));
        Self { blocks, samples, is_listed, threshold }
    }

    /// What the textbook makes of each layer's deltas, as they are, and of what is below them.
    fn expected(&self, inputs: &[f32]) -> Vec<Reduction> {
        let [block] = &self.blocks[..] else { panic!("in one block") };
        let layer = |layer: usize| {
            let deltas = values_of(block.deltas(layer).0, self.samples);
            match layer {
                0 => reduce_above(self.threshold, &deltas, inputs, self.samples),
                _ => {
                    let below = values_of(&block.activations[layer - 1], self.samples);
                    reduce_above(self.threshold, &deltas, &below, self.samples)
                }
            }
        };
        (0..block.activations.len()).map(layer).collect()
    }

    /// The parameters that `update` makes of `before`, by so many members.
    fn reduced<U: Update<0>>(&self, simd: InstructionSet, before: &Model, members: usize, update: U) -> Model {
        let parameters = shared(before, members, self.is_listed);
        for member in 0..members {
            self.reduce_share(simd, &mut parameters.write(member), update);
        }
        let mut after = Model::zeros(before.spec(), 1);
        parameters.write_to(&mut after, 0);
        after
    }

    fn reduce_share<U: Update<0>>(&self, simd: InstructionSet, share: &mut Share, update: U) {
        let blocks: Vec<&Block> = self.blocks.iter().collect();
        if update.moves_inactive() {
            poison(share);
        }
        for layer in 0..share.values.weights.len() {
            if let (0, BatchInputs::Listed(_)) = (layer, &blocks[0].inputs) {
                simd.run(ReduceLists { blocks: &blocks, share, update });
            } else {
                simd.run(ReducePanels { layer, blocks: &blocks, share, update });
            }
            if share.split.has_biases {
                simd.run(ReduceNeurons::<_, _, false, 0> { layer, blocks: &blocks, share, update });
            }
        }
    }
}

fn poison(share: &mut Share) {
    for weights in &mut share.values.weights {
        (0..weights.panels()).for_each(|panel| floats_mut(weights.panel_mut(panel)).fill(f32::NAN));
    }
    share.values.biases.iter_mut().for_each(|biases| floats_mut(biases).fill(f32::NAN));
}

/// All parameters of a layer: weights, then biases.
fn of_layer(model: &Model, layer: usize) -> Vec<u32> {
    bits(&[model.weight(layer, 0), model.bias(layer, 0)].concat())
}

fn sums_of(reduction: &Reduction) -> Vec<Sum> {
    [&reduction.weight_sums[..], &reduction.bias_sums].concat()
}

fn counts_of(reduction: &Reduction) -> Vec<u32> {
    [&reduction.weight_counts[..], &reduction.bias_counts].concat()
}

/// In how many blocks, and reduced by how many members.
const FORMS: [(usize, usize); 5] = [(1, 1), (2, 2), (3, 1), (3, 3), (5, 2)];

fn check(what: &Case, model: &Model, data: &Samples, inputs: &[f32]) {
    check_above(0.0, what, model, data, inputs);
}

/// With a threshold of the counts.
fn check_above(threshold: f32, what: &Case, model: &Model, data: &Samples, inputs: &[f32]) {
    for stored in [StoredSamples::new(data), dense(data)] {
        let batch = |simd, blocks| Batch::with_threshold(simd, model, &stored, blocks, threshold);
        let expected = batch(InstructionSet::Baseline, 1).expected(inputs);
        let run = |(blocks, members)| {
            on_every_machine(|simd| {
                let batch = batch(simd, blocks);
                let sums = batch.reduced(simd, model, members, Sums);
                let counts = batch.reduced(simd, model, members, Counts);
                let layers = 0..expected.len();
                layers.map(|layer| (of_layer(&sums, layer), of_layer(&counts, layer))).collect::<Vec<_>>()
            })
        };
        let actual = run(FORMS[0]);
        for ((sums, counts), expected) in actual.iter().zip(&expected) {
            assert_close(what, sums, &sums_of(expected), data.len());
            let counts: Vec<f32> = counts.iter().map(|&count| f32::from_bits(count)).collect();
            let expected: Vec<f32> = counts_of(expected).iter().map(|&count| count as f32).collect();
            assert_eq!(counts, expected, "{what:?}");
        }
        for form in &FORMS[1..] {
            assert!(run(*form) == actual, "{what:?}: other bits in (blocks, members) = {form:?}");
        }
    }
}

#[test]
fn equals_its_twin() {
    for_each_case(|case| {
        // The second layer reads what the first leaves: half of it is 0.
        check(&case, &model(&[case.inputs, case.outputs, 5]), &case.data(5), &case.values());
    });
}

/// What is above a threshold counts, S is the whole sum, and blocks agree on the largest of the batch.
#[test]
fn thresholds_equal_their_twin() {
    for_each_case(|case| {
        let threshold = [0.01, 0.3, 0.9][(case.inputs + case.samples) % 3];
        let spec = NetworkSpec::with(&[case.inputs, case.outputs, 5], Activation::Tanh, Loss::CrossEntropy).unwrap();
        let model = Init::Pytorch.model(&spec, &[case.inputs as u64]).unwrap();
        check_above(threshold, &case, &model, &case.data(5), &case.values());
    });
}

/// Nodes that no sample activates leave only zeros: nothing counts below them.
#[test]
fn dead_layers_count_nothing() {
    let case = Case { inputs: 9, outputs: 3, samples: 40, zeros: 8, is_u8: true };
    let mut model = model(&[9, 12, 3]);
    model.bias_mut(0, 0).fill(-1e6);
    check(&case, &model, &case.data(3), &case.values());
    let batch = Batch::new(InstructionSet::Baseline, &model, &StoredSamples::new(&case.data(3)), 1);
    assert!(batch.expected(&case.values()).iter().all(|layer| layer.weight_counts.iter().all(|&count| count == 0)));
}

/// Nodes that nothing above listens to have deltas of 0 and activations that are not: what counts is the activation.
#[test]
fn nodes_without_a_listener_count() {
    let case = Case { inputs: 9, outputs: 33, samples: 40, zeros: 8, is_u8: true };
    let mut model = model(&[9, 33, 12, 3]);
    for layer in [1, 2] {
        let inputs = model.spec().widths()[layer];
        model.weight_mut(layer, 0).iter_mut().skip(3).step_by(inputs).for_each(|weight| *weight = 0.0);
        model.bias_mut(layer - 1, 0)[3] = 10.0;
    }
    check(&case, &model, &case.data(3), &case.values());
    let batch = Batch::new(InstructionSet::Baseline, &model, &StoredSamples::new(&case.data(3)), 1);
    let expected = batch.expected(&case.values());
    assert!(expected[0].bias_counts[3] == 0 && expected[2].weight_counts[3] == 40);
}

/// Counters are bytes: one input that is never 0 beside three that always are, through every multiple of 255.
#[test]
fn counts_pass_a_byte() {
    for samples in [254, 255, 256, 257, 509, 510, 511, 512, 765, 766, 1024, 1300] {
        let pixels = (0..samples * 4).map(|index| if index % 4 == 1 { 200 } else { 0 }).collect();
        let labels = (0..samples as u32).map(|index| index % 3).collect();
        let data = Samples::new(4, Inputs::U8(pixels), labels, 3).unwrap();
        let inputs = crate::reference::gather::gather(&data, &(0..samples as u32).collect::<Vec<_>>());
        let mut model = model(&[4, 33, 3]);
        // Every hidden node is active.
        model.bias_mut(0, 0).fill(10.0);
        let case = Case { inputs: 4, outputs: 33, samples, zeros: 7, is_u8: true };
        assert!(matches!(StoredSamples::new(&data).inputs, StoredInputs::Listed(_)));
        check(&case, &model, &data, &inputs);
    }
}

/// With the rules themselves: parameters move as the textbook says, and not at all where c = 0.
#[test]
fn with_update_equals_its_twins() {
    for_each_case(|case| {
        let (model, data) = (model(&[case.inputs, case.outputs, 4]), case.data(4));
        let rules = [(Optimizer::ASGD, 0.0), (Optimizer::ASGD, 1e-8), (Optimizer::ASGD, 1.0), (Optimizer::SGD, 0.0)];
        for (optimizer, epsilon) in rules {
            let settings = ReplicaSettings { optimizer, learning_rate: 0.3, epsilon, ..Default::default() };
            let stored = StoredSamples::new(&data);
            let expected = Batch::new(InstructionSet::Baseline, &model, &stored, 1).expected(&case.values());
            let actual = on_every_machine(|simd| {
                let batch = Batch::new(simd, &model, &stored, 2);
                let moved = match optimizer {
                    Optimizer::ASGD => batch.reduced(simd, &model, 2, Effective { learning_rate: 0.3, epsilon }),
                    _ => batch.reduced(simd, &model, 2, Mean { learning_rate: 0.3, samples: data.len() as f32 }),
                };
                (0..2).map(|layer| of_layer(&moved, layer)).collect::<Vec<_>>()
            });
            for (layer, (actual, expected)) in actual.iter().zip(&expected).enumerate() {
                let before = of_layer(&model, layer);
                let counts = counts_of(expected);
                let bounded = before.iter().zip(sums_of(expected)).zip(&counts).map(|((&theta, sum), &count)| {
                    bounded_update(f32::from_bits(theta), sum, data.len(), count, data.len(), &settings)
                });
                assert_close(&(case, settings), actual, &bounded.collect::<Vec<_>>(), 1);
                for ((actual, before), count) in actual.iter().zip(&before).zip(&counts) {
                    assert!(*count > 0 || actual == before, "{case:?} {settings:?}: c = 0 leaves theta, bit for bit");
                }
            }
        }
    });
}
