//! An exported file, read back and computed operator by operator in f64.

use std::collections::HashMap;

use asgd::reference::activation;
use asgd::reference::step::Training;
use asgd::{Activation, Init, Loss, NetworkSpec, ReplicaSettings};

use super::*;

/// What the graph makes of a sample: numbers by the names of its values.
fn outputs(graph: &GraphProto, input: &[f64]) -> HashMap<String, Vec<f64>> {
    let mut values = HashMap::from([("input".to_string(), input.to_vec())]);
    for tensor in &graph.initializer {
        let numbers = match tensor.data_type {
            FLOAT => tensor.raw_data.chunks(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect(),
            DOUBLE => tensor.raw_data.chunks(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
            INT64 => tensor.raw_data.chunks(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64).collect(),
            // Its place stands for a text.
            STRING => (0..tensor.string_data.len()).map(|index| index as f64).collect(),
            other => panic!("type {other}"),
        };
        values.insert(tensor.name.clone(), numbers);
    }
    let shapes: HashMap<&String, &Vec<i64>> =
        graph.initializer.iter().map(|tensor| (&tensor.name, &tensor.dims)).collect();
    for node in &graph.node {
        let of = |index: usize| values[&node.input[index]].clone();
        let x = of(0);
        let result = match node.op_type.as_str() {
            "Gemm" => {
                let (rows, shape) = (of(1), &shapes[&node.input[1]]);
                let [attribute] = &node.attribute[..] else { panic!("one attribute") };
                assert_eq!((attribute.name.as_str(), attribute.i), ("transB", 1));
                assert_eq!(shape[..], [of(2).len() as i64, x.len() as i64], "weights are (outputs, inputs)");
                let dot = |row: &[f64]| row.iter().zip(&x).map(|(w, x)| w * x).sum::<f64>();
                rows.chunks(x.len()).zip(of(2)).map(|(row, bias)| dot(row) + bias).collect()
            }
            // Types are of no account in f64.
            "Cast" => x,
            "Relu" => x.iter().map(|x| x.max(0.0)).collect(),
            "LeakyRelu" | "Elu" => {
                let [attribute] = &node.attribute[..] else { panic!("one attribute") };
                assert_eq!((attribute.name.as_str(), attribute.kind), ("alpha", REAL));
                let alpha = f64::from(attribute.f);
                let below = |x: f64| alpha * if node.op_type == "Elu" { x.exp_m1() } else { x };
                x.iter().map(|&x| if x < 0.0 { below(x) } else { x }).collect()
            }
            "Tanh" => x.iter().map(|x| x.tanh()).collect(),
            "Erf" => x.iter().map(|&x| libm::erf(x)).collect(),
            "Mul" => x.iter().zip(of(1).iter().cycle()).map(|(x, y)| x * y).collect(),
            "Sub" => x.iter().zip(of(1)).map(|(x, y)| x - y).collect(),
            "Div" => x.iter().zip(of(1)).map(|(x, y)| x / y).collect(),
            "Add" => x.iter().zip(of(1).iter().cycle()).map(|(x, y)| x + y).collect(),
            "Neg" => x.iter().map(|x| -x).collect(),
            "Concat" => [x, of(1)].concat(),
            "Sigmoid" => x.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect(),
            "Softmax" => {
                let total: f64 = x.iter().map(|x| x.exp()).sum();
                x.iter().map(|x| x.exp() / total).collect()
            }
            "ArgMax" => {
                let highest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                vec![x.iter().position(|&x| x == highest).unwrap() as f64]
            }
            "Gather" => of(1).iter().map(|&index| x[index as usize]).collect(),
            other => panic!("operator {other}"),
        };
        values.insert(node.output[0].clone(), result);
    }
    values
}

/// Type and width of an output; 0 for one number a sample.
fn declared(graph: &GraphProto, name: &str) -> (i32, i64) {
    let value = graph.output.iter().find(|value| value.name == name).unwrap();
    let tensor = value.kind.as_ref().unwrap().tensor.as_ref().unwrap();
    let dims = &tensor.shape.as_ref().unwrap().dim;
    assert_eq!(dims[0].parameter.as_deref(), Some("batch"));
    (tensor.element, dims.get(1).map_or(0, |dim| dim.value.unwrap()))
}

#[test]
fn a_column_a_class_and_its_label() {
    let cases: [(&[usize], &[&str], i32); 5] = [
        (&[3, 5, 1], &[], INT64),
        (&[3, 5, 1], &["3", "7"], INT64),
        (&[3, 1], &["no", "yes"], STRING),
        (&[3, 4, 2], &["01", "2"], STRING),
        (&[3, 4, 3], &["-1", "0", "1"], INT64),
    ];
    for (widths, names, kind) in cases {
        let spec = NetworkSpec::new(widths).unwrap();
        let mut model = Init::Pytorch.model(&spec, &[4]).unwrap();
        model.class_names = names.iter().map(|name| name.to_string()).collect();
        let graph = ModelProto::decode(&encode(&model)[..]).unwrap().graph.unwrap();
        let classes = spec.classes();
        assert_eq!(declared(&graph, "logits"), (FLOAT, spec.outputs() as i64));
        assert_eq!(declared(&graph, "probabilities"), (FLOAT, classes as i64));
        assert_eq!(declared(&graph, "label"), (kind, 0));
        for sample in [[0.0, 0.0, 0.0], [1.0, -2.0, 0.5], [-30.0, 4.0, 9.0], [8.0, 8.0, -20.0]] {
            let values = outputs(&graph, &sample);
            let logits = &values["logits"];
            let scores = if classes > logits.len() { vec![0.0, logits[0]] } else { logits.clone() };
            let total: f64 = scores.iter().map(|z| z.exp()).sum();
            for (probability, z) in values["probabilities"].iter().zip(&scores) {
                assert!((probability - z.exp() / total).abs() < 1e-12, "{widths:?}: {values:?}");
            }
            assert_eq!(values["probabilities"].len(), classes);
            let class = usize::from(scores[1] > scores[0]);
            let class = if classes > 2 && scores[2] > scores[class] { 2 } else { class };
            let expected = match (kind, names.get(class)) {
                (INT64, Some(name)) => name.parse().unwrap(),
                _ => class as f64,
            };
            assert_eq!(values["label"], [expected], "{widths:?} {names:?}");
        }
        if kind == STRING {
            let tensor = graph.initializer.iter().find(|tensor| tensor.name == "label.names").unwrap();
            assert_eq!(tensor.string_data, names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>());
        }
    }
}

/// The whole of a network, from the numbers of a file to its logits, is what the reference has.
#[test]
fn logits_are_the_references() {
    for widths in [&[3, 5, 4, 2][..], &[3, 4, 1], &[3, 6]] {
        let spec = NetworkSpec::new(widths).unwrap();
        let mut model = Init::Pytorch.model(&spec, &[4]).unwrap();
        for scaling in [None, Scaling::from_parts(Scale::Standard, vec![1.0, -0.5, 7.0], vec![2.0, 0.25, 3.0])] {
            model.data.scaling = scaling.clone();
            let graph = ModelProto::decode(&encode(&model)[..]).unwrap().graph.unwrap();
            let network = Training::new(&model, 0, ReplicaSettings::default(), |value| value);
            for sample in [[0.0, 0.0, 0.0], [1.0, -2.0, 0.5], [-3.0, 4.0, 9.0]] {
                let mut scaled = Vec::new();
                scaling.clone().unwrap_or_else(Scaling::none).apply(&sample, &mut scaled);
                let expected = network.activations(&scaled).pop().unwrap();
                let logits = &outputs(&graph, &sample)["logits"];
                assert_eq!(logits.len(), expected.len());
                for (logit, expected) in logits.iter().zip(&expected) {
                    assert!((logit - expected).abs() < 1e-5, "{widths:?} {sample:?}: {logit} {expected}");
                }
            }
        }
    }
}

/// Two hidden layers of every activation are what the reference has for each z.
#[test]
fn activations_are_the_references() {
    for activation in Activation::all() {
        let spec = NetworkSpec::with(&[3, 5, 4, 2], activation, Loss::CrossEntropy).unwrap();
        let model = Init::Pytorch.model(&spec, &[4]).unwrap();
        let graph = ModelProto::decode(&encode(&model)[..]).unwrap().graph.unwrap();
        for sample in [[0.0, 0.0, 0.0], [1.0, -2.0, 0.5], [-30.0, 4.0, 9.0]] {
            let values = outputs(&graph, &sample);
            for layer in 0..2 {
                let [z, a] = ["z", "a"].map(|what| &values[&format!("{what}.{layer}")]);
                for (&z, &a) in z.iter().zip(a) {
                    let expected = activation::phi(activation, z);
                    assert!((a - expected).abs() < 1e-7 * (1.0 + z.abs()), "{activation}: {z} {a} {expected}");
                }
            }
        }
    }
}

/// A regression gives numbers in the units of its targets, and nothing of classes.
#[test]
fn numbers_in_their_own_units() {
    for (outputs, scaling) in [(1, None), (2, Scaling::from_parts(Scale::Standard, vec![1e5, -0.5], vec![2e4, 1e-3]))] {
        let spec = NetworkSpec::with(&[3, 4, outputs], Activation::Relu, Loss::MeanSquaredError).unwrap();
        let mut model = Init::Pytorch.model(&spec, &[4]).unwrap();
        model.data.target_scaling = scaling.clone();
        let graph = ModelProto::decode(&encode(&model)[..]).unwrap().graph.unwrap();
        assert_eq!(declared(&graph, "values"), (DOUBLE, outputs as i64));
        assert_eq!(graph.output.len(), 1);
        let values = self::outputs(&graph, &[1.0, -2.0, 0.5]);
        let scaling = scaling.unwrap_or_else(Scaling::none);
        for (target, (value, output)) in values["values"].iter().zip(&values["outputs"]).enumerate() {
            assert_eq!(*value, scaling.undo(target, *output));
        }
    }
}
