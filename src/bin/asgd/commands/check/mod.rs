//! `asgd check`

mod runs;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};
use asgd::check::{Checks, Comparison, Finding, Mismatch, training};
use asgd::{Device, DeviceInfo};
use clap::Args;
use serde_json::{Value, json};

use crate::console::print_line;
use crate::device_args::DeviceArgs;

#[derive(Debug, Args)]
#[command(after_help = "\
Without --device, all devices are checked, software Vulkan included.

Examples:
  asgd check
  asgd check --device gpu
  asgd check --json > report.json
  asgd check --runs runs/first runs/second      train these again; the same bits?")]
pub struct CheckArgs {
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Train finished runs again instead, on the devices that they were trained on, and compare networks and metrics bit for bit.
    #[arg(long, value_name = "DIR", num_args = 1..)]
    pub runs: Vec<PathBuf>,
    /// Print one line of JSON, for a bug report.
    #[arg(long)]
    pub json: bool,
}

/// A device and what was found on it.
struct Checked {
    info: DeviceInfo,
    /// In words; or why it cannot be opened.
    opened: asgd::Result<String>,
    findings: Vec<Finding>,
    /// Whether numbers below 1.2e-38 are kept, where that could be found out. Either is as it should be.
    keeps_subnormals: Option<bool>,
}

pub fn run(args: &CheckArgs) -> Result<()> {
    if !args.runs.is_empty() {
        return runs::run(&args.runs, &args.device, args.json);
    }
    let begin = Instant::now();
    let devices = match args.device.device.is_empty() {
        false => {
            let device = args.device.open()?;
            vec![(device.info(), Ok(device))]
        }
        true => Device::open_all(args.device.threads),
    };
    let checks = Checks::new()?;
    let mut checked = Vec::new();
    for (info, device) in devices {
        checked.push(check(&checks, info, device, !args.json)?);
    }
    let seconds = begin.elapsed().as_secs_f64();
    if args.json {
        print_line(&document(&checked, seconds).to_string())?;
    }
    verdict(&checked, seconds, !args.json)
}

/// Runs all tests on a device, telling of each when it is done.
fn check(checks: &Checks, info: DeviceInfo, device: asgd::Result<Device>, is_told: bool) -> Result<Checked> {
    let opened = device.as_ref().map(Device::describe_hardware).map_err(Clone::clone);
    let mut told = Ok(());
    let mut tell = |line: String| {
        if is_told && told.is_ok() {
            told = print_line(&line);
        }
    };
    let mut findings = Vec::new();
    let mut keeps_subnormals = None;
    match &device {
        Ok(device) => {
            tell(device.describe_hardware());
            tell(row("test", "largest error", "verdict"));
            checks.run(device, &mut |finding| {
                lines(&finding).into_iter().for_each(&mut tell);
                findings.push(finding);
            });
            keeps_subnormals = training::keeps_subnormals(device).ok();
            if let Some(keeps) = keeps_subnormals {
                tell(row("numbers below 1.2e-38", "-", if keeps { "kept" } else { FLUSHED }));
            }
        }
        Err(error) => tell(format!("{info}\n  cannot be opened: {error}")),
    }
    tell(String::new());
    told.map(|()| Checked { info, opened, findings, keeps_subnormals })
}

/// What becomes of subnormal numbers on many GPUs.
const FLUSHED: &str =
    "flushed to zero: inputs, activations and deltas that small are not counted here, as they are on the CPU";

fn row(test: &str, error: &str, verdict: &str) -> String {
    format!("  {test:<34} {error:>13}  {verdict}")
}

/// A row of the table, and what is wrong if anything is.
fn lines(finding: &Finding) -> Vec<String> {
    let verdict = if finding.passed() { "passed" } else { "FAILED" };
    let (error, details) = match &finding.result {
        Ok(comparison) => (largest_error(comparison), details(comparison)),
        Err(error) => ("-".into(), vec![error.to_string()]),
    };
    let details = details.into_iter().map(|detail| format!("    {detail}"));
    [row(&finding.test, &error, verdict)].into_iter().chain(details).collect()
}

/// In units of its bound.
fn largest_error(comparison: &Comparison) -> String {
    match comparison.largest_error() {
        None => "exact".into(),
        Some(units) => format!("{units:.3}"),
    }
}

fn details(comparison: &Comparison) -> Vec<String> {
    match comparison.mismatch() {
        Some(Mismatch { place, index, got, expected, bound }) => {
            let bound = bound.map_or_else(String::new, |bound| format!(" within {bound:.3e}"));
            vec![format!("first at index {index}: {got} instead of {expected}{bound}"), format!("in {place}")]
        }
        None if comparison.values() == 0 => vec!["nothing was compared".into()],
        None => Vec::new(),
    }
}

/// Whether all is well on all devices.
fn verdict(checked: &[Checked], seconds: f64, is_told: bool) -> Result<()> {
    let tests: usize = checked.iter().map(|device| device.findings.len()).sum();
    let unopened = checked.iter().filter(|device| device.opened.is_err()).map(|device| device.info.name.clone());
    let of_device = |device: &Checked| {
        let failed = device.findings.iter().filter(|finding| !finding.passed()).count();
        (failed > 0).then(|| format!("{failed} of {} tests on {}", device.findings.len(), device.info.name))
    };
    let failures: Vec<String> =
        checked.iter().filter_map(of_device).chain(unopened.map(|name| format!("opening {name}"))).collect();
    if !failures.is_empty() {
        bail!("what failed: {}; please report it with the output of asgd check --json", failures.join(", "));
    }
    if is_told {
        let s = if checked.len() == 1 { "" } else { "s" };
        print_line(&format!("All {tests} tests passed on {} device{s} in {seconds:.1} s.", checked.len()))?;
    }
    Ok(())
}

fn document(checked: &[Checked], seconds: f64) -> Value {
    let devices: Vec<Value> = checked.iter().map(device_document).collect();
    let passed = verdict(checked, seconds, false).is_ok();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        "passed": passed,
        "seconds": seconds,
        "devices": devices,
    })
}

fn device_document(checked: &Checked) -> Value {
    let Checked { info, opened, findings, keeps_subnormals } = checked;
    let mut document = json!(info);
    document["description"] = json!(opened.as_ref().ok());
    document["error"] = json!(opened.as_ref().err().map(ToString::to_string));
    document["keeps_subnormals"] = json!(keeps_subnormals);
    document["tests"] = findings.iter().map(finding_document).collect();
    document
}

/// An infinite error, as of NaN, is null in JSON; the first mismatch tells what it was.
fn finding_document(finding: &Finding) -> Value {
    let comparison = finding.result.as_ref().ok();
    json!({
        "test": finding.test,
        "passed": finding.passed(),
        "seconds": finding.seconds,
        "values": comparison.map(Comparison::values),
        "largest_error": comparison.and_then(Comparison::largest_error),
        "mismatch": comparison.and_then(Comparison::mismatch),
        "error": finding.result.as_ref().err().map(ToString::to_string),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(passes: &[bool]) -> Checked {
        let info = DeviceInfo {
            name: "abacus".into(),
            kind: "wood".into(),
            backend: "hand".into(),
            driver: "child".into(),
            driver_info: "7".into(),
        };
        let finding = |&passes: &bool| {
            let mut comparison = Comparison::default();
            comparison.within(|| "beads of row 2".into(), 5, if passes { 3.0 } else { f64::NAN }, 3.0, 0.5);
            Finding { test: "adding".into(), seconds: 0.5, result: Ok(comparison) }
        };
        Checked {
            info,
            opened: Ok("abacus".into()),
            findings: passes.iter().map(finding).collect(),
            keeps_subnormals: None,
        }
    }

    /// One wrong value on one of two devices fails the command, and everything says which.
    #[test]
    fn a_failure_fails_the_command() {
        assert!(verdict(&[checked(&[true, true]), checked(&[true])], 1.0, false).is_ok());
        let both = [checked(&[true]), checked(&[true, false])];
        let error = verdict(&both, 1.0, false).unwrap_err().to_string();
        assert!(error.contains("1 of 2 tests on abacus"), "{error}");
        let text = lines(&both[1].findings[1]).join("\n");
        for word in ["FAILED", "inf", "index 5", "NaN instead of 3.0 within 5.000e-1", "beads of row 2"] {
            assert!(text.contains(word), "{text}");
        }
        let document = document(&both, 1.0);
        assert_eq!((&document["passed"], &document["devices"][0]["tests"][0]["passed"]), (&json!(false), &json!(true)));
        let test = &document["devices"][1]["tests"][1];
        assert_eq!(
            (&test["passed"], &test["largest_error"], &test["mismatch"]["index"]),
            (&json!(false), &json!(null), &json!(5))
        );
    }

    #[test]
    fn a_device_that_cannot_be_opened_fails_the_command() {
        let mut lost = checked(&[]);
        lost.opened = Err(asgd::Error::DeviceLost("unplugged".into()));
        let error = verdict(&[checked(&[true]), lost], 1.0, false).unwrap_err().to_string();
        assert!(error.contains("opening abacus"), "{error}");
    }
}
