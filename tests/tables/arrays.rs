//! NumPy arrays and IDX files of every type.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::command::{refuses, run};
use crate::support::{assert_holds, json, prints, says, uniform, write};

/// One NumPy array.
fn npy(descr: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn npz(folder: &Path, name: &str, arrays: [Vec<u8>; 4]) {
    let mut archive = zip::ZipWriter::new(fs::File::create(folder.join(name)).unwrap());
    for (name, array) in ["x_train", "y_train", "x_test", "y_test"].iter().zip(arrays) {
        archive.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut archive, &array).unwrap();
    }
    archive.finish().unwrap();
}

fn pixels(count: usize) -> Vec<u8> {
    (0..count * 36).map(|i| (255.0 * uniform(i)) as u8).collect()
}

/// Both sets, 64 and 30 samples of 6 x 6 pixels, whose labels are `descr` made by `label`.
fn labelled(descr: &str, label: &dyn Fn(usize) -> Vec<u8>) -> [Vec<u8>; 4] {
    let y =
        |count: usize| npy(descr, "False", &format!("({count},)"), &(0..count).flat_map(label).collect::<Vec<u8>>());
    let x = |count: usize| npy("|u1", "False", &format!("({count}, 6, 6)"), &pixels(count));
    [x(64), y(64), x(30), y(30)]
}

#[test]
fn npz_classes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let whole = |label: &dyn Fn(usize) -> usize| labelled("<i8", &|i| (label(i) as i64).to_le_bytes().to_vec());
    let said = |arrays: [Vec<u8>; 4]| {
        npz(path, "in.npz", arrays);
        says(path, "train in.npz --steps 3 --batch-size 16 --out run")
    };
    assert_holds(&said(whole(&|i| i % 3)), &["64 training and 30 test samples, 36 features, 3 classes"]);
    assert_holds(&said(whole(&|i| i % 26 + 1)), &["26 classes", "data     classes from the labels: 1, 2, 3"]);
    let names = asgd::Model::load(&path.join("run/model.safetensors")).unwrap().class_names;
    assert_eq!((names.len(), names[25].as_str()), (26, "26"));
    assert_eq!(json(path, "evaluate run/model.safetensors in.npz --json")["samples"], 30);
    assert_eq!(prints(path, "predict run/model.safetensors in.npz").lines().count(), 31);
    for (descr, label) in [
        ("<f8", &(|i: usize| ((i % 2) as f64).to_le_bytes().to_vec()) as &dyn Fn(usize) -> Vec<u8>),
        (">f8", &|i| ((i % 2) as f64).to_be_bytes().to_vec()),
        ("|b1", &|i| vec![(i % 2) as u8]),
        ("|u1", &|i| vec![(i % 2) as u8]),
        ("<u8", &|i| ((i % 2) as u64).to_le_bytes().to_vec()),
        ("<i4", &|i| (1 - 2 * (i as i32 % 2)).to_le_bytes().to_vec()),
        ("<f2", &|i| [0u16, 0x3c00][i % 2].to_le_bytes().to_vec()),
    ] {
        assert_holds(&said(labelled(descr, label)), &["36 features, 2 classes"]);
    }
    let refuses = |arrays: [Vec<u8>; 4], words: &[&str]| {
        npz(path, "bad.npz", arrays);
        refuses(path, "train bad.npz --steps 3 --out bad", 1, &[&["bad.npz"], words].concat());
    };
    assert_holds(
        &said(labelled("<f8", &|i| (i as f64 / 7.0).to_le_bytes().to_vec())),
        &["36 features, 1 target", "y_train holds", "a regression"],
    );
    refuses(labelled("<f8", &|_| f64::NAN.to_le_bytes().to_vec()), &["y_train", "label 0", "missing"]);
    refuses(labelled("<U1", &|i| vec![b'a' + (i % 2) as u8, 0, 0, 0]), &["y_train", "holds text", "accepted are"]);
    refuses(labelled("<i8", &|_| 4i64.to_le_bytes().to_vec()), &["all labels are 4"]);
    let mut one_hot = whole(&|i| i % 3);
    for (place, count) in [(1, 64), (3, 30)] {
        let rows: Vec<u8> = (0..count).flat_map(|i| (0..3).map(move |k| u8::from(i % 3 == k))).collect();
        one_hot[place] = npy("|u1", "False", &format!("({count}, 3)"), &rows);
    }
    refuses(one_hot, &["y_train is one-hot", "y_train.argmax(axis=1)"]);
    let mut empty = whole(&|i| i % 3);
    empty[0] = npy("|u1", "False", "(0, 6, 6)", &[]);
    empty[1] = npy("<i8", "False", "(0,)", &[]);
    refuses(empty, &["x_train is empty"]);
    let mut nested = whole(&|i| i % 3);
    nested[0] = npy("|u1", "False", &format!("({}2{})", "(".repeat(56), ")".repeat(56)), &[]);
    refuses(nested, &["x_train", "brackets"]);
}

#[test]
fn npz_inputs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let labels = |count: usize| {
        npy("|u1", "False", &format!("({count},)"), &(0..count).map(|i| (i % 3) as u8).collect::<Vec<_>>())
    };
    let with = |descr: &str, order: &str, value: &dyn Fn(u8) -> Vec<u8>| {
        let x = |count: usize| {
            let mut pixels = pixels(count);
            if order == "True" {
                let by_row = pixels.clone();
                let (mut place, shape) = (0, [count, 6, 6]);
                for c in 0..shape[2] {
                    for b in 0..shape[1] {
                        for a in 0..shape[0] {
                            pixels[place] = by_row[a * 36 + b * 6 + c];
                            place += 1;
                        }
                    }
                }
            }
            npy(
                descr,
                order,
                &format!("({count}, 6, 6)"),
                &pixels.iter().flat_map(|&pixel| value(pixel)).collect::<Vec<u8>>(),
            )
        };
        npz(path, "in.npz", [x(64), labels(64), x(30), labels(30)]);
        let output = run(path, "train in.npz --epochs 3 --batch-size 16 --seed 4 --json --out run");
        let result: Value = serde_json::from_slice(&output.stdout).unwrap();
        (result["test_loss"].as_f64().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (bytes, said) = with("|u1", "False", &|pixel| vec![pixel]);
    assert!(!said.contains("divided"), "{said}");
    for (descr, order, value) in [
        ("|u1", "True", &(|pixel: u8| vec![pixel]) as &dyn Fn(u8) -> Vec<u8>),
        ("<i8", "False", &|pixel| i64::from(pixel).to_le_bytes().to_vec()),
        ("<f8", "True", &|pixel| f64::from(pixel).to_le_bytes().to_vec()),
        (">f4", "False", &|pixel| f32::from(pixel).to_be_bytes().to_vec()),
        (">u2", "False", &|pixel| u16::from(pixel).to_be_bytes().to_vec()),
    ] {
        let (loss, said) = with(descr, order, value);
        assert_eq!(loss, bytes, "{descr} {order}");
        assert_eq!(said.contains("from 0 to 255, as pixels are: divided by 255"), descr != "|u1", "{said}");
    }
    let (unit, said) = with("<f4", "False", &|pixel| (f32::from(pixel) / 255.0).to_le_bytes().to_vec());
    assert_eq!(unit, bytes);
    assert!(!said.contains("standardised"), "{said}");
    let (_, said) = with("<f4", "False", &|pixel| (f32::from(pixel) * 100.0 - 7.5).to_le_bytes().to_vec());
    assert_holds(&said, &["data     inputs standardised: (x - mean) / standard deviation of the training set"]);
}

fn idx(number: u8, sizes: &[u32], data: &[u8]) -> Vec<u8> {
    let sizes: Vec<u8> = sizes.iter().flat_map(|size| size.to_be_bytes()).collect();
    [&[0, 0, number, (sizes.len() / 4) as u8][..], &sizes, data].concat()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn idx_files_of_all_kinds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let labels = |count: usize| idx(8, &[count as u32], &(0..count).map(|i| (i % 3) as u8).collect::<Vec<_>>());
    let images = |number: u8, value: &dyn Fn(u8) -> Vec<u8>, count: usize| {
        idx(number, &[count as u32, 6, 6], &pixels(count).into_iter().flat_map(value).collect::<Vec<_>>())
    };
    let set = |images: &dyn Fn(usize) -> Vec<u8>| {
        fs::create_dir_all(path.join("set")).unwrap();
        for (split, count) in [("train", 64), ("t10k", 30)] {
            write(path, &format!("set/{split}-images-idx3-ubyte"), images(count));
            write(path, &format!("set/{split}-labels-idx1-ubyte"), labels(count));
        }
    };
    let loss = || json(path, "train set --epochs 2 --batch-size 16 -q --json --out run")["test_loss"].clone();
    let plain = |count| images(8, &|pixel| vec![pixel], count);
    set(&plain);
    let expected = loss();
    set(&|count| packed(&plain(count)));
    assert_eq!(loss(), expected, "packed, whatever the name says");
    for (number, value) in [
        (11, &(|pixel: u8| i16::from(pixel).to_be_bytes().to_vec()) as &dyn Fn(u8) -> Vec<u8>),
        (12, &|pixel| i32::from(pixel).to_be_bytes().to_vec()),
        (13, &|pixel| f32::from(pixel).to_be_bytes().to_vec()),
        (14, &|pixel| f64::from(pixel).to_be_bytes().to_vec()),
        (14, &|pixel| (f64::from(pixel) / 255.0).to_be_bytes().to_vec()),
    ] {
        set(&|count| images(number, value, count));
        assert_eq!(loss(), expected, "type {number}");
    }
    // Signed bytes go down to -128: as the same numbers in 16 bits.
    let signed = |pixel: u8| i16::from(pixel) - 128;
    set(&|count| images(11, &|pixel| signed(pixel).to_be_bytes().to_vec(), count));
    let of_words = loss();
    set(&|count| images(9, &|pixel| vec![signed(pixel) as u8], count));
    assert_eq!(loss(), of_words);
    assert_ne!(of_words, expected);
    set(&|count| [plain(count), vec![0; 7]].concat());
    assert_holds(
        &says(path, "train set --steps 2 --out other"),
        &["train-images-idx3-ubyte: 7 bytes after the end are left out"],
    );
    set(&|count| [packed(&plain(count)), vec![0; 512]].concat());
    assert_eq!(loss(), expected, "zeros behind a packed file");
    set(&plain);
    // Images alone are answered: a file, a folder, whatever holds them.
    let answers = prints(path, "predict run/model.safetensors set");
    assert_eq!(answers.lines().count(), 31);
    assert_eq!(prints(path, "predict run/model.safetensors set/t10k-images-idx3-ubyte"), answers);
    assert_eq!(prints(path, "predict run/model.safetensors set/train-images-idx3-ubyte").lines().count(), 65);
    refuses(path, "predict run/model.safetensors set/t10k-labels-idx1-ubyte", 1, &["it holds labels"]);
    refuses(path, "predict run/model.safetensors set --label 1", 2, &["--label", "is no table"]);
    assert_eq!(json(path, "evaluate run/model.safetensors set --split train --json")["trained_on"], 64);
    write(path, "set/t10k-images-idx3-ubyte", idx(8, &[0, 6, 6], &[]));
    refuses(path, "train set --steps 2", 1, &["t10k-images-idx3-ubyte", "is empty: it holds no images"]);
    write(path, "set/t10k-images-idx3-ubyte", packed(&idx(8, &[0, 6, 6], &[])));
    refuses(path, "train set --steps 2", 1, &["t10k-images-idx3-ubyte", "is empty: it holds no images"]);
    refuses(path, "predict run/model.safetensors set", 1, &["t10k-images-idx3-ubyte", "is empty: it holds no images"]);
    for pixels in [[30, 0, 6], [30, 6, 0]] {
        write(path, "set/t10k-images-idx3-ubyte", idx(8, &pixels, &[]));
        refuses(path, "train set --steps 2", 1, &["t10k-images-idx3-ubyte", "is empty: its 30 images have no pixels"]);
    }
    write(path, "set/t10k-images-idx3-ubyte", Vec::new());
    refuses(path, "train set --steps 2", 1, &["t10k-images-idx3-ubyte", "is empty: 0 bytes"]);
    write(path, "set/t10k-images-idx3-ubyte", plain(30));
    write(path, "set/t10k-labels-idx1-ubyte", idx(8, &[0], &[]));
    refuses(path, "train set --steps 2", 1, &["t10k-labels-idx1-ubyte", "is empty: it holds no labels"]);
    refuses(path, "train set/train-images-idx3-ubyte --steps 2", 1, &["is an IDX file", "folder of the four files"]);
}
