//! What experiment 2 shows: figures 5 to 7, and the paper's claims.

use anyhow::Result;
use asgd::{Activity, Init, NetworkSpec, Optimizer};
use maud::{Markup, html};

use super::arguments::{DummiesArgs, StopRule};
use super::outcomes::{BATCH_SIZE, COLUMNS, Case, Column, HIDDEN, Outcome, difference, group};
use crate::experiments::bench::{Bench, OPTIMIZERS, color, device_line, scientific, shown};
use crate::experiments::claims::{self, Verdict};
use crate::figures::{BarPanel, BoxPanel, GREY, bars, boxes};
use crate::report::Report;
use crate::run::metrics::Point;
use crate::statistics::{Summary, quartiles};
use crate::table::{Cell, Table};

/// The whole page.
pub(super) fn report(
    args: &DummiesArgs,
    bench: &Bench,
    spec: &NetworkSpec,
    cases: &[Case],
    outcomes: &[Vec<Outcome>],
    inits: &[Init],
) -> Result<Report> {
    let rule = args.stop_rule;
    let mut report = Report::new("Experiment 2: true dummy nodes and convergence, aSGD beside SGD");
    report.text(html! {
        p { "Shi, Yang, Tang, Yang, Mathematics 2022, 10, 863, section 3.2. Network 2-10-10-10-10-10-1 with one sigmoid unit, "
            "batches of " (BATCH_SIZE) ", learning rate 0.01 on circles and 0.05 on spirals, at most " (args.steps) " steps, "
            (args.replicas) " trainings a group (the paper: 10,000 steps, 10,000 trainings). A true dummy is a hidden node that no "
            "training sample activates." }
        p { "What the paper does not say is chosen here: " (args.samples) " points a data set, split 7:3; circles of radius 1 and 0.5 "
            "with normal noise of " (args.circles_noise) "; spirals of one turn with uniform noise of width " (args.spirals_noise)
            "; initial weights " (args.init.to_string()) ", biases zero unless the initialisation says otherwise; ε = " (scientific(args.epsilon))
            ". A training counts as stopped by the rule " code { (rule.to_string()) } ", looked at every " (args.eval_every)
            " steps. Kaiming's weights are the default because they are the usual ones for ReLU; the grid below shows what the choice changes." }
    });
    report.text(device_line(bench.device()));

    report.heading("Convergence (figure 5)");
    report.table(summary_table(args, cases, outcomes));
    let mut panels = Vec::new();
    for (case, outcomes) in cases.iter().zip(outcomes) {
        for (name, _, value) in &COLUMNS[..5] {
            let box_of = |optimizer| {
                let values: Vec<f64> =
                    group(outcomes, 0, optimizer).map(|outcome| value(rule.stop(&outcome.points))).collect();
                (shown(optimizer).to_string(), color(optimizer), quartiles(&values), Summary::of(values.clone()).mean)
            };
            panels.push(BoxPanel {
                title: format!("{}: {name}", case.data.name),
                y: name,
                boxes: OPTIMIZERS.map(box_of).into(),
            });
        }
    }
    report.figure(
        "figure-5",
        "Final step, accuracies and losses where training stopped. Boxes span the quartiles, whiskers all trainings; the line is the median, the dot the mean.",
        boxes("Where training stopped", &panels, 5, (250, 270))?,
    );

    report.heading("True dummy nodes (figures 6 and 7)");
    let histograms: Vec<BarPanel> =
        cases.iter().zip(outcomes).map(|(case, outcomes)| histogram(case, outcomes, rule)).collect();
    report.figure(
        "figure-6",
        "How many of the 50 hidden nodes are true dummies in one training. Grey: the same networks at step 0, before any training, which the paper does not show.",
        bars("True dummy nodes in a training", &histograms, 1, (940, 280))?,
    );
    let probabilities: Vec<BarPanel> =
        cases.iter().zip(outcomes).map(|(case, outcomes)| by_node(case, outcomes, rule, spec)).collect();
    report.figure(
        "figure-7",
        "Share of trainings in which a node is a true dummy, by layer and node; layer 5 is next to the output. Grey: at step 0.",
        bars("Probability of a true dummy node", &probabilities, 1, (940, 280))?,
    );
    report.table(layer_table(args, cases, outcomes, spec));

    report.heading("What the paper claims");
    report.table(claims_table(args, cases, outcomes, spec));
    report.text(control(args, cases, outcomes));
    if inits.len() > 1 {
        report.heading("How the conclusions depend on what the paper does not say");
        report.table(grid_table(args, cases, outcomes, inits));
    }
    Ok(report)
}

fn summary_table(args: &DummiesArgs, cases: &[Case], outcomes: &[Vec<Outcome>]) -> Table {
    let names = COLUMNS.map(|(name, ..)| name);
    let header = [&["data", "method"], &names[..], &["true dummies at step 0"]].concat();
    let caption = format!("Mean ± standard deviation of {} trainings where they stopped.", args.replicas);
    let mut table = Table::new("convergence", caption, &header);
    for (case, outcomes) in cases.iter().zip(outcomes) {
        for optimizer in OPTIMIZERS {
            let summary = |value: Column| {
                Summary::of(group(outcomes, 0, optimizer).map(|outcome| value(args.stop_rule.stop(&outcome.points))))
            };
            let cells = COLUMNS.map(|(_, digits, value)| Cell::Spread(summary(value), digits));
            let at_start = Summary::of(
                group(outcomes, 0, optimizer).map(|outcome| f64::from(outcome.points[0].train.true_dummies())),
            );
            let mut row = vec![case.data.name.as_str().into(), shown(optimizer).into()];
            row.extend(cells);
            row.push(Cell::Spread(at_start, 2));
            table.rows.push(row);
        }
    }
    table
}

fn histogram(case: &Case, outcomes: &[Outcome], rule: StopRule) -> BarPanel {
    let dummies = |optimizer| -> Vec<u32> {
        group(outcomes, 0, optimizer).map(|outcome| rule.stop(&outcome.points).train.true_dummies()).collect()
    };
    let start: Vec<u32> =
        group(outcomes, 0, Optimizer::ASGD).map(|outcome| outcome.points[0].train.true_dummies()).collect();
    let sets = [("at step 0".to_string(), GREY, start)].into_iter();
    let sets: Vec<_> = sets
        .chain(OPTIMIZERS.map(|optimizer| (shown(optimizer).to_string(), color(optimizer), dummies(optimizer))))
        .collect();
    let most = sets.iter().flat_map(|(_, _, counts)| counts).copied().max().unwrap_or(0);
    let share = |counts: &[u32], number: u32| {
        counts.iter().filter(|&&count| count == number).count() as f64 / counts.len() as f64
    };
    BarPanel {
        title: case.data.name.clone(),
        x: "true dummy nodes",
        y: "share of trainings",
        places: (0..=most).map(|number| number.to_string()).collect(),
        series: sets
            .into_iter()
            .map(|(name, color, counts)| (name, color, (0..=most).map(|number| share(&counts, number)).collect()))
            .collect(),
        group: 0,
    }
}

/// Share of the evaluations in which each hidden node is a true dummy.
fn probabilities<'a>(points: impl Iterator<Item = &'a Point>) -> Vec<f64> {
    let nodes = HIDDEN.iter().sum::<usize>();
    let mut counts = vec![0.0; nodes];
    let mut trainings = 0.0;
    for point in points {
        trainings += 1.0;
        for (count, node) in counts.iter_mut().zip(&point.train.nodes) {
            *count += f64::from(u8::from(*node == Activity::Never));
        }
    }
    counts.into_iter().map(|count| count / trainings).collect()
}

fn by_node(case: &Case, outcomes: &[Outcome], rule: StopRule, spec: &NetworkSpec) -> BarPanel {
    let start = probabilities(group(outcomes, 0, Optimizer::ASGD).map(|outcome| &outcome.points[0]));
    let of = |optimizer| {
        let values = probabilities(group(outcomes, 0, optimizer).map(|outcome| rule.stop(&outcome.points)));
        (shown(optimizer).to_string(), color(optimizer), values)
    };
    let mut series = vec![("at step 0".to_string(), GREY, start)];
    series.extend(OPTIMIZERS.map(of));
    let hidden = spec.hidden();
    BarPanel {
        title: case.data.name.clone(),
        x: "hidden node (layer.node)",
        y: "probability",
        places: hidden
            .iter()
            .enumerate()
            .flat_map(|(layer, &width)| {
                (1..=width).map(move |node| if node % 5 == 1 { format!("{}.{node}", layer + 1) } else { String::new() })
            })
            .collect(),
        series,
        group: hidden[0],
    }
}

/// Share of a layer's nodes that are true dummies, training by training.
fn share_in_layer(points: &Point, layer: usize) -> f64 {
    let first: usize = HIDDEN[..layer].iter().sum();
    let nodes = &points.train.nodes[first..][..HIDDEN[layer]];
    nodes.iter().filter(|&&node| node == Activity::Never).count() as f64 / HIDDEN[layer] as f64
}

fn layer_table(args: &DummiesArgs, cases: &[Case], outcomes: &[Vec<Outcome>], spec: &NetworkSpec) -> Table {
    let layers = spec.layers().len() - 1;
    let names: Vec<String> = (1..=layers).map(|layer| format!("layer {layer}")).collect();
    let mut header = vec!["data", "method"];
    header.extend(names.iter().map(String::as_str));
    let mut table = Table::new(
        "dummies-by-layer",
        "Probability that a node of a layer is a true dummy: mean ± standard deviation over the trainings.",
        &header,
    );
    for (case, outcomes) in cases.iter().zip(outcomes) {
        for (name, optimizer, at_start) in
            [("at step 0", OPTIMIZERS[0], true), ("aSGD", OPTIMIZERS[0], false), ("SGD", OPTIMIZERS[1], false)]
        {
            let mut row: Vec<Cell> = vec![case.data.name.as_str().into(), name.into()];
            for layer in 0..layers {
                let of = |outcome: &Outcome| {
                    share_in_layer(
                        if at_start { &outcome.points[0] } else { args.stop_rule.stop(&outcome.points) },
                        layer,
                    )
                };
                row.push(Cell::Spread(Summary::of(group(outcomes, 0, optimizer).map(of)), 3));
            }
            table.rows.push(row);
        }
    }
    table
}

fn claims_table(args: &DummiesArgs, cases: &[Case], outcomes: &[Vec<Outcome>], spec: &NetworkSpec) -> Table {
    let rule = args.stop_rule;
    let last = spec.layers().len() - 2;
    let mut table = claims::table("claims", claims::OF_THE_PAPER);
    for (case, outcomes) in cases.iter().zip(outcomes) {
        let name = &case.data.name;
        let more = difference(outcomes, 0, rule, |point| f64::from(point.train.true_dummies()));
        claims::add(
            &mut table,
            format!("{name}: aSGD leaves more true dummies than SGD"),
            &more,
            2,
            Verdict::of_more(&more),
        );
        let claim = format!("{name}: about {} more", case.more_dummies);
        claims::add(&mut table, claim, &more, 2, Verdict::of_about(&more, case.more_dummies));
        let near_output = Summary::of(
            group(outcomes, 0, Optimizer::ASGD).map(|outcome| share_in_layer(rule.stop(&outcome.points), last)),
        );
        let claim = format!(
            "{name}: near the output a node is a true dummy with probability about {} under aSGD",
            case.probability
        );
        claims::add(&mut table, claim, &near_output, 3, Verdict::of_about(&near_output, case.probability));
        if let Some(steps) = case.sooner {
            let sooner = difference(outcomes, 0, rule, |point| -(point.step as f64));
            claims::add(&mut table, format!("{name}: aSGD converges sooner"), &sooner, 0, Verdict::of_more(&sooner));
            let claim = format!("{name}: about {steps} steps sooner");
            claims::add(&mut table, claim, &sooner, 0, Verdict::of_about(&sooner, steps));
        }
    }
    table
}

/// What the paper lacks: how many dummies there are before any training.
fn control(args: &DummiesArgs, cases: &[Case], outcomes: &[Vec<Outcome>]) -> Markup {
    let dummies: Column = |point| f64::from(point.train.true_dummies());
    let sentences = cases.iter().zip(outcomes).map(|(case, outcomes)| {
        let start = Summary::of(group(outcomes, 0, Optimizer::ASGD).map(|outcome| dummies(&outcome.points[0])));
        let change = OPTIMIZERS.map(|optimizer| {
            let changes = group(outcomes, 0, optimizer)
                .map(|outcome| dummies(args.stop_rule.stop(&outcome.points)) - dummies(&outcome.points[0]));
            let change = Summary::of(changes);
            let [low, high] = change.interval();
            format!("{:+.2} ({low:+.2} to {high:+.2}) with {}", change.mean, shown(optimizer))
        });
        format!(
            "On {} {:.2} nodes are true dummies at step 0; training changes that by {}.",
            case.data.name,
            start.mean,
            change.join(" and ")
        )
    });
    html! { p { "The control that the paper lacks: the same networks before any training. " (sentences.collect::<Vec<_>>().join(" ")) } }
}

fn grid_table(args: &DummiesArgs, cases: &[Case], outcomes: &[Vec<Outcome>], inits: &[Init]) -> Table {
    let header = [
        "data",
        "initial weights",
        "stop rule",
        "trainings",
        "dummies at step 0",
        "dummies aSGD",
        "dummies SGD",
        "aSGD - SGD",
        "SGD stops later by",
        "test accuracy aSGD",
        "test accuracy SGD",
    ];
    let caption = "Initialisation and stop rule, everything else as above. Differences seed by seed.";
    let mut table = Table::new("grid", caption, &header);
    let rules = [StopRule::LowestTestLoss, StopRule::LowestTrainLoss, StopRule::Patience(1000), StopRule::Last];
    for (case, outcomes) in cases.iter().zip(outcomes) {
        for (index, init) in inits.iter().enumerate() {
            for rule in rules {
                let of = |optimizer, value: Column| {
                    Summary::of(group(outcomes, index, optimizer).map(|outcome| value(rule.stop(&outcome.points))))
                };
                let dummies: Column = |point| f64::from(point.train.true_dummies());
                let accuracy: Column = |point| point.test.score;
                let at_start =
                    Summary::of(group(outcomes, index, Optimizer::ASGD).map(|outcome| dummies(&outcome.points[0])));
                let trainings = if index == 0 { args.replicas } else { args.grid_replicas };
                table.rows.push(vec![
                    case.data.name.as_str().into(),
                    init.to_string().into(),
                    rule.to_string().into(),
                    Cell::Number(trainings as f64, 0),
                    Cell::Spread(at_start, 1),
                    Cell::Spread(of(Optimizer::ASGD, dummies), 1),
                    Cell::Spread(of(Optimizer::SGD, dummies), 1),
                    Cell::Spread(difference(outcomes, index, rule, dummies), 1),
                    Cell::Spread(difference(outcomes, index, rule, |point| -(point.step as f64)), 0),
                    Cell::Spread(of(Optimizer::ASGD, accuracy), 3),
                    Cell::Spread(of(Optimizer::SGD, accuracy), 3),
                ]);
            }
        }
    }
    table
}
