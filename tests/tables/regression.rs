//! Targets that are numbers: read without any option, scaled and given back in their own units, ranked, resumed, refused by line.

use std::fs;
use std::path::Path;

use crate::command::{refuses, run};
use crate::support::{assert_holds, json, normal, prints, says, uniform, write};

/// A price in units of 1e5 that area and rooms tell, but for some noise.
fn houses(rows: usize) -> String {
    let row = |i: usize| {
        let (area, rooms) = (30.0 + 220.0 * uniform(3 * i), (1.0 + 7.0 * uniform(3 * i + 1)).floor());
        let price = 50_000.0 + 2800.0 * area + 15_000.0 * rooms + 5000.0 * normal(i + 5000);
        format!("{area:.1},{rooms},{price:.2}\n")
    };
    "area,rooms,price\n".to_string() + &(0..rows).map(row).collect::<String>()
}

fn number(text: &serde_json::Value) -> f64 {
    text.as_f64().unwrap()
}

/// Inputs of a file with a header, and its last column.
fn columns(text: &str) -> Vec<(Vec<f64>, f64)> {
    let row = |line: &str| {
        let mut numbers: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
        let last = numbers.pop().unwrap();
        (numbers, last)
    };
    text.lines().skip(1).map(row).collect()
}

#[test]
fn a_table_of_prices_needs_no_option() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let text = houses(300);
    write(path, "houses.csv", &text);
    let said = says(path, "train houses.csv --device cpu --out run");
    assert_holds(
        &said,
        &[
            "210 training and 90 test samples, 2 features, 1 target",
            "target column 'price' (3 of 3), regression, 2 features: area, rooms",
            "column 3 (price) is taken for numbers to be given, a regression: 300 different ones in 300 rows",
            "--task classification",
            "targets standardised: (t - mean) / standard deviation of the training samples",
            "--target-scale none",
            "R²",
        ],
    );
    assert!(!said.contains("accuracy") && !said.contains("classes from"), "{said}");
    let metrics = fs::read_to_string(path.join("run/metrics.csv")).unwrap();
    assert!(metrics.starts_with("replica,epoch,step,train_loss,train_r2,test_loss,test_r2,"), "{metrics}");
    let page = fs::read_to_string(path.join("run/report.html")).unwrap();
    for word in ["test R²", "mean squared error", "RMSE", "predict new samples"] {
        assert!(page.contains(word), "{word}");
    }
    assert!(!page.contains("Confusion") && !page.contains("accuracy") && !page.contains("nats"));
    let curve = fs::read_to_string(path.join("run/learning_curve.svg")).unwrap();
    assert!(curve.contains("R²") && curve.contains("mean squared error") && !curve.contains("accuracy"));
    let document: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(path.join("run/run.json")).unwrap()).unwrap();
    assert_eq!(document["settings"]["loss"], "mse");
    assert_eq!(document["dataset"]["target_scale"], "standard");

    // What is said of the test rows follows from the predictions for them, in units of the file.
    let evaluated = json(path, "evaluate run/model.safetensors houses.csv --split all --device cpu --json");
    assert!(number(&evaluated["r2"]) > 0.95, "{evaluated}");
    let answers = prints(path, "predict run/model.safetensors houses.csv --device cpu");
    assert!(answers.starts_with("price\n"), "{answers}");
    let answers: Vec<f64> = answers.lines().skip(1).map(|line| line.parse().unwrap()).collect();
    let rows = columns(&text);
    assert_eq!(answers.len(), rows.len());
    let count = rows.len() as f64;
    let mean = rows.iter().map(|(_, price)| price).sum::<f64>() / count;
    let residual: f64 = rows.iter().zip(&answers).map(|((_, price), answer)| (price - answer).powi(2)).sum();
    let total: f64 = rows.iter().map(|(_, price)| (price - mean).powi(2)).sum();
    let expected = 1.0 - residual / total;
    assert!((number(&evaluated["r2"]) - expected).abs() < 1e-5, "{evaluated} {expected}");
    let target = &evaluated["targets"][0];
    let rmse = (residual / count).sqrt();
    assert!((number(&target["rmse"]) - rmse).abs() < 1e-5 * rmse, "{evaluated} {rmse}");
    assert_eq!(target["target"], "price");
    assert!(evaluated["confusion"].is_null() && evaluated["accuracy"].is_null());

    assert_holds(
        &prints(path, "evaluate run/model.safetensors houses.csv --device cpu"),
        &["R²", "of the scaled targets", "RMSE", "price"],
    );
    assert_holds(
        &prints(path, "inspect run/model.safetensors houses.csv --device cpu"),
        &["Scale of the targets: standard", "price", "Adaptive batch sizes"],
    );
    run(path, "prune run/model.safetensors houses.csv --device cpu -o small.safetensors");
    let of_pruned = json(path, "evaluate small.safetensors houses.csv --split all --device cpu --json");
    assert_eq!(of_pruned["r2"], evaluated["r2"]);
    assert_holds(&prints(path, "export small.safetensors -o small.onnx"), &["values (batch, 1)"]);
    // A model that a training starts from says how the table is read and scaled.
    let again = says(path, "train houses.csv --init small.safetensors --steps 3 --device cpu --out again");
    assert_holds(&again, &["target scale standard, as the model's"]);
}

/// The parameters of a network and the numbers of its scales are all that an answer needs.
#[test]
fn answers_are_derived_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let text = houses(120);
    write(path, "houses.csv", &text);
    run(path, "train houses.csv --device cpu -q --out run");
    let model = asgd::Model::load(&path.join("run/model.safetensors")).unwrap();
    let (inputs, targets) = (model.data.scaling.clone().unwrap(), model.data.target_scaling.clone().unwrap());
    let answers = prints(path, "predict run/model.safetensors houses.csv --device cpu");
    for ((features, _), answer) in columns(&text).iter().zip(answers.lines().skip(1)) {
        let scaled = features.iter().zip(inputs.shift().iter().zip(inputs.divisor()));
        let mut a: Vec<f64> = scaled.map(|(x, (shift, divisor))| f64::from(((x - shift) / divisor) as f32)).collect();
        for layer in 0..3 {
            let rows = model.weight(layer, 0).chunks(a.len()).zip(model.bias(layer, 0));
            let sum = |weights: &[f32]| weights.iter().zip(&a).map(|(&w, a)| f64::from(w) * a).sum::<f64>();
            let z: Vec<f64> = rows.map(|(weights, &bias)| sum(weights) + f64::from(bias)).collect();
            a = if layer < 2 { z.into_iter().map(|z| z.max(0.0)).collect() } else { z };
        }
        let expected = a[0] * targets.divisor()[0] + targets.shift()[0];
        let answer: f64 = answer.parse().unwrap();
        assert!((answer - expected).abs() < 1e-5 * targets.divisor()[0], "{answer} {expected}");
    }
}

#[test]
fn several_targets_are_several_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let row = |i: usize| {
        let (a, b) = (2.0 * uniform(2 * i) - 1.0, 2.0 * uniform(2 * i + 1) - 1.0);
        // Units far apart: neither may drown the other.
        format!("{:.3},{a:.4},{:.9},{b:.4}\n", 1e6 * (a + b * b), 1e-4 * (a * b - a))
    };
    write(path, "two.csv", "t1,a,t2,b\n".to_string() + &(0..400).map(row).collect::<String>());
    let said = says(path, "train two.csv --label t1,t2 --hidden 20,20 --device cpu --out run");
    assert_holds(&said, &["2 targets", "target columns 't1' (1 of 4), 't2' (3 of 4), regression, 2 features: a, b"]);
    let evaluated = json(path, "evaluate run/model.safetensors two.csv --device cpu --json");
    for (target, name) in evaluated["targets"].as_array().unwrap().iter().zip(["t1", "t2"]) {
        assert!(target["target"] == name && number(&target["r2"]) > 0.9, "{evaluated}");
    }
    assert!(number(&evaluated["targets"][0]["rmse"]) > 1e3 && number(&evaluated["targets"][1]["rmse"]) < 1e-4);
    // By their titles, in another order, and without the targets.
    let swapped: String = fs::read_to_string(path.join("two.csv"))
        .unwrap()
        .lines()
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            format!("{},{},{},{}\n", cells[3], cells[2], cells[1], cells[0])
        })
        .collect();
    write(path, "swapped.csv", &swapped);
    let inputs: String =
        swapped.lines().map(|line| line.split(',').step_by(2).collect::<Vec<_>>().join(",") + "\n").collect();
    write(path, "inputs.csv", inputs);
    let expected = prints(path, "predict run/model.safetensors two.csv --device cpu");
    assert!(expected.starts_with("t1,t2\n"));
    for name in ["swapped.csv", "inputs.csv"] {
        assert_eq!(prints(path, &format!("predict run/model.safetensors {name} --device cpu")), expected, "{name}");
    }
    let of_swapped = json(path, "evaluate run/model.safetensors swapped.csv --device cpu --json");
    assert_eq!(of_swapped["r2"], evaluated["r2"]);
    refuses(path, "train two.csv --label t1,t2 --task classification", 1, &["several columns", "--task"]);
    refuses(path, "train two.csv --label t1,t1", 1, &["names column 1 (t1) twice"]);
    refuses(path, "train two.csv --label t1,t2 --drop t2", 1, &["both the label and left out"]);
    refuses(path, "evaluate run/model.safetensors inputs.csv", 1, &["no label column 't1'"]);
}

#[test]
fn wrong_targets_are_refused_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (cell, words) in [
        ("", &["line 42", "is missing", "--drop-missing"][..]),
        ("NaN", &["line 42", "is missing", "--drop-missing"]),
        ("inf", &["line 42", "'inf'", "column 3 (price)", "finite number"]),
        ("oops", &["line 42", "'oops'", "finite number"]),
    ] {
        write(path, "houses.csv", houses(40) + &format!("50,2,{cell}\n"));
        refuses(path, "train houses.csv", 1, words);
        refuses(path, "train houses.csv --task regression", 1, words);
    }
    write(path, "houses.csv", houses(40) + "50,2,1e300\n");
    refuses(path, "train houses.csv", 2, &["--target-scale", "too large"]);
    refuses(path, "train houses.csv --target-scale none", 1, &["column 3 (price) holds 1e300", "too large"]);
    write(path, "commas.csv", "a;price\n1;1,5\n2;2,5\n3;9,5\n");
    refuses(path, "train commas.csv --task regression", 1, &["line 2", "decimal point"]);
    write(path, "houses.csv", houses(40));
    refuses(path, "train houses.csv --task regression --classes 3", 2, &["--classes", "a regression has no classes"]);
    refuses(path, "train houses.csv --task numbers", 2, &["classification or regression"]);
    refuses(path, "train houses.csv --task regression --force-classes", 2, &["--force-classes"]);
    refuses(path, "train houses.csv --validation 0.2 --patience 3 --keep-by accuracy", 2, &["--keep-by", "r2"]);
    refuses(path, "train circles --validation 0.2 --patience 3 --keep-by r2", 2, &["--keep-by", "accuracy"]);
    refuses(path, "train circles --task regression", 2, &["--task", "circles is a classification"]);
    refuses(path, "train sine --task classification", 2, &["--task", "sine is a regression"]);
    refuses(path, "train circles --target-scale standard", 2, &["--target-scale", "classes"]);
    run(path, "train houses.csv --device cpu --steps 3 -q --out run");
    refuses(path, "evaluate run/model.safetensors houses.csv --task classification", 2, &["--task", "regression"]);
    write(path, "text.csv", "area,rooms,price\n50,2,cheap\n");
    refuses(path, "evaluate run/model.safetensors text.csv", 1, &["line 2: the target (column 3 (price)) is 'cheap'"]);
}

/// Whole numbers are what they look like, and --task decides.
#[test]
fn the_task_is_an_option() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let rows: String = (0..90).map(|i| format!("{:.3},{}\n", uniform(i), i % 3)).collect();
    write(path, "digits.csv", format!("a,digit\n{rows}"));
    assert_holds(&says(path, "train digits.csv --steps 2 --device cpu --out run"), &["3 classes"]);
    assert_holds(&says(path, "train digits.csv --task regression --steps 2 --device cpu --out run"), &["1 target"]);
    write(path, "houses.csv", houses(40));
    assert_holds(
        &says(path, "train houses.csv --task classification --steps 2 --device cpu --out run"),
        &["40 classes"],
    );
    let constant: String = (0..30).map(|i| format!("{:.3},7.5\n", uniform(i))).collect();
    write(path, "constant.csv", format!("a,b\n{constant}"));
    refuses(path, "train constant.csv", 1, &["all labels", "--task regression"]);
    let said = says(path, "train constant.csv --task regression --steps 20 --device cpu --out run");
    assert_holds(&said, &["all training samples have the same target: there is nothing to learn"]);
    let answers = prints(path, "predict run/model.safetensors constant.csv --device cpu");
    assert!(answers.lines().skip(1).all(|line| (line.parse::<f64>().unwrap() - 7.5).abs() < 5.0), "{answers}");
    // Without a header the number of the column does.
    write(path, "bare.csv", houses(60).lines().skip(1).map(|line| format!("{line}\n")).collect::<String>());
    assert_holds(
        &says(path, "train bare.csv --steps 2 --device cpu --out run"),
        &["header no, target column 3 of 3, regression"],
    );
    assert!(prints(path, "predict run/model.safetensors bare.csv --device cpu").starts_with("target\n"));
}

/// Networks start with outputs near 0: targets of 1e5 are learned with their scale, and not without it.
#[test]
fn huge_targets_need_their_scale() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write(path, "houses.csv", houses(300));
    let scaled = json(path, "train houses.csv --device cpu -q --json --out a");
    assert!(number(&scaled["test_r2"]) > 0.95, "{scaled}");
    let raw =
        json(path, "train houses.csv --target-scale none --optimizer sgd --lr 0.1 --device cpu -q --json --out b");
    let is_lost = raw["diverged_replicas"] == serde_json::json!([0]) || number(&raw["test_r2"]) < 0.1;
    assert!(is_lost, "{raw}");
    // Small ones train without it.
    assert_holds(&says(path, "train sine --device cpu --steps 5 --out c"), &["3 features, 1 target"]);
    let answers = prints(path, "predict c/model.safetensors sine --device cpu");
    assert_eq!(answers.lines().count(), 301);
}

#[test]
fn the_best_is_kept_ranked_and_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let sweep = "train sine --lr 0.0001,0.02,0.01 --epochs 60 --replicas 2 --device cpu";
    let said = prints(path, &format!("{sweep} --out sweep"));
    assert_holds(&said, &["test R²", "best by validation loss"]);
    let result = json(path, &format!("{sweep} -q --json --out again"));
    let cells = result["cells"].as_array().unwrap();
    let best = result["best_cell"].as_u64().unwrap() as usize - 1;
    let loss = |cell: usize| number(&cells[cell]["validation_loss"]);
    assert!((0..3).all(|cell| loss(best) <= loss(cell)) && best != 0, "{result}");
    assert!(number(&cells[best]["test_r2"]) > number(&cells[0]["test_r2"]));
    let table = fs::read_to_string(path.join("sweep/sweep.csv")).unwrap();
    assert_holds(&table, &["train_r2,train_r2_std", "validation_r2", "test_r2"]);
    assert!(!table.contains("accuracy"));

    let keep = "train sine --epochs 40 --validation 0.2 --keep best --keep-by r2 --device cpu";
    let kept = json(path, &format!("{keep} -q --json --out kept"));
    assert_eq!(kept["at_best_validation"]["by"], "r2");
    assert_eq!(kept["validation_r2"], kept["at_best_validation"]["validation_r2"]);
}

#[test]
fn a_resumed_run_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write(path, "houses.csv", houses(200));
    let train = "train houses.csv --replicas 2 --device cpu -q";
    run(path, &format!("{train} --epochs 30 --out whole"));
    run(path, &format!("{train} --epochs 12 --out part"));
    run(path, "train --resume part --epochs 30 -q");
    for name in ["model.safetensors", "counts.safetensors"] {
        let [whole, part] = ["whole", "part"].map(|folder| fs::read(path.join(folder).join(name)).unwrap());
        assert!(whole == part, "{name}");
    }
    let compared = prints(path, "compare whole part");
    assert_holds(&compared, &["test R²", "the highest test R²"]);
    let figure = fs::read_to_string(path.join("compare.svg")).unwrap();
    assert!(figure.contains("mean squared error"), "the figure names what it shows");
    run(path, "train circles --steps 5 --device cpu -q --out circles");
    refuses(path, "compare whole circles --any-data", 2, &["is a regression", "is a classification"]);
}

/// .npy of float64.
fn npy(shape: &str, values: &[f64]) -> Vec<u8> {
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
    values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    bytes
}

fn x(count: usize) -> Vec<f64> {
    (0..2 * count).map(|i| 20.0 * uniform(i) - 10.0).collect()
}

/// 100 + 3 a - b, or this and its half.
fn y(count: usize, outputs: usize) -> Vec<f64> {
    let of = |row: &[f64]| 100.0 + 3.0 * row[0] - row[1];
    x(count)
        .chunks(2)
        .flat_map(|row| (0..outputs).map(|output| of(row) / (output + 1) as f64).collect::<Vec<_>>())
        .collect()
}

fn npz(path: &Path, y: [Vec<u8>; 2]) {
    let mut archive = zip::ZipWriter::new(fs::File::create(path).unwrap());
    let [y_train, y_test] = y;
    let arrays = [
        ("x_train", npy("(90, 2)", &x(90))),
        ("y_train", y_train),
        ("x_test", npy("(40, 2)", &x(40))),
        ("y_test", y_test),
    ];
    for (name, array) in arrays {
        archive.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut archive, &array).unwrap();
    }
    archive.finish().unwrap();
}

#[test]
fn arrays_of_numbers_are_targets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (outputs, shapes) in [(1, ["(90,)", "(40,)"]), (1, ["(90, 1)", "(40, 1)"]), (2, ["(90, 2)", "(40, 2)"])] {
        npz(&path.join("data.npz"), [npy(shapes[0], &y(90, outputs)), npy(shapes[1], &y(40, outputs))]);
        let said = says(path, "train data.npz --epochs 300 --device cpu --out run");
        assert_holds(
            &said,
            &[if outputs == 1 { "1 target" } else { "2 targets" }, "a regression", "targets standardised"],
        );
        let evaluated = json(path, "evaluate run/model.safetensors data.npz --device cpu --json");
        assert!(number(&evaluated["r2"]) > 0.9, "{evaluated}");
    }
    npz(&path.join("wrong.npz"), [npy("(90,)", &y(90, 1)), npy("(40, 2)", &y(40, 2))]);
    refuses(path, "train wrong.npz", 1, &["y_train has 1 labels of each sample, but y_test has 2"]);
    let mut missing = y(90, 1);
    missing[7] = f64::INFINITY;
    npz(&path.join("wrong.npz"), [npy("(90,)", &missing), npy("(40,)", &y(40, 1))]);
    refuses(path, "train wrong.npz", 1, &["y_train: label 7 is inf"]);
    npz(&path.join("data.npz"), [npy("(90,)", &y(90, 1)), npy("(40,)", &y(40, 1))]);
    refuses(path, "train data.npz --task classification", 1, &["y_train", "--task regression"]);
}

/// IDX files of floats, big endian, with one and with several of each sample.
#[test]
fn idx_files_of_floats_are_targets() {
    let idx = |number: u8, sizes: &[u32], values: &[f64]| {
        let mut bytes = vec![0, 0, number, sizes.len() as u8];
        sizes.iter().for_each(|size| bytes.extend(size.to_be_bytes()));
        for value in values {
            match number {
                13 => bytes.extend((*value as f32).to_be_bytes()),
                _ => bytes.extend(value.to_be_bytes()),
            }
        }
        bytes
    };
    for (kind, outputs) in [(13, 1), (14, 1), (13, 2)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let data = path.join("data");
        fs::create_dir(&data).unwrap();
        for (stem, count) in [("train", 90), ("t10k", 40)] {
            write(&data, &format!("{stem}-images-idx2-ubyte"), idx(14, &[count as u32, 2], &x(count)));
            let (axes, sizes) = if outputs == 1 { (1, vec![count as u32]) } else { (2, vec![count as u32, 2]) };
            write(&data, &format!("{stem}-labels-idx{axes}-ubyte"), idx(kind, &sizes, &y(count, outputs)));
        }
        let said = says(path, "train data --epochs 300 --device cpu --out run");
        assert_holds(&said, &[if outputs == 1 { "1 target" } else { "2 targets" }, "a regression"]);
        let evaluated = json(path, "evaluate run/model.safetensors data --device cpu --json");
        assert!(number(&evaluated["r2"]) > 0.9, "{evaluated}");
    }
}
