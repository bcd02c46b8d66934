//! The .safetensors files of models and counts, in PyTorch's names and shapes.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::str::FromStr;

use bytemuck::Pod;
use safetensors::{Dtype, SafeTensors};
use serde_json::json;

use crate::dataset::table::Schema;
use crate::dataset::{DataRecord, Points, Scale, Scaling, SplitRecord};
use crate::error::{Error, Result};
use crate::files::write_atomically;
use crate::model::PerParameter;
use crate::spec::{Loss, NetworkSpec};

/// A number that has a type in .safetensors files.
pub trait Element: Pod {
    /// The type there. Counts fit 31 bits, and PyTorch knows int32 better than uint32.
    const DTYPE: Dtype;
    /// Whether there are numbers of this type for running statistics too, and not only for what rules move.
    const HAS_STATISTICS: bool;
}

impl Element for f32 {
    const DTYPE: Dtype = Dtype::F32;
    const HAS_STATISTICS: bool = true;
}

impl Element for u32 {
    const DTYPE: Dtype = Dtype::I32;
    const HAS_STATISTICS: bool = false;
}

impl<T: Element> PerParameter<T> {
    /// Writes `layers.N.weight` (out, in) and `layers.N.bias` (out), with a leading replica axis if R > 1. A normalized layer has no
    /// bias but, (out) each, `norms.N.weight` (gamma), `norms.N.bias` (beta), `norms.N.running_mean` and `norms.N.running_var`; what is
    /// counted has no running ones. The metadata holds `activation`, `loss` and, where the classes have names, `class_names`; and what is known of the data: `table`,
    /// `points` and `split` as JSON, and `scale`, whose numbers are the tensors `scale.shift` and `scale.divisor` (inputs), f64: an
    /// input x goes in as (x - shift) / divisor. Likewise `target_scale` with `target_scale.shift` and `target_scale.divisor`
    /// (outputs): an output y means y * divisor + shift.
    ///
    /// # Errors
    /// [`Error::Io`]; the file is whole or not there.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_atomically(path, &self.to_bytes())
    }

    /// What [`Self::save`] writes. Equal values give equal bytes: names are sorted, those of the metadata too, which the
    /// safetensors crate keeps in a hash map and so would write in any order.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut tensors = BTreeMap::new();
        let replica_axis: &[usize] = if self.replicas() == 1 { &[] } else { &[self.replicas()] };
        for (index, ((inputs, outputs), (weight, neurons))) in self.spec().layers().zip(self.layers()).enumerate() {
            let names: &[(&str, &str)] = match neurons.len() {
                1 => &[("layers", "bias")],
                _ if T::HAS_STATISTICS => &NORM,
                _ => &NORM[..2],
            };
            let of_neurons = names.iter().zip(neurons).map(|(&name, values)| (name, vec![outputs], &values[..]));
            let weight = (("layers", "weight"), vec![outputs, inputs], weight);
            for ((module, name), shape, values) in [weight].into_iter().chain(of_neurons) {
                let bytes: &[u8] = bytemuck::cast_slice(values);
                tensors.insert(format!("{module}.{index}.{name}"), (T::DTYPE, [replica_axis, &shape].concat(), bytes));
            }
        }
        for (key, scaling) in [(SCALE, &self.data.scaling), (TARGET_SCALE, &self.data.target_scaling)] {
            let Some(scaling) = scaling.as_ref().filter(|scaling| scaling.scale() != Scale::None) else { continue };
            for (name, values) in SCALE_TENSORS.into_iter().zip([scaling.shift(), scaling.divisor()]) {
                let bytes: &[u8] = bytemuck::cast_slice(values);
                tensors.insert(format!("{key}.{name}"), (Dtype::F64, vec![values.len()], bytes));
            }
        }
        let mut header = BTreeMap::from([("__metadata__".to_string(), json!(self.metadata()))]);
        let mut end = 0;
        for (name, (dtype, shape, bytes)) in &tensors {
            let begin = end;
            end += bytes.len();
            header.insert(name.clone(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [begin, end] }));
        }
        let mut header = json!(header).to_string();
        // The format aligns the data to 8 bytes, with spaces.
        header += &" ".repeat(header.len().next_multiple_of(8) - header.len());
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(header.as_bytes());
        for (_, _, bytes) in tensors.values() {
            file.extend_from_slice(bytes);
        }
        file
    }

    /// What a file says besides its tensors.
    fn metadata(&self) -> BTreeMap<&'static str, String> {
        let spec = self.spec();
        let mut metadata =
            BTreeMap::from([(ACTIVATION, spec.activation().to_string()), (LOSS, spec.loss().to_string())]);
        if !self.class_names.is_empty() {
            metadata.insert(CLASS_NAMES, json!(self.class_names).to_string());
        }
        let DataRecord { table, points, scaling, target_scaling, split } = &self.data;
        let json = [
            (TABLE, table.as_ref().map(|table| json!(table))),
            (POINTS, points.as_ref().map(|points| json!(points))),
            (SPLIT, split.as_ref().map(|split| json!(split))),
        ];
        metadata.extend(json.into_iter().filter_map(|(key, value)| Some((key, value?.to_string()))));
        metadata.extend(scaling.as_ref().map(|scaling| (SCALE, scaling.scale().to_string())));
        metadata.extend(target_scaling.as_ref().map(|scaling| (TARGET_SCALE, scaling.scale().to_string())));
        metadata
    }

    /// Reads what [`Self::save`] or PyTorch wrote. The tensors are `PREFIX.N.weight` and `PREFIX.N.bias`; N counts
    /// the layers up, with gaps where an nn.Sequential has its activations. Those of an nn.BatchNorm1d normalize a layer, which is then
    /// an nn.Linear without bias; `num_batches_tracked` is not needed.
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
        let (mut found, mut norms) = (BTreeMap::new(), BTreeMap::new());
        for name in file.names() {
            let Some(prefix) = name.strip_suffix(".weight") else { continue };
            let number = prefix.rsplit('.').next().and_then(|number| number.parse::<u32>().ok());
            let number =
                number.ok_or_else(|| refuse(format!("tensor {name}: expected a name like layers.0.weight")))?;
            let is_norm = prefix.starts_with("norms.") || file.tensor(&format!("{prefix}.running_mean")).is_ok();
            let modules = if is_norm { &mut norms } else { &mut found };
            if modules.insert(number, prefix.to_string()).is_some() {
                return Err(refuse(format!("two layers have the number {number}")));
            }
        }
        let scale_tensors: Vec<String> = [SCALE, TARGET_SCALE]
            .into_iter()
            .flat_map(|key| SCALE_TENSORS.map(|name| format!("{key}.{name}")))
            .collect();
        let others =
            |name: &&str| scale_tensors.iter().any(|scale| scale == name) || name.ends_with(".num_batches_tracked");
        let others = file.names().into_iter().filter(others).count();
        let of_norm = if T::HAS_STATISTICS { NORM.len() } else { 2 };
        if !norms.is_empty() && norms.len() + 1 != found.len() {
            let (norms, layers) = (norms.len(), found.len());
            return Err(refuse(format!(
                "{norms} batch normalizations for {layers} layers; expected one for every layer but the last, or none"
            )));
        }
        if let Some(prefix) =
            found.values().take(norms.len()).find(|prefix| file.tensor(&format!("{prefix}.bias")).is_ok())
        {
            return Err(refuse(format!(
                "tensor {prefix}.bias: a normalized layer has no bias beside that of its batch normalization; subtract it \
                 from the running mean and leave it out, or train with nn.Linear(bias=False)"
            )));
        }
        if found.is_empty() || file.len() != 2 * found.len() - norms.len() + of_norm * norms.len() + others {
            return Err(refuse(
                "expected the tensors layers.0.weight, layers.0.bias, layers.1.weight, ... and no others than scale.shift, \
                 scale.divisor, target_scale.shift, target_scale.divisor and those of batch normalizations: norms.0.weight, \
                 bias, running_mean and running_var"
                    .into(),
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
                    )));
                }
            };
            Ok((shape.to_vec(), replicas, bytemuck::pod_collect_to_vec(view.data())))
        };
        let mut widths = Vec::new();
        let mut replica_counts = Vec::new();
        let mut layers = Vec::new();
        let mut of_layers = norms.values();
        for prefix in found.values() {
            let (weight_shape, weight_replicas, weight) = tensor(format!("{prefix}.weight"), 2)?;
            replica_counts.push(weight_replicas);
            let inputs = *widths.last().unwrap_or(&weight_shape[1]);
            // Each with its name; those of statistics are zero where there are none.
            let rows: Vec<Option<String>> = match of_layers.next() {
                None => vec![Some(format!("{prefix}.bias"))],
                Some(norm) => {
                    let name =
                        |(row, (_, name)): (usize, &(&str, &str))| (row < of_norm).then(|| format!("{norm}.{name}"));
                    NORM.iter().enumerate().map(name).collect()
                }
            };
            let mut neurons = Vec::new();
            for name in rows {
                let Some(name) = name else {
                    neurons.push(vec![T::zeroed(); neurons.first().map_or(0, Vec::len)]);
                    continue;
                };
                let (shape, replicas, values) = tensor(name.clone(), 1)?;
                if weight_shape[1] != inputs || shape[0] != weight_shape[0] {
                    let problem = format!(
                        "{prefix}.weight {weight_shape:?} and {name} {shape:?} do not follow a layer of {inputs} units"
                    );
                    return Err(refuse(problem));
                }
                replica_counts.push(replicas);
                neurons.push(values);
            }
            if widths.is_empty() {
                widths.push(inputs);
            }
            widths.push(weight_shape[0]);
            layers.push((weight, neurons));
        }
        let replicas = replica_counts[0];
        if replicas == 0 || replica_counts.iter().any(|&count| count != replicas) {
            return Err(refuse(format!("its tensors disagree on the number of replicas: {replica_counts:?}")));
        }
        let metadata = metadata(bytes);
        let spec = spec(&widths, &metadata).map_err(refuse)?.with_batch_norm(!norms.is_empty());
        let class_names = metadata.get(CLASS_NAMES).and_then(|names| serde_json::from_str::<Vec<String>>(names).ok());
        let classes = spec.classes();
        let data = record(&file, &metadata, &spec).map_err(refuse)?;
        let mut values = Self::from_layers(spec, replicas, layers);
        values.data = data;
        values.class_names = class_names.filter(|names| names.len() == classes).unwrap_or_default();
        Ok(values)
    }
}

/// The metadata's keys.
const ACTIVATION: &str = "activation";
const LOSS: &str = "loss";
const CLASS_NAMES: &str = "class_names";
const TABLE: &str = "table";
const POINTS: &str = "points";
const SPLIT: &str = "split";
/// Of the inputs.
const SCALE: &str = "scale";
const TARGET_SCALE: &str = "target_scale";

/// Tensors of a normalized layer's neurons: beta, gamma, running mean and running variance.
const NORM: [(&str, &str); 4] =
    [("norms", "bias"), ("norms", "weight"), ("norms", "running_mean"), ("norms", "running_var")];

/// Tensors of a scale, behind its key and a point.
const SCALE_TENSORS: [&str; 2] = ["shift", "divisor"];

/// A file's metadata; PyTorch's files have none.
fn metadata(bytes: &[u8]) -> HashMap<String, String> {
    let metadata = SafeTensors::read_metadata(bytes).ok().and_then(|(_, metadata)| metadata.metadata().clone());
    metadata.unwrap_or_default()
}

/// What a file knows of its data.
fn record(
    file: &SafeTensors<'_>,
    metadata: &HashMap<String, String>,
    spec: &NetworkSpec,
) -> Result<DataRecord, String> {
    let (inputs, outputs, task) = (spec.inputs(), spec.outputs(), spec.loss().task());
    let table: Option<Schema> = parsed(metadata, TABLE)?;
    if table.as_ref().is_some_and(|table| !table.is_sound(inputs, outputs) || table.task != task) {
        return Err(damaged(TABLE));
    }
    let points: Option<Points> = parsed(metadata, POINTS)?;
    let split: Option<SplitRecord> = parsed(metadata, SPLIT)?;
    let (scaling, target_scaling) =
        (scaling(file, metadata, SCALE, inputs)?, scaling(file, metadata, TARGET_SCALE, outputs)?);
    Ok(DataRecord { table, points, scaling, target_scaling, split })
}

/// A scale of so many numbers, if there is one.
fn scaling(
    file: &SafeTensors<'_>,
    metadata: &HashMap<String, String>,
    key: &str,
    width: usize,
) -> Result<Option<Scaling>, String> {
    let numbers = |name: &str| -> Result<Vec<f64>, String> {
        let name = format!("{key}.{name}");
        let view = match file.tensor(&name) {
            Ok(view) => view,
            Err(_) => return Ok(Vec::new()),
        };
        if view.dtype() != Dtype::F64 || view.shape() != [width] {
            return Err(format!("tensor {name} is {:?} {:?}; expected F64 [{width}]", view.dtype(), view.shape()));
        }
        Ok(bytemuck::pod_collect_to_vec(view.data()))
    };
    let [shift, divisor] = SCALE_TENSORS.map(numbers);
    let (shift, divisor) = (shift?, divisor?);
    match choice::<Scale>(metadata, key)? {
        None if shift.is_empty() && divisor.is_empty() => Ok(None),
        scale => {
            // A file whose metadata somebody's tool dropped still has its numbers.
            let scale = scale.unwrap_or(Scale::Standard);
            let problem = format!("its {key} is damaged: {scale} with {} and {} numbers", shift.len(), divisor.len());
            Ok(Some(Scaling::from_parts(scale, shift, divisor).ok_or(problem)?))
        }
    }
}

/// What one of the metadata's keys says in JSON.
fn parsed<T: serde::de::DeserializeOwned>(metadata: &HashMap<String, String>, key: &str) -> Result<Option<T>, String> {
    metadata.get(key).map(|text| serde_json::from_str(text).map_err(|_| damaged(key))).transpose()
}

fn damaged(key: &str) -> String {
    format!("its metadata's {key} is damaged; train again")
}

/// The network of these widths that the metadata describes; what it does not say is the default.
fn spec(widths: &[usize], metadata: &HashMap<String, String>) -> Result<NetworkSpec, String> {
    let outputs = widths.last().copied().unwrap_or(0);
    let activation = choice(metadata, ACTIVATION)?.unwrap_or_default();
    let loss = choice(metadata, LOSS)?.unwrap_or_else(|| Loss::for_units(outputs));
    NetworkSpec::with(widths, activation, loss).map_err(|error| error.to_string())
}

fn choice<T: FromStr<Err = String>>(metadata: &HashMap<String, String>, key: &str) -> Result<Option<T>, String> {
    let Some(text) = metadata.get(key) else { return Ok(None) };
    text.parse().map(Some).map_err(|expected| format!("its metadata says {key} '{text}'; {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;
    use crate::spec::Activation;

    fn model(widths: &[usize], replicas: usize) -> Model {
        let mut model = Model::zeros(&NetworkSpec::new(widths).unwrap(), replicas);
        for replica in 0..replicas {
            for layer in 0..widths.len() - 1 {
                for (index, value) in model.weight_mut(layer, replica).iter_mut().enumerate() {
                    *value = (replica * 1000 + layer * 100 + index) as f32;
                }
                model.bias_mut(layer, replica).fill(0.5);
            }
        }
        model
    }

    #[test]
    fn a_file_gives_back_what_went_in() {
        for (widths, replicas) in [(vec![2, 1], 1), (vec![5, 3, 4, 2], 3), ([vec![3; 12], vec![1]].concat(), 2)] {
            let model = model(&widths, replicas);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("model.safetensors");
            model.save(&path).unwrap();
            assert_eq!(Model::load(&path).unwrap(), model);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file was left");
        }
    }

    fn normalized(replicas: usize) -> Model {
        let spec = NetworkSpec::new(&[5, 3, 4, 2]).unwrap().with_batch_norm(true);
        let mut arena = vec![0.0f32; replicas * spec.arena_stride()];
        arena.iter_mut().enumerate().for_each(|(index, value)| *value = index as f32);
        Model::from_arena(&spec, &arena)
    }

    #[test]
    fn normalized_networks_are_kept_as_pytorch_has_them() {
        for replicas in [1, 3] {
            let model = normalized(replicas);
            let bytes = model.to_bytes();
            assert_eq!(Model::from_bytes(&bytes, Path::new("x")).unwrap(), model);
            let file = SafeTensors::deserialize(&bytes).unwrap();
            for (name, is_there) in [
                ("norms.1.running_var", true),
                ("layers.2.bias", true),
                ("layers.0.bias", false),
                ("norms.2.weight", false),
            ] {
                assert_eq!(file.tensor(name).is_ok(), is_there, "{name}");
            }
            // Of torch.nn.BatchNorm1d: weight is gamma, bias is beta.
            type Rows = fn(&Model, usize, usize) -> &[f32];
            let rows: [(&str, Rows); 4] = [
                ("weight", Model::gamma),
                ("bias", Model::bias),
                ("running_mean", Model::running_mean),
                ("running_var", Model::running_variance),
            ];
            for (name, of) in rows {
                let expected: Vec<f32> = (0..replicas).flat_map(|replica| of(&model, 1, replica).to_vec()).collect();
                let found = file.tensor(&format!("norms.1.{name}")).unwrap();
                assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(found.data()), expected, "{name}");
            }
        }
        let mut counts = crate::AdaptiveBatchSizes::zeros(normalized(1).spec(), 2);
        counts.gamma_mut(1, 1).copy_from_slice(&[1, 2, 3, 4]);
        counts.bias_mut(0, 0)[2] = 7;
        let bytes = counts.to_bytes();
        assert!(SafeTensors::deserialize(&bytes).unwrap().tensor("norms.0.running_mean").is_err());
        assert_eq!(crate::AdaptiveBatchSizes::from_bytes(&bytes, Path::new("x")).unwrap(), counts);
    }

    /// A file whose tensors have other names, or are not there where that is empty.
    fn renamed(rename: impl Fn(&str) -> String) -> Vec<u8> {
        let bytes = normalized(1).to_bytes();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.tensors().into_iter().map(|(name, view)| (rename(&name), view));
        safetensors::serialize(tensors.filter(|(name, _)| !name.is_empty()), None).unwrap()
    }

    /// nn.Sequential(Linear, BatchNorm1d, ReLU, Linear, BatchNorm1d, ReLU, Linear).
    #[test]
    fn a_sequential_of_pytorch_is_read() {
        let bytes = renamed(|name| {
            let parts: Vec<&str> = name.split('.').collect();
            let number = parts[1].parse::<usize>().unwrap();
            format!("{}.{}", 3 * number + usize::from(parts[0] == "norms"), parts[2])
        });
        assert_eq!(Model::from_bytes(&bytes, Path::new("x")).unwrap(), normalized(1));
    }

    #[test]
    fn inconsistent_normalizations_are_refused_in_one_line() {
        type Rename<'a> = &'a dyn Fn(&str) -> String;
        let cases: [(Rename<'_>, &str); 4] = [
            (
                &|name| if name.starts_with("norms.1") { String::new() } else { name.into() },
                "1 batch normalizations for 3 layers",
            ),
            (&|name| if name == "norms.0.running_var" { String::new() } else { name.into() }, "expected the tensors"),
            (&|name| name.replace("norms.0.bias", "layers.0.bias"), "layers.0.bias: a normalized layer has no bias"),
            (&|name| name.replace("norms.0.running_var", "norms.0.running_variance"), "norms.0.running_var is missing"),
        ];
        for (rename, words) in cases {
            let text = Model::from_bytes(&renamed(rename), Path::new("x.safetensors")).unwrap_err().to_string();
            assert!(text.starts_with("x.safetensors: ") && text.contains(words) && !text.contains('\n'), "{text}");
        }
    }

    /// Weights of three networks and biases of two are no model.
    #[test]
    fn tensors_of_different_numbers_of_replicas_are_refused() {
        let [three, two] = [3, 2].map(|replicas| model(&[2, 3], replicas).to_bytes());
        let [three, two] = [&three, &two].map(|bytes| SafeTensors::deserialize(bytes).unwrap());
        for other in ["layers.0.weight", "layers.0.bias"] {
            let tensors = three.tensors().into_iter().map(|(name, view)| match name == other {
                true => (name, two.tensor(other).unwrap()),
                false => (name, view),
            });
            let bytes = safetensors::serialize(tensors, None).unwrap();
            let text = Model::from_bytes(&bytes, Path::new("x.safetensors")).unwrap_err().to_string();
            assert!(text.contains("disagree on the number of replicas"), "{text}");
        }
    }

    #[test]
    fn the_scale_of_targets_is_kept() {
        let spec = NetworkSpec::with(&[2, 3, 2], Activation::Relu, Loss::MeanSquaredError).unwrap();
        let mut model = Model::zeros(&spec, 2);
        model.data.target_scaling = Scaling::from_parts(Scale::Standard, vec![1e5, -0.1], vec![3.0, 1e-7]);
        assert!(model.data.target_scaling.is_some());
        assert_eq!(Model::from_bytes(&model.to_bytes(), Path::new("x")).unwrap(), model);
    }

    #[test]
    fn class_names_are_kept() {
        let mut model = model(&[2, 3], 1);
        model.class_names = ["a", "\"b\"", "ç"].map(String::from).into();
        assert_eq!(Model::from_bytes(&model.to_bytes(), Path::new("x")).unwrap(), model);
    }

    /// The bytes of a model with other metadata.
    fn with_metadata(metadata: Option<&[(&str, &str)]>) -> Vec<u8> {
        let bytes = model(&[2, 3, 2], 1).to_bytes();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let metadata =
            metadata.map(|pairs| pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect());
        safetensors::serialize(file.tensors(), metadata).unwrap()
    }

    #[test]
    fn a_file_without_metadata_has_the_defaults() {
        assert_eq!(Model::from_bytes(&with_metadata(None), Path::new("x")).unwrap(), model(&[2, 3, 2], 1));
        assert_eq!(Model::from_bytes(&with_metadata(Some(&[])), Path::new("x")).unwrap(), model(&[2, 3, 2], 1));
    }

    #[test]
    fn metadata_that_makes_no_sense_is_refused_in_one_line() {
        for (key, value, words) in [
            ("activation", "swish", "activation 'swish'; expected relu, leaky-relu:SLOPE, elu"),
            ("loss", "mae", "loss 'mae'; expected"),
            ("target_scale", "standard", "target_scale is damaged"),
            ("loss", "binary-cross-entropy", "does not go with 2 output units"),
        ] {
            let error =
                Model::from_bytes(&with_metadata(Some(&[(key, value)])), Path::new("x.safetensors")).unwrap_err();
            assert!(matches!(error, Error::Model { .. }));
            let text = error.to_string();
            assert!(text.starts_with("x.safetensors: ") && text.contains(words) && !text.contains('\n'), "{text}");
        }
    }
}
