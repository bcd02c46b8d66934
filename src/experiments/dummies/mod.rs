//! Experiment 2 (section 3.2, figures 5 to 7): true dummy nodes and convergence of 2-10-10-10-10-10-1 on circles and
//! spirals, repeated many times. Network, learning rates, batch size and number of steps are the paper's; what it does
//! not say is an option.

mod report;

use anyhow::Result;
use asgd::dataset::{Circles, Spirals};
use asgd::{Dataset, Error, Init, Model, NetworkSpec, Optimizer, Order, ReplicaSettings, TrainSettings};
use serde_json::json;

use super::{check_seed, Bench, OPTIMIZERS};
use crate::cli::{DummiesArgs, StopRule};
use crate::statistics::Summary;
use crate::training::{Nobody, Pace, Point, SaveEvery, Training};

const HIDDEN: [usize; 5] = [10; 5];
const BATCH_SIZE: usize = 128;

/// What the paper says of a data set.
struct Case {
    data: Dataset,
    learning_rate: f32,
    /// True dummies of an aSGD training more than of an SGD training.
    more_dummies: f64,
    /// Probability that a node near the output is a true dummy under aSGD.
    probability: f64,
    /// Steps that aSGD converges sooner than SGD.
    sooner: Option<f64>,
}

/// One replica.
#[derive(Debug, Clone, Copy)]
struct Member {
    /// Which of the initialisations.
    init: usize,
    optimizer: Optimizer,
    seed: u64,
}

/// What a training came to.
struct Outcome {
    member: Member,
    points: Vec<Point>,
}

pub fn run(args: &DummiesArgs) -> Result<()> {
    let samples = args.samples;
    check_seed(args.common.seed, args.replicas.max(args.grid_replicas))?;
    let cases = [
        Case {
            data: Circles { samples, noise: args.circles_noise, ..Circles::default() }.dataset()?,
            learning_rate: 0.01,
            more_dummies: 5.0,
            probability: 0.2,
            sooner: None,
        },
        Case {
            data: Spirals { samples, noise: args.spirals_noise, ..Spirals::default() }.dataset()?,
            learning_rate: 0.05,
            more_dummies: 3.0,
            probability: 0.12,
            sooner: Some(1500.0),
        },
    ];
    if cases[0].data.train.len() < BATCH_SIZE {
        let problem =
            format!("{samples} points make {} training samples; a batch has {BATCH_SIZE}", cases[0].data.train.len());
        return Err(Error::Setting { setting: "--samples", problem }.into());
    }
    let spec = NetworkSpec::new(&[&[2], &HIDDEN[..], &[1]].concat())?;
    let inits = initialisations(args);
    let settings = json!({
        "replicas": args.replicas, "grid_replicas": args.grid_replicas, "seed": args.common.seed,
        "steps": args.steps, "eval_every": args.eval_every, "init": args.init.to_string(), "epsilon": args.epsilon,
    });
    let data: Vec<&Dataset> = cases.iter().map(|case| &case.data).collect();
    let bench = Bench::open(2, &args.common, &data, settings)?;

    let members = members(args, inits.len());
    let mut pace = Pace::default();
    let mut outcomes = Vec::new();
    for case in &cases {
        let training = training(args, case, &spec, &inits, &members)?;
        bench.report.line(&format!("training {} networks on {}, {} steps", members.len(), case.data.name, args.steps));
        let trained = training.run(&bench.gpu, &bench.folder, &bench.report, &mut Nobody)?;
        pace.add(trained.pace);
        let of_case = members.iter().zip(trained.trajectories).map(|(&member, points)| Outcome { member, points });
        outcomes.push(of_case.collect::<Vec<_>>());
    }

    let report = report::report(args, &bench, &spec, &cases, &outcomes, &inits)?;
    bench.folder.write("trainings.csv", &raw(args, &cases, &outcomes, &inits)?)?;
    bench.finish(&report)?;
    let paper_replicas = 10_000;
    let seconds = training(args, &cases[0], &spec, &inits, &members)?.seconds_per_replica_step(
        &bench.gpu,
        pace,
        2 * paper_replicas,
    )?;
    let command =
        format!("asgd experiment 2 --replicas {paper_replicas} --grid-replicas 0 --eval-every {}", args.eval_every);
    bench.announce(&command, 4.0 * paper_replicas as f64 * 10_000.0, seconds)
}

/// The one that was asked for, then the others of the grid.
fn initialisations(args: &DummiesArgs) -> Vec<Init> {
    let others = [Init::Kaiming, Init::Glorot, Init::Pytorch, Init::Normal(1.0)];
    let others = others.into_iter().filter(|init| *init != args.init && args.grid_replicas > 0);
    [args.init.clone()].into_iter().chain(others).collect()
}

fn members(args: &DummiesArgs, inits: usize) -> Vec<Member> {
    let repeats = |init| if init == 0 { args.replicas } else { args.grid_replicas };
    let groups = (0..inits).flat_map(|init| OPTIMIZERS.map(|optimizer| (init, optimizer)));
    let of_group = |(init, optimizer)| {
        (0..repeats(init) as u64).map(move |repeat| Member { init, optimizer, seed: args.common.seed + repeat })
    };
    groups.flat_map(of_group).collect()
}

fn training<'a>(
    args: &DummiesArgs,
    case: &'a Case,
    spec: &NetworkSpec,
    inits: &[Init],
    members: &[Member],
) -> Result<Training<'a>> {
    let mut initial = Model::zeros(spec, 0);
    for member in members {
        initial.append(&inits[member.init].model(spec, &[member.seed])?);
    }
    let replica = |member: &Member| ReplicaSettings {
        seed: member.seed,
        optimizer: member.optimizer,
        learning_rate: case.learning_rate,
        epsilon: args.epsilon,
    };
    let settings = TrainSettings {
        batch_size: BATCH_SIZE,
        order: Order::Shuffled,
        replicas: members.iter().map(replica).collect(),
        form: None,
    };
    let name = if case.sooner.is_some() { "spirals" } else { "circles" };
    Ok(Training {
        name,
        dataset: &case.data,
        initial,
        settings,
        steps: args.steps,
        evaluate_every: args.eval_every,
        save: SaveEvery::Time(args.save_every),
    })
}

impl StopRule {
    /// The evaluation at which a training counts as stopped.
    fn stop(self, points: &[Point]) -> &Point {
        let lowest = |points: &'_ [Point], loss: fn(&Point) -> f64| {
            // A diverged loss is no minimum.
            let value =
                |index: &usize| if loss(&points[*index]).is_nan() { f64::INFINITY } else { loss(&points[*index]) };
            (0..points.len()).min_by(|a, b| value(a).total_cmp(&value(b))).unwrap_or(0)
        };
        let index = match self {
            Self::LowestTestLoss => lowest(points, |point| point.test.loss),
            Self::LowestTrainLoss => lowest(points, |point| point.train.loss),
            Self::Last => points.len() - 1,
            Self::Patience(steps) => {
                let mut best = 0;
                for (index, point) in points.iter().enumerate() {
                    if point.test.loss < points[best].test.loss {
                        best = index;
                    } else if point.step - points[best].step >= steps {
                        break;
                    }
                }
                best
            }
        };
        &points[index]
    }
}

/// A number of a stopped training.
type Column = fn(&Point) -> f64;

const COLUMNS: [(&str, usize, Column); 6] = [
    ("final step", 0, |point| point.step as f64),
    ("train accuracy", 4, |point| point.train.accuracy),
    ("train loss", 4, |point| point.train.loss),
    ("test accuracy", 4, |point| point.test.accuracy),
    ("test loss", 4, |point| point.test.loss),
    ("true dummies", 2, |point| f64::from(point.train.true_dummies())),
];

/// The trainings of one initialisation and optimizer.
fn group(outcomes: &[Outcome], init: usize, optimizer: Optimizer) -> impl Iterator<Item = &Outcome> {
    outcomes.iter().filter(move |outcome| outcome.member.init == init && outcome.member.optimizer == optimizer)
}

/// A number of both optimizers' trainings, seed by seed: aSGD minus SGD.
fn difference(outcomes: &[Outcome], init: usize, rule: StopRule, value: Column) -> Summary {
    let [asgd, sgd] = OPTIMIZERS.map(|optimizer| group(outcomes, init, optimizer));
    Summary::of(asgd.zip(sgd).map(|(asgd, sgd)| value(rule.stop(&asgd.points)) - value(rule.stop(&sgd.points))))
}

/// Every training, a row each.
fn raw(args: &DummiesArgs, cases: &[Case], outcomes: &[Vec<Outcome>], inits: &[Init]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let names = COLUMNS.map(|(name, ..)| name.replace(' ', "_"));
    let fixed = ["data", "init", "method", "seed"].map(String::from);
    writer.write_record(fixed.iter().chain(&names).chain(&["true_dummies_at_step_0".to_string()]))?;
    for (case, outcomes) in cases.iter().zip(outcomes) {
        for Outcome { member, points } in outcomes {
            let stop = args.stop_rule.stop(points);
            let fixed = [
                case.data.name.clone(),
                inits[member.init].to_string(),
                member.optimizer.to_string(),
                member.seed.to_string(),
            ];
            let values = COLUMNS.map(|(_, _, value)| value(stop).to_string());
            writer.write_record(fixed.iter().chain(&values).chain(&[points[0].train.true_dummies().to_string()]))?;
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

#[cfg(test)]
mod tests {
    use asgd::Evaluation;

    use super::*;

    fn points(test_losses: &[f64]) -> Vec<Point> {
        let evaluation = |loss| Evaluation { loss, accuracy: 0.5, nodes: Vec::new(), has_diverged: false };
        let point = |(index, &loss)| Point {
            step: 100 * index as u64,
            train: evaluation(-(index as f64)),
            test: evaluation(loss),
            mean_adaptive_batch_sizes: Vec::new(),
        };
        test_losses.iter().enumerate().map(point).collect()
    }

    #[test]
    fn stop_rules() {
        let points = points(&[5.0, 3.0, 4.0, 3.5, 2.0, f64::NAN, 2.0]);
        let step = |rule: StopRule| rule.stop(&points).step;
        assert_eq!(step(StopRule::LowestTestLoss), 400, "the first of equal ones");
        assert_eq!(step(StopRule::LowestTrainLoss), 600);
        assert_eq!(step(StopRule::Last), 600);
        assert_eq!(step(StopRule::Patience(200)), 100);
        assert_eq!(step(StopRule::Patience(300)), 400);
        assert_eq!("patience:200".parse(), Ok(StopRule::Patience(200)));
        for wrong in ["", "patience", "patience:", "patience:0", "patience:-1", "first"] {
            assert!(wrong.parse::<StopRule>().is_err(), "{wrong}");
        }
    }
}
