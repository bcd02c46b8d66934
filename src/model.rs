//! Values of every parameter of R replicas, and their .safetensors files in PyTorch's names and shapes.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;

use bytemuck::Pod;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::files::write_atomically;
use crate::network::{Layer, Network, NetworkSpec};
use crate::{Error, Result};

/// One number for every parameter of every replica.
#[derive(Debug, Clone, PartialEq)]
pub struct PerParameter<T> {
    spec: NetworkSpec,
    replicas: usize,
    layers: Vec<LayerValues<T>>,
    /// What the output classes are called, in the order of their labels; empty where nobody has named them. A file keeps
    /// them in its metadata.
    pub class_names: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
struct LayerValues<T> {
    /// (replicas, outputs, inputs)
    weight: Vec<T>,
    /// (replicas, outputs)
    bias: Vec<T>,
}

/// Parameters of R networks.
pub type Model = PerParameter<f32>;

/// Adaptive batch sizes c of every parameter of R networks in one step.
pub type AdaptiveBatchSizes = PerParameter<u32>;

/// A number that has a type in .safetensors files.
pub trait Element: Pod {
    /// The type there. Counts fit 31 bits, and PyTorch knows int32 better than uint32.
    const DTYPE: Dtype;
}

impl Element for f32 {
    const DTYPE: Dtype = Dtype::F32;
}

impl Element for u32 {
    const DTYPE: Dtype = Dtype::I32;
}

impl<T: Pod> PerParameter<T> {
    /// All zero.
    pub fn zeros(spec: &NetworkSpec, replicas: usize) -> Self {
        let layers = spec
            .layers()
            .map(|(inputs, outputs)| LayerValues {
                weight: vec![T::zeroed(); replicas * outputs * inputs],
                bias: vec![T::zeroed(); replicas * outputs],
            })
            .collect();
        Self { spec: spec.clone(), replicas, layers, class_names: Vec::new() }
    }

    /// The shape of each network.
    pub fn spec(&self) -> &NetworkSpec {
        &self.spec
    }

    /// R.
    pub fn replicas(&self) -> usize {
        self.replicas
    }

    /// Weights of layer `layer` (from 0) of one replica: (outputs, inputs).
    pub fn weight(&self, layer: usize, replica: usize) -> &[T] {
        part(&self.layers[layer].weight, replica, self.replicas)
    }

    /// Biases of layer `layer` (from 0) of one replica: (outputs).
    pub fn bias(&self, layer: usize, replica: usize) -> &[T] {
        part(&self.layers[layer].bias, replica, self.replicas)
    }

    /// Weights of layer `layer` (from 0) of one replica: (outputs, inputs).
    pub fn weight_mut(&mut self, layer: usize, replica: usize) -> &mut [T] {
        part_mut(&mut self.layers[layer].weight, replica, self.replicas)
    }

    /// Biases of layer `layer` (from 0) of one replica: (outputs).
    pub fn bias_mut(&mut self, layer: usize, replica: usize) -> &mut [T] {
        part_mut(&mut self.layers[layer].bias, replica, self.replicas)
    }

    /// `replicas` copies of the first replica.
    pub fn repeat(&self, replicas: usize) -> Self {
        let first = self.slice(0..1);
        let layers = first
            .layers
            .iter()
            .map(|layer| LayerValues { weight: layer.weight.repeat(replicas), bias: layer.bias.repeat(replicas) });
        Self { spec: self.spec.clone(), replicas, layers: layers.collect(), class_names: self.class_names.clone() }
    }

    /// Some of the replicas.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let cut = |values: &[T]| {
            let stride = values.len() / self.replicas;
            values[range.start * stride..range.end * stride].to_vec()
        };
        let layers = self.layers.iter().map(|layer| LayerValues { weight: cut(&layer.weight), bias: cut(&layer.bias) });
        Self {
            spec: self.spec.clone(),
            replicas: range.len(),
            layers: layers.collect(),
            class_names: self.class_names.clone(),
        }
    }

    /// Appends the replicas of `other`, a network of the same shape.
    pub fn append(&mut self, other: &Self) {
        assert_eq!(self.spec, other.spec, "only networks of one shape stand in one model");
        self.replicas += other.replicas;
        for (layer, more) in self.layers.iter_mut().zip(&other.layers) {
            layer.weight.extend_from_slice(&more.weight);
            layer.bias.extend_from_slice(&more.bias);
        }
    }

    /// As the GPU keeps it: (replicas, P), a layer as a row of weights for each input and a row of biases.
    pub(crate) fn to_arena(&self, network: &Network) -> Vec<T> {
        let mut arena = vec![T::zeroed(); self.replicas * network.parameter_stride()];
        for (replica, parameters) in arena.chunks_exact_mut(network.parameter_stride()).enumerate() {
            for (index, layer) in network.layers().iter().enumerate() {
                let (weight, bias) = (self.weight(index, replica), self.bias(index, replica));
                for (place, neuron, input) in places(layer) {
                    parameters[place] = match input {
                        Some(input) => weight[neuron * layer.inputs as usize + input],
                        None => bias[neuron],
                    };
                }
            }
        }
        arena
    }

    /// The inverse of [`Self::to_arena`].
    pub(crate) fn from_arena(spec: &NetworkSpec, network: &Network, arena: &[T]) -> Self {
        let mut values = Self::zeros(spec, arena.len() / network.parameter_stride());
        for (replica, parameters) in arena.chunks_exact(network.parameter_stride()).enumerate() {
            for (index, layer) in network.layers().iter().enumerate() {
                for (place, neuron, input) in places(layer) {
                    match input {
                        Some(input) => {
                            values.weight_mut(index, replica)[neuron * layer.inputs as usize + input] =
                                parameters[place]
                        }
                        None => values.bias_mut(index, replica)[neuron] = parameters[place],
                    }
                }
            }
        }
        values
    }
}

/// (place in a replica's parameters, neuron, input) of every weight of a layer; without input, of its biases.
fn places(layer: &Layer) -> impl Iterator<Item = (usize, usize, Option<usize>)> {
    let Layer { inputs, outputs, weight_start, weight_stride, .. } = *layer;
    (0..=inputs as usize).flat_map(move |input| {
        let row = (weight_start as usize + input * weight_stride as usize) * 4;
        let input = (input < inputs as usize).then_some(input);
        (0..outputs as usize).map(move |neuron| (row + neuron, neuron, input))
    })
}

impl<T: Element> PerParameter<T> {
    /// Writes `layers.N.weight` (out, in) and `layers.N.bias` (out), with a leading replica axis if R > 1.
    ///
    /// # Errors
    /// [`Error::Io`]; the file is whole or not there.
    pub fn save(&self, path: &Path) -> Result<()> {
        let bytes = self.to_bytes().map_err(|error| Error::model(path, format!("cannot be written: {error}")))?;
        write_atomically(path, &bytes)
    }

    /// What [`Self::save`] writes.
    ///
    /// # Errors
    /// What the format refuses: nothing that a network can be.
    pub fn to_bytes(&self) -> Result<Vec<u8>, safetensors::SafeTensorError> {
        let mut tensors = BTreeMap::new();
        let replica_axis: &[usize] = if self.replicas == 1 { &[] } else { &[self.replicas] };
        for (index, ((inputs, outputs), layer)) in self.spec.layers().zip(&self.layers).enumerate() {
            for (name, shape, values) in
                [("weight", &[outputs, inputs][..], &layer.weight), ("bias", &[outputs][..], &layer.bias)]
            {
                let view = TensorView::new(T::DTYPE, [replica_axis, shape].concat(), bytemuck::cast_slice(values))?;
                tensors.insert(format!("layers.{index}.{name}"), view);
            }
        }
        let names =
            (!self.class_names.is_empty()).then(|| HashMap::from([(CLASS_NAMES.to_string(), json(&self.class_names))]));
        safetensors::serialize(tensors, names)
    }

    /// Reads what [`Self::save`] or PyTorch wrote. The tensors are `PREFIX.N.weight` and `PREFIX.N.bias`; N counts
    /// the layers up, with gaps where an nn.Sequential has its activations.
    ///
    /// # Errors
    /// [`Error::Model`] if the file cannot be read or does not hold a fully connected network.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| Error::model(path, format!("cannot be read: {error}")))?;
        Self::from_bytes(&bytes, path)
    }

    /// The same from a file's contents; `path` is for the messages.
    ///
    /// # Errors
    /// [`Error::Model`] if they do not hold a fully connected network.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self> {
        let refuse = |problem: String| Error::model(path, problem);
        let file = SafeTensors::deserialize(bytes)
            .map_err(|error| refuse(format!("not a .safetensors file, or cut off ({error})")))?;
        let mut found = BTreeMap::new();
        for name in file.names() {
            let Some(prefix) = name.strip_suffix(".weight") else { continue };
            let number = prefix.rsplit('.').next().and_then(|number| number.parse::<u32>().ok());
            let number =
                number.ok_or_else(|| refuse(format!("tensor {name}: expected a name like layers.0.weight")))?;
            if found.insert(number, prefix.to_string()).is_some() {
                return Err(refuse(format!("two layers have the number {number}")));
            }
        }
        if found.is_empty() || file.len() != 2 * found.len() {
            return Err(refuse(
                "expected the tensors layers.0.weight, layers.0.bias, layers.1.weight, ... and no others".into(),
            ));
        }

        let tensor = |name: String, axes: usize| -> Result<(Vec<usize>, usize, Vec<T>)> {
            let view = file.tensor(&name).map_err(|_| refuse(format!("tensor {name} is missing")))?;
            if view.dtype() != T::DTYPE {
                return Err(refuse(format!("tensor {name} is {:?}; convert it to {:?}", view.dtype(), T::DTYPE)));
            }
            let shape = view.shape();
            let (replicas, shape) = match shape.len() {
                n if n == axes => (1, shape),
                n if n == axes + 1 => (shape[0], &shape[1..]),
                _ => {
                    return Err(refuse(format!(
                        "tensor {name} has the shape {shape:?}; expected {axes} axes, or one more for replicas"
                    )))
                }
            };
            Ok((shape.to_vec(), replicas, bytemuck::pod_collect_to_vec(view.data())))
        };
        let mut widths = Vec::new();
        let mut replica_counts = Vec::new();
        let mut layers = Vec::new();
        for prefix in found.values() {
            let (weight_shape, weight_replicas, weight) = tensor(format!("{prefix}.weight"), 2)?;
            let (bias_shape, bias_replicas, bias) = tensor(format!("{prefix}.bias"), 1)?;
            let inputs = *widths.last().unwrap_or(&weight_shape[1]);
            if weight_shape[1] != inputs || bias_shape[0] != weight_shape[0] {
                let problem = format!("{prefix}.weight {weight_shape:?} and {prefix}.bias {bias_shape:?} do not follow a layer of {inputs} units");
                return Err(refuse(problem));
            }
            if widths.is_empty() {
                widths.push(inputs);
            }
            widths.push(weight_shape[0]);
            replica_counts.extend([weight_replicas, bias_replicas]);
            layers.push(LayerValues { weight, bias });
        }
        let replicas = replica_counts[0];
        if replicas == 0 || replica_counts.iter().any(|&count| count != replicas) {
            return Err(refuse(format!("its tensors disagree on the number of replicas: {replica_counts:?}")));
        }
        let spec = NetworkSpec::new(&widths).map_err(|error| refuse(error.to_string()))?;
        let class_names = class_names(bytes).filter(|names| names.len() == spec.outputs().max(2)).unwrap_or_default();
        Ok(Self { spec, replicas, layers, class_names })
    }
}

/// The metadata's key.
const CLASS_NAMES: &str = "class_names";

fn json(names: &[String]) -> String {
    serde_json::Value::from(names).to_string()
}

/// The class names in a file's metadata.
fn class_names(bytes: &[u8]) -> Option<Vec<String>> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).ok()?;
    serde_json::from_str(metadata.metadata().as_ref()?.get(CLASS_NAMES)?).ok()
}

fn part<T>(values: &[T], index: usize, parts: usize) -> &[T] {
    let stride = values.len() / parts;
    &values[index * stride..][..stride]
}

fn part_mut<T>(values: &mut [T], index: usize, parts: usize) -> &mut [T] {
    let stride = values.len() / parts;
    &mut values[index * stride..][..stride]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(spec: &NetworkSpec, replicas: usize) -> Model {
        let mut model = Model::zeros(spec, replicas);
        let mut next = 0.0;
        for layer in &mut model.layers {
            for value in layer.weight.iter_mut().chain(&mut layer.bias) {
                next += 1.0;
                *value = next;
            }
        }
        model
    }

    #[test]
    fn arena_and_file_give_back_what_went_in() {
        for (widths, replicas) in [(vec![2, 1], 1), (vec![5, 3, 4, 2], 3), (vec![3, 4, 7, 1], 2)] {
            let spec = NetworkSpec::new(&widths).unwrap();
            let model = counted(&spec, replicas);
            let network = Network::new(&spec, replicas, crate::network::InputFormat::F32);
            assert_eq!(Model::from_arena(&spec, &network, &model.to_arena(&network)), model);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("model.safetensors");
            model.save(&path).unwrap();
            assert_eq!(Model::load(&path).unwrap(), model);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file was left");
        }
    }

    #[test]
    fn slices_append_to_the_whole() {
        let spec = NetworkSpec::new(&[3, 2, 1]).unwrap();
        let model = counted(&spec, 5);
        let mut joined = model.slice(0..2);
        joined.append(&model.slice(2..5));
        assert_eq!(joined, model);
    }
}
