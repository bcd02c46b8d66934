//! Experiment 2 (section 3.2, figures 5 to 7): true dummy nodes and convergence of 2-10-10-10-10-10-1 on circles and
//! spirals, repeated many times. Network, learning rates, batch size and number of steps are the paper's; what it does
//! not say is an option.

mod arguments;
mod outcomes;
mod report;

use anyhow::Result;
use asgd::dataset::{Circles, Spirals};
use asgd::{Dataset, Error, Init, Model, NetworkSpec, ReplicaSettings, TrainSettings};
use serde_json::json;

pub use self::arguments::DummiesArgs;
use self::outcomes::{BATCH_SIZE, COLUMNS, Case, HIDDEN, Member, Outcome};
use super::bench::{Bench, OPTIMIZERS, check_seed};
use crate::run::chunks::{Nobody, SaveEvery, Training};
use crate::run::outcome;
use crate::run::pace::Pace;

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
    let bench = Bench::open(2, &args.common, args.shard, &data, settings)?;

    let members = members(args, inits.len());
    let mut pace = Pace::default();
    let mut outcomes = Vec::new();
    for case in &cases {
        let training = training(args, case, &spec, &inits, &members)?;
        bench.report.line(&format!("training {} networks on {}, {} steps", members.len(), case.data.name, args.steps));
        let trained = training.run(&bench.devices, &bench.folder, &bench.report, &mut Nobody)?;
        let Some(trained) = trained else { continue };
        pace.add(trained.pace);
        let of_case = members.iter().zip(trained.trajectories).map(|(&member, points)| Outcome { member, points });
        outcomes.push(of_case.collect::<Vec<_>>());
    }

    if outcomes.len() < cases.len() {
        return outcome::finish_shard(&bench.folder, args.common.quiet, false);
    }
    let report = report::report(args, &bench, &spec, &cases, &outcomes, &inits)?;
    bench.folder.write("trainings.csv", &raw(args, &cases, &outcomes, &inits)?)?;
    bench.finish(&report)?;
    let paper_replicas = 10_000;
    let seconds = training(args, &cases[0], &spec, &inits, &members)?.seconds_per_replica_step(
        bench.device(),
        pace,
        2 * paper_replicas,
    )?;
    let command =
        format!("asgd experiment 2 --replicas {paper_replicas} --grid-replicas 0 --eval-every {}", args.eval_every);
    bench.announce(&command, 4.0 * paper_replicas as f64 * 10_000.0, seconds);
    Ok(())
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
        ..Default::default()
    };
    let settings =
        TrainSettings { batch_size: BATCH_SIZE, replicas: members.iter().map(replica).collect(), ..Default::default() };
    let name = if case.sooner.is_some() { "spirals" } else { "circles" }.to_string();
    Ok(Training {
        name,
        dataset: &case.data,
        initial,
        settings,
        steps: args.steps,
        evaluate_every: args.eval_every,
        rules: None,
        save: SaveEvery::Time(args.save_every),
        is_for_all: false,
    })
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
