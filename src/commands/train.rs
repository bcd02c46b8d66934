//! `asgd train`

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use asgd::{
    AdaptiveBatchSizes, Dataset, Error, Gpu, Init, Model, NetworkSpec, Optimizer, ReplicaSettings, Split,
    TrainSettings, Trainer,
};
use serde_json::{json, Value};

use crate::cli::{Hidden, TrainArgs};
use crate::data_source::{is_points, open_dataset, short_name};
use crate::figures::learning_curve;
use crate::report::Reporter;
use crate::run_folder::{choose, print_line, Row, RunFolder};

pub fn run(args: &TrainArgs) -> Result<()> {
    let start = Instant::now();
    // Settings first, then data, then the GPU: nothing is written before all three are sound.
    let out = choose(args.out.as_deref(), &short_name(&args.dataset))?;
    let from_file = match &args.init {
        Init::File(path) => Some(Model::load(path)?.spec().clone()),
        _ => None,
    };
    let dataset = open_dataset(args, from_file.as_ref())?;
    let spec = network(args, &dataset, from_file.as_ref())?;
    let settings = replica_settings(args)?;
    let schedule = Schedule::new(args, &dataset)?;
    let seeds: Vec<u64> = settings.iter().map(|replica| replica.seed).collect();
    let initial = args.init.model(&spec, &seeds)?;
    let gpu = Gpu::new(args.adapter.as_deref())?;

    let report = Reporter { quiet: args.quiet };
    report.line(&format!("adapter  {}", gpu.describe()));
    report.line(&format!(
        "data     {}: {} training and {} test samples, {} features, {} classes",
        dataset.name,
        dataset.train.len(),
        dataset.test.len(),
        dataset.features(),
        dataset.classes
    ));
    report.line(&format!(
        "network  {}, {} parameters, {} replica{}, {}, lr {}",
        spec.widths().iter().map(usize::to_string).collect::<Vec<_>>().join("-"),
        spec.parameter_count(),
        args.replicas,
        if args.replicas == 1 { "" } else { "s" },
        args.optimizer,
        settings[0].learning_rate
    ));

    let fitting = Trainer::max_replicas(&gpu, &dataset, &spec, args.batch_size);
    let wave_size = fitting.clamp(1, args.replicas);
    if wave_size < args.replicas {
        let waves = args.replicas.div_ceil(wave_size);
        report.line(&format!("waves    {waves}, because {wave_size} replicas at a time fit this adapter's limits"));
    }

    let mut run = None;
    let mut rows = Vec::new();
    let mut model: Option<Model> = None;
    let mut counts: Option<AdaptiveBatchSizes> = None;
    let progress = report.progress(schedule.steps * args.replicas as u64);
    for first in (0..args.replicas).step_by(wave_size) {
        let range = first..(first + wave_size).min(args.replicas);
        let train_settings = TrainSettings {
            batch_size: args.batch_size,
            order: args.order,
            replicas: settings[range.clone()].to_vec(),
            form: None,
        };
        let mut trainer = Trainer::new(&gpu, &dataset, &initial.slice(range.clone()), train_settings)?;
        let folder = match &mut run {
            Some(folder) => folder,
            None => run.insert(RunFolder::create(out.clone())?),
        };
        loop {
            let new_rows = evaluate(&mut trainer, &spec, first)?;
            folder.write_rows(&new_rows)?;
            report.evaluation(&progress, &new_rows);
            rows.extend(new_rows);
            let Some(next) = schedule.next(trainer.step()) else { break };
            trainer.train_with_progress(next - trainer.step(), |steps| progress.inc(steps * range.len() as u64))?;
        }
        append(&mut model, trainer.model()?);
        if let Some((_, last_counts)) = trainer.last_reduction()? {
            append(&mut counts, last_counts);
        }
    }
    progress.finish_and_clear();

    let mut folder = run.context("no replica was trained")?;
    let seconds = start.elapsed().as_secs_f64();
    let result = result(args, &rows, &schedule, seconds);
    let path = folder.path().to_path_buf();
    folder.begin_replacing()?;
    if let Some(model) = model {
        model.save(&path.join("model.safetensors"))?;
    }
    if let Some(counts) = counts {
        counts.save(&path.join("counts.safetensors"))?;
    }
    folder.write("learning_curve.svg", &learning_curve(&title(args, &dataset, &spec), &rows)?)?;
    folder.finish_metrics()?;
    let document = document(args, &gpu, &dataset, &spec, &settings, &schedule, &result);
    folder.write("run.json", &(serde_json::to_string_pretty(&document)? + "\n"))?;

    if args.json {
        let mut line = result;
        line["out"] = json!(path);
        print_line(&line.to_string())?;
    } else if !args.quiet {
        let spread = |key: &str| match args.replicas {
            1 => format!("{:.4}", result[key].as_f64().unwrap_or(f64::NAN)),
            _ => {
                let deviation = result[format!("{key}_std")].as_f64().unwrap_or(f64::NAN);
                format!("{:.4} ± {deviation:.4}", result[key].as_f64().unwrap_or(f64::NAN))
            }
        };
        let of = if args.replicas > 1 {
            format!(" (mean ± standard deviation of {} replicas)", args.replicas)
        } else {
            String::new()
        };
        print_line(&format!(
            "test accuracy {}, test loss {}{of}, in {seconds:.1} s",
            spread("test_accuracy"),
            spread("test_loss")
        ))?;
        print_line(&format!(
            "{}: model.safetensors, counts.safetensors, metrics.csv, learning_curve.svg, run.json",
            path.display()
        ))?;
    }
    Ok(())
}

/// When to stop and when to evaluate, in steps.
struct Schedule {
    steps: u64,
    steps_per_epoch: u64,
    evaluate_every: u64,
}

impl Schedule {
    fn new(args: &TrainArgs, dataset: &Dataset) -> Result<Self> {
        let samples = dataset.train.len();
        if args.batch_size > samples {
            let problem =
                format!("{} samples, but the training set of {} has {samples}", args.batch_size, dataset.name);
            return Err(Error::Setting { setting: "--batch-size", problem }.into());
        }
        let steps_per_epoch = samples.div_ceil(args.batch_size) as u64;
        let epochs = args.epochs.unwrap_or(if is_points(&args.dataset) { 200 } else { 10 });
        let too_many = || Error::Setting { setting: "--epochs", problem: "more steps than can be counted".into() };
        let steps = match args.steps {
            Some(steps) => steps,
            None => epochs.checked_mul(steps_per_epoch).ok_or_else(too_many)?,
        };
        // The epoch keys the permutation as a 32-bit number.
        if steps / steps_per_epoch > u64::from(u32::MAX) {
            return Err(too_many().into());
        }
        let every = args.eval_every.unwrap_or_else(|| (steps / steps_per_epoch / 50).max(1));
        Ok(Self { steps, steps_per_epoch, evaluate_every: every.saturating_mul(steps_per_epoch) })
    }

    /// The step of the next evaluation, or `None` at the end.
    fn next(&self, step: u64) -> Option<u64> {
        (step < self.steps)
            .then(|| (step / self.evaluate_every + 1).saturating_mul(self.evaluate_every).min(self.steps))
    }
}

fn network(args: &TrainArgs, dataset: &Dataset, from_file: Option<&NetworkSpec>) -> Result<NetworkSpec> {
    let hidden = match (&args.hidden, from_file) {
        (Some(Hidden(widths)), _) => widths.clone(),
        (None, Some(spec)) => spec.widths()[1..spec.widths().len() - 1].to_vec(),
        (None, None) if is_points(&args.dataset) => vec![10, 10],
        (None, None) => vec![30, 20],
    };
    let widths = [&[dataset.features()], &hidden[..], &[dataset.output_units()]].concat();
    Ok(NetworkSpec::new(&widths)?)
}

fn replica_settings(args: &TrainArgs) -> Result<Vec<ReplicaSettings>> {
    let learning_rate = args.lr.unwrap_or(match args.optimizer {
        Optimizer::Asgd => 0.01,
        Optimizer::Sgd => 0.1,
    });
    let last = args.seed.checked_add(args.replicas as u64 - 1);
    if last.is_none() {
        let problem = format!("{} leaves no room for {} replicas", args.seed, args.replicas);
        return Err(Error::Setting { setting: "--seed", problem }.into());
    }
    let settings = |replica| ReplicaSettings {
        seed: args.seed + replica,
        optimizer: args.optimizer,
        learning_rate,
        epsilon: args.epsilon,
    };
    Ok((0..args.replicas as u64).map(settings).collect())
}

/// Both parts of the data set, for every replica of a wave that begins with replica `first`.
fn evaluate(trainer: &mut Trainer, spec: &NetworkSpec, first: usize) -> Result<Vec<Row>> {
    let (train, test) = (trainer.evaluate(Split::Train)?, trainer.evaluate(Split::Test)?);
    let layer_means = trainer.mean_adaptive_batch_sizes()?;
    let (step, epoch) = (trainer.step(), trainer.step() as f64 / trainer.steps_per_epoch() as f64);
    let mean = |replica: usize| {
        let layers = &layer_means.as_ref()?[replica];
        let total: f64 =
            spec.layers().zip(layers).map(|((inputs, outputs), mean)| mean * ((inputs + 1) * outputs) as f64).sum();
        Some(total / spec.parameter_count() as f64)
    };
    let row = |(replica, (train, test))| Row {
        replica: first + replica,
        epoch,
        step,
        train,
        test,
        mean_adaptive_batch_size: mean(replica),
    };
    Ok(train.into_iter().zip(test).enumerate().map(row).collect())
}

fn append<T: bytemuck::Pod>(whole: &mut Option<asgd::PerParameter<T>>, part: asgd::PerParameter<T>) {
    match whole {
        Some(whole) => whole.append(&part),
        None => *whole = Some(part),
    }
}

/// A number of a row.
type Column = fn(&Row) -> f64;

/// Means and standard deviations over the replicas at the end.
fn result(args: &TrainArgs, rows: &[Row], schedule: &Schedule, seconds: f64) -> Value {
    let last: Vec<&Row> = rows.iter().filter(|row| row.step == schedule.steps).collect();
    let mut result = json!({
        "dataset": args.dataset,
        "replicas": args.replicas,
        "steps": schedule.steps,
        "epochs": schedule.steps as f64 / schedule.steps_per_epoch as f64,
        "seconds": seconds,
    });
    let values: [(&str, Column); 7] = [
        ("train_loss", |row| row.train.loss),
        ("train_accuracy", |row| row.train.accuracy),
        ("test_loss", |row| row.test.loss),
        ("test_accuracy", |row| row.test.accuracy),
        ("mean_adaptive_batch_size", |row| row.mean_adaptive_batch_size.unwrap_or(f64::NAN)),
        ("true_dummies", |row| f64::from(row.train.true_dummies())),
        ("pseudo_dummies", |row| f64::from(row.train.pseudo_dummies())),
    ];
    for (name, value) in values {
        let count = last.len() as f64;
        let mean = last.iter().map(|row| value(row)).sum::<f64>() / count;
        let variance = last.iter().map(|row| (value(row) - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
        result[name] = json!(mean);
        result[format!("{name}_std")] = json!(variance.sqrt());
    }
    result
}

fn title(args: &TrainArgs, dataset: &Dataset, spec: &NetworkSpec) -> String {
    let widths = spec.widths().iter().map(usize::to_string).collect::<Vec<_>>().join("-");
    format!("{} {widths}, {}, batch size {}", dataset.name, args.optimizer, args.batch_size)
}

/// run.json: everything that it takes to run this again.
fn document(
    args: &TrainArgs,
    gpu: &Gpu,
    dataset: &Dataset,
    spec: &NetworkSpec,
    settings: &[ReplicaSettings],
    schedule: &Schedule,
    result: &Value,
) -> Value {
    let info = gpu.info();
    json!({
        "asgd_version": env!("CARGO_PKG_VERSION"),
        "command": std::env::args().collect::<Vec<_>>(),
        "finished_unix_seconds": SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs()),
        "settings": {
            "widths": spec.widths(),
            "optimizer": args.optimizer.to_string(),
            "learning_rate": settings[0].learning_rate,
            "epsilon": args.epsilon,
            "batch_size": args.batch_size,
            "steps": schedule.steps,
            "steps_per_epoch": schedule.steps_per_epoch,
            "replicas": args.replicas,
            "seed": args.seed,
            "init": args.init.to_string(),
            "order": args.order.to_string(),
        },
        "dataset": {
            "name": dataset.name,
            "train_samples": dataset.train.len(),
            "test_samples": dataset.test.len(),
            "features": dataset.features(),
            "classes": dataset.classes,
            "sha256": dataset.sha256(),
        },
        "adapter": {
            "name": info.name,
            "kind": asgd::gpu::kind(info),
            "backend": format!("{:?}", info.backend),
            "driver": info.driver,
            "driver_info": info.driver_info,
        },
        "result": result,
    })
}
