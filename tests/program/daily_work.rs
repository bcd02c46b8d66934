//! The tool for daily work: other data, looking inside, pruning, using the result.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use asgd::dataset::{Inputs, Samples};
use asgd::gpu::Gpu;
use asgd::{Device, Model, NetworkSpec, Predictor};
use tempfile::TempDir;

use crate::command::page::mean_and_deviation;
use crate::command::{adapter, asgd, devices, refuses, run};

#[track_caller]
fn json(folder: &Path, arguments: &str) -> serde_json::Value {
    serde_json::from_slice(&run(folder, arguments).stdout).unwrap()
}

#[test]
fn a_day_s_session() {
    let folder = TempDir::new().unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_asgd")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/session.sh");
    let output = Command::new("sh").arg(script).current_dir(&folder).env("PATH", path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.ends_with("all done\n"));
}

/// 300 points in the plane, class by class in rings; a test file with its columns in the same order.
fn write_csv(folder: &Path) {
    let row = |index: usize| {
        let angle = index as f64 * 0.7;
        let radius = [0.3, 0.6, 0.9][index % 3];
        format!("{:.4},{:.4},{}\n", radius * angle.cos(), radius * angle.sin(), ["inner", "middle", "outer"][index % 3])
    };
    fs::write(folder.join("rings.csv"), (0..300).map(row).collect::<String>()).unwrap();
    fs::write(folder.join("test.csv"), (300..360).map(row).collect::<String>()).unwrap();
}

#[test]
fn csv_keeps_its_class_names() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    write_csv(path);
    let result = json(
        path,
        "train rings.csv --test test.csv --hidden 12,8 --epochs 150 --lr 0.05 --seed 2 --quiet --json --out run",
    );
    assert!(result["test_accuracy"].as_f64().unwrap() > 0.9, "{result}");
    let model = Model::load(&path.join("run/model.safetensors")).unwrap();
    assert_eq!(model.class_names, ["inner", "middle", "outer"]);

    // A file with only two of the classes, in another order, still means the same classes.
    let lines = fs::read_to_string(path.join("test.csv")).unwrap();
    let some: Vec<&str> = lines.lines().filter(|line| !line.ends_with("inner")).collect();
    fs::write(path.join("some.csv"), some.join("\n")).unwrap();
    let result = json(path, "evaluate run/model.safetensors some.csv --split all --json");
    assert_eq!((result["samples"].as_u64(), result["classes"].as_array().unwrap().len()), (Some(40), 3));
    assert!(result["accuracy"].as_f64().unwrap() > 0.85, "{result}");
    assert_eq!(result["confusion"][0], serde_json::json!([0, 0, 0]));

    // Evaluation and prediction agree.
    let result = json(path, "evaluate run/model.safetensors rings.csv --split all --json");
    let output = run(path, "predict run/model.safetensors rings.csv --label 3");
    let predicted = String::from_utf8(output.stdout).unwrap();
    let truth = fs::read_to_string(path.join("rings.csv")).unwrap();
    let pairs = predicted.lines().skip(1).zip(truth.lines());
    let hits = pairs.filter(|(class, row)| class.split(',').next() == row.rsplit(',').next()).count();
    assert_eq!(hits as f64 / 300.0, result["accuracy"].as_f64().unwrap());

    refuses(path, "train rings.csv --test missing.csv", 1, &["missing.csv", "cannot be read"]);
    fs::write(path.join("strange.csv"), "0.1,0.2,elsewhere\n0.3,0.2,inner\n").unwrap();
    refuses(path, "evaluate run/model.safetensors strange.csv", 1, &["elsewhere", "inner, middle, outer"]);
    refuses(path, "train rings.csv --test strange.csv", 1, &["strange.csv", "elsewhere"]);
    refuses(path, "train rings.csv --test-fraction 1", 2, &["--test-fraction"]);
    refuses(path, "train rings.csv --label colour", 1, &["no column 'colour'"]);
    let unnamed = run(path, "predict run/model.safetensors rings.csv");
    assert_eq!(String::from_utf8(unnamed.stdout).unwrap(), predicted, "the label column is known by its position");
    refuses(path, "evaluate run/model.safetensors mnist --data-dir .", 1, &["mnist", "asgd data fetch mnist"]);
    refuses(path, "evaluate run/nothing.safetensors rings.csv", 1, &["nothing.safetensors", "cannot be read"]);
    refuses(path, "evaluate run/model.safetensors circles", 2, &["3 outputs", "2 classes"]);
}

/// An answer for every row before the one that is wrong, and more rows than go through the network at once.
#[test]
fn predict_streams() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let spec = NetworkSpec::new(&[2, 3, 1]).unwrap();
    asgd::Init::Kaiming.model(&spec, &[5, 6]).unwrap().save(&path.join("two.safetensors")).unwrap();
    refuses(path, "predict two.safetensors -", 2, &["2 networks", "--replica"]);
    refuses(path, "predict two.safetensors - --replica 2", 2, &["--replica", "from 0"]);
    let mut child = asgd(path, "predict two.safetensors - --replica 1").stdin(Stdio::piped()).spawn().unwrap();
    let rows: String = (0..9000).map(|index| format!("{},{}\n", index % 7, f64::from(index) * 0.001 - 4.5)).collect();
    // From a thread: it answers before it has read everything.
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(format!("{rows}1,oops\n2,3\n").as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(stdout.lines().count(), 1 + 9000);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("line 9001: column 2 holds 'oops'"));
    // Against the library, row by row.
    let model = Model::load(&path.join("two.safetensors")).unwrap().slice(1..2);
    let values = (0..9000).flat_map(|index| [(index % 7) as f32, (f64::from(index) * 0.001 - 4.5) as f32]).collect();
    let samples = Samples::new(2, Inputs::F32(values), vec![0; 9000], 2).unwrap();
    let logits = Predictor::new(&Device::open(None).unwrap(), &model, &samples).unwrap().logits().unwrap();
    for (line, z) in stdout.lines().skip(1).zip(logits) {
        let (class, probability) = line.split_once(',').unwrap();
        assert_eq!(class, if z > 0.0 { "1" } else { "0" });
        let expected = 1.0 / (1.0 + (-f64::from(z).abs()).exp());
        assert!((probability.parse::<f64>().unwrap() - expected).abs() < 1e-12);
    }
}

/// One Ctrl-C ends what has nothing to save.
#[test]
#[cfg(unix)]
fn one_signal_ends_a_prediction() {
    let folder = TempDir::new().unwrap();
    let spec = NetworkSpec::new(&[2, 1]).unwrap();
    asgd::Init::Kaiming.model(&spec, &[5]).unwrap().save(&folder.path().join("model.safetensors")).unwrap();
    let mut child = asgd(folder.path(), "predict model.safetensors -").stdin(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap().success());
    // Its stdin stays open: only the signal can end it.
    for _ in 0..100 {
        if child.try_wait().unwrap().is_some() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    child.kill().unwrap();
    panic!("it went on");
}

/// Logits of all replicas against plain loops in f64.
#[test]
fn predictor_agrees_with_the_reference() {
    let shapes = [(vec![5, 9, 3], false, 1000), (vec![40, 33, 1], true, 257), (vec![3, 2], false, 1)];
    for ((widths, bytes, count), device) in
        shapes.iter().flat_map(|shape| devices().map(|device| (shape.clone(), device)))
    {
        let device = Device::open(Some(&device)).unwrap();
        let spec = NetworkSpec::new(&widths).unwrap();
        let model = asgd::Init::Pytorch.model(&spec, &[1, 2, 3]).unwrap();
        let value = |index: usize| (index * 7919 % 251) as u8;
        let inputs = match bytes {
            true => Inputs::U8((0..count * widths[0]).map(value).collect()),
            false => Inputs::F32((0..count * widths[0]).map(|index| f32::from(value(index)) / 100.0 - 1.0).collect()),
        };
        let samples = Samples::new(widths[0], inputs, vec![0; count], 2).unwrap();
        let logits = Predictor::new(&device, &model, &samples).unwrap().logits().unwrap();
        let units = spec.outputs();
        assert_eq!(logits.len(), 3 * count * units);
        for replica in 0..3 {
            let settings = asgd::ReplicaSettings::default();
            let reference = asgd::reference::step::Training::new(&model, replica, settings, |value| value);
            for sample in 0..count {
                let expected = reference.activations(&samples.sample(sample));
                let actual = &logits[(replica * count + sample) * units..][..units];
                for (actual, expected) in actual.iter().zip(&expected[expected.len() - 1]) {
                    assert!(
                        (f64::from(*actual) - expected).abs() < 1e-5,
                        "{widths:?} {replica} {sample}: {actual} {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn pruning_takes_out_what_is_dead() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    // A network with dead nodes: some for every input in [0, 1], others only on the data.
    let spec = NetworkSpec::new(&[2, 8, 6, 1]).unwrap();
    let mut model = asgd::Init::Normal(1.0).model(&spec, &[3]).unwrap();
    for node in [1, 4] {
        model.weight_mut(0, 0)[2 * node..2 * node + 2].fill(-1.0);
        model.bias_mut(0, 0)[node] = -0.5;
    }
    model.weight_mut(1, 0)[8 * 2..8 * 3].fill(-0.25);
    model.bias_mut(1, 0)[2] = -0.1;
    model.weight_mut(0, 0)[10..12].copy_from_slice(&[1.0, 1.0]);
    model.bias_mut(0, 0)[5] = -1.9;
    model.save(&path.join("model.safetensors")).unwrap();
    let rows: String = (0..100)
        .map(|index| format!("{},{},{}\n", index as f64 / 110.0, (index * 37 % 100) as f64 / 110.0, index % 2))
        .collect();
    fs::write(path.join("unit.csv"), &rows).unwrap();
    let result = json(path, "prune model.safetensors unit.csv -o small.safetensors --json");
    let small = Model::load(&path.join("small.safetensors")).unwrap();
    let cut: Vec<u64> = result["cut"].as_array().unwrap().iter().map(|cut| cut.as_u64().unwrap()).collect();
    let certain: Vec<u64> = result["certain"].as_array().unwrap().iter().map(|cut| cut.as_u64().unwrap()).collect();
    assert!(cut[0] >= 3 && cut[1] >= 1, "{result}");
    assert!(certain[0] >= 2 && certain[0] < cut[0] && certain[1] >= 1, "node 5 is dead on this data only: {result}");
    assert_eq!(small.spec().widths(), [2, 8 - cut[0] as usize, 6 - cut[1] as usize, 1]);
    // Nothing is left to cut, and it trains on.
    let again = json(path, "prune small.safetensors unit.csv -o again.safetensors --json");
    assert_eq!(again["cut"], serde_json::json!([0, 0]));
    run(path, "train unit.csv --init small.safetensors --steps 5 --quiet --out on");
    let text = String::from_utf8(run(path, "prune model.safetensors unit.csv -o small.safetensors").stdout).unwrap();
    assert!(text.contains("certain") && text.contains("bit for bit"), "{text}");

    // Outside [0, 1] nothing is certain.
    fs::write(path.join("wide.csv"), rows.replace("0.9", "-9")).unwrap();
    let result = json(path, "prune model.safetensors wide.csv -o small.safetensors --json");
    assert_eq!(result["certain"], serde_json::json!([0, 0]));
    refuses(path, "prune model.safetensors unit.csv -o no/such/folder.safetensors", 1, &["no/such/folder"]);
}

#[test]
fn inspect_counts_like_the_reference() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let spec = NetworkSpec::new(&[2, 6, 4, 1]).unwrap();
    let model = asgd::Init::Pytorch.model(&spec, &[8]).unwrap();
    model.save(&path.join("model.safetensors")).unwrap();
    let result = json(path, "inspect model.safetensors circles --batch-size 50 --batches 3 --json --figure counts.svg");
    assert!(fs::read_to_string(path.join("counts.svg")).unwrap().contains("layer 3"));
    let data = asgd::dataset::Circles::default().dataset().unwrap();
    let settings = asgd::ReplicaSettings::default();
    let mut reference = asgd::reference::step::Training::new(&model, 0, settings, |value| value);
    let mut sums = [0.0; 3];
    for batch in 0..3u32 {
        let indices: Vec<u32> = (batch * 50..batch * 50 + 50).collect();
        reference.reduce(&data.train, &indices);
        for (sum, counts) in sums.iter_mut().zip(&reference.counts) {
            *sum += counts.iter().map(|&count| f64::from(count)).sum::<f64>() / counts.len() as f64 / 3.0;
        }
    }
    for (layer, expected) in sums.iter().enumerate() {
        let actual = result["mean_adaptive_batch_size"][layer].as_f64().unwrap();
        assert!((actual - expected).abs() < 1e-9, "layer {layer}: {actual} {expected}");
    }
    let all: Vec<u32> = (0..data.train.len() as u32).collect();
    let (never, always) = reference.dummies(&data.train, &all);
    let total = |key: &str| result[key].as_array().unwrap().iter().map(|count| count.as_f64().unwrap()).sum::<f64>();
    assert_eq!((total("true_dummies"), total("pseudo_dummies")), (f64::from(never), f64::from(always)));

    // What it says of weights and biases is what they are.
    let text = String::from_utf8(run(path, "inspect model.safetensors circles").stdout).unwrap();
    let (_, values) = text.split_once("\nWeights and biases\n").unwrap();
    for (layer, (kind, values_of)) in (0..3)
        .flat_map(|layer| [("weights", model.weight(layer, 0)), ("biases", model.bias(layer, 0))].map(|of| (layer, of)))
    {
        let key = [(layer + 1).to_string(), kind.to_string()];
        let mut lines = values.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let line = lines.find(|words| words.len() > 2 && words[..2] == key).unwrap();
        let shown: Vec<f64> = line[2..6].iter().map(|number| number.parse().unwrap()).collect();
        let values: Vec<f64> = values_of.iter().map(|&value| f64::from(value)).collect();
        let (mean, deviation) = mean_and_deviation(&values);
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for (shown, expected) in shown.iter().zip([mean, deviation, low, high]) {
            assert!((shown - expected).abs() <= 5.1e-5, "{key:?}: {line:?} {expected}");
        }
    }
}

/// A diverged replica is marked and left out; the others are what they are alone.
#[test]
fn diverged_replicas_do_not_spoil_the_others() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let spec = NetworkSpec::new(&[2, 4, 1]).unwrap();
    let mut start = asgd::Init::Kaiming.model(&spec, &[0, 1, 2]).unwrap();
    // A bias of minus infinity: no input activates its node, and the loss does not show it.
    start.bias_mut(0, 1)[0] = f32::NEG_INFINITY;
    start.save(&path.join("start.safetensors")).unwrap();
    start.slice(2..3).save(&path.join("third.safetensors")).unwrap();
    let arguments = "train circles --order sequential --epochs 2 --quiet --json";
    let result = json(path, &format!("{arguments} --init start.safetensors --replicas 3 --out three"));
    assert_eq!(result["diverged_replicas"], serde_json::json!([1]));
    assert!(result["test_loss"].as_f64().unwrap().is_finite());
    let metrics = fs::read_to_string(path.join("three/metrics.csv")).unwrap();
    let place = metrics.lines().next().unwrap().split(',').position(|name| name == "diverged").unwrap();
    for line in metrics.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells[place], if cells[0] == "1" { "1" } else { "0" }, "{line}");
    }
    json(path, &format!("{arguments} --init third.safetensors --out alone"));
    let three = Model::load(&path.join("three/model.safetensors")).unwrap();
    assert_eq!(Model::load(&path.join("alone/model.safetensors")).unwrap(), three.slice(2..3));
}

/// An array as numpy.save writes it.
fn npy(kind: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(bytes);
    file
}

fn npz(path: &Path, arrays: &[(&str, Vec<u8>)]) {
    let mut archive = zip::ZipWriter::new(fs::File::create(path).unwrap());
    for (name, bytes) in arrays {
        archive.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap();
}

#[test]
fn npz_as_keras_has_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let images = |count: usize| {
        (0..count * 6).map(|index| if index % 4 == 0 { 0 } else { (index * 31 % 256) as u8 }).collect::<Vec<u8>>()
    };
    let labels = |count: usize| (0..count).map(|index| (index % 3) as u8).collect::<Vec<u8>>();
    let wide =
        |count: usize| labels(count).iter().flat_map(|&label| i64::from(label).to_le_bytes()).collect::<Vec<u8>>();
    let sound = vec![
        ("x_train", npy("|u1", "(30, 2, 3)", &images(30))),
        ("y_train", npy("|u1", "(30,)", &labels(30))),
        ("x_test", npy("|u1", "(9, 2, 3)", &images(9))),
        ("y_test", npy("<i8", "(9, 1)", &wide(9))),
    ];
    npz(&path.join("sound.npz"), &sound);
    let data = asgd::Dataset::from_npz(&path.join("sound.npz"), 3).unwrap();
    assert_eq!((data.train.len(), data.test.len(), data.features()), (30, 9, 6));
    assert!(matches!(data.train.inputs(), Inputs::U8(pixels) if *pixels == images(30)));
    assert_eq!(data.test.labels(), [0, 1, 2, 0, 1, 2, 0, 1, 2]);
    run(path, "train sound.npz --classes 3 --batch-size 8 --steps 5 --quiet --out run");

    let damaged = |name: &str, place: usize, array: Vec<u8>| {
        let mut arrays = sound.clone();
        arrays[place].1 = array;
        npz(&path.join(name), &arrays);
    };
    damaged("labels.npz", 1, npy("|u1", "(29,)", &labels(29)));
    damaged("negative.npz", 3, npy("<i8", "(9,)", &wide(9).iter().map(|_| 0xff).collect::<Vec<u8>>()));
    damaged("text.npz", 0, npy("<U1", "(30,)", &[0; 120]));
    damaged("short.npz", 0, npy("|u1", "(30, 2, 3)", &images(29)));
    damaged("features.npz", 2, npy("|u1", "(9, 2, 2)", &images(6)));
    npz(&path.join("missing.npz"), &sound[..3]);
    let whole = fs::read(path.join("sound.npz")).unwrap();
    fs::write(path.join("cut.npz"), &whole[..whole.len() / 2]).unwrap();
    let options = "--classes 3 --steps 1";
    refuses(path, &format!("train labels.npz {options}"), 1, &["labels.npz", "y_train", "30 samples"]);
    refuses(path, &format!("train negative.npz {options}"), 1, &["y_test", "negative"]);
    refuses(path, &format!("train text.npz {options}"), 1, &["x_train", "type"]);
    refuses(path, &format!("train short.npz {options}"), 1, &["x_train", "damaged"]);
    refuses(path, &format!("train features.npz {options}"), 1, &["6 features", "4"]);
    refuses(path, &format!("train missing.npz {options}"), 1, &["no array y_test"]);
    refuses(path, &format!("train cut.npz {options}"), 1, &["cut off"]);
    refuses(path, "train sound.npz --classes 2 --steps 1", 1, &["label 2", "0 to 1"]);
    // A training set that no binding of WebGPU's default size holds: the limit is named, and nothing is left behind.
    let limit = Gpu::new(None).unwrap().limits().max_storage_buffer_binding_size as usize;
    if limit < 1 << 30 {
        let count = limit / (4 * 2000) + 1;
        let zeros = vec![0u8; count * 2000 * 4];
        let mut arrays = vec![("x_train", npy("<f4", &format!("({count}, 2000)"), &zeros))];
        arrays.push(("y_train", npy("|u1", &format!("({count},)"), &vec![0; count])));
        arrays.push(("x_test", npy("<f4", "(1, 2000)", &zeros[..8000])));
        arrays.push(("y_test", npy("|u1", "(1,)", &[1])));
        npz(&path.join("large.npz"), &arrays);
        let train = format!("train large.npz --max-expansion 100000 --steps 1 --out large --device {}", adapter());
        refuses(path, &train, 1, &["training inputs", "maxStorageBufferBindingSize"]);
        // What hardly packs anything, as these zeros, may be made to fill memory.
        refuses(path, &train.replace(" --max-expansion 100000", ""), 1, &["large.npz", "x_train", "200 times"]);
        assert!(!path.join("large").exists());
    }
    refuses(path, &format!("train nothing.npz {options}"), 1, &["nothing.npz", "cannot be read"]);
}
