//! Made-up tables, and the command that reads them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::command::run;

/// Numbers that look drawn, the same everywhere: 0 to 1, from a counter (SplitMix64).
pub fn uniform(index: usize) -> f64 {
    let mut z = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// About normal: mean 0, standard deviation 1.
pub fn normal(index: usize) -> f64 {
    (0..12).map(|part| uniform(index * 12 + part)).sum::<f64>() - 6.0
}

pub const NAMES: [&str; 3] = ["red", "green", "blue"];

/// Rows a, b, c, kind of three classes that can be told apart.
pub fn kinds() -> Vec<[String; 4]> {
    let row = |i: usize| {
        let k = (i % 3) as f64;
        let numbers = [k + 0.2 * normal(3 * i), -k + 0.2 * normal(3 * i + 1), 0.5 * k + 0.2 * normal(3 * i + 2)];
        let [a, b, c] = numbers.map(|number| format!("{number:.3}"));
        [a, b, c, NAMES[i % 3].to_string()]
    };
    (0..60).map(row).collect()
}

/// A table of some of the columns, with a first line.
pub fn table(first: &str, columns: &[usize]) -> String {
    let row =
        |row: &[String; 4]| columns.iter().map(|&column| row[column].clone()).collect::<Vec<_>>().join(",") + "\n";
    first.to_string() + &kinds().iter().map(row).collect::<String>()
}

pub fn write(folder: &Path, name: &str, contents: impl AsRef<[u8]>) {
    fs::write(folder.join(name), contents).unwrap();
}

/// What a successful command says on stderr.
#[track_caller]
pub fn says(folder: &Path, arguments: &str) -> String {
    String::from_utf8(run(folder, arguments).stderr).unwrap()
}

#[track_caller]
pub fn prints(folder: &Path, arguments: &str) -> String {
    String::from_utf8(run(folder, arguments).stdout).unwrap()
}

#[track_caller]
pub fn json(folder: &Path, arguments: &str) -> Value {
    serde_json::from_str(&prints(folder, arguments)).unwrap()
}

#[track_caller]
pub fn assert_holds(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "'{word}' is missing in: {text}");
    }
}
