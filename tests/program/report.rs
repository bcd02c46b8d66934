//! report.html of a run: its numbers are those of the run's files, and whatever a name holds does not break it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::command::page::{Metrics, mean_and_deviation, spread, stands_alone, table, text};
use crate::command::run;

fn page(folder: &Path) -> String {
    fs::read_to_string(folder.join("report.html")).unwrap()
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn result(folder: &Path) -> Value {
    json(&fs::read(folder.join("run.json")).unwrap())["result"].take()
}

/// `classes` clouds of points; the names of the first two would be markup.
fn write_clouds(path: &Path, classes: usize, rows: usize) {
    let name = |class: usize| match class {
        0 => "<b>&".to_string(),
        1 => "\"\"</td>'".to_string(),
        class => format!("class {class}"),
    };
    let row = |index: usize| {
        let (class, angle) = (index % classes, index as f64 * 2.4);
        let (x, y) = ((class % 6) as f64 + 0.4 * angle.cos(), (class / 6) as f64 + 0.4 * angle.sin());
        format!("{x:.4},{y:.4},\"{}\"\n", name(class))
    };
    let rows: String = (0..rows).map(row).collect();
    fs::write(path, format!("x <i>,y&,kind\n{rows}")).unwrap();
}

fn confusion(page: &str) -> Vec<Vec<u64>> {
    let rows = table(page, "confusion");
    rows.iter().map(|row| row[1..].iter().map(|cell| cell.parse().unwrap()).collect()).collect()
}

#[test]
fn its_numbers_are_those_of_the_files() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    write_clouds(&path.join("a<b>&.csv"), 4, 140);
    // 15 test samples of each class, but 2 of the last.
    write_clouds(&path.join("test.csv"), 4, 60);
    let test = fs::read_to_string(path.join("test.csv")).unwrap();
    let kept = test.lines().enumerate().filter(|(index, line)| *index < 10 || !line.contains("class 3"));
    fs::write(path.join("test.csv"), kept.map(|(_, line)| format!("{line}\n")).collect::<String>()).unwrap();
    run(path, "train a<b>&.csv --test test.csv --hidden 8,6 --replicas 3 --epochs 4 --lr 0.05 --quiet --out run");
    let (run_folder, result) = (path.join("run"), result(&path.join("run")));
    let page = page(&run_folder);
    stands_alone(&page);

    let counts = confusion(&page);
    let total: u64 = counts.iter().flatten().sum();
    assert_eq!(total, 3 * 47, "every test sample once for each replica");
    for (row, class) in table(&page, "confusion").iter().zip(&counts) {
        let expected = if row[0] == "class 3" { 3 * 2 } else { 3 * 15 };
        assert_eq!(class.iter().sum::<u64>(), expected, "rows are true classes: {row:?}");
    }
    let hits: u64 = (0..4).map(|class| counts[class][class]).sum();
    let accuracy = result["test_accuracy"].as_f64().unwrap();
    assert!((hits as f64 / total as f64 - accuracy).abs() < 1e-12, "{hits} of {total}, {accuracy}");
    assert!(accuracy < 0.95, "without errors rows and columns are alike");
    let evaluated = json(&run(path, "evaluate run/model.safetensors test.csv --json").stdout);
    assert_eq!(serde_json::json!(counts), evaluated["confusion"]);
    let classes = table(&page, "classes");
    for (class, row) in classes.iter().enumerate() {
        let of_class = &evaluated["classes"][class];
        assert_eq!(Value::from(row[0].as_str()), of_class["class"]);
        for (cell, key) in [(1, "precision"), (2, "recall")] {
            let shown: f64 = row[cell].parse().unwrap_or(f64::NAN);
            assert!((shown - of_class[key].as_f64().unwrap()).abs() < 1e-4, "{row:?} {of_class}");
        }
        assert_eq!(row[3].parse::<u64>().unwrap(), counts[class].iter().sum::<u64>() / 3);
    }

    let metrics = Metrics::read(&run_folder);
    let layers = table(&page, "layers");
    assert_eq!(layers.iter().map(|row| row[1].as_str()).collect::<Vec<_>>(), ["8", "6", "4"]);
    for (layer, row) in layers.iter().enumerate() {
        let columns = [(2, "true_dummies"), (3, "pseudo_dummies"), (4, "mean_adaptive_batch_size")];
        for (cell, name) in columns {
            if layer == 2 && cell < 4 {
                assert_eq!(row[cell], "–", "the output has no dummies");
                continue;
            }
            let (mean, deviation) = mean_and_deviation(&metrics.last(0..3, &format!("{name}_{}", layer + 1)));
            let shown = spread(&row[cell]);
            assert!(
                (shown.0 - mean).abs() < 0.006 && (shown.1 - deviation).abs() < 0.006,
                "{name} {row:?} {mean} {deviation}"
            );
        }
    }
    for (row, set) in table(&page, "result").iter().zip(["train", "test"]) {
        for (cell, name) in [(2, "accuracy"), (3, "loss")] {
            let (mean, deviation) = mean_and_deviation(&metrics.last(0..3, &format!("{set}_{name}")));
            let shown = spread(&row[cell]);
            assert!((shown.0 - mean).abs() < 6e-5 && (shown.1 - deviation).abs() < 6e-5, "{set} {name} {row:?}");
        }
    }
    let settings = table(&page, "settings");
    for pair in [["network", "2-8-6-4"], ["lr", "0.05"], ["epsilon", "1e-8"], ["replicas", "3"], ["optimizer", "asgd"]]
    {
        assert!(settings.iter().any(|row| row[..] == pair), "{pair:?} is missing in {settings:?}");
    }
}

#[test]
fn names_are_no_markup() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    write_clouds(&path.join("a<b>&.csv"), 4, 200);
    run(path, "train a<b>&.csv --epochs 3 --quiet --out run<i>&");
    let page = page(&path.join("run<i>&"));
    stands_alone(&page);
    for tag in ["<b>", "<i>"] {
        assert!(!page.contains(tag), "{tag}");
    }
    for name in ["&lt;b&gt;&amp;", "x &lt;i&gt;", "run&lt;i&gt;&amp;", "&quot;&lt;/td&gt;'"] {
        assert!(page.contains(name), "{name}");
    }
    let svg = fs::read_to_string(path.join("run<i>&/learning_curve.svg")).unwrap();
    assert!(svg.contains("a&lt;b&gt;&amp; 2-") && !svg.contains("<b>"));
}

/// What the page says can be pasted into a shell.
#[test]
fn its_commands_work() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    write_clouds(&path.join("it's $mine.csv"), 3, 150);
    let binary = Path::new(env!("CARGO_BIN_EXE_asgd")).parent().unwrap();
    let search = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let shell = |line: &str| {
        let output = Command::new("sh").args(["-c", line]).current_dir(path).env("PATH", &search).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    shell("asgd train \"it's \\$mine.csv\" --epochs 30 --replicas 2 --quiet --out 'my run'");
    let page = page(&path.join("my run"));
    let commands: Vec<String> =
        page.split("<pre>").skip(1).map(|rest| text(rest.split_once("</pre>").unwrap().0)).collect();
    let [made, resume, evaluate, predict, compare] = &commands[..] else { panic!("{commands:?}") };
    let model = || fs::read(path.join("my run/model.safetensors")).unwrap();
    let bytes = model();
    fs::remove_file(path.join("my run/model.safetensors")).unwrap();
    shell(resume);
    assert!(model() == bytes);
    fs::remove_file(path.join("my run/model.safetensors")).unwrap();
    shell(made);
    assert!(model() == bytes, "the same command, the same bits");
    let accuracy = result(&path.join("my run"))["test_accuracy"].as_f64().unwrap();
    assert!(shell(evaluate).contains(&format!("accuracy {accuracy:.4}")));
    fs::write(path.join("NEW.csv"), "x <i>,y&\n0.1,0.2\n").unwrap();
    assert!(shell(predict).starts_with("class,probability\n"));
    shell("asgd train \"it's \\$mine.csv\" --epochs 2 --quiet --out OTHER");
    assert!(shell(compare).contains("my run"));
}

#[test]
fn many_classes_are_shown_by_their_commonest_errors() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    write_clouds(&path.join("many.csv"), 36, 720);
    run(path, "train many.csv --hidden 10 --epochs 20 --lr 0.05 --replicas 2 --quiet --out run");
    let page = page(&path.join("run"));
    stands_alone(&page);
    assert!(!page.contains("id=\"confusion\""));
    let evaluated = json(&run(path, "evaluate run/model.safetensors many.csv --json").stdout);
    let names: Vec<&str> =
        evaluated["classes"].as_array().unwrap().iter().map(|class| class["class"].as_str().unwrap()).collect();
    let count = |truth: usize, predicted: usize| evaluated["confusion"][truth][predicted].as_u64().unwrap();
    let pairs = (0..36).flat_map(|truth| (0..36).map(move |predicted| (truth, predicted)));
    let mut errors: Vec<u64> =
        pairs.filter(|(truth, predicted)| truth != predicted).map(|(t, p)| count(t, p)).collect();
    errors.sort_unstable_by(|a, b| b.cmp(a));
    let shown = table(&page, "confused");
    assert_eq!(shown.len(), 20);
    for (row, expected) in shown.iter().zip(errors) {
        let [truth, predicted] = [0, 1].map(|cell| names.iter().position(|name| *name == row[cell]).unwrap());
        assert_eq!((row[2].parse().unwrap(), truth == predicted), (count(truth, predicted), false), "{row:?}");
        assert_eq!(count(truth, predicted), expected, "the commonest first");
    }
    let hardest = table(&page, "classes");
    assert_eq!(hardest.len(), 20);
    let recalls: Vec<f64> = hardest.iter().map(|row| row[2].parse().unwrap()).collect();
    assert!(recalls.is_sorted(), "{recalls:?}");
}

#[test]
fn diverged_replicas_are_left_out() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let spec = asgd::NetworkSpec::new(&[2, 4, 1]).unwrap();
    let mut start = asgd::Init::Kaiming.model(&spec, &[0, 1, 2]).unwrap();
    start.bias_mut(0, 1)[0] = f32::NEG_INFINITY;
    start.save(&path.join("start.safetensors")).unwrap();
    run(path, "train circles --init start.safetensors --replicas 3 --epochs 2 --quiet --out three");
    let three = page(&path.join("three"));
    stands_alone(&three);
    assert!(text(&three).contains("1 of 3 replicas diverged and are left out: 1"));
    assert_eq!(confusion(&three).iter().flatten().sum::<u64>(), 2 * 300);
    let metrics = Metrics::read(&path.join("three"));
    let (mean, _) = mean_and_deviation(&metrics.last([0, 2], "mean_adaptive_batch_size_1"));
    assert!((spread(&table(&three, "layers")[0][4]).0 - mean).abs() < 0.006);

    start.slice(1..2).save(&path.join("lost.safetensors")).unwrap();
    run(path, "train circles --init lost.safetensors --epochs 2 --quiet --out lost");
    let lost = page(&path.join("lost"));
    stands_alone(&lost);
    assert!(text(&lost).contains("every replica diverged") && !lost.contains("id=\"confusion\""));
}

/// Means and bands, thinned to what a figure has pixels for: no more for more replicas and evaluations.
#[test]
fn long_runs_of_many_replicas_have_small_pages() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    run(path, "train --samples 30 --epochs 1000 --eval-every 1 --replicas 100 --hidden 6,5,4 --quiet --out run");
    assert_eq!(Metrics::read(&path.join("run")).rows.len(), 100 * 1001);
    let page = page(&path.join("run"));
    stands_alone(&page);
    assert!(page.len() < 500_000, "{} bytes", page.len());
}
