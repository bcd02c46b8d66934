//! The asgd command in tests.

#![allow(dead_code, reason = "each test uses its part of this file")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The command with `arguments` (separated by spaces) in `folder`.
pub fn asgd(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_asgd"));
    command.current_dir(folder).args(arguments.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Expects success.
#[track_caller]
pub fn run(folder: &Path, arguments: &str) -> Output {
    let output = asgd(folder, arguments).output().unwrap();
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Expects the exit code, and one line of error that holds every one of `words`. No data folder is known.
#[track_caller]
pub fn refuses(folder: &Path, arguments: &str, code: i32, words: &[&str]) {
    let output = asgd(folder, arguments).env_remove("ASGD_DATA_DIR").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments}: {stderr}");
    let (errors, others): (Vec<&str>, Vec<&str>) = stderr.lines().partition(|line| line.starts_with("error: "));
    let is_announcement = |line: &&str| {
        ["device ", "data ", "network ", "folder ", "chunks ", "kernels "].iter().any(|word| line.starts_with(word))
    };
    assert_eq!(errors.len(), 1, "{arguments}: {stderr}");
    assert!(others.iter().all(is_announcement), "{arguments}: {stderr}");
    for word in words {
        assert!(errors[0].contains(word), "{arguments}: '{word}' is missing in: {stderr}");
    }
}
