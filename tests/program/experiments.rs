//! The paper's experiments as a user runs them: what they leave behind, interruptions, mistakes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use crate::command::{asgd, refuses, run};

/// Everything that an experiment shows, by name; of its settings, without how it was called.
fn results(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let named = entries.map(|path| {
        let (name, bytes) = (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap());
        let settings = serde_json::from_slice::<serde_json::Value>(&bytes).ok().filter(|_| name == "settings.json");
        let Some(mut settings) = settings else { return (name, bytes) };
        settings["arguments"].take();
        (name, settings.to_string().into_bytes())
    });
    named.collect()
}

#[track_caller]
fn same_results(a: &Path, b: &Path) {
    let (a, b) = (results(a), results(b));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in &a {
        assert!(bytes == &b[name], "{name} differs");
    }
}

/// The report shows every table and figure that stands beside it.
#[track_caller]
fn report_is_whole(folder: &Path) {
    let report = fs::read_to_string(folder.join("report.html")).unwrap();
    let mut figures = 0;
    for (name, bytes) in results(folder) {
        let text = String::from_utf8(bytes).unwrap_or_default();
        if name.ends_with(".svg") {
            assert!(report.contains(&text), "{name} is not in the report");
            assert!(!text.contains("NaN") && !text.contains("inf"), "{name} holds a number that is none");
            figures += 1;
        } else if name.ends_with(".md") {
            assert!(text.lines().count() > 4, "{name} is empty");
        }
    }
    assert_eq!(report.matches("<figure>").count(), figures);
    assert!(report.ends_with("</html>"));
}

#[test]
fn experiment_1_draws_the_path_of_every_parameter() {
    let folder = TempDir::new().unwrap();
    run(folder.path(), "experiment 1 --steps 40 --out one");
    let one = folder.path().join("one");
    report_is_whole(&one);
    for figure in ["figure-1a", "figure-2", "figure-3", "figure-4"] {
        assert!(one.join(format!("{figure}.svg")).exists(), "{figure}");
    }
    // 2-3-2-1 has 20 parameters; both methods begin at the same ones and end elsewhere.
    let mut paths = csv::Reader::from_path(one.join("paths.csv")).unwrap();
    assert_eq!(paths.headers().unwrap().len(), 2 + 20);
    let rows: Vec<Vec<String>> = paths.records().map(|row| row.unwrap().iter().map(String::from).collect()).collect();
    assert_eq!(rows.len(), 2 * 41);
    assert_eq!(rows[0][2..], rows[41][2..]);
    assert_ne!(rows[40][2..], rows[81][2..]);
    // What stopped moving is what the last tenth of the steps left as it was.
    let mut outcome = csv::Reader::from_path(one.join("outcome.csv")).unwrap();
    let place = outcome.headers().unwrap().iter().position(|title| title == "stopped moving").unwrap();
    for (method, row) in outcome.records().enumerate() {
        let row = row.unwrap();
        let (early, end) = (&rows[41 * method + 35], &rows[41 * method + 40]);
        assert_eq!((&early[1][..], &end[1][..]), ("35", "40"));
        let still =
            (2..22).filter(|&column| (35..41).all(|step| rows[41 * method + step][column] == end[column])).count();
        assert_eq!(row[place].matches("(step ").count(), still, "{row:?}");
    }
    // The same again gives the same.
    run(folder.path(), "experiment 1 --steps 40 --out again");
    same_results(&one, &folder.path().join("again"));
}

/// Killed again and again, an experiment ends with the same files, byte for byte.
#[test]
fn experiment_2_goes_on_where_it_was_killed() {
    let folder = TempDir::new().unwrap();
    let arguments =
        "experiment 2 --replicas 3 --grid-replicas 2 --steps 400 --eval-every 20 --samples 200 --save-every 0";
    let output = run(folder.path(), &format!("{arguments} --out whole"));
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("asgd experiment 2 --replicas 10000") && stdout.contains("on this device"), "{stdout}");
    let whole = folder.path().join("whole");
    report_is_whole(&whole);
    let trainings = fs::read_to_string(whole.join("trainings.csv")).unwrap();
    assert_eq!(trainings.lines().count(), 1 + 2 * 2 * (3 + 3 * 2));

    let killed = folder.path().join("killed");
    let mut kills = 0;
    for delay_ms in (0..).map(|round: u64| 150 + 170 * round % 400) {
        let mut child = asgd(folder.path(), &format!("{arguments} --out killed --quiet")).spawn().unwrap();
        sleep(Duration::from_millis(delay_ms));
        let _ = child.kill();
        if child.wait().unwrap().success() || kills > 25 {
            break;
        }
        kills += 1;
    }
    assert!(kills >= 2, "killed only {kills} times");
    run(folder.path(), &format!("{arguments} --out killed --quiet"));
    same_results(&whole, &killed);

    // A finished one trains nothing, and other settings are refused.
    run(folder.path(), &format!("{arguments} --out whole --quiet"));
    same_results(&whole, &killed);
    let other = arguments.replace("--replicas 3", "--replicas 4");
    let before = results(&whole);
    let output = asgd(folder.path(), &format!("{other} --out whole --quiet")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("replicas 3, not 4"));
    assert_eq!(results(&whole), before);

    // Files that are damaged, both the last and the one before, are named and not trained over.
    for state in fs::read_dir(whole.join("checkpoints")).unwrap() {
        fs::write(state.unwrap().path(), b"rubbish").unwrap();
    }
    let output = asgd(folder.path(), &format!("{arguments} --out whole --quiet")).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("no checkpoint is whole"));
    assert_eq!(output.status.code(), Some(1));
}

/// Its tables say of the trainings what trainings.csv says of them.
#[test]
fn experiment_2_says_what_its_trainings_are() {
    let folder = TempDir::new().unwrap();
    let arguments = "--replicas 6 --grid-replicas 0 --steps 400 --eval-every 20 --samples 200 --device cpu";
    run(folder.path(), &format!("experiment 2 {arguments} --out two"));
    let table = |name: &str| -> Vec<BTreeMap<String, String>> {
        let mut reader = csv::Reader::from_path(folder.path().join("two").join(name)).unwrap();
        reader.deserialize().map(Result::unwrap).collect()
    };
    let trainings = table("trainings.csv");
    // Seed by seed.
    let column = |data: &str, method: &str, name: &str| -> Vec<f64> {
        let own = trainings.iter().filter(|row| row["data"] == data && row["method"] == method);
        own.map(|row| row[name].parse().unwrap()).collect()
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let rows = ["circles", "spirals"].into_iter().flat_map(|data| ["asgd", "sgd"].map(|method| (data, method)));
    for ((data, method), row) in rows.zip(table("convergence.csv")) {
        assert_eq!((&row["data"][..], row["method"].to_lowercase().as_str()), (data, method));
        for name in ["final step", "train accuracy", "train loss", "test accuracy", "test loss", "true dummies"] {
            let shown: f64 = row[&format!("{name}, mean")].parse().unwrap();
            assert!(
                (shown - mean(&column(data, method, &name.replace(' ', "_")))).abs() < 1e-9,
                "{data} {method} {name}"
            );
        }
    }
    // Of each layer's ten nodes a share; all together are the nodes that are dead.
    for row in table("dummies-by-layer.csv") {
        let shares: Vec<f64> = (1..=5).map(|layer| row[&format!("layer {layer}, mean")].parse().unwrap()).collect();
        let expected = match &row["method"][..] {
            "at step 0" => column(&row["data"], "asgd", "true_dummies_at_step_0"),
            method => column(&row["data"], &method.to_lowercase(), "true_dummies"),
        };
        assert!((10.0 * shares.iter().sum::<f64>() - mean(&expected)).abs() < 1e-9, "{row:?}");
        assert!(shares[0] != shares[4], "a table of the first layer would be no other: {row:?}");
    }
    // Differences are aSGD's less SGD's, and steps that are saved.
    let claims = table("claims.csv");
    let mut differences = Vec::new();
    for (claim, name, sign, digits) in [
        ("circles: aSGD leaves more true dummies than SGD", "true_dummies", 1.0, 2),
        ("spirals: aSGD leaves more true dummies than SGD", "true_dummies", 1.0, 2),
        ("spirals: aSGD converges sooner", "final_step", -1.0, 0),
    ] {
        let data = claim.split(':').next().unwrap();
        let [asgd, sgd] = ["asgd", "sgd"].map(|method| mean(&column(data, method, name)));
        let shown = &claims.iter().find(|row| row["claim"] == claim).unwrap()["ours: mean and 95 % interval"];
        let shown: f64 = shown.split(' ').next().unwrap().parse().unwrap();
        assert!((shown - sign * (asgd - sgd)).abs() <= 0.51 * 10f64.powi(-digits), "{claim}: {shown} {asgd} {sgd}");
        differences.push(shown);
    }
    assert!(differences[1] != 0.0 && differences[2] != 0.0, "nothing shows which is subtracted: {differences:?}");
}

/// More replicas than a device's limits allow at once (WebGPU's default of 128 MiB to a binding fits 2,048 of these)
/// are trained in chunks, and a training does not depend on its chunk.
#[test]
fn experiment_2_trains_in_chunks() {
    let folder = TempDir::new().unwrap();
    let arguments = "--grid-replicas 0 --steps 1 --samples 200 --quiet";
    run(folder.path(), &format!("experiment 2 --replicas 1030 {arguments} --out chunks"));
    run(folder.path(), &format!("experiment 2 --replicas 2 {arguments} --out two"));
    let rows = |name: &str| fs::read_to_string(folder.path().join(name).join("trainings.csv")).unwrap();
    let (chunks, two) = (rows("chunks"), rows("two"));
    assert_eq!(two.lines().count(), 1 + 8);
    for row in two.lines() {
        assert!(chunks.lines().any(|other| other == row), "{row} is missing");
    }
}

#[test]
#[ignore = "needs MNIST: set ASGD_DATA_DIR"]
fn experiment_3_stands_beside_the_paper() {
    let folder = TempDir::new().unwrap();
    run(folder.path(), "experiment 3 --replicas 2 --epochs 1 --epsilon 1e-8,1 --out three");
    let three = folder.path().join("three");
    report_is_whole(&three);
    // 7 rows of SGD and 4 of aSGD with two epsilons; evaluations at epochs 0 and 1.
    let curves = fs::read_to_string(three.join("curves.csv")).unwrap();
    assert_eq!(curves.lines().count(), 1 + (7 + 4 * 2) * 2 * 2);
    let cells = fs::read_to_string(three.join("beside-the-paper.csv")).unwrap();
    assert_eq!(cells.lines().count(), 1 + 15 * 4);
    // After one epoch aSGD leads at every equal rate.
    let mut results = csv::Reader::from_path(three.join("results.csv")).unwrap();
    let accuracy = |row: &csv::StringRecord| row[9].parse::<f64>().unwrap();
    let rows: Vec<csv::StringRecord> = results.records().map(Result::unwrap).collect();
    assert_eq!(&results.headers().unwrap()[9], "test accuracy, mean");
    let of = |method: &str, rate: &str| accuracy(rows.iter().find(|row| &row[0] == method && &row[1] == rate).unwrap());
    for rate in ["0.001", "0.003", "0.01"] {
        assert!(of("aSGD", rate) > of("SGD", rate) + 0.02, "{rate}");
    }
}

/// Its tables say of the trainings what curves.csv says of them.
#[test]
#[ignore = "needs MNIST: set ASGD_DATA_DIR"]
fn experiment_4_compares_what_it_trains() {
    let folder = TempDir::new().unwrap();
    let arguments =
        "experiment 4 --replicas 2 --epochs 3 --rule-epochs 1 --sweep-epochs 1 --sweep-replicas 1 --device cpu";
    run(folder.path(), &format!("{arguments} --out four"));
    let four = folder.path().join("four");
    report_is_whole(&four);
    let table = |name: &str| {
        let mut reader = csv::Reader::from_path(four.join(name)).unwrap();
        let header = reader.headers().unwrap().clone();
        let rows: Vec<BTreeMap<String, String>> = reader
            .records()
            .map(|row| header.iter().map(String::from).zip(row.unwrap().iter().map(String::from)).collect())
            .collect();
        rows
    };
    let curves = table("curves.csv");
    assert_eq!(curves.len(), 2 * (4 * 4 + 18 * 2));
    let of = |row: &str, seed: &str, epoch: &str, column: &str| -> f64 {
        let own =
            |point: &&BTreeMap<String, String>| point["row"] == row && point["seed"] == seed && point["epoch"] == epoch;
        curves.iter().find(own).unwrap()[column].parse().unwrap()
    };
    let mean = |row: &str, epoch: &str, column: &str| (of(row, "0", epoch, column) + of(row, "1", epoch, column)) / 2.0;
    let close = |cell: &str, expected: f64| {
        let actual: f64 = cell.parse().unwrap();
        assert!((actual - expected).abs() < 1e-12, "{actual} {expected}");
    };
    let cures = table("cures.csv");
    let names: Vec<&str> = cures.iter().map(|row| &row["aSGD with"][..]).collect();
    assert_eq!(names, ["aSGD alone", "cosine schedule", "dropout 0.1", "batch normalization", "early stopping"]);
    for row in &cures[..4] {
        close(&row["test loss, mean"], mean(&row["aSGD with"], "3", "test_loss"));
        close(&row["test accuracy, mean"], mean(&row["aSGD with"], "3", "test_accuracy"));
    }
    // Rows differ from the first step on, or are no rows of their own.
    let losses: Vec<f64> = names[..4].iter().map(|name| of(name, "0", "1", "test_loss")).collect();
    assert!((1..4).all(|index| !losses[..index].contains(&losses[index])), "{losses:?}");
    // Within three epochs nothing stops: the network of the lowest validation loss.
    let lowest = |seed: &str| {
        let epochs = ["0", "1", "2", "3"].into_iter();
        let loss = |epoch: &&str| of("aSGD alone", seed, epoch, "validation_loss");
        let best = epochs.min_by(|a, b| loss(a).total_cmp(&loss(b))).unwrap();
        of("aSGD alone", seed, best, "test_loss")
    };
    close(&cures[4]["test loss, mean"], (lowest("0") + lowest("1")) / 2.0);

    let rules = table("rules.csv");
    assert_eq!(rules.len(), 18);
    for (row, rates) in rules.iter().zip(table("rates.csv")) {
        assert_eq!((&row["optimizer"], &row["learning rate"]), (&rates["optimizer"], &rates["best rate"]));
        let losses: Vec<f64> = ["0.1", "0.3", "1", "3", "10", "30", "100"]
            .map(|multiple| rates[&format!("× {multiple}")].parse().unwrap())
            .into();
        let best = losses.iter().position(|loss| losses.iter().all(|other| loss <= other)).unwrap();
        assert_eq!(rates["at the end of the list"] == "yes", best == 0 || best == 6);
        close(&row["test loss, end, mean"], mean(&row["optimizer"], "1", "test_loss"));
    }
    // The sign of a finding.
    let finding = "sgd: the effective gradient has a lower test loss at the end";
    let findings = table("rules-findings.csv");
    let shown = &findings.iter().find(|row| row["claim"] == finding).unwrap()["ours: mean and 95 % interval"];
    let advantage: f64 = shown.split(' ').next().unwrap().parse().unwrap();
    assert!((advantage - (mean("sgd", "1", "test_loss") - mean("asgd", "1", "test_loss"))).abs() < 1e-4);
}

#[test]
fn mistakes_get_one_clear_line() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    fs::write(path.join("file"), "x").unwrap();
    refuses(path, "experiment 5", 2, &["5", "--help"]);
    refuses(path, "experiment 4 --rule-epochs 0", 2, &["--rule-epochs"]);
    refuses(path, "experiment 4 --data-dir nowhere", 1, &["nowhere", "mnist"]);
    refuses(path, "experiment 1 --steps 0", 2, &["--steps"]);
    refuses(path, "experiment 1 --lr nan", 2, &["--lr", "finite"]);
    refuses(path, "experiment 1 --samples 3", 2, &["--samples", "4"]);
    refuses(path, "experiment 1 --samples 20", 2, &["--batch-size", "14"]);
    refuses(path, "experiment 1 --init start.safetensors", 2, &["--init", "seed"]);
    refuses(path, "experiment 1 --out file", 1, &["file", "--out"]);
    refuses(path, "experiment 1 --out .", 1, &["not empty", "--out"]);
    refuses(path, "experiment 1 --device no-such", 2, &["no-such"]);
    refuses(path, "experiment 2 --samples 100", 2, &["--samples", "128"]);
    refuses(path, "experiment 2 --replicas 0", 2, &["--replicas"]);
    refuses(path, "experiment 2 --stop-rule patience:0", 2, &["--stop-rule", "patience:STEPS"]);
    refuses(path, "experiment 2 --save-every=-1", 2, &["--save-every"]);
    refuses(path, "experiment 2 --seed 18446744073709551615", 2, &["--seed", "room"]);
    refuses(path, "experiment 3 --epochs 0", 2, &["--epochs"]);
    refuses(path, "experiment 3 --data-dir nowhere", 1, &["nowhere", "mnist"]);
    refuses(path, "experiment 3 --epsilon 1e-8,-1", 2, &["--epsilon"]);
    assert_eq!(results(path).len(), 1);
    assert!(!path.join("runs").exists());
}
