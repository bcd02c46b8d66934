//! Inputs of very different sizes, and networks that tell nothing apart.

use std::fs;

use serde_json::Value;

use crate::command::{refuses, run};
use crate::support::{assert_holds, json, normal, prints, says, uniform, write};

#[test]
fn unscaled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let rows: String = (0..300)
        .map(|i| {
            format!(
                "{},{},{}\n",
                (i % 2) as f64 + 0.3 * normal(2 * i),
                50_000.0 + 20_000.0 * normal(2 * i + 1),
                ["no", "yes"][i % 2]
            )
        })
        .collect();
    write(path, "in.csv", format!("small,large,kind\n{rows}"));
    let output = run(path, "train in.csv --json --out run");
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(result["test_accuracy"].as_f64().unwrap() > 0.9, "{result}");
    assert_eq!(result["warnings"], Value::Array(Vec::new()));
    assert_holds(
        &String::from_utf8(output.stderr).unwrap(),
        &["data     inputs standardised: (x - mean) / standard deviation of the training rows"],
    );

    // The scale stays with the model: the same accuracy from every command, and from the file's own numbers.
    let again = json(path, "evaluate run/model.safetensors in.csv --json");
    assert_eq!(again["accuracy"], result["test_accuracy"]);
    let answers = prints(path, "predict run/model.safetensors in.csv");
    let right = answers.lines().skip(1).enumerate().filter(|(i, line)| line.starts_with(["no", "yes"][i % 2])).count();
    assert!(right > 270, "{right}");
    let bytes = fs::read(path.join("run/model.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let numbers: Vec<f64> = bytemuck::pod_collect_to_vec(file.tensor("scale.divisor").unwrap().data());
    assert!((numbers[1] - 20_000.0).abs() < 3_000.0 && (numbers[0] - 0.58).abs() < 0.1, "{numbers:?}");
    assert!(file.tensor("layers.0.weight").is_ok());
    let inspected = prints(path, "inspect run/model.safetensors in.csv");
    assert_holds(
        &inspected,
        &["Scale of the inputs: standard", "small", "large", "header yes, label column 'kind' (3 of 3)"],
    );
    run(path, "export run/model.safetensors -o run.onnx");
    let onnx = fs::read(path.join("run.onnx")).unwrap();
    let holds = |name: &[u8]| onnx.windows(name.len()).any(|window| window == name);
    assert!(holds(b"scale.divisor") && holds(b"input.scaled"));
    // A training that starts from the model scales as it did; a pruned network does too.
    assert_holds(
        &says(path, "train in.csv --init run/model.safetensors --steps 3 --out on"),
        &["scale standard, as the model that the training starts from"],
    );
    run(path, "prune run/model.safetensors in.csv -o small.safetensors");
    assert_eq!(json(path, "evaluate small.safetensors in.csv --json")["accuracy"], result["test_accuracy"]);

    // Unscaled, as it was asked for, is said when reading, at the end, and by prune.
    let output = run(path, "train in.csv --scale none --hidden 10,10 --out none");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_holds(&said, &["inputs as they are", "'large' reaches", "--scale standard"]);
    let document: Value = serde_json::from_str(&fs::read_to_string(path.join("none/run.json")).unwrap()).unwrap();
    if document["result"]["constant_replicas"].as_array().is_some_and(|replicas| !replicas.is_empty()) {
        assert_holds(&said, &["warning  ", "is predicted for every sample"]);
    }
    for scale in ["maxabs", "standard"] {
        let result = json(path, &format!("train in.csv --scale {scale} --epochs 300 -q --json --out {scale}"));
        assert!(result["test_accuracy"].as_f64().unwrap() > 0.85, "{scale}: {result}");
    }
    refuses(path, "train in.csv --scale minmax", 2, &["none, standard, maxabs or pixels"]);
}

/// Rows that are set aside for testing or validation do not go into the scale: it would know what the network must not.
#[test]
fn the_scale_is_that_of_the_training_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let values: Vec<f64> = (0..80).map(|i| (1e4 * normal(i)).round() / 1e3).collect();
    let rows: String = values.iter().enumerate().map(|(i, x)| format!("{x},{}\n", ["no", "yes"][i % 2])).collect();
    write(path, "in.csv", format!("x,kind\n{rows}"));
    for (option, validation) in [("", None), ("--validation 0.25", Some(0.25))] {
        run(path, &format!("train in.csv {option} --data-seed 5 --epochs 1 --quiet --out run"));
        let (mut train, _) = asgd::dataset::split_rows(80, 0.3, 5).unwrap();
        if let Some(fraction) = validation {
            let share = asgd::dataset::ValidationShare { fraction, seed: 5 };
            train = share.cut(train.len()).unwrap().0.into_iter().map(|index| train[index]).collect();
        }
        let count = train.len() as f64;
        let mean = train.iter().map(|&row| values[row]).sum::<f64>() / count;
        let variance = train.iter().map(|&row| (values[row] - mean).powi(2)).sum::<f64>() / count;
        let scale = &json(path, "inspect run/model.safetensors in.csv --json")["scale"];
        let [shift, divisor] = ["shift", "divisor"].map(|key| scale[key][0].as_f64().unwrap());
        assert!((shift - mean).abs() < 1e-9 && (divisor - variance.sqrt()).abs() < 1e-9, "{scale} {mean}");
    }
}

#[test]
fn dead_and_constant_networks_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let rows: String = (0..200)
        .map(|i| format!("{:.3},{:.3},{}\n", uniform(2 * i), uniform(2 * i + 1), ["no", "yes", "no"][i % 3]))
        .collect();
    write(path, "in.csv", format!("a,b,kind\n{rows}"));
    // A first layer that is dead from the start, and stays so.
    let spec = asgd::NetworkSpec::new(&[2, 4, 3, 1]).unwrap();
    let mut start = asgd::Init::Kaiming.model(&spec, &[1]).unwrap();
    start.bias_mut(0, 0).fill(-1e6);
    start.save(&path.join("dead.safetensors")).unwrap();
    let output = run(path, "train in.csv --init dead.safetensors --epochs 3 --json --out run");
    assert_holds(
        &String::from_utf8(output.stderr).unwrap(),
        &[
            "warning  hidden layer 1 has no living node: no training sample activates any",
            "warning  class 'no' is predicted for every sample; try ",
        ],
    );
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (result["dead_replicas"].to_string(), result["constant_replicas"].to_string()),
        ("[0]".into(), "[0]".into())
    );
    let pruned = prints(path, "prune run/model.safetensors in.csv -o small.safetensors");
    assert_holds(&pruned, &["hidden layer 1 has no living node: the network says the same of every sample"]);
    assert!(!pruned.contains("saved"), "{pruned}");
    // Nothing of the kind is said of a network that learns.
    let said = says(path, "train circles --epochs 100 --out circles");
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn images_0_255() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let titles: String = (0..36).map(|i| format!(",p{i}")).collect();
    let (mut bytes, mut unit) = (format!("label{titles}\n"), format!("label{titles}\n"));
    for i in 0..300 {
        let pixels: Vec<u8> = (0..36)
            .map(|p| (255.0 * (0.8 * uniform(i % 3 * 36 + p) + 0.2 * uniform(999 + i * 36 + p))) as u8)
            .collect();
        bytes += &format!("{}{}\n", i % 3, pixels.iter().map(|pixel| format!(",{pixel}")).collect::<String>());
        unit += &format!(
            "{}{}\n",
            i % 3,
            pixels.iter().map(|&pixel| format!(",{}", f64::from(pixel) / 255.0)).collect::<String>()
        );
    }
    write(path, "bytes.csv", bytes);
    write(path, "unit.csv", unit);
    let output = run(path, "train bytes.csv --label label --epochs 100 --json --out bytes");
    assert_holds(
        &String::from_utf8(output.stderr).unwrap(),
        &["data     inputs divided by 255; all are whole numbers from 0 to 255, as pixels are"],
    );
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let unit = json(path, "train unit.csv --label label --epochs 100 -q --json --out unit");
    assert_eq!(result["test_loss"], unit["test_loss"], "the same numbers");
    assert!(result["test_accuracy"].as_f64().unwrap() > 0.95, "{result}");
    assert_eq!(
        prints(path, "predict bytes/model.safetensors bytes.csv"),
        prints(path, "predict unit/model.safetensors unit.csv")
    );
    assert_holds(
        &says(path, "train bytes.csv --label label --scale none --steps 3 --out none"),
        &["inputs as they are"],
    );
    assert_holds(
        &says(path, "train bytes.csv --steps 3 --force-classes --out last"),
        &["--label label takes them from 'label'"],
    );
}
