//! A data set ready for training or scoring: read, split and scaled, with the record of it.

use std::path::{Path, PathBuf};

use super::arrays::ArrayOptions;
use super::points::Points;
use super::record::DataRecord;
use super::samples::{Dataset, Inputs, Samples, Targets};
use super::scaling::{Scale, Scales, Scaling};
use super::split::{HeldOut, Seen, Sketch, SplitRecord, ValidationShare, split_rows};
use super::table::{Schema, Table, TableOptions};
use super::unpack::Expansion;
use super::{idx, npz};
use crate::error::{Error, Result};

/// A data set with how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// Training and test set, scaled.
    pub dataset: Dataset,
    /// What a model keeps of it.
    pub record: DataRecord,
    /// What was decided and should be said, a line each.
    pub notes: Vec<String>,
}

/// Where the test samples of a table come from.
#[derive(Debug, Clone, PartialEq)]
pub struct TableSplit {
    /// A file of them; without it rows of the first file are set aside.
    pub test: Option<PathBuf>,
    /// Share of the rows set aside: above 0 and below 1.
    pub fraction: f64,
    /// Chooses the rows.
    pub seed: u64,
    /// Share of the training rows that is set aside for validation, chosen by the same seed.
    pub validation: Option<f64>,
}

impl Default for TableSplit {
    fn default() -> Self {
        Self { test: None, fraction: 0.3, seed: 0, validation: None }
    }
}

/// What a data set is to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The data set that it was trained on, which has a test set of its own.
    Own,
    /// The file that it was trained on; its test rows were set aside then.
    SetAside,
    /// The file that it was trained on, all of it.
    TrainedOn,
    /// The file that it was tested on.
    TestFile,
    /// Another file, of whose rows some may be known.
    Other(Seen),
}

impl Prepared {
    /// What this data set with a test set of its own is to a model: the one that it was trained on, or not known.
    pub fn standing(&self, model: &DataRecord) -> Option<Standing> {
        let [model, data] = [model, &self.record].map(|record| record.split.as_ref());
        (model?.sha256 == data?.sha256).then_some(Standing::Own)
    }

    /// A table for training. A model that the training starts from, in `start`, says how it is read and scaled, unless the
    /// options say how to read it.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) or [`Error::Setting`](crate::Error::Setting) saying what is wrong and how to mend it.
    pub fn table(
        path: &Path,
        options: &TableOptions,
        split: &TableSplit,
        scales: Scales,
        start: Option<&DataRecord>,
    ) -> Result<Self> {
        if !(split.fraction > 0.0 && split.fraction < 1.0) {
            split_rows(2, split.fraction, 0)?;
        }
        let start_schema = start.and_then(|start| start.table.as_ref());
        let table = match start_schema.filter(|_| *options == TableOptions::default()) {
            Some(schema) => Table::read_as(path, schema, options)?,
            None => Table::read(path, options)?,
        };
        if let Some(other) = start_schema {
            refuse_other_features(path, &table.schema, other)?;
        }
        let (schema, mut notes) = (table.schema.clone(), table.notes.clone());
        let (mut train_rows, test_rows, other, held_out) = match &split.test {
            None => {
                let (train, test) = split_rows(table.len(), split.fraction, split.seed)?;
                (train, test, None, HeldOut::Share { fraction: split.fraction, seed: split.seed })
            }
            Some(path) => {
                let by = TableOptions { label: Vec::new(), ..options.clone() };
                let other = Table::read_as(path, &schema, &by)?;
                notes.extend(other.notes.iter().map(|note| format!("{}: {note}", path.display())));
                let trained = Sketch::new((0..table.len()).map(|row| table.row_hash(row)));
                let seen = trained.count((0..other.len()).map(|row| other.row_hash(row))).count;
                if seen > 0 {
                    let (path, rows) = (path.display(), other.len());
                    notes.push(format!(
                        "{path}: {seen} of its {rows} rows are training rows as well: they measure nothing"
                    ));
                }
                let sha256 = other.sha256();
                ((0..table.len()).collect(), (0..other.len()).collect(), Some(other), HeldOut::File { sha256 })
            }
        };
        let validation = split.validation.map(|fraction| ValidationShare { fraction, seed: split.seed });
        let validation_rows = set_aside(&mut train_rows, validation)?;
        if let Some(class) = (0..schema.classes.len())
            .find(|&class| !train_rows.iter().any(|&row| table.label(row) == Some(class as u32)))
        {
            notes.push(format!(
                "no training row is of class '{}': all of its rows are set aside",
                schema.classes[class]
            ));
        }
        if let Some(earlier) = start.and_then(|start| start.split.as_ref()) {
            let source = other.as_ref().unwrap_or(&table);
            let seen = earlier.trained.count(test_rows.iter().map(|&row| source.row_hash(row))).count;
            if seen > 0 {
                notes.push(format!(
                    "the model that the training starts from was trained on {seen} of the {} test rows: they measure nothing",
                    test_rows.len()
                ));
            }
        }
        let scaling = match (start.and_then(|start| start.scaling.as_ref()), scales.inputs) {
            (Some(of_start), None) => {
                notes.push(format!("scale {}, as the model that the training starts from", of_start.scale()));
                of_start.clone()
            }
            (None, None) if start.is_some() => {
                notes.push("inputs as they are, because the model's file says nothing of a scale".into());
                Scaling::none()
            }
            (_, scale) => fit(&table, &train_rows, scale, &mut notes)?,
        };
        let target_scaling = if schema.is_regression() {
            let rows = train_rows.iter().map(|&row| table.targets(row));
            Some(fit_targets(schema.labels.len(), rows, scales.targets, start, &mut notes)?)
        } else {
            refuse_target_scale(scales, &table.name)?;
            None
        };
        let of_targets = target_scaling.clone().unwrap_or_else(Scaling::none);
        let train = table.samples(&train_rows, &scaling, &of_targets)?;
        let test = other.as_ref().unwrap_or(&table).samples(&test_rows, &scaling, &of_targets)?;
        let validation_set = validation_rows.map(|rows| table.samples(&rows, &scaling, &of_targets)).transpose()?;
        let trained = Sketch::new(train_rows.iter().map(|&row| table.row_hash(row)));
        let split = SplitRecord { sha256: table.sha256(), held_out, validation, trained };
        Ok(Self {
            dataset: Dataset {
                name: table.name.clone(),
                classes: schema.classes.len(),
                class_names: schema.classes.clone(),
                train,
                test,
                validation: validation_set,
            },
            record: DataRecord {
                table: Some(schema),
                points: None,
                scaling: Some(scaling),
                target_scaling,
                split: Some(split),
            },
            notes,
        })
    }

    /// A table for a model that was trained on one, read and scaled as `record` says. Both sets are the whole table, unless
    /// it is the file that the model was trained on with some rows set aside.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) if it is not such a table.
    pub fn table_as(
        path: &Path,
        options: &TableOptions,
        record: &DataRecord,
        schema: &Schema,
    ) -> Result<(Self, Standing)> {
        let table = Table::read_as(path, schema, options)?;
        let sha256 = table.sha256();
        let all: Vec<usize> = (0..table.len()).collect();
        let mut validation_rows = None;
        let (train, test, standing) = match &record.split {
            Some(split) if split.sha256 == sha256 => {
                let (mut train, test, standing) = match split.held_out {
                    HeldOut::Share { fraction, seed } => {
                        let (train, test) = split_rows(table.len(), fraction, seed)?;
                        (train, test, Standing::SetAside)
                    }
                    _ => (all.clone(), all, Standing::TrainedOn),
                };
                validation_rows = set_aside(&mut train, split.validation)?;
                (train, test, standing)
            }
            Some(SplitRecord { held_out: HeldOut::File { sha256: test }, .. }) if *test == sha256 => {
                (all.clone(), all, Standing::TestFile)
            }
            Some(split) => {
                let seen = split.trained.count(all.iter().map(|&row| table.row_hash(row)));
                (all.clone(), all, Standing::Other(seen))
            }
            None => (all.clone(), all, Standing::Other(Seen { count: 0, is_exact: true })),
        };
        let (scaling, of_targets) = (record.scaling_or_none(), record.target_scaling_or_none());
        let dataset = Dataset {
            name: table.name.clone(),
            classes: schema.classes.len(),
            class_names: schema.classes.clone(),
            train: table.samples(&train, &scaling, &of_targets)?,
            test: table.samples(&test, &scaling, &of_targets)?,
            validation: validation_rows.map(|rows| table.samples(&rows, &scaling, &of_targets)).transpose()?,
        };
        Ok((Self { dataset, record: record.clone(), notes: table.notes }, standing))
    }

    /// Made-up points, which need no scale; they get one if `scale` says so.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) if they cannot be made or scaled so.
    pub fn points(
        points: &Points,
        scales: Scales,
        validation: Option<f64>,
        start: Option<&DataRecord>,
    ) -> Result<Self> {
        let inputs = || start.is_none_or(|start| start.scaling.is_none()).then_some(Scale::None);
        let targets = || start.is_none_or(|start| start.target_scaling.is_none()).then_some(Scale::None);
        let dataset = points.dataset()?;
        let targets = if dataset.loss().is_regression() { scales.targets.or_else(targets) } else { scales.targets };
        let scales = Scales { inputs: scales.inputs.or_else(inputs), targets };
        let mut prepared = Self::whole(dataset, Vec::new(), scales, validation, start)?;
        prepared.record.points = Some(points.clone());
        Ok(prepared)
    }

    /// An .npz file in the layout of Keras' MNIST, or a folder of IDX files. `options` are those of a model, if there is
    /// one; without them, labels with fractions, or several of a sample, are the targets of a regression, and
    /// others tell the classes. Bytes, and numbers that look like them, are
    /// divided by 255; other numbers beyond [-1, 1] are standardised unless `scale` or `start` say otherwise.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) naming the array that is missing or wrong.
    pub fn images(
        path: &Path,
        options: ArrayOptions<'_>,
        scales: Scales,
        validation: Option<f64>,
        start: Option<&DataRecord>,
    ) -> Result<Self> {
        let known = start.and_then(|start| start.scaling.as_ref()).map(Scaling::scale);
        let keeps_numbers = match (scales.inputs, known) {
            (Some(scale), _) => scale != Scale::Pixels,
            (None, known) => known.is_some_and(|scale| scale != Scale::None),
        };
        let (dataset, notes) = match path.is_dir() {
            true => idx::read_folder(path, options, keeps_numbers)?,
            false => npz::read(path, options, keeps_numbers)?,
        };
        Self::whole(dataset, notes, scales, validation, start)
    }

    /// A data set with a test set of its own.
    fn whole(
        mut dataset: Dataset,
        mut notes: Vec<String>,
        scales: Scales,
        validation: Option<f64>,
        start: Option<&DataRecord>,
    ) -> Result<Self> {
        let scale = scales.inputs;
        // The whole set is known again by its hash, so that no sample needs one of its own.
        let validation = validation.map(|fraction| ValidationShare { fraction, seed: 0 });
        let split = SplitRecord {
            sha256: dataset.sha256(),
            held_out: HeldOut::Own,
            validation,
            trained: Sketch::new(std::iter::empty()),
        };
        if let Some(share) = validation {
            dataset = dataset.with_validation(share)?;
        }
        let train = &dataset.train;
        let is_small = |samples: &Samples| match samples.inputs() {
            Inputs::U8(_) => true,
            Inputs::F32(values) => values.iter().all(|x| (-1.0..=1.0).contains(x)),
        };
        let are_bytes = matches!(train.inputs(), Inputs::U8(_));
        let chosen = match (start, scale) {
            (Some(start), None) => start.scaling.as_ref().map_or(Scale::None, Scaling::scale),
            (_, Some(Scale::Pixels)) if are_bytes => Scale::None,
            (_, Some(scale)) => scale,
            (None, None) if is_small(train) && is_small(&dataset.test) => Scale::None,
            (None, None) => Scale::Standard,
        };
        let scaling = match (start.and_then(|start| start.scaling.as_ref()), scale) {
            (Some(of_start), None) => of_start.clone(),
            _ if chosen == Scale::None => Scaling::none(),
            _ => {
                let values: Vec<f64> = (0..train.len()).flat_map(|index| train.sample(index)).map(f64::from).collect();
                Scaling::fit(chosen, train.features(), values.chunks_exact(train.features()))?
            }
        };
        match scaling.scale() {
            Scale::None => {}
            Scale::Standard if start.is_none() && scale.is_none() => notes.push(
                "inputs standardised: (x - mean) / standard deviation of the training set (--scale none leaves inputs as they are)"
                    .into(),
            ),
            scale => notes.push(format!("scale {scale}")),
        }
        let target_scaling = match dataset.train.targets() {
            Targets::Numbers { values, outputs } => {
                let numbers: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
                let rows = numbers.chunks_exact(*outputs);
                Some(fit_targets(*outputs, rows, scales.targets, start, &mut notes)?)
            }
            Targets::Classes(_) => {
                refuse_target_scale(scales, &dataset.name)?;
                None
            }
        };
        let of_targets = target_scaling.clone().unwrap_or_else(Scaling::none);
        let scaled = |samples: Samples| of_targets.targets(scaling.samples(samples)?);
        let dataset = Dataset {
            train: scaled(dataset.train)?,
            test: scaled(dataset.test)?,
            validation: dataset.validation.map(scaled).transpose()?,
            ..dataset
        };
        Ok(Self {
            dataset,
            record: DataRecord { scaling: Some(scaling), target_scaling, split: Some(split), ..DataRecord::default() },
            notes,
        })
    }
}

/// Takes the validation rows out of the training rows.
fn set_aside(train: &mut Vec<usize>, validation: Option<ValidationShare>) -> Result<Option<Vec<usize>>> {
    let Some(share) = validation else { return Ok(None) };
    let (stays, aside) = share.cut(train.len())?;
    let rows = aside.iter().map(|&index| train[index]).collect();
    *train = stays.iter().map(|&index| train[index]).collect();
    Ok(Some(rows))
}

/// Inputs alone, to be classified by a network of images: an .npz file, an IDX file or a folder of IDX files, scaled as
/// `record` says. Labels are 0.
///
/// # Errors
/// [`Error::Data`](crate::Error::Data) if there are none, or they have other features than `inputs`.
pub fn images_to_classify(path: &Path, inputs: usize, record: &DataRecord, expansion: Expansion) -> Result<Samples> {
    let is_npz = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"));
    let (features, values) =
        if is_npz { npz::read_inputs(path, expansion)? } else { idx::read_inputs(path, expansion)? };
    let refuse = |problem: String| Error::data(path, problem);
    if features != inputs {
        return Err(refuse(format!("has {features} features, but the network has {inputs} inputs")));
    }
    let scaling = record.scaling_or_none();
    let as_pixels = scaling.scale() == Scale::None && values.are_pixels(features);
    let count = values.len() / features;
    if count == 0 {
        return Err(refuse("is empty: it holds no sample".into()));
    }
    let samples = Samples::new(features, values.into_inputs(as_pixels), vec![0; count], 1);
    scaling.samples(samples.map_err(|error| refuse(error.to_string()))?)
}

/// A training goes on with the features that its network knows, in their order.
fn refuse_other_features(path: &Path, schema: &Schema, start: &Schema) -> Result<()> {
    let [ours, theirs] = [schema, start].map(Schema::feature_names);
    let differing = (0..ours.len().max(theirs.len())).find(|&feature| ours.get(feature) != theirs.get(feature));
    let Some(feature) = differing.filter(|_| schema.titles.is_some() && start.titles.is_some()) else { return Ok(()) };
    let name = |names: &[String]| names.get(feature).map_or_else(|| "nothing".to_string(), |name| format!("'{name}'"));
    let problem = format!(
        "feature {} is {}, but {} in the model that the training starts from; leave the options of the table out to read it \
         as the model's was",
        feature + 1,
        name(&ours),
        name(&theirs)
    );
    Err(Error::data(path, problem))
}

/// Classes have no scale.
fn refuse_target_scale(scales: Scales, name: &str) -> Result<()> {
    match scales.targets {
        None | Some(Scale::None) => Ok(()),
        Some(scale) => {
            let problem = format!("{scale}, but the labels of {name} are classes, not the numbers of a regression");
            Err(Error::setting("--target-scale", problem))
        }
    }
}

/// Fits the scale of the targets that was asked for, or is that of the model that the training starts from, and says which.
fn fit_targets<'a>(
    targets: usize,
    rows: impl Iterator<Item = &'a [f64]> + Clone,
    scale: Option<Scale>,
    start: Option<&DataRecord>,
    notes: &mut Vec<String>,
) -> Result<Scaling> {
    if let (None, Some(start)) = (scale, start) {
        // A file that says nothing of a scale has none.
        let scaling = start.target_scaling_or_none();
        if scaling.scale() != Scale::None && scaling.shift().len() != targets {
            let problem = format!("the model has {} targets, the data {targets}", scaling.shift().len());
            return Err(Error::setting("dataset", problem));
        }
        if scaling.scale() != Scale::None {
            notes.push(format!("target scale {}, as the model's", scaling.scale()));
        }
        return Ok(scaling);
    }
    let chosen = scale.unwrap_or(Scale::Standard);
    let is_constant =
        |target: usize| rows.clone().all(|row| Some(row[target]) == rows.clone().next().map(|row| row[target]));
    if (0..targets).any(is_constant) {
        notes.push("all training samples have the same target: there is nothing to learn from it".into());
    }
    let scaling = Scaling::fit(chosen, targets, rows).map_err(|_| {
        Error::setting("--target-scale", "the targets are too large to be scaled; write them in a larger unit")
    })?;
    let own = "losses and R\u{b2} are of these, predictions are in the targets' own units";
    match chosen {
        Scale::None => {}
        Scale::Standard => {
            let mend = if scale.is_none() { " (--target-scale none leaves them as they are)" } else { "" };
            notes.push(format!(
                "targets standardised: (t - mean) / standard deviation of the training samples; {own}{mend}"
            ));
        }
        scale => notes.push(format!("targets scaled ({scale}); {own}")),
    }
    Ok(scaling)
}

/// Fits the scale that was asked for, or the one that suits the rows, and says which.
fn fit(table: &Table, train: &[usize], scale: Option<Scale>, notes: &mut Vec<String>) -> Result<Scaling> {
    let features = table.schema.features.len();
    let (chosen, reason) = match scale {
        Some(scale) => (scale, ""),
        None => Scale::for_rows(features, (0..table.len()).map(|row| table.row(row))),
    };
    let scaling = Scaling::fit(chosen, features, train.iter().map(|&row| table.row(row)))?;
    let other = if scale.is_some() { "" } else { " (--scale none leaves inputs as they are)" };
    let because = if reason.is_empty() { String::new() } else { format!("; {reason}") };
    let binary =
        scaling.shift().iter().zip(scaling.divisor()).filter(|(shift, divisor)| **shift == 0.0 && **divisor == 1.0);
    notes.push(match chosen {
        Scale::None => format!("inputs as they are{because}"),
        Scale::Pixels => format!("inputs divided by 255{because}{other}"),
        Scale::MaxAbs => "inputs divided by the largest |x| of each feature in the training rows".into(),
        Scale::Standard => {
            let left = match binary.count() {
                0 => String::new(),
                count => format!("; {count} of nothing but 0 and 1 left as they are"),
            };
            format!("inputs standardised: (x - mean) / standard deviation of the training rows{left}{other}")
        }
    });
    if chosen == Scale::None && reason.is_empty() {
        notes.extend(wide(table));
    }
    Ok(scaling)
}

/// Says which feature is far from the others in size, where nothing is scaled.
fn wide(table: &Table) -> Option<String> {
    let largest = |feature: usize| (0..table.len()).map(|row| table.row(row)[feature].abs()).fold(0.0, f64::max);
    let features = 0..table.schema.features.len();
    let (feature, largest) = features.map(|feature| (feature, largest(feature))).max_by(|a, b| a.1.total_cmp(&b.1))?;
    let name = table.schema.feature_names().swap_remove(feature);
    (largest > 100.0)
        .then(|| format!("'{name}' reaches {largest}; such inputs often kill every hidden node: try --scale standard"))
}
