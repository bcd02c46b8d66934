//! Samples with their labels, and training and test set together.

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

/// Samples and their labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    features: usize,
    inputs: Inputs,
    labels: Vec<u32>,
}

/// A training set and a test set of the same kind, and maybe a validation set.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// What it is called in messages and run folders.
    pub name: String,
    /// Labels are 0..classes.
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

impl Samples {
    /// Checks that the lengths fit and that every label is below `classes` and every input finite.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the first sample that is wrong.
    pub fn new(features: usize, inputs: Inputs, labels: Vec<u32>, classes: usize) -> Result<Self> {
        let values = match &inputs {
            Inputs::U8(values) => values.len(),
            Inputs::F32(values) => values.len(),
        };
        if labels.is_empty() || features == 0 || values != features * labels.len() {
            let problem = format!("{values} inputs do not make {} samples of {features} features", labels.len());
            return Err(Error::setting("dataset", problem));
        }
        if let Some(index) = labels.iter().position(|&label| label as usize >= classes) {
            let problem = format!("sample {index} has label {}, but labels are 0 to {}", labels[index], classes - 1);
            return Err(Error::setting("dataset", problem));
        }
        if let Inputs::F32(values) = &inputs
            && let Some(index) = values.iter().position(|value| !value.is_finite())
        {
            let problem = format!("sample {} holds {}, which is no finite number", index / features, values[index]);
            return Err(Error::setting("dataset", problem));
        }
        Ok(Self { features, inputs, labels })
    }

    /// How many samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Never: a set holds at least one sample.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Inputs of a sample, n_0.
    pub fn features(&self) -> usize {
        self.features
    }

    /// (samples, features).
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// (samples).
    pub fn labels(&self) -> &[u32] {
        &self.labels
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
        fn rows<T: Copy>(values: &[T], features: usize, indices: &[usize]) -> Vec<T> {
            indices.iter().flat_map(|index| &values[index * features..][..features]).copied().collect()
        }
        let inputs = match &self.inputs {
            Inputs::U8(values) => Inputs::U8(rows(values, self.features, indices)),
            Inputs::F32(values) => Inputs::F32(rows(values, self.features, indices)),
        };
        let labels = indices.iter().map(|&index| self.labels[index]).collect();
        Self { features: self.features, inputs, labels }
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
        hash.update(bytemuck::cast_slice::<_, u8>(&self.labels));
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

    /// Bytes of all inputs.
    pub(crate) fn bytes(&self) -> u64 {
        self.sets().map(Samples::bytes).sum()
    }

    /// Units of the output layer of a new network for it: one sigmoid unit for two classes, a softmax for more.
    pub fn output_units(&self) -> usize {
        Loss::for_classes(self.classes).output_units(self.classes)
    }

    /// Refuses a network of other inputs or classes.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check_fits(&self, spec: &NetworkSpec) -> Result<()> {
        if spec.inputs() == self.features() && spec.classes() == self.classes {
            return Ok(());
        }
        let problem = format!(
            "a network of {} inputs and {} outputs ({}, {} classes) does not fit {}, which has {} features and {} classes",
            spec.inputs(),
            spec.outputs(),
            spec.loss(),
            spec.classes(),
            self.name,
            self.features(),
            self.classes
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

    /// SHA-256 of all inputs and labels, in hexadecimal.
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
            for label in &mut samples.labels {
                *label = labels[*label as usize];
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
        let labels = self.sets().flat_map(|samples| samples.labels.iter().copied()).collect();
        Samples { features: self.train.features, inputs, labels }
    }
}
