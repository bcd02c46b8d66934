//! What the arguments of a training ask for: cells, lengths, rates, seeds.

use anyhow::Result;
use asgd::{Dataset, Error, Gradient, Loss, NetworkSpec, Schedule};

use super::TrainArgs;
use crate::data_source::{is_small, is_table};
use crate::run::length::{Extent, Length};
use crate::run::rates::{Rates, Warmup};
use crate::run::stopping::Rules;
use crate::sweep::cells::{Cell, Lists};
use crate::values::Hidden;

/// Every combination of what was listed, or the one that was asked for.
pub fn cells(args: &TrainArgs, dataset: &Dataset, from_file: Option<&NetworkSpec>) -> Result<Vec<Cell>> {
    let specs = match args.hidden.len() {
        0 => vec![network(args, None, dataset, from_file)?],
        _ => args.hidden.iter().map(|hidden| network(args, Some(hidden), dataset, from_file)).collect::<Result<_>>()?,
    };
    let samples = dataset.train.len();
    if let Some(size) = args.batch_size.iter().find(|&&size| size > samples) {
        let problem = format!("{size} samples, but the training set of {} has {samples}", dataset.name);
        return Err(Error::Setting { setting: "--batch-size", problem }.into());
    }
    let optimizers = args.optimizer.optimizers()?;
    let has_epsilon = optimizers.iter().any(|optimizer| optimizer.gradient == Gradient::Effective);
    if args.epsilon.len() > 1 && !has_epsilon {
        let problem = "several, but none of the optimizers has an epsilon".into();
        return Err(Error::Setting { setting: "--epsilon", problem }.into());
    }
    if args.count_threshold.len() > 1 && !has_epsilon {
        let problem = "several, but none of the optimizers has the effective gradient, which counts".into();
        return Err(Error::Setting { setting: "--count-threshold", problem }.into());
    }
    if args.activation.is_some() && specs.iter().all(|spec| spec.hidden().is_empty()) {
        let problem = "is of hidden nodes, and none of the networks has any: add --hidden".into();
        return Err(Error::Setting { setting: "--activation", problem }.into());
    }
    if args.dropout.iter().any(|&dropout| dropout > 0.0) && specs.iter().all(|spec| spec.hidden().is_empty()) {
        let problem = "silences hidden nodes, and none of the networks has any: add --hidden".into();
        return Err(Error::Setting { setting: "--dropout", problem }.into());
    }
    if args.batch_norm && specs.iter().all(|spec| spec.hidden().is_empty()) {
        let problem = "normalizes hidden nodes, and none of the networks has any: add --hidden".into();
        return Err(Error::Setting { setting: "--batch-norm", problem }.into());
    }
    let batch_sizes = if args.batch_size.is_empty() { vec![samples.min(64)] } else { args.batch_size.clone() };
    if batch_sizes.contains(&1) && specs.iter().any(NetworkSpec::batch_norm) {
        let problem = "1 sample has no variance to be normalized by; batch normalization needs 2 or more".into();
        return Err(Error::Setting { setting: "--batch-size", problem }.into());
    }
    let lists = Lists {
        specs,
        batch_sizes,
        optimizers,
        learning_rates: args.lr.clone(),
        epsilons: args.epsilon.clone(),
        dropouts: args.dropout.clone(),
        input_dropouts: args.input_dropout.clone(),
        count_thresholds: args.count_threshold.clone(),
    };
    Ok(lists.cells()?)
}

/// Of each cell, after it was made longer.
pub fn lengths(args: &TrainArgs, dataset: &Dataset, cells: &[Cell], extended: &[Extent]) -> Result<Vec<Length>> {
    let steps_per_epoch = |cell: &Cell| dataset.train.len().div_ceil(cell.batch_size) as u64;
    // All cells see the samples equally often.
    let fewest = cells.iter().map(steps_per_epoch).min().unwrap_or(1);
    let extent = args.extent().unwrap_or_else(|| Extent::Epochs(default_epochs(&args.dataset, fewest)));
    let length = |cell: &Cell| -> Result<Length> {
        let steps_per_epoch = steps_per_epoch(cell);
        let first = Length::new(extent, steps_per_epoch, args.eval_every)?;
        let longer = |length: Length, extent: &Extent| length.extended(*extent, args.eval_every);
        Ok(extended.iter().try_fold(first, longer)?)
    };
    cells.iter().map(length).collect()
}

/// The learning rate of each cell over its steps.
pub fn rates(args: &TrainArgs, cells: &[Cell], lengths: &[Length], rules: Option<Rules>) -> Result<Vec<Rates>> {
    let rates = |(cell, length): (&Cell, &Length)| {
        let warmup = args.warmup.map_or(0, |warmup| warmup.steps(length.steps_per_epoch));
        if let Some(asked @ Warmup::Epochs(epochs)) = args.warmup.filter(|_| warmup == 0)
            && epochs > 0.0
        {
            let problem =
                format!("{asked} epochs are less than one of the {} steps of an epoch", length.steps_per_epoch);
            return Err(Error::Setting { setting: "--warmup", problem }.into());
        }
        if warmup >= length.steps {
            let problem =
                format!("{warmup} steps, but the training with batches of {} has {}", cell.batch_size, length.steps);
            return Err(Error::Setting { setting: "--warmup", problem }.into());
        }
        let schedule = Schedule { decay: args.schedule.decay(), warmup, steps: length.steps };
        schedule.check()?;
        let Length { steps, steps_per_epoch, .. } = *length;
        Ok(Rates { learning_rate: cell.learning_rate, schedule, rules, steps, steps_per_epoch })
    };
    cells.iter().zip(lengths).map(rates).collect()
}

/// Images have many samples, of which a few passes make a network; tables and points few.
fn default_epochs(dataset: &str, steps_per_epoch: u64) -> u64 {
    const STEPS_OF_A_TABLE: u64 = 2000;
    match (is_small(dataset), is_table(dataset)) {
        (true, true) => STEPS_OF_A_TABLE.div_ceil(steps_per_epoch).max(200),
        (true, false) => 200,
        (false, _) => 10,
    }
}

fn network(
    args: &TrainArgs,
    hidden: Option<&Hidden>,
    dataset: &Dataset,
    from_file: Option<&NetworkSpec>,
) -> Result<NetworkSpec> {
    let hidden = match (hidden, from_file) {
        (Some(Hidden(widths)), _) => widths.clone(),
        (None, Some(spec)) => spec.hidden().to_vec(),
        (None, None) if is_small(&args.dataset) => vec![10, 10],
        (None, None) => vec![30, 20],
    };
    // A file may have a softmax for two classes, where a new network gets one sigmoid unit.
    let outputs = match from_file {
        Some(spec) if spec.classes() == dataset.classes && !dataset.loss().is_regression() => spec.outputs(),
        _ => dataset.output_units(),
    };
    let widths = [&[dataset.features()], &hidden[..], &[outputs]].concat();
    let activation = args.activation.or(from_file.map(NetworkSpec::activation)).unwrap_or_default();
    let batch_norm = args.batch_norm || from_file.is_some_and(NetworkSpec::batch_norm);
    let loss = match dataset.loss() {
        Loss::MeanSquaredError => Loss::MeanSquaredError,
        Loss::BinaryCrossEntropy | Loss::CrossEntropy => Loss::for_units(outputs),
    };
    Ok(NetworkSpec::with(&widths, activation, loss)?.with_batch_norm(batch_norm))
}

/// Of the replicas of each cell.
pub fn seeds(args: &TrainArgs) -> Result<Vec<u64>> {
    let last = args.seed.checked_add(args.replicas as u64 - 1);
    let Some(last) = last else {
        let problem = format!("{} leaves no room for {} replicas", args.seed, args.replicas);
        return Err(Error::Setting { setting: "--seed", problem }.into());
    };
    Ok((args.seed..=last).collect())
}
