//! The command as a user meets it: what it leaves behind, and one clear line for every mistake.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

fn asgd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_asgd"));
    command.env_remove("ASGD_DATA_DIR");
    command
}

/// Runs with `arguments` in `folder`, expects `code`, one line on stderr that holds every one of `words`, an empty
/// stdout, and no new file in the folder.
#[track_caller]
fn refuses(folder: &Path, arguments: &[&str], code: i32, words: &[&str]) {
    refuses_with(asgd(), folder, arguments, code, words);
}

#[track_caller]
fn refuses_with(mut command: Command, folder: &Path, arguments: &[&str], code: i32, words: &[&str]) {
    let before = listing(folder);
    let output = command.current_dir(folder).args(arguments).arg("--quiet").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "{arguments:?}: one line expected:\n{stderr}");
    assert!(stderr.starts_with("error: ") && !stderr.contains("panicked"), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{arguments:?}: '{word}' is missing in: {stderr}");
    }
    assert!(output.stdout.is_empty(), "{arguments:?} wrote to stdout");
    assert_eq!(listing(folder), before, "{arguments:?} left files behind");
}

fn listing(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

fn idx(magic: u32, axes: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = magic.to_be_bytes().to_vec();
    for axis in axes {
        bytes.extend(axis.to_be_bytes());
    }
    bytes.extend(values);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A sound folder of 40 + 20 images of 3 x 4 with 10 classes, the training images packed.
fn idx_folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    for (part, count) in [("train", 40u32), ("t10k", 20)] {
        let labels: Vec<u8> = (0..count).map(|index| (index % 10) as u8).collect();
        let pixels: Vec<u8> =
            (0..count * 12).map(|index| if index % 3 == 0 { (index * 37 % 256) as u8 } else { 0 }).collect();
        let images = idx(0x803, &[count, 3, 4], &pixels);
        if part == "train" {
            fs::write(folder.path().join("train-images-idx3-ubyte.gz"), gzip(&images)).unwrap();
        } else {
            fs::write(folder.path().join("t10k-images-idx3-ubyte"), images).unwrap();
        }
        fs::write(folder.path().join(format!("{part}-labels-idx1-ubyte")), idx(0x801, &[count], &labels)).unwrap();
    }
    folder
}

fn json(line: &[u8]) -> serde_json::Value {
    serde_json::from_slice(line).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(line)))
}

#[test]
fn train_leaves_a_whole_run_folder() {
    let folder = TempDir::new().unwrap();
    let output = asgd()
        .current_dir(&folder)
        .args(["train", "--epochs", "4", "--replicas", "3", "--json", "--out", "run"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("device   "), "the device is named");
    let line = json(&output.stdout);
    assert_eq!(line["steps"], 44);
    assert_eq!(line["replicas"], 3);
    let run = folder.path().join("run");
    let mut names: Vec<String> =
        fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let files =
        ["counts.safetensors", "learning_curve.svg", "metrics.csv", "model.safetensors", "report.html", "run.json"];
    let about = ["checkpoints", "lock", "settings.json"];
    assert!(files.iter().chain(&about).all(|name| names.contains(&name.to_string())), "{names:?}");
    assert_eq!(names.len(), files.len() + about.len(), "{names:?}");

    let metrics = fs::read_to_string(run.join("metrics.csv")).unwrap();
    let mut lines = metrics.lines();
    assert!(lines.next().unwrap().starts_with("replica,epoch,step,train_loss,train_accuracy,test_loss,test_accuracy,"));
    assert_eq!(lines.count(), 3 * 5, "a row a replica and evaluation");
    let last: Vec<f64> = metrics
        .lines()
        .filter(|line| line.contains(",4,44,"))
        .map(|line| line.split(',').nth(6).unwrap().parse().unwrap())
        .collect();
    let mean = last.iter().sum::<f64>() / 3.0;
    assert!((line["test_accuracy"].as_f64().unwrap() - mean).abs() < 1e-12);

    let document = json(&fs::read(run.join("run.json")).unwrap());
    assert_eq!(document["settings"]["widths"], serde_json::json!([2, 10, 10, 1]));
    assert_eq!(document["dataset"]["sha256"].as_str().unwrap().len(), 64);
    assert!(document["device"]["name"].is_string() && document["device"]["driver"].is_string());
    let svg = fs::read_to_string(run.join("learning_curve.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && svg.contains("test set"));
}

/// Same command, same bytes; a replica alone is that replica among others; an earlier run is replaced.
#[test]
fn runs_repeat_bit_for_bit() {
    let folder = idx_folder();
    let data = folder.path().to_str().unwrap();
    let out = TempDir::new().unwrap();
    let model = |name: &str, arguments: &[&str]| {
        let run = out.path().join(name);
        let base = [
            "train",
            data,
            "--hidden",
            "5",
            "--batch-size",
            "16",
            "--epochs",
            "5",
            "--quiet",
            "--out",
            run.to_str().unwrap(),
        ];
        let status = asgd().args(base).args(arguments).status().unwrap();
        assert!(status.success());
        asgd::Model::load(&run.join("model.safetensors"))
            .map(|model| (model, fs::read(run.join("model.safetensors")).unwrap()))
            .unwrap()
    };
    let (together, bytes) = model("a", &["--replicas", "5", "--seed", "10"]);
    assert_eq!(model("a", &["--replicas", "5", "--seed", "10"]).1, bytes);
    assert_eq!(model("b", &["--replicas", "5", "--seed", "10", "--eval-every", "2"]).1, bytes);
    let (alone, alone_bytes) = model("c", &["--seed", "13"]);
    assert_eq!(alone, together.slice(3..4));
    together.slice(3..4).save(&out.path().join("slice.safetensors")).unwrap();
    assert_eq!(fs::read(out.path().join("slice.safetensors")).unwrap(), alone_bytes);
}

/// --init takes its hidden widths and classes from the file; sequential steps and counts are reproducible from it.
#[test]
fn init_from_a_file() {
    let folder = idx_folder();
    let data = folder.path().to_str().unwrap();
    let out = TempDir::new().unwrap();
    let path = |name: &str| out.path().join(name).to_str().unwrap().to_string();
    let first =
        ["train", data, "--hidden", "6,4", "--steps", "3", "--batch-size", "8", "--quiet", "--out", &path("first")];
    assert!(asgd().args(first).status().unwrap().success());
    let start = path("first/model.safetensors");
    let second = [
        "train",
        data,
        "--init",
        &start,
        "--order",
        "sequential",
        "--steps",
        "7",
        "--batch-size",
        "16",
        "--replicas",
        "2",
        "--quiet",
        "--out",
        &path("second"),
    ];
    assert!(asgd().args(second).status().unwrap().success());
    let (start, trained) = (
        asgd::Model::load(start.as_ref()).unwrap(),
        asgd::Model::load(path("second/model.safetensors").as_ref()).unwrap(),
    );
    assert_eq!(trained.spec().widths(), [12, 6, 4, 10]);
    assert_eq!(trained.slice(0..1), trained.slice(1..2), "sequential replicas of one start are alike");

    let dataset = asgd::Dataset::from_idx_folder(folder.path(), 10).unwrap();
    let settings = asgd::ReplicaSettings::default();
    let mut reference = asgd::reference::step::Training::new(&start, 0, settings, |value| value);
    for step in 0..7usize {
        // 40 samples in batches of 16: the third batch of an epoch is short.
        let first = step % 3 * 16;
        let batch: Vec<u32> = (first as u32..(first as u32 + 16).min(40)).collect();
        reference.step(&dataset.train, &batch);
    }
    let actual = asgd::reference::step::Training::flatten(&trained, 1);
    for (actual, expected) in actual.iter().flatten().zip(reference.parameters.iter().flatten()) {
        assert!((actual - expected).abs() < 2e-6, "{actual} {expected}");
    }
    let counts = asgd::AdaptiveBatchSizes::load(path("second/counts.safetensors").as_ref()).unwrap();
    assert_eq!(asgd::reference::step::Training::flatten_counts(&counts, 1), reference.counts);
}

/// PyTorch's classifiers have two outputs for two classes; such a network trains on, and is evaluated, as it is.
#[test]
fn a_softmax_over_two_classes() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let spec = asgd::NetworkSpec::new(&[2, 5, 2]).unwrap();
    asgd::Init::Kaiming.model(&spec, &[4]).unwrap().save(path("two.safetensors").as_ref()).unwrap();
    let train =
        ["train", "circles", "--init", &path("two.safetensors"), "--epochs", "60", "--quiet", "--out", &path("run")];
    assert!(asgd().args(train).status().unwrap().success());
    let model = path("run/model.safetensors");
    assert_eq!(*asgd::Model::load(model.as_ref()).unwrap().spec(), spec);
    let output = asgd().args(["evaluate", &model, "circles", "--json"]).output().unwrap();
    let result = json(&output.stdout);
    assert_eq!(result["classes"].as_array().unwrap().len(), 2);
    assert!(result["accuracy"].as_f64().unwrap() > 0.8, "{result}");
}

#[test]
fn wrong_settings() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    refuses(folder, &["train", "--batch-size", "0"], 2, &["--batch-size", "at least 1"]);
    refuses(folder, &["train", "--batch-size", "701"], 2, &["--batch-size", "700"]);
    refuses(folder, &["train", "--lr", "nan"], 2, &["--lr", "finite"]);
    refuses(folder, &["train", "--lr=-1"], 2, &["--lr"]);
    refuses(folder, &["train", "--lr", "inf"], 2, &["--lr"]);
    refuses(folder, &["train", "--epsilon=-1"], 2, &["--epsilon"]);
    refuses(folder, &["train", "--hidden", "0"], 2, &["--hidden", "at least 1 unit"]);
    refuses(folder, &["train", "--hidden", "200000,200000"], 2, &["--hidden", "40001000001 parameters"]);
    refuses(folder, &["train", "--hidden", "30,,20"], 2, &["--hidden", "30,20"]);
    refuses(folder, &["train", "--hidden", "2000000"], 2, &["--hidden"]);
    refuses(folder, &["train", "--replicas", "0"], 2, &["--replicas"]);
    refuses(folder, &["train", "--optimizer", "adma"], 2, &["--optimizer", "asgd", "did you mean 'adam'"]);
    refuses(folder, &["train", "--init", "zeros"], 2, &["--init", "kaiming"]);
    refuses(folder, &["train", "--init", "normal:x"], 2, &["standard deviation"]);
    refuses(folder, &["train", "--epochs", "3", "--steps", "3"], 2, &["--epochs", "--steps"]);
    refuses(folder, &["train", "--samples", "3"], 2, &["--samples"]);
    refuses(folder, &["train", "--seed", "18446744073709551615", "--replicas", "2"], 2, &["--seed"]);
    refuses(folder, &["train", "--epochs", "18446744073709551615"], 2, &["--epochs"]);
    refuses(folder, &["train", "--steps", "18446744073709551615"], 2, &["--steps"]);
    refuses(folder, &["train", "--colour"], 2, &["--colour"]);
    refuses(folder, &["train", "--device", "voodoo"], 2, &["voodoo", "asgd devices"]);
    refuses(folder, &["train", "--adapter", "voodoo"], 2, &["voodoo", "asgd devices"]);
}

#[test]
fn wrong_output_folders() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    fs::write(path("file"), "precious").unwrap();
    refuses(folder.path(), &["train", "--out", &path("file")], 1, &["file", "--out"]);
    refuses(folder.path(), &["train", "--steps", "1", "--out", &path("file/below")], 1, &["file/below"]);
    fs::create_dir(path("other")).unwrap();
    fs::write(path("other/thesis.tex"), "precious").unwrap();
    refuses(folder.path(), &["train", "--out", &path("other")], 1, &["not empty"]);
    assert_eq!(fs::read_to_string(path("file")).unwrap(), "precious");
}

#[test]
fn wrong_data() {
    let empty = TempDir::new().unwrap();
    let none = empty.path().join("none");
    refuses(empty.path(), &["train", "mnist", "--data-dir", none.to_str().unwrap()], 1, &["none/mnist", "--data-dir"]);
    refuses(empty.path(), &["train", "nothing-here"], 1, &["nothing-here", "folder"]);
    refuses(empty.path(), &["train", empty.path().to_str().unwrap()], 1, &["train-images-idx3-ubyte"]);

    // Each way to be wrong, in an otherwise sound folder.
    type Damage = fn(&Path);
    let damages: [(&str, Damage, &[&str]); 9] = [
        (
            "truncated .gz",
            |folder| shorten(&folder.join("train-images-idx3-ubyte.gz"), 20),
            &["train-images", "cut off"],
        ),
        (
            "a .gz that is none",
            |folder| write(folder, "train-images-idx3-ubyte.gz", b"hello, this is no gzip"),
            &["train-images", "damaged"],
        ),
        (
            "truncated images",
            |folder| shorten(&folder.join("t10k-images-idx3-ubyte"), 1),
            &["t10k-images", "announces"],
        ),
        (
            "a header cut off",
            |folder| write(folder, "train-labels-idx1-ubyte", &[0, 0, 8]),
            &["train-labels", "cut off"],
        ),
        (
            "images with the labels' magic",
            |folder| write(folder, "t10k-images-idx3-ubyte", &idx(0x801, &[20], &[0; 20])),
            &["t10k-images", "labels"],
        ),
        (
            "10 labels for 9 images",
            |folder| write(folder, "t10k-images-idx3-ubyte", &idx(0x803, &[19, 3, 4], &[0; 19 * 12])),
            &["20 labels", "19 images"],
        ),
        (
            "a label of 11",
            |folder| write(folder, "t10k-labels-idx1-ubyte", &idx(0x801, &[20], &[11; 20])),
            &["label 11", "0 to 9"],
        ),
        (
            "images of other sizes",
            |folder| write(folder, "t10k-images-idx3-ubyte", &idx(0x803, &[20, 3, 3], &[0; 180])),
            &["9 pixels", "12"],
        ),
        (
            "a header of giants",
            |folder| write(folder, "train-labels-idx1-ubyte", &idx(0x801, &[u32::MAX], &[0; 9])),
            &["train-labels", "announces"],
        ),
    ];
    for (name, damage, words) in damages {
        let folder = idx_folder();
        damage(folder.path());
        println!("{name}");
        refuses(empty.path(), &["train", folder.path().to_str().unwrap(), "--steps", "1"], 1, words);
    }
}

#[test]
fn wrong_models() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let save = |name: &str, widths: &[usize], replicas: usize| {
        asgd::Model::zeros(&asgd::NetworkSpec::new(widths).unwrap(), replicas).save(path(name).as_ref()).unwrap();
    };
    save("wide.safetensors", &[2, 7, 1], 1);
    save("inputs.safetensors", &[3, 4, 1], 1);
    save("three.safetensors", &[2, 4, 1], 3);
    write(folder.path(), "garbage.safetensors", b"not safetensors at all");
    fs::copy(path("wide.safetensors"), path("cut.safetensors")).unwrap();
    shorten(path("cut.safetensors").as_ref(), 7);
    let cases: [(&str, &[&str], i32, &[&str]); 6] = [
        ("wide.safetensors", &["--hidden", "5"], 1, &["[2, 7, 1]", "[2, 5, 1]"]),
        ("inputs.safetensors", &[], 1, &["[3, 4, 1]", "[2, 4, 1]"]),
        ("three.safetensors", &["--replicas", "2"], 1, &["3 replicas", "2"]),
        ("garbage.safetensors", &[], 1, &["not a .safetensors file"]),
        ("cut.safetensors", &[], 1, &["cut off"]),
        ("missing.safetensors", &[], 1, &["cannot be read"]),
    ];
    for (name, more, code, words) in cases {
        let init = path(name);
        let arguments = [&["train", "--steps", "1", "--init", &init], more].concat();
        refuses(folder.path(), &arguments, code, words);
    }
}

#[test]
fn devices_names_the_one_in_use() {
    let output = asgd().args(["devices", "--json"]).output().unwrap();
    assert!(output.status.success());
    let devices = json(&output.stdout);
    assert!(devices["devices"].as_array().unwrap().iter().any(|device| device["used"] == true));
    assert!(devices["devices"].as_array().unwrap().iter().any(|device| device["backend"] == "native"));
    let output = asgd().arg("devices").output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("Used (*): "));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    fs::write(folder.join(name), bytes).unwrap();
}

/// Takes `bytes` off the end of a file.
fn shorten(path: &Path, bytes: usize) {
    let contents = fs::read(path).unwrap();
    fs::write(path, &contents[..contents.len() - bytes]).unwrap();
}
