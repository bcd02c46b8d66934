//! ONNX: the part of its protocol buffers (onnx.proto3, IR version 8, operators version 13) that a fully connected
//! network needs.

use asgd::dataset::{Scale, Scaling};
use asgd::{Activation, Loss, Model};
use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct ModelProto {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(string, tag = "2")]
    producer_name: String,
    #[prost(string, tag = "3")]
    producer_version: String,
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<OperatorSetProto>,
    #[prost(message, repeated, tag = "14")]
    metadata_props: Vec<EntryProto>,
}

#[derive(Clone, PartialEq, Message)]
struct OperatorSetProto {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
struct EntryProto {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    node: Vec<NodeProto>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    input: Vec<ValueProto>,
    #[prost(message, repeated, tag = "12")]
    output: Vec<ValueProto>,
}

#[derive(Clone, PartialEq, Message)]
struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<AttributeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct AttributeProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(float, tag = "2")]
    f: f32,
    #[prost(int64, tag = "3")]
    i: i64,
    #[prost(int32, tag = "20")]
    kind: i32,
}

#[derive(Clone, PartialEq, Message)]
struct TensorProto {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(bytes = "vec", repeated, tag = "6")]
    string_data: Vec<Vec<u8>>,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct ValueProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    kind: Option<TypeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TypeProto {
    #[prost(message, optional, tag = "1")]
    tensor: Option<TensorTypeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorTypeProto {
    #[prost(int32, tag = "1")]
    element: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<ShapeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct ShapeProto {
    #[prost(message, repeated, tag = "1")]
    dim: Vec<DimensionProto>,
}

#[derive(Clone, PartialEq, Message)]
struct DimensionProto {
    #[prost(int64, optional, tag = "1")]
    value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    parameter: Option<String>,
}

/// TensorProto.DataType.FLOAT.
const FLOAT: i32 = 1;
/// TensorProto.DataType.INT64.
const INT64: i32 = 7;
/// TensorProto.DataType.STRING.
const STRING: i32 = 8;
/// TensorProto.DataType.DOUBLE.
const DOUBLE: i32 = 11;
/// AttributeProto.AttributeType.FLOAT.
const REAL: i32 = 1;
/// AttributeProto.AttributeType.INT.
const INT: i32 = 2;

/// The first network of a model as a file: `input` (batch, inputs), not scaled yet; `logits` (batch, outputs),
/// `probabilities` (batch, classes) and `label` (batch), which is the class by its name if it has one. A regression gives `values`
/// (batch, targets) in the targets' own units instead, f64.
pub fn encode(model: &Model) -> Vec<u8> {
    let model = &*model.folded();
    let spec = model.spec();
    let mut graph = GraphProto { name: "asgd".into(), ..Default::default() };
    let mut value = "input".to_string();
    if let Some(scaling) = model.data.scaling.as_ref().filter(|scaling| scaling.scale() != Scale::None) {
        value = scale(&mut graph, scaling, value);
    }
    let is_regression = spec.loss().is_regression();
    let last = spec.layers().len() - 1;
    for (layer, (inputs, outputs)) in spec.layers().enumerate() {
        let names = [format!("layers.{layer}.weight"), format!("layers.{layer}.bias")];
        graph.initializer.push(tensor(&names[0], &[outputs, inputs], model.weight(layer, 0)));
        graph.initializer.push(tensor(&names[1], &[outputs], model.bias(layer, 0)));
        let sum = match (layer == last, is_regression) {
            (true, false) => "logits".to_string(),
            (true, true) => "outputs".to_string(),
            (false, _) => format!("z.{layer}"),
        };
        let [weight, bias] = names;
        graph.node.push(node("Gemm", vec![value, weight, bias], &sum, vec![integer("transB", 1)]));
        value = sum;
        if layer < last {
            value = activate(&mut graph, spec.activation(), layer, value);
        }
    }
    graph.input = vec![matrix("input", spec.inputs())];
    graph.output = match spec.loss() {
        Loss::BinaryCrossEntropy | Loss::CrossEntropy => class_outputs(&mut graph, model, value),
        Loss::MeanSquaredError => {
            vec![numbers(&mut graph, &model.data.target_scaling_or_none(), value, spec.outputs())]
        }
    };
    let class_names = serde_json::Value::from(&model.class_names[..]).to_string();
    let names = (!model.class_names.is_empty()).then(|| EntryProto { key: "class_names".into(), value: class_names });
    let file = ModelProto {
        ir_version: 8,
        producer_name: "asgd".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph),
        opset_import: vec![OperatorSetProto { domain: String::new(), version: 13 }],
        metadata_props: names.into_iter().collect(),
    };
    file.encode_to_vec()
}

/// Nodes that make a of z in a hidden layer, of operators that version 13 has.
fn activate(graph: &mut GraphProto, activation: Activation, layer: usize, z: String) -> String {
    let a = format!("a.{layer}");
    let (operator, attributes) = match activation {
        Activation::Relu => ("Relu", Vec::new()),
        Activation::LeakyRelu { slope } => ("LeakyRelu", vec![real("alpha", slope)]),
        Activation::Elu => ("Elu", vec![real("alpha", 1.0)]),
        Activation::Tanh => ("Tanh", Vec::new()),
        Activation::Sigmoid => ("Sigmoid", Vec::new()),
        Activation::Silu => {
            let sigmoid = format!("sigmoid.{layer}");
            graph.node.push(node("Sigmoid", vec![z.clone()], &sigmoid, Vec::new()));
            graph.node.push(node("Mul", vec![z, sigmoid], &a, Vec::new()));
            return a;
        }
        Activation::Gelu => {
            // z / 2 (1 + erf(z / sqrt(2)))
            let [scaled, erf, twice, half] = ["scaled", "erf", "twice", "half"].map(|what| format!("{what}.{layer}"));
            let constants = [("gelu.root", std::f32::consts::FRAC_1_SQRT_2), ("gelu.one", 1.0), ("gelu.half", 0.5)];
            for (name, constant) in constants.iter().filter(|_| layer == 0) {
                graph.initializer.push(tensor(name, &[], &[*constant]));
            }
            graph.node.push(node("Mul", vec![z.clone(), "gelu.root".into()], &scaled, Vec::new()));
            graph.node.push(node("Erf", vec![scaled], &erf, Vec::new()));
            graph.node.push(node("Add", vec![erf, "gelu.one".into()], &twice, Vec::new()));
            graph.node.push(node("Mul", vec![z, "gelu.half".into()], &half, Vec::new()));
            graph.node.push(node("Mul", vec![half, twice], &a, Vec::new()));
            return a;
        }
    };
    graph.node.push(node(operator, vec![z], &a, attributes));
    a
}

/// Nodes that make probabilities and the class of logits.
fn class_outputs(graph: &mut GraphProto, model: &Model, mut value: String) -> Vec<ValueProto> {
    let spec = model.spec();
    let operator = match spec.outputs() {
        // A column a class, as other exporters have it: the sigmoid of -z and of z.
        1 => {
            graph.node.push(node("Neg", vec![value.clone()], "logits.negative", Vec::new()));
            let axis = vec![integer("axis", 1)];
            graph.node.push(node("Concat", vec!["logits.negative".into(), value], "logits.both", axis));
            value = "logits.both".into();
            "Sigmoid"
        }
        _ => "Softmax",
    };
    graph.node.push(node(operator, vec![value.clone()], "probabilities", Vec::new()));
    // Of the logits, because two probabilities may round to the same number.
    let label = label(graph, &model.class_names, value);
    vec![matrix("logits", spec.outputs()), matrix("probabilities", spec.classes()), label]
}

/// Nodes that undo the scale of the targets, in f64.
fn numbers(graph: &mut GraphProto, scaling: &Scaling, value: String, targets: usize) -> ValueProto {
    graph.node.push(node("Cast", vec![value], "outputs.f64", vec![integer("to", DOUBLE.into())]));
    // 1 and 0 where there is no scale.
    let (shift, divisor) = match scaling.scale() {
        Scale::None => (vec![0.0; targets], vec![1.0; targets]),
        _ => (scaling.shift().to_vec(), scaling.divisor().to_vec()),
    };
    graph.initializer.extend([doubles("target_scale.divisor", &divisor), doubles("target_scale.shift", &shift)]);
    graph.node.push(node(
        "Mul",
        vec!["outputs.f64".into(), "target_scale.divisor".into()],
        "outputs.multiplied",
        Vec::new(),
    ));
    graph.node.push(node("Add", vec!["outputs.multiplied".into(), "target_scale.shift".into()], "values", Vec::new()));
    self::value("values", DOUBLE, Some(targets))
}

/// f64 numbers.
fn doubles(name: &str, values: &[f64]) -> TensorProto {
    let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    TensorProto {
        dims: vec![values.len() as i64],
        data_type: DOUBLE,
        name: name.into(),
        raw_data,
        ..Default::default()
    }
}

/// Nodes that choose the class. Names that are whole numbers are numbers, others text.
fn label(graph: &mut GraphProto, class_names: &[String], logits: String) -> ValueProto {
    let index = if class_names.is_empty() { "label" } else { "label.index" };
    graph.node.push(node("ArgMax", vec![logits], index, vec![integer("axis", 1), integer("keepdims", 0)]));
    if class_names.is_empty() {
        return value("label", INT64, None);
    }
    let number = |name: &String| name.parse::<i64>().ok().filter(|number| number.to_string() == *name);
    let numbers: Option<Vec<i64>> = class_names.iter().map(number).collect();
    let names = TensorProto { dims: vec![class_names.len() as i64], name: "label.names".into(), ..Default::default() };
    let names = match numbers {
        Some(numbers) => {
            let raw_data = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            TensorProto { data_type: INT64, raw_data, ..names }
        }
        None => {
            let string_data = class_names.iter().map(|name| name.clone().into_bytes()).collect();
            TensorProto { data_type: STRING, string_data, ..names }
        }
    };
    let element = names.data_type;
    graph.initializer.push(names);
    graph.node.push(node("Gather", vec!["label.names".into(), index.into()], "label", Vec::new()));
    value("label", element, None)
}

/// Nodes that scale the input: computed in f64 and rounded once, as everywhere.
fn scale(graph: &mut GraphProto, scaling: &Scaling, value: String) -> String {
    let cast = |to: i32| vec![integer("to", to.into())];
    let names = ["scale.shift", "scale.divisor"].map(String::from);
    for (name, values) in names.iter().zip([scaling.shift(), scaling.divisor()]) {
        graph.initializer.push(doubles(name, values));
    }
    let [shift, divisor] = names;
    graph.node.push(node("Cast", vec![value], "input.f64", cast(DOUBLE)));
    graph.node.push(node("Sub", vec!["input.f64".into(), shift], "input.shifted", Vec::new()));
    graph.node.push(node("Div", vec!["input.shifted".into(), divisor], "input.divided", Vec::new()));
    graph.node.push(node("Cast", vec!["input.divided".into()], "input.scaled", cast(FLOAT)));
    "input.scaled".into()
}

fn node(operator: &str, input: Vec<String>, output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto { input, output: vec![output.into()], name: output.into(), op_type: operator.into(), attribute }
}

fn integer(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.into(), i, kind: INT, ..Default::default() }
}

fn real(name: &str, f: f32) -> AttributeProto {
    AttributeProto { name: name.into(), f, kind: REAL, ..Default::default() }
}

fn tensor(name: &str, shape: &[usize], values: &[f32]) -> TensorProto {
    let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let dims = shape.iter().map(|&size| size as i64).collect();
    TensorProto { dims, data_type: FLOAT, name: name.into(), raw_data, ..Default::default() }
}

/// Numbers of shape (batch, width).
fn matrix(name: &str, width: usize) -> ValueProto {
    value(name, FLOAT, Some(width))
}

/// A value of shape (batch, width) or (batch).
fn value(name: &str, element: i32, width: Option<usize>) -> ValueProto {
    let batch = DimensionProto { value: None, parameter: Some("batch".into()) };
    let width = width.map(|width| DimensionProto { value: Some(width as i64), parameter: None });
    let shape = ShapeProto { dim: [batch].into_iter().chain(width).collect() };
    let kind = TypeProto { tensor: Some(TensorTypeProto { element, shape: Some(shape) }) };
    ValueProto { name: name.into(), kind: Some(kind) }
}

#[cfg(test)]
mod tests;
