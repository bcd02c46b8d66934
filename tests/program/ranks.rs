//! Several processes that mpirun has started: every byte is that of one process, whatever their number, also when they are killed and
//! started again with another number.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::command::{adapter, run};
use crate::shards::contents;

/// The command in so many processes.
fn mpirun(folder: &Path, ranks: usize, arguments: &str) -> Command {
    let mut command = Command::new("mpirun");
    command.args(["--allow-run-as-root", "--oversubscribe", "-n", &ranks.to_string(), env!("CARGO_BIN_EXE_asgd")]);
    command.current_dir(folder).args(arguments.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // On this machine alone, which need not have ssh.
    command.env("OMPI_MCA_plm", "isolated");
    command
}

#[track_caller]
fn succeeds(folder: &Path, ranks: usize, arguments: &str) -> Output {
    let output = mpirun(folder, ranks, arguments).output().expect("mpirun: install openmpi-bin");
    assert!(output.status.success(), "{ranks} ranks, {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

#[track_caller]
fn is_the_same(path: &Path, run: &str, whole: &str, what: &str) {
    let (whole, found) = (contents(&path.join(whole)), contents(&path.join(run)));
    let differing: Vec<&String> = whole.keys().filter(|name| found.get(*name) != whole.get(*name)).collect();
    assert!(differing.is_empty() && found.len() == whole.len() && whole.len() >= 4, "{what}: {differing:?}");
}

/// Replicas, a sweep of two groups, what stops early; more processes than networks; on both engines.
#[test]
fn ranks_give_the_bytes_of_one_process() {
    let common = "train circles --samples 100 --batch-size 16 --epochs 6 --eval-every 2";
    for (options, counts) in [
        ("--replicas 4 --optimizer aadam --device cpu".into(), vec![1, 2, 3, 5]),
        ("--replicas 3 --lr 0.01,0.1 --hidden 5 --hidden 4,3 --device cpu".into(), vec![3]),
        ("--replicas 5 --validation 0.2 --patience 1 --schedule plateau:1:0.5".into(), vec![2]),
        (format!("--replicas 3 --device {}", adapter()), vec![2]),
    ] {
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        let said = run(path, &format!("{common} {options} --out whole")).stdout;
        for count in counts {
            let output = succeeds(path, count, &format!("{common} {options} --out ranks-{count}"));
            is_the_same(path, &format!("ranks-{count}"), "whole", &format!("{options}, {count} ranks"));
            // One of them speaks, and says the same.
            let last = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().last().map(String::from);
            assert_eq!(last(&output.stdout), last(&said));
            assert_eq!(String::from_utf8_lossy(&output.stdout).matches("sha256 ").count(), 1);
            let progress = String::from_utf8_lossy(&output.stderr).matches("epoch     2 ").count();
            assert!(progress <= 2, "{}", String::from_utf8_lossy(&output.stderr));
        }
        // It is a run like any other: one process makes it longer.
        if options.contains("aadam") {
            run(path, "train --resume ranks-3 --epochs 8 --quiet");
            run(path, "train --resume whole --epochs 8 --quiet");
            is_the_same(path, "ranks-3", "whole", "made longer");
        }
    }
}

/// A part by several processes, and experiments: one whose networks are known before, and one where results decide what is trained.
#[test]
fn parts_and_experiments_by_ranks() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let command = "experiment 2 --replicas 3 --grid-replicas 1 --steps 40 --samples 200 --device cpu --quiet";
    run(path, &format!("{command} --out whole"));
    succeeds(path, 2, &format!("{command} --out ranks"));
    is_the_same(path, "ranks", "whole", command);
    succeeds(path, 2, &format!("{command} --shard 1/2 --out part-1"));
    run(path, &format!("{command} --shard 2/2 --out part-2"));
    run(path, "merge part-1 part-2 --out merged --quiet");
    is_the_same(path, "merged", "whole", "a part by ranks");
    succeeds(path, 2, "experiment 1 --quiet --out first --steps 20");
}

/// Processes that share every batch: the bytes of one, whatever their number; sparse data and dense, a short last batch, rules with
/// moments, dropout, clipping.
#[test]
fn shared_batches_give_the_bytes_of_one_process() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let circles = "train circles --samples 200 --batch-size 48 --epochs 4 --device cpu --quiet";
    for (index, (options, counts)) in [
        (" --hidden 64,32", vec![1, 2, 3, 5]),
        (" --replicas 2 --optimizer aadam --dropout 0.2 --clip-norm 1", vec![2]),
        (" --validation 0.2 --patience 2 --lr 0.5,0.1", vec![3]),
    ]
    .into_iter()
    .enumerate()
    {
        run(path, &format!("{circles}{options} --out whole-{index}"));
        for count in counts {
            let out = format!("shared-{index}-{count}");
            succeeds(path, count, &format!("{circles}{options} --data-parallel --out {out}"));
            is_the_same(path, &out, &format!("whole-{index}"), &format!("{options}, {count} ranks"));
        }
    }
    let refused = mpirun(path, 2, &format!("{circles} --batch-norm --data-parallel --out no")).output().unwrap();
    assert!(!refused.status.success() && errors(&refused)[0].contains("--batch-norm"), "{:?}", errors(&refused));
}

/// Kills the processes of a job again and again, at random moments, and starts it with another number of processes.
#[test]
fn killed_ranks_lose_nothing() {
    kill_and_resume(
        "train circles --replicas 6 --epochs 2700 --eval-every 900 --checkpoint-every 5 --quiet --device cpu",
        20,
    );
}

/// The same where they share batches.
#[test]
fn killed_ranks_that_share_batches_lose_nothing() {
    kill_and_resume(
        "train circles --epochs 1500 --eval-every 500 --checkpoint-every 2 --hidden 40,20 --quiet --device cpu --data-parallel",
        6,
    );
}

fn kill_and_resume(command: &str, kills: usize) {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    run(path, &format!("{command} --out whole"));
    let mut state = 2026u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % below
    };
    let mut hits = 0;
    for kill in 0..kills {
        let ranks = [1, 2, 3, 5][random(4) as usize];
        // The first ones may be killed before there is anything to resume.
        let is_begun = path.join("killed/settings.json").exists();
        let arguments = if is_begun { "train --resume killed --quiet" } else { &format!("{command} --out killed") };
        let mut job = mpirun(path, ranks, arguments).spawn().unwrap();
        if kill == 0 {
            wait_for_checkpoint(path, &mut job);
        }
        sleep(Duration::from_millis(random(if kill == 0 { 200 } else { 1500 })));
        // All at once, as a power cut would, or one of them.
        let processes = children(job.id());
        hits += usize::from(job.try_wait().unwrap().is_none());
        match processes.is_empty() || kill % 2 == 0 {
            true => processes.into_iter().chain([job.id()]).for_each(kill_process),
            false => kill_process(processes[random(processes.len() as u64) as usize]),
        }
        let output = job.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!stderr.contains("panicked") && !stderr.contains("damaged"), "{stderr}");
        // What mpirun has left ends by itself.
        sleep(Duration::from_millis(100));
    }
    assert!(hits >= kills / 2, "{hits} of {kills} kills came before the end");
    succeeds(path, 3, "train --resume killed --quiet");
    is_the_same(path, "killed", "whole", "killed and resumed");
}

fn wait_for_checkpoint(path: &Path, job: &mut Child) {
    let start = Instant::now();
    while std::fs::read_dir(path.join("killed/checkpoints")).map_or(0, Iterator::count) == 0 {
        assert!(job.try_wait().unwrap().is_none(), "it ended before the first checkpoint");
        assert!(start.elapsed() < Duration::from_secs(60), "no checkpoint");
        sleep(Duration::from_millis(2));
    }
}

/// The asgd processes below mpirun.
fn children(parent: u32) -> Vec<u32> {
    let listed = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|id| id.parse().ok()).collect()
}

fn kill_process(id: u32) {
    let _ = Command::new("kill").args(["-KILL", &id.to_string()]).stderr(Stdio::null()).status();
}

/// The lines that asgd says, among those of mpirun.
fn errors(output: &Output) -> Vec<String> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    stderr.lines().filter(|line| line.starts_with("error: ")).map(String::from).collect()
}

/// What goes wrong is said once, and ends all processes.
#[test]
fn one_line_says_what_is_wrong() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    for (arguments, word) in [
        ("train nowhere.csv", "nowhere.csv"),
        ("train --replicas 0", "replicas"),
        ("evaluate model.safetensors circles", "start one, without mpirun"),
        ("train circles --device cpu --device cpu", "has one device; name one"),
        ("train circles --data-parallel --device cpu --device cpu", "name no other device"),
    ] {
        let output = mpirun(path, 3, arguments).output().unwrap();
        let errors = errors(&output);
        assert!(!output.status.success() && errors.len() == 1 && errors[0].contains(word), "{arguments}: {errors:?}");
    }
    // Others would wait for ever for what only some of them do.
    let binary = env!("CARGO_BIN_EXE_asgd");
    let mut apart = mpirun(path, 1, "train circles --device cpu --out apart");
    let output = apart
        .args([":", "-n", "1", binary, "train", "circles", "--device", "cpu", "--seed", "5", "--out", "apart"])
        .output()
        .unwrap();
    assert!(
        errors(&output).len() == 1 && errors(&output)[0].contains("different command lines"),
        "{:?}",
        errors(&output)
    );
    // Ctrl-C in an evaluation that takes longer than mpirun waits.
    let train = "train circles --samples 400000 --replicas 60 --epochs 100 --device cpu --out evaluated";
    let mut job = mpirun(path, 2, train).spawn().unwrap();
    let start = Instant::now();
    while !path.join("evaluated/checkpoints").exists() {
        assert!(start.elapsed() < Duration::from_secs(60) && job.try_wait().unwrap().is_none());
        sleep(Duration::from_millis(5));
    }
    sleep(Duration::from_millis(100));
    let _ = Command::new("kill").args(["-INT", &job.id().to_string()]).status();
    let output = job.wait_with_output().unwrap();
    let said = errors(&output);
    assert!(
        said.len() == 1 && said[0].contains("resume with: asgd train --resume"),
        "{:?}",
        String::from_utf8_lossy(&output.stderr)
    );
    // A process that is killed ends the job with how to go on; whichever it is.
    for rank in 0..2 {
        let run = format!("killed-{rank}");
        let mut job = mpirun(path, 2, &format!("train circles --replicas 4 --epochs 100000 --device cpu --out {run}"))
            .spawn()
            .unwrap();
        let start = Instant::now();
        while !path.join(&run).join("checkpoints").exists() {
            assert!(start.elapsed() < Duration::from_secs(60) && job.try_wait().unwrap().is_none());
            sleep(Duration::from_millis(5));
        }
        sleep(Duration::from_millis(300));
        kill_process(children(job.id())[rank]);
        let output = job.wait_with_output().unwrap();
        let errors = errors(&output);
        assert!(!output.status.success(), "rank {rank}");
        assert!(
            errors.len() == 1 && errors[0].contains("resume with: asgd train --resume"),
            "rank {rank}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
