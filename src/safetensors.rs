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
}

impl Element for f32 {
    const DTYPE: Dtype = Dtype::F32;
}

impl Element for u32 {
    const DTYPE: Dtype = Dtype::I32;
}

impl<T: Element> PerParameter<T> {
    /// Writes `layers.N.weight` (out, in) and `layers.N.bias` (out), with a leading replica axis if R > 1. The metadata
    /// holds `activation`, `loss` and, where the classes have names, `class_names`; and what is known of the data: `table`,
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
        for (index, ((inputs, outputs), (weight, bias))) in self.spec().layers().zip(self.layers()).enumerate() {
            for (name, shape, values) in [("weight", &[outputs, inputs][..], weight), ("bias", &[outputs][..], bias)] {
                let bytes: &[u8] = bytemuck::cast_slice(values);
                tensors.insert(format!("layers.{index}.{name}"), (T::DTYPE, [replica_axis, shape].concat(), bytes));
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
        let scale_tensors = [SCALE, TARGET_SCALE]
            .into_iter()
            .flat_map(|key| SCALE_TENSORS.map(|name| format!("{key}.{name}")))
            .filter(|name| file.tensor(name).is_ok())
            .count();
        if found.is_empty() || file.len() != 2 * found.len() + scale_tensors {
            return Err(refuse(
                "expected the tensors layers.0.weight, layers.0.bias, layers.1.weight, ... and no others than scale.shift, \
                 scale.divisor, target_scale.shift and target_scale.divisor"
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
        for prefix in found.values() {
            let (weight_shape, weight_replicas, weight) = tensor(format!("{prefix}.weight"), 2)?;
            let (bias_shape, bias_replicas, bias) = tensor(format!("{prefix}.bias"), 1)?;
            let inputs = *widths.last().unwrap_or(&weight_shape[1]);
            if weight_shape[1] != inputs || bias_shape[0] != weight_shape[0] {
                let problem = format!(
                    "{prefix}.weight {weight_shape:?} and {prefix}.bias {bias_shape:?} do not follow a layer of {inputs} units"
                );
                return Err(refuse(problem));
            }
            if widths.is_empty() {
                widths.push(inputs);
            }
            widths.push(weight_shape[0]);
            replica_counts.extend([weight_replicas, bias_replicas]);
            layers.push((weight, bias));
        }
        let replicas = replica_counts[0];
        if replicas == 0 || replica_counts.iter().any(|&count| count != replicas) {
            return Err(refuse(format!("its tensors disagree on the number of replicas: {replica_counts:?}")));
        }
        let metadata = metadata(bytes);
        let spec = spec(&widths, &metadata).map_err(refuse)?;
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
            ("activation", "tanh", "activation 'tanh'; expected relu"),
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
