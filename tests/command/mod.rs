//! The asgd command in tests.

#![allow(dead_code, reason = "each test uses its part of this file")]

pub mod page;

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use asgd::Device;

/// The command with `arguments` (separated by spaces) in `folder`.
pub fn asgd(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_asgd"));
    command.current_dir(folder).args(arguments.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What --device takes for the adapter that tests of shaders use: a word of its name. Software Vulkan comes last. Without
/// an adapter the tests fail: they never pass by skipping.
pub fn adapter() -> String {
    let devices = Device::list();
    let adapter = devices.iter().rev().find(|device| device.info.backend != "native");
    adapter.expect("the tests need an adapter").info.name.split(' ').next().unwrap().to_string()
}

/// The devices that commands are tested on: the CPU, and an adapter.
pub fn devices() -> [String; 2] {
    ["cpu".to_string(), adapter()]
}

/// A machine without any Vulkan driver.
pub fn without_adapters(command: &mut Command) -> &mut Command {
    command.env("VK_DRIVER_FILES", "/nonexistent").env("VK_ICD_FILENAMES", "/nonexistent")
}

/// Waits until `child` has made `path`. Fails if it ends before, or takes a minute.
#[track_caller]
pub fn wait_for(path: &Path, child: &mut Child) {
    let start = Instant::now();
    while !path.exists() {
        assert!(child.try_wait().unwrap().is_none(), "ended without {}", path.display());
        assert!(start.elapsed() < Duration::from_secs(60), "no {}", path.display());
        sleep(Duration::from_millis(2));
    }
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
        ["device ", "data ", "network ", "rate ", "stop ", "folder ", "chunks ", "kernels "]
            .iter()
            .any(|word| line.starts_with(word))
    };
    assert_eq!(errors.len(), 1, "{arguments}: {stderr}");
    assert!(others.iter().all(is_announcement), "{arguments}: {stderr}");
    for word in words {
        assert!(errors[0].contains(word), "{arguments}: '{word}' is missing in: {stderr}");
    }
}

/// Starts a training in `folder`/killed and, once it has saved `checkpoint`, kills it so many times at moments within 300 ms, and
/// resumes it every time, at last to its end. How many kills hit it.
#[track_caller]
pub fn kill_often(folder: &Path, train: &str, checkpoint: &str, times: usize) -> usize {
    // The checkpoint of an earlier run there would be taken for this one's, and the kill come before it is replaced.
    assert!(!folder.join("killed").exists(), "a run was killed here before");
    let mut child = asgd(folder, &format!("{train} --out killed")).spawn().unwrap();
    wait_for(&folder.join("killed").join(checkpoint), &mut child);
    let (mut state, mut kills) = (12345u64, 0);
    for _ in 0..times {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        sleep(Duration::from_millis((state >> 33) % 300));
        kills += usize::from(child.try_wait().unwrap().is_none());
        let _ = child.kill();
        child.wait().unwrap();
        child = asgd(folder, "train --resume killed --quiet").spawn().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    kills
}
