//! The state of a chunk of replicas, kept on disk so that an interrupted training resumes where it was, bit for bit.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use asgd::files::{rename, write_atomically};
use asgd::{Activity, AdaptiveBatchSizes, Evaluation, Model, PerParameter};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::metrics::{Point, Trajectories, has_diverged};
use crate::console::Reporter;

/// Where the state of a chunk is kept, and what it belongs to.
pub struct Place {
    pub path: PathBuf,
    /// Of the settings of its run.
    pub fingerprint: String,
    /// Where its training ends.
    pub steps: u64,
}

/// A chunk on its way.
pub struct State {
    pub step: u64,
    pub model: Model,
    /// Of the rules, see [`asgd::Trainer::moments`].
    pub moments: Vec<Model>,
    /// Of the last step, once it is done.
    pub counts: Option<AdaptiveBatchSizes>,
    /// What is the result of each replica, as far as that is known; until it is done, and only where evaluations decide it.
    pub kept: Option<Kept>,
    /// A replica that has stopped has fewer points.
    pub trajectories: Trajectories,
}

impl Place {
    /// What a checkpoint of this place says of itself: copied from elsewhere, it would be taken for the state of other networks.
    fn metadata(&self) -> HashMap<String, String> {
        let chunk = self.path.file_stem().unwrap_or_default().to_string_lossy();
        // One entry: the safetensors crate writes several in any order, and a checkpoint's bytes should not be chance.
        HashMap::from([("training".into(), format!("{chunk} of {}", self.fingerprint))])
    }
}

/// Networks, each with the adaptive batch sizes of its last step.
pub struct Kept {
    pub model: Model,
    pub counts: AdaptiveBatchSizes,
}

/// Numbers of an evaluation: loss and accuracy of training and test set, and 1 if it has diverged. Loss and accuracy of
/// the validation set follow, if there is one.
const METRICS: usize = 5;
const METRICS_WITH_VALIDATION: usize = 7;

impl State {
    /// Goes on to a later end: what only the earlier end asked for is forgotten.
    pub fn continue_to(&mut self, steps: u64, evaluate_every: u64) {
        self.counts = None;
        for points in &mut self.trajectories {
            points.retain(|point| point.step.is_multiple_of(evaluate_every) || point.step == steps);
        }
    }

    /// Some of its replicas.
    pub fn slice(&self, replicas: Range<usize>) -> Self {
        let model = |model: &Model| model.slice(replicas.clone());
        let counts = |counts: &AdaptiveBatchSizes| counts.slice(replicas.clone());
        Self {
            step: self.step,
            model: model(&self.model),
            moments: self.moments.iter().map(model).collect(),
            counts: self.counts.as_ref().map(counts),
            kept: self.kept.as_ref().map(|kept| Kept { model: model(&kept.model), counts: counts(&kept.counts) }),
            trajectories: self.trajectories[replicas.clone()].to_vec(),
        }
    }

    /// One file, so that parameters and evaluations belong together: `step` (1); `steps` (E); `metrics` (E, R, 5 or 7);
    /// `nodes` (E, R, hidden nodes; 0 never, 1 sometimes, 2 always active on the training set);
    /// `mean_adaptive_batch_sizes` (E, R, layers; NaN before the first step); `model`, `moment0` and so on, `kept_model` and
    /// `kept_counts`, and, at the end, `counts`: the bytes of such files; `evaluations` (R), where some replicas have fewer than
    /// others, whose rows are NaN from there on. Its metadata say to which training it belongs. The file before is kept as
    /// .previous.
    pub fn save(&self, place: &Place) -> Result<()> {
        let path = &place.path;
        let lengths: Vec<u64> = self.trajectories.iter().map(|points| points.len() as u64).collect();
        let longest = self.trajectories.iter().max_by_key(|points| points.len()).context("no replica")?;
        let evaluations = longest.len();
        let replicas = self.trajectories.len();
        let hidden = hidden_nodes(&self.model);
        let has_validation = longest.iter().any(|point| point.validation.is_some());
        let width = if has_validation { METRICS_WITH_VALIDATION } else { METRICS };
        let layers = self.model.spec().layers().len();
        let (mut metrics, mut nodes, mut means) = (Vec::new(), Vec::new(), Vec::new());
        for evaluation in 0..evaluations {
            for points in &self.trajectories {
                let Some(point) = points.get(evaluation) else {
                    metrics.extend(std::iter::repeat_n(f64::NAN, width));
                    nodes.extend(std::iter::repeat_n(0, hidden));
                    means.extend(std::iter::repeat_n(f64::NAN, layers));
                    continue;
                };
                let Point { train, test, validation, mean_adaptive_batch_sizes, .. } = point;
                let has_diverged = f64::from(u8::from(has_diverged(point)));
                metrics.extend([train.loss, train.score, test.loss, test.score, has_diverged]);
                metrics.extend(validation.iter().flat_map(|validation| [validation.loss, validation.score]));
                nodes.extend(train.nodes.iter().map(|&node| node as u8));
                means
                    .extend((0..layers).map(|layer| mean_adaptive_batch_sizes.get(layer).copied().unwrap_or(f64::NAN)));
            }
        }
        let steps: Vec<u64> = longest.iter().map(|point| point.step).collect();
        let model = self.model.to_bytes();
        let counts = self.counts.as_ref().map(PerParameter::to_bytes);
        let moments: Vec<(String, Vec<u8>)> =
            self.moments.iter().enumerate().map(|(index, moment)| (moment_name(index), moment.to_bytes())).collect();
        let kept = self.kept.as_ref().map(|Kept { model, counts }| (model.to_bytes(), counts.to_bytes()));
        let of_each = |length: usize| vec![evaluations, replicas, length];
        let view = TensorView::new;
        let mut tensors = BTreeMap::from([
            ("step", view(Dtype::U64, vec![1], bytemuck::bytes_of(&self.step))?),
            ("steps", view(Dtype::U64, vec![evaluations], bytemuck::cast_slice(&steps))?),
            ("metrics", view(Dtype::F64, of_each(width), bytemuck::cast_slice(&metrics))?),
            ("nodes", view(Dtype::U8, of_each(hidden), &nodes)?),
            ("mean_adaptive_batch_sizes", view(Dtype::F64, of_each(layers), bytemuck::cast_slice(&means))?),
            ("model", view(Dtype::U8, vec![model.len()], &model)?),
        ]);
        for (name, moment) in &moments {
            tensors.insert(name, view(Dtype::U8, vec![moment.len()], moment)?);
        }
        if let Some(counts) = &counts {
            tensors.insert("counts", view(Dtype::U8, vec![counts.len()], counts)?);
        }
        if let Some((model, counts)) = &kept {
            tensors.insert("kept_model", view(Dtype::U8, vec![model.len()], model)?);
            tensors.insert("kept_counts", view(Dtype::U8, vec![counts.len()], counts)?);
        }
        if lengths.iter().any(|&length| length != evaluations as u64) {
            tensors.insert("evaluations", view(Dtype::U64, vec![replicas], bytemuck::cast_slice(&lengths))?);
        }
        let bytes = safetensors::serialize(tensors, Some(place.metadata()))?;
        if path.exists() {
            let previous = previous(path);
            rename(path, &previous).with_context(|| format!("{}: cannot be replaced", previous.display()))?;
        }
        Ok(write_atomically(path, &bytes)?)
    }

    /// The last state that is whole, or `None` before the first. `moments` is how many the rules keep.
    pub fn load_latest(place: &Place, initial: &Model, moments: usize, report: &Reporter) -> Result<Option<Self>> {
        let path = &place.path;
        let load = |path: &Path| Self::load(path, place, initial, moments);
        match load(path) {
            Ok(Some(state)) => Ok(Some(state)),
            // Killed between moving the old one away and moving the new one in.
            Ok(None) => load(&previous(path)),
            Err(error) => match load(&previous(path)) {
                Ok(Some(state)) => {
                    report.line(&format!("{}; resuming from the one before, step {}", crate::line(&error), state.step));
                    // Else the next save would put it in the place of the one that is whole.
                    let damaged = path.with_extension("damaged");
                    rename(path, &damaged).with_context(|| format!("{}: cannot be written", damaged.display()))?;
                    Ok(Some(state))
                }
                _ => Err(error.context("no checkpoint is whole; delete the folder to begin anew")),
            },
        }
    }

    fn load(path: &Path, place: &Place, initial: &Model, moments: usize) -> Result<Option<Self>> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("{}: cannot be read", path.display())),
        };
        let state = Self::parse(&bytes, place, initial, moments);
        state.map(Some).with_context(|| format!("{}: the checkpoint is damaged", path.display()))
    }

    fn parse(bytes: &[u8], place: &Place, initial: &Model, moments: usize) -> Result<Self> {
        let path = &place.path;
        let file = SafeTensors::deserialize(bytes)?;
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        if header.metadata().as_ref() != Some(&place.metadata()) {
            bail!("it belongs to another training: of other settings, data or replicas");
        }
        let data = |name: &str| -> Result<Vec<u8>> { Ok(file.tensor(name)?.data().to_vec()) };
        let numbers = |name: &str| -> Result<Vec<f64>> { Ok(bytemuck::pod_collect_to_vec(&data(name)?)) };
        let steps: Vec<u64> = bytemuck::pod_collect_to_vec(&data("steps")?);
        let (metrics, means, nodes) = (numbers("metrics")?, numbers("mean_adaptive_batch_sizes")?, data("nodes")?);
        let (replicas, layers, hidden) = (initial.replicas(), initial.spec().layers().len(), hidden_nodes(initial));
        let expected = steps.len() * replicas;
        let width = if metrics.len() == expected * METRICS { METRICS } else { METRICS_WITH_VALIDATION };
        if metrics.len() != expected * width || nodes.len() != expected * hidden || means.len() != expected * layers {
            bail!("it holds other replicas");
        }
        let of_these_networks = |name: &str| -> Result<Model> {
            let model = Model::from_bytes(&data(name)?, path)?;
            if model.spec() != initial.spec() || model.replicas() != replicas {
                bail!("it holds other networks");
            }
            Ok(model)
        };
        let lengths: Vec<u64> = match file.tensor("evaluations") {
            Ok(lengths) => bytemuck::pod_collect_to_vec(lengths.data()),
            Err(_) => vec![steps.len() as u64; replicas],
        };
        if lengths.len() != replicas || lengths.iter().any(|&length| length == 0 || length > steps.len() as u64) {
            bail!("it holds other replicas");
        }
        let model = of_these_networks("model")?;
        if file.tensor(&moment_name(moments)).is_ok() {
            bail!("it holds more moments than the optimizers keep");
        }
        let moments = (0..moments).map(|index| of_these_networks(&moment_name(index))).collect::<Result<_>>()?;
        let counts = file.tensor("counts").ok();
        let counts = counts.map(|counts| AdaptiveBatchSizes::from_bytes(counts.data(), path)).transpose()?;
        let step = *bytemuck::pod_collect_to_vec::<u8, u64>(&data("step")?).first().context("no step")?;
        if step > place.steps || steps.last().is_some_and(|&last| last > step) {
            bail!("it is at step {step} of {}", place.steps);
        }
        let mut trajectories = vec![Vec::with_capacity(steps.len()); replicas];
        for (index, values) in metrics.chunks_exact(width).enumerate() {
            if (index / replicas) as u64 >= lengths[index % replicas] {
                continue;
            }
            let nodes = nodes[index * hidden..][..hidden].iter().map(|&node| match node {
                0 => Ok(Activity::Never),
                1 => Ok(Activity::Sometimes),
                2 => Ok(Activity::Always),
                _ => Err(anyhow!("a node's activity is {node}")),
            });
            let has_diverged = values[4] != 0.0;
            let means = means[index * layers..][..layers].to_vec();
            trajectories[index % replicas].push(Point {
                step: steps[index / replicas],
                train: Evaluation {
                    loss: values[0],
                    score: values[1],
                    nodes: nodes.collect::<Result<_>>()?,
                    has_diverged,
                },
                test: Evaluation { loss: values[2], score: values[3], nodes: Vec::new(), has_diverged },
                validation: values.get(METRICS..).filter(|values| !values.is_empty()).map(|values| Evaluation {
                    loss: values[0],
                    score: values[1],
                    nodes: Vec::new(),
                    has_diverged,
                }),
                mean_adaptive_batch_sizes: if means.iter().all(|mean| mean.is_nan()) { Vec::new() } else { means },
            });
        }
        let kept = match file.tensor("kept_counts") {
            Ok(counts) => {
                let (model, counts) =
                    (of_these_networks("kept_model")?, AdaptiveBatchSizes::from_bytes(counts.data(), path)?);
                if counts.spec() != model.spec() || counts.replicas() != replicas {
                    bail!("it holds other networks");
                }
                Some(Kept { model, counts })
            }
            Err(_) => None,
        };
        Ok(Self { step, model, moments, counts, kept, trajectories })
    }
}

fn hidden_nodes(model: &Model) -> usize {
    let widths = model.spec().widths();
    widths[1..widths.len() - 1].iter().sum()
}

/// The tensor of a moment.
fn moment_name(index: usize) -> String {
    format!("moment{index}")
}

/// Where the checkpoint before is.
fn previous(path: &Path) -> PathBuf {
    path.with_extension("previous.safetensors")
}
