//! A training under way: group after group, then its files.

use anyhow::Result;
use asgd::{Dataset, Model};
use serde_json::Value;

use super::TrainArgs;
use super::introduction::widths;
use super::watch::{Throttle, Watch, label_columns, rows_of_all};
use crate::console::Reporter;
use crate::device_args::Devices;
use crate::run::chunks::{SaveEvery, Training};
use crate::run::curve::learning_curve;
use crate::run::folder::Folder;
use crate::run::length::Length;
use crate::run::metrics;
use crate::run::outputs::network_files;
use crate::run::page::{self, Network, Run};
use crate::run::rates::Rates;
use crate::run::stopping::Rules;
use crate::sweep::cells::{Cell, varied};
use crate::sweep::figure::figure;
use crate::sweep::groups::{CellTrained, Group};
use crate::sweep::results::Sweep;

/// What is trained, on what, and where it goes.
pub struct Job<'a> {
    pub args: &'a TrainArgs,
    pub dataset: &'a Dataset,
    pub devices: &'a Devices,
    pub folder: &'a Folder,
    pub report: &'a Reporter,
    pub cells: &'a [Cell],
    pub lengths: &'a [Length],
    /// Of each cell.
    pub rates: &'a [Rates],
    pub rules: Option<Rules>,
}

impl Job<'_> {
    /// Trains group after group what is not trained yet; what became of each cell, unless only a shard is trained.
    pub fn train(&self, groups: &[Group], initials: &[Model], seeds: &[u64]) -> Result<Option<Vec<CellTrained>>> {
        let Self { args, dataset, devices, folder, report, cells, lengths, rates, rules } = *self;
        let mut throttle = Throttle::default();
        let mut trained: Vec<Option<CellTrained>> = cells.iter().map(|_| None).collect();
        for (number, group) in (1..).zip(groups) {
            let length = lengths[group.cells[0]];
            if groups.len() > 1 {
                report.line(&format!(
                    "group    {number} of {}: {}, batches of {}, {} network{}",
                    groups.len(),
                    widths(&group.spec),
                    group.batch_size,
                    group.cells.len() * args.replicas,
                    if group.cells.len() * args.replicas == 1 { "" } else { "s" }
                ));
            }
            let training = Training {
                name: if cells.len() == 1 { "replicas".into() } else { format!("group-{number}") },
                dataset,
                initial: group.initial(initials),
                settings: group.training_settings(cells, args.order, rates, seeds),
                steps: length.steps,
                evaluate_every: length.evaluate_every,
                rules,
                save: match args.checkpoint_every {
                    Some(epochs) => SaveEvery::Steps(epochs.saturating_mul(length.steps_per_epoch)),
                    None => SaveEvery::Time(std::time::Duration::from_secs(15)),
                },
                is_for_all: false,
            };
            let mut observer = Watch {
                report,
                folder,
                cells,
                lengths,
                rules,
                replicas: args.replicas,
                group,
                trained: &trained,
                throttle: &mut throttle,
            };
            let Some(of_group) = training.run(devices, folder, report, &mut observer)? else { continue };
            for (cell, of_cell) in group.split(cells, args.replicas, of_group) {
                trained[cell] = Some(of_cell);
            }
        }
        Ok(trained.into_iter().collect())
    }

    /// The files that training decides: networks, their counts, and metrics.
    pub fn write_networks(&self, trained: &[CellTrained]) -> Result<()> {
        let Self { folder, cells, lengths, rules, .. } = *self;
        let metrics = metrics::csv(&label_columns(cells), &rows_of_all(cells, lengths, rules, trained))?;
        folder.write("metrics.csv", &metrics)?;
        if cells.len() > 1 {
            folder.subfolder("counts")?;
            folder.subfolder("models")?;
        }
        for (cell, (model, counts)) in trained.iter().zip(network_files(cells.len())) {
            cell.model.save(&folder.path().join(model))?;
            cell.counts.save(&folder.path().join(counts))?;
        }
        Ok(())
    }

    /// The other files of a finished run, and at last run.json, which says that all are there.
    pub fn write_results(
        &self,
        trained: &[CellTrained],
        sweep: Option<&Sweep<'_>>,
        document: &Value,
        notes: &[String],
    ) -> Result<()> {
        let Self { args, dataset, devices, folder, cells, rates, .. } = *self;
        if let Some(sweep) = sweep {
            if let Some(model) = sweep.best_network() {
                model.save(&folder.path().join("best.safetensors"))?;
            }
            folder.write("sweep.csv", &sweep.csv(&document["result"])?)?;
            let title = format!("{}, {} cells", dataset.name, cells.len());
            folder.write("sweep.svg", &figure(&title, sweep)?)?;
        }
        // Without a best cell the first one stands for all.
        let shown = sweep.and_then(Sweep::best).unwrap_or(0);
        let title = |cell: &Cell| {
            format!("{} {}, {}, batch size {}", dataset.name, widths(&cell.spec), cell.optimizer, cell.batch_size)
        };
        let curve = learning_curve(&title(&cells[shown]), &trained[shown].trajectories, &rates[shown], dataset.loss())?;
        folder.write("learning_curve.svg", &curve)?;
        let best = if sweep.and_then(Sweep::best).is_some() { "The best, cell" } else { "Cell" };
        page::write(&Run {
            title: match sweep {
                None => title(&cells[0]),
                Some(_) => format!("{}, a sweep of {} cells", dataset.name, cells.len()),
            },
            document,
            folder,
            device: devices.first(),
            dataset,
            source: (&args.dataset, &args.data),
            notes,
            record: &trained[0].model.data,
            network: Network {
                name: sweep.map(|_| format!("{best} {}: {}", shown + 1, cells[shown].name(&varied(cells)))),
                file: match sweep {
                    None => "model.safetensors".into(),
                    Some(sweep) if sweep.best().is_some() => "best.safetensors".into(),
                    Some(_) => format!("models/cell-{}.safetensors", shown + 1),
                },
                is_alone: sweep.and_then(Sweep::best).is_some() || trained[shown].model.replicas() == 1,
                trained: &trained[shown],
                count_threshold: cells[shown].count_threshold,
                rates: rates[shown],
                result: match sweep {
                    None => &document["result"],
                    Some(_) => &document["result"]["cells"][shown],
                },
            },
            sweep,
        })?;
        folder.write("run.json", &(serde_json::to_string_pretty(document)? + "\n"))
    }
}
