//! Experiment 3 (section 3.3, figure 8, tables 1 and 2): MNIST with 784-30-20-10 at the paper's learning rates.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use asgd::{Dataset, Init, Model, NetworkSpec, Optimizer, ReplicaSettings, TrainSettings};
use clap::Args;
use maud::html;
use serde_json::json;

use super::bench::{Bench, CommonArgs, check_seed, device_line, scientific, shown};
use super::claims::{self, Verdict};
use super::curves::{self, Column, TEST_ACCURACY, TEST_LOSS, TRAIN_ACCURACY, TRAIN_LOSS};
use super::mnist::{BATCH_SIZE, WIDTHS, steps_per_epoch};
use crate::data_source::open_known;
use crate::figures::{PALETTE, lines};
use crate::report::Report;
use crate::run::chunks::{Nobody, SaveEvery, Training};
use crate::run::metrics::Point;
use crate::run::outcome;
use crate::run::shard::Shard;
use crate::statistics::Summary;
use crate::table::{Cell, Table};
use crate::values::{at_least_one, drawn_init, not_negative, seconds};

#[derive(Debug, Args)]
#[command(after_help = "\
The paper's size: asgd experiment 3 --replicas 100 --epochs 500
A first look:     asgd experiment 3 --replicas 2 --epochs 2")]
pub struct LearningRatesArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    /// Train only the K-th of N parts of all networks, as a job of its own; `asgd merge` makes one experiment of all parts.
    #[arg(long, value_name = "K/N")]
    pub shard: Option<Shard>,
    /// Repeats of each of the eleven rows of tables 1 and 2.
    #[arg(long, value_name = "R", default_value_t = 3, value_parser = at_least_one::<usize>)]
    pub replicas: usize,
    /// Passes over the training set.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub epochs: u64,
    /// Initial weights: kaiming, glorot, pytorch or normal:STD. N(0, 1) reproduces the paper's figures.
    #[arg(long, value_name = "INIT", default_value = "normal:1", value_parser = drawn_init)]
    pub init: Init,
    /// epsilon in S / (c + epsilon) of aSGD, or several, separated by commas, to compare them.
    #[arg(long, default_value = "1e-8", value_delimiter = ',', value_parser = not_negative::<f32>)]
    pub epsilon: Vec<f32>,
    /// Seconds from one save of what is trained to the next; that much is lost if the program is killed.
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    pub save_every: Duration,
    /// Folder that holds mnist/. [default: $ASGD_DATA_DIR, else the user's data folder]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Repeats of the paper.
const PAPER_REPLICAS: usize = 100;
const PAPER_EPOCHS: u64 = 500;

/// A row of the paper's tables 1 and 2: (mean, standard deviation) of train accuracy, train loss, test accuracy and
/// test loss at the epoch of the lowest test loss.
struct PaperRow {
    optimizer: Optimizer,
    learning_rate: f32,
    values: [(f64, f64); 4],
}

const fn row(optimizer: Optimizer, learning_rate: f32, values: [(f64, f64); 4]) -> PaperRow {
    PaperRow { optimizer, learning_rate, values }
}

const PAPER: [PaperRow; 11] = [
    row(Optimizer::ASGD, 0.001, [(0.9464, 0.0055), (0.1774, 0.0194), (0.9372, 0.0044), (0.2253, 0.0172)]),
    row(Optimizer::ASGD, 0.003, [(0.9645, 0.0033), (0.1189, 0.0117), (0.9488, 0.0027), (0.1965, 0.0126)]),
    row(Optimizer::ASGD, 0.005, [(0.9652, 0.0039), (0.1168, 0.0135), (0.9498, 0.0034), (0.1922, 0.0164)]),
    row(Optimizer::ASGD, 0.01, [(0.9662, 0.0032), (0.1135, 0.0102), (0.9493, 0.0029), (0.1937, 0.0112)]),
    row(Optimizer::SGD, 0.001, [(0.8137, 0.0438), (0.5859, 0.1174), (0.8186, 0.0430), (0.5783, 0.1189)]),
    row(Optimizer::SGD, 0.003, [(0.8874, 0.0234), (0.3787, 0.0774), (0.8876, 0.0231), (0.3834, 0.0778)]),
    row(Optimizer::SGD, 0.01, [(0.9376, 0.0063), (0.2131, 0.0252), (0.9317, 0.0062), (0.2423, 0.0257)]),
    row(Optimizer::SGD, 0.03, [(0.9615, 0.0036), (0.1311, 0.0129), (0.9484, 0.0034), (0.1984, 0.0176)]),
    row(Optimizer::SGD, 0.05, [(0.9625, 0.0033), (0.1276, 0.0111), (0.9484, 0.0026), (0.2023, 0.0141)]),
    row(Optimizer::SGD, 0.07, [(0.9611, 0.0043), (0.1326, 0.0145), (0.9474, 0.0036), (0.2074, 0.0164)]),
    row(Optimizer::SGD, 0.1, [(0.9599, 0.0039), (0.1374, 0.0137), (0.9465, 0.0029), (0.2099, 0.0126)]),
];

const COLUMNS: [(&str, Column); 4] = [TRAIN_ACCURACY, TRAIN_LOSS, TEST_ACCURACY, TEST_LOSS];

/// The trainings of one row.
struct Group {
    /// The row's place in [`PAPER`].
    paper: usize,
    epsilon: f32,
    /// (repeats, evaluations)
    trajectories: Vec<Vec<Point>>,
}

impl Group {
    fn row(&self) -> &'static PaperRow {
        &PAPER[self.paper]
    }

    fn name(&self, several_epsilons: bool) -> String {
        let PaperRow { optimizer, learning_rate, .. } = self.row();
        let epsilon = if several_epsilons && *optimizer == Optimizer::ASGD {
            format!(", ε {}", scientific(self.epsilon))
        } else {
            String::new()
        };
        format!("{} {learning_rate}{epsilon}", shown(*optimizer))
    }

    /// Every training at the epoch of its lowest test loss.
    fn best(&self) -> impl Iterator<Item = &Point> {
        let lowest = |points: &'_ Vec<Point>| {
            let value = |point: &Point| if point.test.loss.is_nan() { f64::INFINITY } else { point.test.loss };
            (0..points.len()).min_by(|&a, &b| value(&points[a]).total_cmp(&value(&points[b]))).unwrap_or(0)
        };
        self.trajectories.iter().map(move |points| &points[lowest(points)])
    }

    fn summary(&self, value: Column) -> Summary {
        Summary::of(self.best().map(value))
    }
}

fn paper_summary(row: &PaperRow, column: usize) -> Summary {
    let (mean, deviation) = row.values[column];
    Summary { mean, deviation, count: PAPER_REPLICAS }
}

pub fn run(args: &LearningRatesArgs) -> Result<()> {
    check_seed(args.common.seed, args.replicas)?;
    let data = open_known("mnist", args.data_dir.as_deref(), 10)?;
    let spec = NetworkSpec::new(&WIDTHS)?;
    let own = json!({
        "replicas": args.replicas, "epochs": args.epochs, "seed": args.common.seed, "init": args.init.to_string(),
        "epsilon": args.epsilon,
    });
    let bench = Bench::open(3, &args.common, args.shard, &[&data], own)?;
    let rows: Vec<(usize, f32)> = (0..PAPER.len())
        .flat_map(|paper| {
            let epsilons =
                if PAPER[paper].optimizer == Optimizer::ASGD { &args.epsilon[..] } else { &args.epsilon[..1] };
            epsilons.iter().map(move |&epsilon| (paper, epsilon))
        })
        .collect();
    let training = training(args, &data, &spec, &rows)?;
    bench.report.line(&format!("training {} networks, {} epochs", rows.len() * args.replicas, args.epochs));
    let trained = training.run(&bench.devices, &bench.folder, &bench.report, &mut Nobody)?;
    let Some(trained) = trained else { return outcome::finish_shard(&bench.folder, args.common.quiet, false) };
    let groups: Vec<Group> = rows
        .iter()
        .zip(trained.trajectories.chunks(args.replicas))
        .map(|(&(paper, epsilon), trajectories)| Group { paper, epsilon, trajectories: trajectories.to_vec() })
        .collect();
    let steps_per_epoch = steps_per_epoch(&data);
    bench.folder.write("curves.csv", &curves_csv(args, &groups, steps_per_epoch)?)?;
    bench.finish(&report(args, &bench, &data, &groups)?)?;
    let paper_size = PAPER.len() * PAPER_REPLICAS;
    let seconds = training.seconds_per_replica_step(bench.device(), trained.pace, paper_size)?;
    let command = format!("asgd experiment 3 --replicas {PAPER_REPLICAS} --epochs {PAPER_EPOCHS}");
    bench.announce(&command, (paper_size as u64 * PAPER_EPOCHS * steps_per_epoch) as f64, seconds);
    Ok(())
}

fn training<'a>(
    args: &LearningRatesArgs,
    data: &'a Dataset,
    spec: &NetworkSpec,
    rows: &[(usize, f32)],
) -> Result<Training<'a>> {
    let seeds: Vec<u64> = (0..args.replicas as u64).map(|repeat| args.common.seed + repeat).collect();
    // Every row starts from the same networks.
    let start = args.init.model(spec, &seeds)?;
    let mut initial = Model::zeros(spec, 0);
    let mut replicas = Vec::new();
    for &(paper, epsilon) in rows {
        let PaperRow { optimizer, learning_rate, .. } = PAPER[paper];
        initial.append(&start);
        let own = ReplicaSettings { optimizer, learning_rate, epsilon, ..Default::default() };
        replicas.extend(seeds.iter().map(|&seed| ReplicaSettings { seed, ..own }));
    }
    let settings = TrainSettings { batch_size: BATCH_SIZE, replicas, ..Default::default() };
    let every = steps_per_epoch(data);
    Ok(Training {
        name: "mnist".into(),
        dataset: data,
        initial,
        settings,
        steps: args.epochs * every,
        evaluate_every: every,
        rules: None,
        save: SaveEvery::Time(args.save_every),
        is_for_all: false,
    })
}

fn report(args: &LearningRatesArgs, bench: &Bench, data: &Dataset, groups: &[Group]) -> Result<Report> {
    let several = args.epsilon.len() > 1;
    let mut report = Report::new("Experiment 3: MNIST at the paper's learning rates, aSGD beside SGD");
    report.text(html! {
        p { "Shi, Yang, Tang, Yang, Mathematics 2022, 10, 863, section 3.3. Network 784-30-20-10, batches of " (BATCH_SIZE) ", "
            (data.train.len()) " training and " (data.test.len()) " test images, pixels / 255, " (args.epochs) " epochs, " (args.replicas)
            " trainings a row (the paper: " (PAPER_EPOCHS) " epochs, " (PAPER_REPLICAS) " trainings), initial weights " (args.init.to_string())
            ", biases 0, ε = " (args.epsilon.iter().copied().map(scientific).collect::<Vec<_>>().join(" and ")) ". Every row starts from the same networks." }
        @if args.epochs != PAPER_EPOCHS {
            p { "The paper trained " (PAPER_EPOCHS) " epochs. After " (args.epochs) " the slow rows have not arrived, so that differences from the paper's "
                "numbers mean little; the order of the rows at equal epochs means more." }
        }
        p { "The paper leaves the initialisation unsaid: weights from N(0, 1) reproduce its figures, Kaiming's, Glorot's and PyTorch's default do not. "
            "Its table 1 gives aSGD at 0.001 and 0.01 as well; the row for 0.01 there repeats table 2's for 0.005, and the 0.01 of table 2 is what ours is compared with." }
    });
    report.text(device_line(bench.device()));
    report.heading("Tables 1 and 2: at the epoch of the lowest test loss");
    report.table(results_table(args, groups, data));
    report.table(cells_table(groups, several));
    report.heading("The order of the rows");
    order(&mut report, groups, several);
    report.heading("Learning curves (figure 8)");
    for (name, caption, title, chosen) in [
        ("figure-8-equal", "Equal learning rates.", "Equal learning rates", EQUAL),
        ("figure-8-suitable", "Learning rates that suit each method.", "Suitable learning rates", SUITABLE),
    ] {
        let band =
            if args.replicas > 1 { " Lines are means, bands the 95 % confidence interval of the mean." } else { "" };
        report.figure(name, format!("{caption}{band}"), figure(title, groups, chosen, steps_per_epoch(data), several)?);
    }
    report.heading("What the paper claims");
    report.table(claims_table(groups, several));
    Ok(report)
}

fn results_table(args: &LearningRatesArgs, groups: &[Group], data: &Dataset) -> Table {
    let header =
        ["method", "learning rate", "ε", "epoch", "train accuracy", "train loss", "test accuracy", "test loss"];
    let caption = match args.replicas {
        1 => "Ours: one training, at the epoch of its lowest test loss.".to_string(),
        count => {
            format!("Ours: mean ± standard deviation of {count} trainings, each at the epoch of its lowest test loss.")
        }
    };
    let mut table = Table::new("results", caption, &header);
    for group in groups {
        let PaperRow { optimizer, learning_rate, .. } = group.row();
        let per_epoch = steps_per_epoch(data) as f64;
        let epochs = Summary::of(group.best().map(|point| point.step as f64 / per_epoch));
        let mut row = vec![
            shown(*optimizer).into(),
            learning_rate.to_string().into(),
            if *optimizer == Optimizer::ASGD { scientific(group.epsilon).into() } else { "".into() },
            Cell::Spread(epochs, 1),
        ];
        row.extend(COLUMNS.map(|(_, value)| Cell::Spread(group.summary(value), 4)));
        table.rows.push(row);
    }
    table
}

fn cells_table(groups: &[Group], several: bool) -> Table {
    let caption = "Every cell beside the paper's: the difference in units of the combined standard error, and whether our mean lies within one of \
                   the paper's standard deviations of its mean.";
    let header =
        ["row", "quantity", "ours", "paper", "ours - paper", "in standard errors", "within one standard deviation"];
    let mut table = Table::new("beside-the-paper", caption, &header);
    for group in groups {
        for (column, (name, value)) in COLUMNS.iter().enumerate() {
            let (ours, paper) = (group.summary(*value), paper_summary(group.row(), column));
            let is_within = (ours.mean - paper.mean).abs() <= paper.deviation;
            table.rows.push(vec![
                group.name(several).into(),
                (*name).into(),
                Cell::Spread(ours, 4),
                Cell::Spread(paper, 4),
                Cell::Number(ours.mean - paper.mean, 4),
                Cell::Number(ours.standard_errors_above(&paper), 1),
                if is_within { "yes" } else { "no" }.into(),
            ]);
        }
    }
    table
}

/// How many pairs of rows are in the paper's order.
fn order(report: &mut Report, groups: &[Group], several: bool) {
    let caption = "Pairs of rows that the paper tells apart (its means differ by more than two combined standard errors), and how many of them \
                   are in the same order here.";
    let mut table = Table::new("order", caption, &["quantity", "pairs", "same order", "other order"]);
    for (column, (name, value)) in COLUMNS.iter().enumerate() {
        let (mut pairs, mut same, mut others) = (0, 0, Vec::new());
        for (index, a) in groups.iter().enumerate() {
            for b in &groups[index + 1..] {
                let (paper_a, paper_b) = (paper_summary(a.row(), column), paper_summary(b.row(), column));
                let apart = paper_a.standard_errors_above(&paper_b);
                if apart.abs() <= 2.0 {
                    continue;
                }
                pairs += 1;
                if (a.summary(*value).mean - b.summary(*value).mean) * apart > 0.0 {
                    same += 1;
                } else {
                    others.push(format!("{} / {}", a.name(several), b.name(several)));
                }
            }
        }
        let others = if others.is_empty() { "–".to_string() } else { others.join("; ") };
        table.rows.push(vec![
            (*name).into(),
            Cell::Number(f64::from(pairs), 0),
            Cell::Number(f64::from(same), 0),
            others.into(),
        ]);
    }
    report.table(table);
    let mut ranks = Table::new(
        "ranks",
        "Rows by test loss after equal epochs, best first.",
        &["rank", "ours", "test loss", "paper", "test loss (paper)"],
    );
    let mut ours: Vec<(String, Summary)> =
        groups.iter().map(|group| (group.name(several), group.summary(COLUMNS[3].1))).collect();
    ours.sort_by(|a, b| a.1.mean.total_cmp(&b.1.mean));
    let mut paper: Vec<(String, Summary)> =
        groups.iter().map(|group| (group.name(several), paper_summary(group.row(), 3))).collect();
    paper.sort_by(|a, b| a.1.mean.total_cmp(&b.1.mean));
    for (rank, (ours, paper)) in ours.into_iter().zip(paper).enumerate() {
        ranks.rows.push(vec![
            Cell::Number(rank as f64 + 1.0, 0),
            ours.0.into(),
            Cell::Spread(ours.1, 4),
            paper.0.into(),
            Cell::Spread(paper.1, 4),
        ]);
    }
    report.table(ranks);
}

/// Rows of figure 8, by optimizer and learning rate.
type Choice = &'static [(Optimizer, f32)];

const EQUAL: Choice = &[
    (Optimizer::ASGD, 0.001),
    (Optimizer::ASGD, 0.003),
    (Optimizer::ASGD, 0.01),
    (Optimizer::SGD, 0.001),
    (Optimizer::SGD, 0.003),
    (Optimizer::SGD, 0.01),
];

const SUITABLE: Choice = &[
    (Optimizer::ASGD, 0.003),
    (Optimizer::ASGD, 0.005),
    (Optimizer::ASGD, 0.01),
    (Optimizer::SGD, 0.03),
    (Optimizer::SGD, 0.05),
    (Optimizer::SGD, 0.07),
    (Optimizer::SGD, 0.1),
];

fn figure(title: &str, groups: &[Group], chosen: Choice, steps_per_epoch: u64, several: bool) -> Result<String> {
    let shown_groups: Vec<&Group> = groups
        .iter()
        .filter(|group| {
            chosen
                .iter()
                .any(|&(optimizer, rate)| optimizer == group.row().optimizer && rate == group.row().learning_rate)
        })
        .collect();
    let panel = |column: (&'static str, Column)| {
        let curve = |(group, color): (&&Group, _)| {
            curves::curve(group.name(several), color, &group.trajectories, column.1, steps_per_epoch)
        };
        let curves = shown_groups.iter().zip(PALETTE.into_iter().cycle()).map(curve).collect();
        curves::panel(column.0.to_string(), column, curves)
    };
    let panels = [panel(COLUMNS[1]), panel(COLUMNS[3]), panel(COLUMNS[0]), panel(COLUMNS[2])];
    lines(title, &panels, 2, (520, 380))
}

fn claims_table(groups: &[Group], several: bool) -> Table {
    let mut table = claims::table("claims", claims::OF_THE_PAPER);
    let find = |optimizer, rate: f32, epsilon: f32| {
        groups.iter().find(|group| {
            group.row().optimizer == optimizer
                && group.row().learning_rate == rate
                && (optimizer == Optimizer::SGD || group.epsilon == epsilon)
        })
    };
    let mut epsilons: Vec<f32> = groups.iter().map(|group| group.epsilon).collect();
    epsilons.sort_by(f32::total_cmp);
    epsilons.dedup();
    for epsilon in epsilons {
        let with = if several { format!(" (ε {})", scientific(epsilon)) } else { String::new() };
        let mut compare = |claim: String, asgd: f32, sgd: f32, value: Column, digits: usize| {
            if let (Some(asgd), Some(sgd)) = (find(Optimizer::ASGD, asgd, epsilon), find(Optimizer::SGD, sgd, epsilon))
            {
                let difference = Summary::of(asgd.best().zip(sgd.best()).map(|(asgd, sgd)| value(asgd) - value(sgd)));
                claims::add(&mut table, claim, &difference, digits, Verdict::of_more(&difference));
            }
        };
        for rate in [0.001, 0.003, 0.01] {
            compare(
                format!("at the equal rate {rate} aSGD's test accuracy is higher than SGD's{with}"),
                rate,
                rate,
                |point| point.test.score,
                4,
            );
            compare(
                format!("at the equal rate {rate} aSGD's test loss is lower than SGD's{with}"),
                rate,
                rate,
                |point| -point.test.loss,
                4,
            );
        }
        for rate in [0.03, 0.05] {
            compare(
                format!("aSGD at 0.005 reaches a higher test accuracy than SGD at {rate}, its best{with}"),
                0.005,
                rate,
                |point| point.test.score,
                4,
            );
            compare(
                format!("aSGD at 0.005 reaches a lower test loss than SGD at {rate}{with}"),
                0.005,
                rate,
                |point| -point.test.loss,
                4,
            );
        }
    }
    table
}

/// Every evaluation of every training.
fn curves_csv(args: &LearningRatesArgs, groups: &[Group], steps_per_epoch: u64) -> Result<String> {
    let row = |group: &'_ Group| {
        let PaperRow { optimizer, learning_rate, .. } = group.row();
        vec![optimizer.to_string(), learning_rate.to_string(), group.epsilon.to_string()]
    };
    let rows: Vec<_> = groups.iter().map(|group| (row(group), &group.trajectories[..])).collect();
    curves::csv(&["method", "learning_rate", "epsilon"], &rows, args.common.seed, steps_per_epoch)
}
