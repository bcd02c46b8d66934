//! Experiment 1 (sections 2.2 and 3.1, figures 1 to 4): what each sample contributes to each parameter of 2-3-2-1 on
//! concentric circles, and the path of every parameter under aSGD and SGD from the same start.

use anyhow::Result;
use asgd::dataset::Circles;
use asgd::reference::step::{Training, to_f32};
use asgd::{
    Activity, Dataset, Error, Evaluation, Init, Model, NetworkSpec, ReplicaSettings, Split, TrainSettings, Trainer,
};
use clap::Args;
use maud::html;
use serde_json::json;

use super::bench::{Bench, CommonArgs, OPTIMIZERS, device_line, scientific, shown};
use crate::figures::{BLUE, Curve, GREY, Legend, LinePanel, Mark, PALETTE, ScatterPanel, VERMILION, lines, scatter};
use crate::report::Report;
use crate::table::{Cell, Table};
use crate::values::{at_least_one, drawn_init, not_negative, positive};

#[derive(Debug, Args)]
pub struct PathsArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    /// Steps of training.
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub steps: u64,
    /// Learning rate of both optimizers.
    #[arg(long, value_name = "RATE", default_value_t = 0.05, value_parser = positive)]
    pub lr: f32,
    /// epsilon in S / (c + epsilon) of aSGD; 1 is the paper's literal reading.
    #[arg(long, default_value = "1e-8", value_parser = not_negative::<f32>)]
    pub epsilon: f32,
    /// Samples of a mini-batch.
    #[arg(long, value_name = "SAMPLES", default_value_t = 64, value_parser = at_least_one::<usize>)]
    pub batch_size: usize,
    /// Initial weights: kaiming, glorot, pytorch or normal:STD.
    #[arg(long, value_name = "INIT", default_value = "normal:1", value_parser = drawn_init)]
    pub init: Init,
    /// Points, split 7:3 into training and test set.
    #[arg(long, value_name = "POINTS", default_value_t = 1000)]
    pub samples: usize,
    /// Standard deviation of the circles' noise.
    #[arg(long, default_value_t = 0.1, value_parser = not_negative::<f64>)]
    pub noise: f64,
}

const WIDTHS: [usize; 4] = [2, 3, 2, 1];

/// Points of a path in the figure.
const PATH_POINTS: u64 = 400;

/// One weight or bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parameter {
    /// From 0.
    layer: usize,
    neuron: usize,
    /// `None` is the bias.
    input: Option<usize>,
}

/// The network at one step: every replica's parameters, in the order of [`parameters`].
struct Snapshot {
    step: u64,
    values: Vec<Vec<f32>>,
}

pub fn run(args: &PathsArgs) -> Result<()> {
    let data = Circles { samples: args.samples, noise: args.noise, ..Circles::default() }.dataset()?;
    if data.train.len() < args.batch_size {
        let problem =
            format!("{}, but {} points make only {} training samples", args.batch_size, args.samples, data.train.len());
        return Err(Error::Setting { setting: "--batch-size", problem }.into());
    }
    let spec = NetworkSpec::new(&WIDTHS)?;
    let initial = args.init.model(&spec, &[args.common.seed])?.repeat(OPTIMIZERS.len());
    let replica = |optimizer| ReplicaSettings {
        seed: args.common.seed,
        optimizer,
        learning_rate: args.lr,
        epsilon: args.epsilon,
        ..Default::default()
    };
    let settings =
        TrainSettings { batch_size: args.batch_size, replicas: OPTIMIZERS.map(replica).into(), ..Default::default() };
    let own = json!({
        "seed": args.common.seed, "steps": args.steps, "learning_rate": args.lr, "epsilon": args.epsilon,
        "batch_size": args.batch_size, "init": args.init.to_string(),
    });
    let bench = Bench::open(1, &args.common, None, &[&data], own)?;
    let mut trainer = Trainer::new(bench.device(), &data, &initial, settings)?;
    let progress = bench.report.progress(args.steps);
    let mut path = vec![Snapshot { step: 0, values: values(&initial) }];
    // When a parameter moved last, to the step: so every step is looked at.
    let mut last_moved = vec![vec![None; parameters(&spec).len()]; OPTIMIZERS.len()];
    let mut before = values(&initial);
    for step in 1..=args.steps {
        trainer.train(1)?;
        progress.inc(1);
        let now = values(&trainer.model()?);
        for (moved, (now, before)) in last_moved.iter_mut().zip(now.iter().zip(&before)) {
            for (moved, (now, before)) in moved.iter_mut().zip(now.iter().zip(before)) {
                if now.to_bits() != before.to_bits() {
                    *moved = Some(step);
                }
            }
        }
        if step % args.steps.div_ceil(PATH_POINTS) == 0 || step == args.steps {
            path.push(Snapshot { step, values: now.clone() });
        }
        before = now;
    }
    progress.finish_and_clear();
    let (train, test) = (trainer.evaluate(Split::Train)?, trainer.evaluate(Split::Test)?);
    let model = trainer.model()?;
    model.save(&bench.folder.path().join("model.safetensors"))?;

    let mut report = Report::new("Experiment 1: what each sample contributes, and the path of every parameter");
    report.text(html! {
        p { "Shi, Yang, Tang, Yang, Mathematics 2022, 10, 863, sections 2.2 and 3.1. Network 2-3-2-1 on concentric circles, aSGD and SGD "
            "from the same initial parameters with the same batches of " (args.batch_size) ", learning rate " (args.lr) ", " (args.steps)
            " steps, ε = " (scientific(args.epsilon)) ", seed " (args.common.seed) ". The paper says neither points, noise, initialisation nor learning rate; chosen here: "
            (args.samples) " points split 7:3, radius 1 and 0.5, normal noise of " (args.noise) ", weights " (args.init.to_string()) ", biases 0." }
    });
    report.text(device_line(bench.device()));
    factors(&mut report, &data, &initial, &model)?;
    report.heading("Paths of the parameters (figure 4)");
    report.figure(
        "figure-4",
        "Every weight and bias over the steps, layer by layer; left aSGD, right SGD, from the same start.",
        paths_figure(&spec, &path)?,
    );
    report.table(moved_table(args, &spec, &path, &last_moved));
    conclusions(&mut report, args, &spec, &last_moved, &train, &test);
    bench.folder.write("paths.csv", &paths_csv(&spec, &path)?)?;
    bench.finish(&report)
}

/// In the order of the reference: layer by layer, neuron by neuron, the bias after the weights.
fn parameters(spec: &NetworkSpec) -> Vec<Parameter> {
    let of_layer = |(layer, (inputs, outputs)): (usize, (usize, usize))| {
        (0..outputs).flat_map(move |neuron| {
            (0..=inputs).map(move |k| Parameter { layer, neuron, input: (k < inputs).then_some(k) })
        })
    };
    spec.layers().enumerate().flat_map(of_layer).collect()
}

fn values(model: &Model) -> Vec<Vec<f32>> {
    let of_replica =
        |replica| Training::flatten(model, replica).concat().into_iter().map(|value| value as f32).collect();
    (0..model.replicas()).map(of_replica).collect()
}

fn superscript(layer: usize) -> char {
    ['¹', '²', '³'][layer]
}

fn subscript(index: usize) -> char {
    ['₁', '₂', '₃'][index]
}

/// w³₁₂, b²₁.
fn name(parameter: &Parameter) -> String {
    let Parameter { layer, neuron, input } = *parameter;
    match input {
        Some(input) => format!("w{}{}{}", superscript(layer), subscript(neuron), subscript(input)),
        None => format!("b{}{}", superscript(layer), subscript(neuron)),
    }
}

/// Figures 1 to 3: the data, the factors of the gradients, and the gradients, sample by sample.
fn factors(report: &mut Report, data: &Dataset, initial: &Model, trained: &Model) -> Result<()> {
    report.heading("Data (figure 1a)");
    let inputs: Vec<Vec<f32>> = (0..data.train.len()).map(|index| data.train.sample(index)).collect();
    let panel = |title: String, mark: &dyn Fn(usize) -> usize| ScatterPanel {
        title,
        points: inputs.iter().enumerate().map(|(i, x)| (f64::from(x[0]), f64::from(x[1]), mark(i))).collect(),
    };
    let classes = [Mark { name: "class 0", color: BLUE }, Mark { name: "class 1", color: VERMILION }];
    let labels = panel(String::new(), &|i| data.train.labels()[i] as usize);
    report.figure(
        "figure-1a",
        "The training samples.",
        scatter("Concentric circles", &classes, &[labels], 1, (460, 440))?,
    );

    report.heading("What each sample contributes (figures 2 and 3)");
    report.text(html! {
        p { "The gradient of a weight for one sample is the product of a delta and an activation (equations 3 to 6). In every panel a point is a "
            "training sample at its place in the input plane: red where the factor or gradient is positive, blue where it is negative, grey where "
            "it is zero. A grey sample adds nothing to the parameter's gradient, but SGD divides by it all the same; the title counts the others." }
    });
    let signs = [
        Mark { name: "zero", color: GREY },
        Mark { name: "negative", color: plotters::style::RGBColor(33, 102, 172) },
        Mark { name: "positive", color: plotters::style::RGBColor(200, 30, 40) },
    ];
    let sign = |value: f64| if value == 0.0 { 0 } else { 1 + usize::from(value > 0.0) };
    let sign_panel = |name: String, values: Vec<f64>| {
        let nonzero = values.iter().filter(|&&value| value != 0.0).count();
        panel(format!("{name}: {nonzero} of {}", values.len()), &|i| sign(values[i]))
    };
    let spec = initial.spec();
    let all = parameters(spec);
    let column = ReplicaSettings::default();
    for (figures, model, when) in [
        (["figure-2", "figure-3"], initial, "before training"),
        (["figure-2-trained", "figure-3-trained"], trained, "after training with aSGD"),
    ] {
        let mut training = Training::new(model, 0, column, to_f32);
        let gradients: Vec<Vec<f64>> =
            (0..inputs.len()).map(|i| training.reduce(&data.train, &[i as u32]).concat()).collect();
        let activations: Vec<Vec<Vec<f64>>> = inputs.iter().map(|x| training.activations(x)).collect();
        let of_parameter = |index: usize| gradients.iter().map(|gradient| gradient[index]).collect::<Vec<f64>>();
        let mut panels = Vec::new();
        for layer in 0..spec.layers().len() - 1 {
            for node in 0..WIDTHS[layer + 1] {
                let values = activations.iter().map(|of_sample| of_sample[layer + 1][node]).collect();
                panels.push(sign_panel(format!("a{}{}", superscript(layer), subscript(node)), values));
            }
        }
        for (index, parameter) in all.iter().enumerate().filter(|(_, parameter)| parameter.input.is_none()) {
            // The gradient of a bias is its neuron's delta.
            panels.push(sign_panel(
                format!("δ{}{}", superscript(parameter.layer), subscript(parameter.neuron)),
                of_parameter(index),
            ));
        }
        let caption = format!(
            "The factors {when}: activations a of the hidden nodes, deltas of all nodes. Red positive, blue negative, grey zero."
        );
        report.figure(
            figures[0],
            caption,
            scatter(&format!("Factors of the gradients, {when}"), &signs, &panels, 4, (250, 235))?,
        );

        let weights = all.iter().enumerate().filter(|(_, parameter)| parameter.input.is_some());
        let panels: Vec<ScatterPanel> = weights
            .map(|(index, parameter)| sign_panel(format!("∂L/∂{}", name(parameter)), of_parameter(index)))
            .collect();
        let caption = format!("Per-sample gradients of every weight {when}. Red positive, blue negative, grey zero.");
        report.figure(
            figures[1],
            caption,
            scatter(&format!("Per-sample gradients, {when}"), &signs, &panels, 4, (250, 235))?,
        );
    }
    Ok(())
}

fn paths_figure(spec: &NetworkSpec, path: &[Snapshot]) -> Result<String> {
    let all = parameters(spec);
    let mut panels = Vec::new();
    for layer in 0..spec.layers().len() {
        let of_layer: Vec<usize> = (0..all.len()).filter(|&index| all[index].layer == layer).collect();
        let shown_values = path.iter().flat_map(|snapshot| {
            of_layer.iter().flat_map(|&index| snapshot.values.iter().map(move |values| f64::from(values[index])))
        });
        let y_range = Some(crate::figures::range_of(shown_values));
        for (replica, optimizer) in OPTIMIZERS.into_iter().enumerate() {
            let curves = of_layer.iter().zip(PALETTE).map(|(&index, color)| Curve {
                name: name(&all[index]),
                color,
                points: path
                    .iter()
                    .map(|snapshot| (snapshot.step as f64, [f64::from(snapshot.values[replica][index]); 3]))
                    .collect(),
            });
            panels.push(LinePanel {
                title: format!("layer {}, {}", layer + 1, shown(optimizer)),
                x: "step",
                y: "value",
                curves: curves.collect(),
                legend: Legend::Beside,
                y_range,
            });
        }
    }
    lines("Paths of the parameters", &panels, 2, (520, 330))
}

/// From which step on a parameter no longer changed, if it was long before the end.
fn stopped(last_moved: Option<u64>, steps: u64) -> Option<u64> {
    let last = last_moved.unwrap_or(0);
    (last < steps - steps / 10).then_some(last)
}

fn moved_table(args: &PathsArgs, spec: &NetworkSpec, path: &[Snapshot], last_moved: &[Vec<Option<u64>>]) -> Table {
    let caption = "Where every parameter went, and the last step that changed it, bit for bit.";
    let header = ["parameter", "start", "end aSGD", "last moved aSGD", "end SGD", "last moved SGD"];
    let mut table = Table::new("parameters", caption, &header);
    let last = &path[path.len() - 1];
    for (index, parameter) in parameters(spec).iter().enumerate() {
        let moved = |replica: usize| match last_moved[replica][index] {
            None => Cell::from("never"),
            Some(step) if step == args.steps => Cell::from("at the end"),
            Some(step) => Cell::Number(step as f64, 0),
        };
        let value = |values: &[f32]| Cell::Number(f64::from(values[index]), 4);
        table.rows.push(vec![
            name(parameter).into(),
            value(&path[0].values[0]),
            value(&last.values[0]),
            moved(0),
            value(&last.values[1]),
            moved(1),
        ]);
    }
    table
}

fn conclusions(
    report: &mut Report,
    args: &PathsArgs,
    spec: &NetworkSpec,
    last_moved: &[Vec<Option<u64>>],
    train: &[Evaluation],
    test: &[Evaluation],
) {
    let all = parameters(spec);
    let list = |names: Vec<String>| if names.is_empty() { "none".to_string() } else { names.join(", ") };
    let hidden: Vec<(usize, usize)> =
        (0..spec.layers().len() - 1).flat_map(|layer| (0..WIDTHS[layer + 1]).map(move |node| (layer, node))).collect();
    report.heading("What came of it");
    let mut table = Table::new(
        "outcome",
        "Parameters that stopped moving: unchanged, bit for bit, over at least the last tenth of the steps, with the last step that changed \
         them. Dummies: hidden nodes that none (true) or all (pseudo) of the training samples activate.",
        &[
            "method",
            "train accuracy",
            "train loss",
            "test accuracy",
            "test loss",
            "stopped moving",
            "true dummies",
            "pseudo dummies",
        ],
    );
    for (replica, optimizer) in OPTIMIZERS.into_iter().enumerate() {
        let still = all.iter().zip(&last_moved[replica]).filter_map(|(parameter, &moved)| {
            stopped(moved, args.steps).map(|step| format!("{} (step {step})", name(parameter)))
        });
        let nodes = |wanted: Activity| {
            let of_kind = hidden.iter().zip(&train[replica].nodes).filter(|(_, node)| **node == wanted);
            list(of_kind.map(|((layer, node), _)| format!("layer {} node {}", layer + 1, node + 1)).collect())
        };
        table.rows.push(vec![
            shown(optimizer).into(),
            Cell::Number(train[replica].score, 4),
            Cell::Number(train[replica].loss, 4),
            Cell::Number(test[replica].score, 4),
            Cell::Number(test[replica].loss, 4),
            list(still.collect()).into(),
            nodes(Activity::Never).into(),
            nodes(Activity::Always).into(),
        ]);
    }
    report.table(table);
}

fn paths_csv(spec: &NetworkSpec, path: &[Snapshot]) -> Result<String> {
    let all = parameters(spec);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let plain = |parameter: &Parameter| match parameter.input {
        Some(input) => format!("w{}_{}{}", parameter.layer + 1, parameter.neuron + 1, input + 1),
        None => format!("b{}_{}", parameter.layer + 1, parameter.neuron + 1),
    };
    let fixed = ["method".to_string(), "step".to_string()];
    writer.write_record(fixed.iter().cloned().chain(all.iter().map(plain)))?;
    for (replica, optimizer) in OPTIMIZERS.into_iter().enumerate() {
        for snapshot in path {
            let fixed = [optimizer.to_string(), snapshot.step.to_string()];
            let values = snapshot.values[replica].iter().map(f32::to_string);
            writer.write_record(fixed.into_iter().chain(values))?;
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}
