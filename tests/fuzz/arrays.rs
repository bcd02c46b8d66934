//! Arrays: folders of IDX files, plain and packed, and .npz files.

use std::io::{Cursor, Write};
use std::path::Path;

use asgd::dataset::{ArrayOptions, DataRecord, Expansion, Prepared, Scales, images_to_classify};
use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::harness::{Random, mutated, survives};

const SAMPLES: [usize; 2] = [12, 6];
const NAMES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

fn read(path: &Path) -> Result<(), String> {
    let prepared =
        Prepared::images(path, ArrayOptions { classes: Some(3), ..Default::default() }, Scales::default(), None, None);
    let prepared = prepared.map(|prepared| drop(prepared.dataset.sha256()));
    let inputs = images_to_classify(path, 4, &DataRecord::default(), Expansion::default());
    prepared.and(inputs.map(drop)).map_err(|error| error.to_string())
}

/// Images of 2 x 2 pixels, and labels, of whole numbers or floats.
fn idx(number: u8) -> [Vec<u8>; 4] {
    let header = |sizes: &[usize]| {
        let mut bytes = vec![0, 0, number, sizes.len() as u8];
        sizes.iter().for_each(|&size| bytes.extend((size as u32).to_be_bytes()));
        bytes
    };
    let values = |mut bytes: Vec<u8>, values: Vec<u8>| {
        values.into_iter().for_each(|value| match number {
            8 => bytes.push(value),
            _ => bytes.extend(f32::from(value).to_be_bytes()),
        });
        bytes
    };
    let [train, test] = SAMPLES.map(|samples| {
        let pixels = (0..samples * 4).map(|index| (index * 37) as u8).collect();
        let labels = (0..samples).map(|index| (index % 3) as u8).collect();
        [values(header(&[samples, 2, 2]), pixels), values(header(&[samples]), labels)]
    });
    let ([a, b], [c, d]) = (train, test);
    [a, b, c, d]
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// One of the four files is changed; the input says which, in its first byte.
#[test]
fn idx_folders() {
    let folder = TempDir::new().unwrap();
    let make = |random: &mut Random| {
        let which = random.below(4);
        let number = *random.choose(&[8, 13]);
        let whole = &idx(number)[which];
        let bytes = match random.below(3) {
            0 => packed(&mutated(random, whole, &[])),
            1 => mutated(random, &packed(whole), &[]),
            _ => mutated(random, whole, &[]),
        };
        [&[which as u8, number], &bytes[..]].concat()
    };
    survives("IDX", make, |input| {
        let (&[which, number], changed) = input.split_first_chunk().unwrap();
        for (index, (name, whole)) in NAMES.iter().zip(idx(number)).enumerate() {
            let bytes = if index == usize::from(which) { changed } else { &whole };
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        read(folder.path())
    });
}

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    header += &" ".repeat((118 - header.len() % 64) % 64);
    header.push('\n');
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// x_train, y_train, x_test, y_test.
fn members() -> [(&'static str, Vec<u8>); 4] {
    let pixels = |samples: usize| (0..samples * 4).map(|index| (index * 37) as u8).collect::<Vec<_>>();
    let floats = |samples: usize| (0..samples * 4).flat_map(|index| (index as f32).to_le_bytes()).collect::<Vec<_>>();
    let labels = |samples: usize| (0..samples as i64).flat_map(|index| (index % 3).to_le_bytes()).collect::<Vec<_>>();
    [
        ("x_train.npy", npy("|u1", "(12, 2, 2)", &pixels(12))),
        ("y_train.npy", npy("<i8", "(12,)", &labels(12))),
        ("x_test.npy", npy("<f4", "(6, 4)", &floats(6))),
        ("y_test.npy", npy("<i8", "(6, 1)", &labels(6))),
    ]
}

fn zipped(members: &[(&str, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn npz_files() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("set.npz");
    let tokens = ["(", ")", "[", "{", "}", "'shape': ", "True", "'", ",", "|O", ">f8", "<U3", "<c16", "99999999999"];
    let make = |random: &mut Random| {
        let mut members = members();
        members[2].1 = npy("|u1", "(6, 4)", &(0..24).collect::<Vec<u8>>());
        let method = *random.choose(&[CompressionMethod::Stored, CompressionMethod::Deflated]);
        if random.one_in(3) {
            return mutated(random, &zipped(&members, method), &[]);
        }
        let which = random.below(4);
        members[which].1 = mutated(random, &members[which].1, &tokens);
        zipped(&members, method)
    };
    survives("npz", make, |input| {
        std::fs::write(&path, input).unwrap();
        read(&path)
    });
}
