//! Samples with their targets, and training and test set together.

use sha2::{Digest, Sha256};

use super::split::ValidationShare;
use crate::error::{Error, Result};
use crate::spec::{Loss, NetworkSpec};

/// Inputs, sample by sample: (samples, features).
#[derive(Debug, Clone, PartialEq)]
pub enum Inputs {
    /// 8-bit values, which stay 8-bit on the GPU; 255 means 1.0.
    U8(Vec<u8>),
    /// 32-bit floats, as they are.
    F32(Vec<f32>),
}

/// What the outputs of a network should be for each sample.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// Its class: (samples).
    Classes(Vec<u32>),
    /// Numbers, for a regression.
    Numbers {
        /// (samples, outputs).
        values: Vec<f32>,
        /// Numbers of a sample, n_L.
        outputs: usize,
    },
}

/// Samples and their targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    features: usize,
    inputs: Inputs,
    targets: Targets,
}

/// A training set and a test set of the same kind, and maybe a validation set.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// What it is called in messages and run folders.
    pub name: String,
    /// Labels are 0..classes; 0 for a regression.
    pub classes: usize,
    /// What the classes are called, in the order of their labels; empty where they have no other names than these.
    pub class_names: Vec<String>,
    /// The samples that parameters are fitted to.
    pub train: Samples,
    /// The samples that are only evaluated.
    pub test: Samples,
    /// Samples set aside of the training set, by which settings or models are chosen.
    pub validation: Option<Samples>,
}

impl Targets {
    /// How many samples.
    pub fn len(&self) -> usize {
        match self {
            Self::Classes(labels) => labels.len(),
            Self::Numbers { values, outputs } => values.len() / outputs,
        }
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Units of the output layer that they are for; `None` of classes, of which they do not know how many there are.
    pub fn outputs(&self) -> Option<usize> {
        match self {
            Self::Classes(_) => None,
            Self::Numbers { outputs, .. } => Some(*outputs),
        }
    }

    /// Whether a network's outputs can be compared with them, as far as they know.
    pub(crate) fn fit(&self, spec: &NetworkSpec) -> bool {
        match self.outputs() {
            None => !spec.loss().is_regression(),
            Some(outputs) => spec.loss().is_regression() && spec.outputs() == outputs,
        }
    }

    /// SS_tot of R^2 over samples and outputs: the mean over the outputs of the variance of each one's numbers. The sums run in
    /// the order of the samples. 0 of classes.
    pub fn variance(&self) -> f64 {
        let Self::Numbers { values, outputs } = self else { return 0.0 };
        let count = self.len() as f64;
        let of_output = |output: usize| {
            // From the first number, so that equal ones have no variance, not even by rounding.
            let first = f64::from(values[output]);
            let distances = || values[output..].iter().step_by(*outputs).map(|&value| f64::from(value) - first);
            let mean = distances().sum::<f64>() / count;
            distances().map(|distance| (distance - mean) * (distance - mean)).sum::<f64>() / count
        };
        (0..*outputs).map(of_output).sum::<f64>() / *outputs as f64
    }

    /// Those of some samples, in this order.
    pub fn select(&self, indices: &[usize]) -> Self {
        match self {
            Self::Classes(labels) => Self::Classes(indices.iter().map(|&index| labels[index]).collect()),
            Self::Numbers { values, outputs } => {
                Self::Numbers { values: rows(values, *outputs, indices), outputs: *outputs }
            }
        }
    }

    /// Those of all samples, 32 bits each: (samples), or (samples, outputs).
    pub(crate) fn words(&self) -> &[u32] {
        match self {
            Self::Classes(labels) => labels,
            Self::Numbers { values, .. } => bytemuck::cast_slice(values),
        }
    }

    /// None, of the same kind.
    pub(crate) fn none_like(&self) -> Self {
        match self {
            Self::Classes(_) => Self::Classes(Vec::new()),
            Self::Numbers { outputs, .. } => Self::Numbers { values: Vec::new(), outputs: *outputs },
        }
    }
}

/// The rows at `indices` of an array (samples, width).
fn rows<T: Copy>(values: &[T], width: usize, indices: &[usize]) -> Vec<T> {
    indices.iter().flat_map(|index| &values[index * width..][..width]).copied().collect()
}

impl Inputs {
    fn len(&self) -> usize {
        match self {
            Self::U8(values) => values.len(),
            Self::F32(values) => values.len(),
        }
    }
}

impl Samples {
    /// Samples of classes. Checks that the lengths fit and that every label is below `classes` and every input finite.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the first sample that is wrong.
    pub fn new(features: usize, inputs: Inputs, labels: Vec<u32>, classes: usize) -> Result<Self> {
        if let Some(index) = labels.iter().position(|&label| label as usize >= classes) {
            let problem = match classes {
                0 => format!("sample {index} has label {}, but there are no classes", labels[index]),
                _ => format!("sample {index} has label {}, but labels are 0 to {}", labels[index], classes - 1),
            };
            return Err(Error::setting("dataset", problem));
        }
        Self::with_targets(features, inputs, Targets::Classes(labels))
    }

    /// Samples of a regression: `values` is (samples, outputs). Checks that the lengths fit and that every number is finite.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the first sample that is wrong.
    pub fn of_numbers(features: usize, inputs: Inputs, values: Vec<f32>, outputs: usize) -> Result<Self> {
        if outputs == 0 || !values.len().is_multiple_of(outputs) {
            let problem = format!("{} targets do not make samples of {outputs} outputs", values.len());
            return Err(Error::setting("dataset", problem));
        }
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            let problem =
                format!("the target of sample {} is {}, which is no finite number", index / outputs, values[index]);
            return Err(Error::setting("dataset", problem));
        }
        Self::with_targets(features, inputs, Targets::Numbers { values, outputs })
    }

    /// The same inputs with other numbers, as many.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the first sample whose target is no finite number.
    pub(super) fn with_numbers(self, values: Vec<f32>) -> Result<Self> {
        let outputs = values.len() / self.len();
        Self::of_numbers(self.features, self.inputs, values, outputs)
    }

    /// Samples with targets that are sound.
    pub(crate) fn with_targets(features: usize, inputs: Inputs, targets: Targets) -> Result<Self> {
        let (values, count) = (inputs.len(), targets.len());
        if count == 0 || features == 0 || values != features * count {
            let problem = format!("{values} inputs do not make {count} samples of {features} features");
            return Err(Error::setting("dataset", problem));
        }
        if let Inputs::F32(values) = &inputs
            && let Some(index) = values.iter().position(|value| !value.is_finite())
        {
            let problem = format!("sample {} holds {}, which is no finite number", index / features, values[index]);
            return Err(Error::setting("dataset", problem));
        }
        Ok(Self { features, inputs, targets })
    }

    /// How many samples.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Never: a set holds at least one sample.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Inputs of a sample, n_0.
    pub fn features(&self) -> usize {
        self.features
    }

    /// (samples, features).
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// Classes or numbers.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// The class of each sample; empty for a regression.
    pub fn labels(&self) -> &[u32] {
        match &self.targets {
            Targets::Classes(labels) => labels,
            Targets::Numbers { .. } => &[],
        }
    }

    /// One sample's inputs as the network sees them; 8-bit values are divided by 255.
    pub fn sample(&self, index: usize) -> Vec<f32> {
        let range = index * self.features..(index + 1) * self.features;
        match &self.inputs {
            Inputs::U8(values) => values[range].iter().map(|&value| f32::from(value) / 255.0).collect(),
            Inputs::F32(values) => values[range].to_vec(),
        }
    }

    /// Some of the samples, in this order.
    pub fn select(&self, indices: &[usize]) -> Self {
        let inputs = match &self.inputs {
            Inputs::U8(values) => Inputs::U8(rows(values, self.features, indices)),
            Inputs::F32(values) => Inputs::F32(rows(values, self.features, indices)),
        };
        Self { features: self.features, inputs, targets: self.targets.select(indices) }
    }

    /// Bytes of the inputs.
    pub(crate) fn bytes(&self) -> u64 {
        match &self.inputs {
            Inputs::U8(values) => values.len() as u64,
            Inputs::F32(values) => size_of_val(&values[..]) as u64,
        }
    }

    /// Refuses a network of other inputs.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub(crate) fn check_fits(&self, spec: &NetworkSpec) -> Result<()> {
        if spec.inputs() == self.features {
            return Ok(());
        }
        let problem =
            format!("the network has {} inputs, but the samples have {} features", spec.inputs(), self.features);
        Err(Error::setting("dataset", problem))
    }

    fn hash_into(&self, hash: &mut Sha256) {
        match &self.inputs {
            Inputs::U8(values) => hash.update(values),
            Inputs::F32(values) => hash.update(bytemuck::cast_slice::<_, u8>(values)),
        }
        hash.update(bytemuck::cast_slice::<_, u8>(self.targets.words()));
    }
}

impl Dataset {
    /// Inputs of a sample, n_0.
    pub fn features(&self) -> usize {
        self.train.features
    }

    /// Training, test and validation set.
    pub(crate) fn sets(&self) -> impl Iterator<Item = &Samples> {
        [&self.train, &self.test].into_iter().chain(&self.validation)
    }

    /// The loss of a new network for it: the mean squared error for numbers, else as [`Loss::for_classes`].
    pub fn loss(&self) -> Loss {
        match self.train.targets {
            Targets::Classes(_) => Loss::for_classes(self.classes),
            Targets::Numbers { .. } => Loss::MeanSquaredError,
        }
    }

    /// Units of the output layer of a new network for it: one sigmoid unit for two classes, a softmax for more, a linear unit for
    /// each number.
    pub fn output_units(&self) -> usize {
        self.loss().output_units(self.train.targets.outputs().unwrap_or(self.classes))
    }

    /// Refuses a network of other inputs, or for other targets.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check_fits(&self, spec: &NetworkSpec) -> Result<()> {
        let fit = self.sets().all(|samples| samples.targets.fit(spec)) && spec.classes() == self.classes;
        if spec.inputs() == self.features() && fit {
            return Ok(());
        }
        let classes = if spec.loss().is_regression() { String::new() } else { format!(", {} classes", spec.classes()) };
        let problem = format!(
            "a network of {} inputs and {} outputs ({}{classes}) does not fit {}, which has {} features and {}",
            spec.inputs(),
            spec.outputs(),
            spec.loss(),
            self.name,
            self.features(),
            self.describe_targets()
        );
        Err(Error::setting("network", problem))
    }

    /// The same with some of the training samples set aside for validation.
    ///
    /// # Errors
    /// [`Error::Setting`] if the share leaves none for one of the two sets.
    pub fn with_validation(self, share: ValidationShare) -> Result<Self> {
        let (stays, aside) = share.cut(self.train.len())?;
        let (train, validation) = (self.train.select(&stays), self.train.select(&aside));
        Ok(Self { train, validation: Some(validation), ..self })
    }

    /// `3 classes`, or `2 targets`.
    pub fn describe_targets(&self) -> String {
        match self.train.targets.outputs() {
            None => format!("{} classes", self.classes),
            Some(1) => "1 target".into(),
            Some(outputs) => format!("{outputs} targets"),
        }
    }

    /// SHA-256 of all inputs and targets, in hexadecimal.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        self.sets().for_each(|samples| samples.hash_into(&mut hash));
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The same samples with the labels of another order of the class names: a model's.
    ///
    /// # Errors
    /// [`Error::Setting`] if a class of this set is none of them.
    pub fn relabelled(mut self, class_names: &[String]) -> Result<Self> {
        if self.class_names.is_empty() || class_names.is_empty() || self.class_names == class_names {
            return Ok(self);
        }
        let labels = self.class_names.iter().map(|name| {
            let label = class_names.iter().position(|other| other == name);
            let problem = || format!("class '{name}' is none of the model's: {}", class_names.join(", "));
            label.map(|label| label as u32).ok_or_else(|| Error::setting("dataset", problem()))
        });
        let labels: Vec<u32> = labels.collect::<Result<_>>()?;
        for samples in [&mut self.train, &mut self.test].into_iter().chain(&mut self.validation) {
            if let Targets::Classes(own) = &mut samples.targets {
                own.iter_mut().for_each(|label| *label = labels[*label as usize]);
            }
        }
        self.classes = class_names.len();
        self.class_names = class_names.to_vec();
        Ok(self)
    }

    /// All sets as one, training samples first.
    pub fn all(&self) -> Samples {
        let are_bytes = self.sets().all(|samples| matches!(samples.inputs, Inputs::U8(_)));
        let inputs = if are_bytes {
            let bytes = |samples: &Samples| match &samples.inputs {
                Inputs::U8(values) => values.clone(),
                Inputs::F32(_) => Vec::new(),
            };
            Inputs::U8(self.sets().flat_map(bytes).collect())
        } else {
            let values =
                |samples: &Samples| (0..samples.len()).flat_map(|index| samples.sample(index)).collect::<Vec<_>>();
            Inputs::F32(self.sets().flat_map(values).collect())
        };
        let targets = match self.train.targets {
            Targets::Classes(_) => {
                Targets::Classes(self.sets().flat_map(|samples| samples.labels().iter().copied()).collect())
            }
            Targets::Numbers { outputs, .. } => {
                let numbers = |samples: &Samples| bytemuck::cast_slice::<_, f32>(samples.targets.words()).to_vec();
                Targets::Numbers { values: self.sets().flat_map(numbers).collect(), outputs }
            }
        };
        Samples { features: self.train.features, inputs, targets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another number anywhere, or the same ones in another place, is other data.
    #[test]
    fn the_hash_knows_every_number() {
        let samples =
            |inputs: [f32; 4], labels: [u32; 2]| Samples::new(2, Inputs::F32(inputs.into()), labels.into(), 2).unwrap();
        let numbers =
            |values: [f32; 2]| Samples::of_numbers(2, Inputs::F32(vec![1.0, 2.0, 3.0, 4.0]), values.into(), 1).unwrap();
        let dataset = |train: Samples, test: Samples| {
            let (name, class_names) = ("made up".to_string(), Vec::new());
            Dataset { name, classes: 2, class_names, train, test, validation: None }
        };
        let (a, b) = (samples([1.0, 2.0, 3.0, 4.0], [0, 1]), samples([5.0, 6.0, 7.0, 8.0], [1, 1]));
        let mut hashes = vec![
            dataset(a.clone(), b.clone()).sha256(),
            dataset(b.clone(), a.clone()).sha256(),
            dataset(samples([1.0, 2.0, 3.0, 4.0], [1, 0]), b.clone()).sha256(),
            dataset(a.clone(), samples([5.0, 6.0, 7.0, 8.0], [1, 0])).sha256(),
            dataset(samples([1.0, 2.0, 4.0, 3.0], [0, 1]), b.clone()).sha256(),
            dataset(numbers([0.5, 0.25]), numbers([0.5, 0.25])).sha256(),
            dataset(numbers([0.5, 0.25]), numbers([0.25, 0.5])).sha256(),
        ];
        assert_eq!(dataset(a, b).sha256(), hashes[0]);
        let count = hashes.len();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), count, "no two are alike");
    }
}
