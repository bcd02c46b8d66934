//! A wrong command line in one line: what is wrong, what was probably meant, and where help is.

use std::error::Error;
use std::ffi::OsString;
use std::num::{IntErrorKind, ParseFloatError, ParseIntError};

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The command line as it was given; what is no text in it is near enough for people.
pub fn words() -> Vec<String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// Options by the names that other programs give them.
const OPTIONS: [(&str, &[&str]); 29] = [
    ("--lr", &["learning-rate", "learning-rate-init", "lrate", "eta", "step-size"]),
    ("--weight-decay", &["wd", "l2"]),
    ("--clip-value", &["clipvalue", "clip-grad-value", "grad-clip-value"]),
    ("--clip-norm", &["clipnorm", "clip-grad-norm", "max-grad-norm", "max-norm", "grad-clip", "gradient-clipping"]),
    ("--dropout", &["drop-out", "dropout-rate", "dropout-p", "drop-rate", "drop-prob"]),
    (
        "--input-dropout",
        &["dropout-input", "dropout-inputs", "input-drop-out", "input-dropout-rate", "visible-dropout"],
    ),
    ("--count-threshold", &["threshold", "count-eps", "zero-threshold"]),
    ("--activation", &["act", "activation-function", "activation-fn", "nonlinearity", "non-linearity"]),
    ("--batch-norm", &["batchnorm", "batch-normalization", "batch-normalisation", "bn"]),
    ("--batch-size", &["batch", "bs", "mini-batch", "minibatch", "b"]),
    ("--epochs", &["num-epochs", "n-epochs", "max-epochs", "max-iter", "e"]),
    ("--steps", &["num-steps", "max-steps", "iterations", "iters"]),
    ("--hidden", &["hidden-layers", "hidden-layer-sizes", "hidden-sizes", "layers", "widths", "units", "neurons"]),
    ("--optimizer", &["optim", "opt", "solver", "algorithm", "method"]),
    ("--replicas", &["replicates", "repeats", "networks", "models", "runs", "seeds", "r"]),
    ("--seed", &["random-state", "random-seed", "rng-seed", "s"]),
    ("--device", &["gpu", "cuda", "cpu", "backend"]),
    ("--threads", &["jobs", "n-jobs", "workers", "num-workers", "cores", "cpus", "j"]),
    ("--out", &["output-dir", "out-dir", "outdir", "dir", "output", "o"]),
    ("--label", &["target", "class-column", "label-column", "y"]),
    ("--delimiter", &["separator", "sep"]),
    ("--test-fraction", &["test-size", "test-split"]),
    ("--schedule", &["lr-schedule", "lr-scheduler", "scheduler", "lr-decay"]),
    ("--warmup", &["warm-up", "warmup-steps", "warmup-epochs"]),
    ("--patience", &["early-stopping", "early-stop", "n-iter-no-change"]),
    ("--keep", &["restore-best", "restore-best-weights", "save-best", "save-best-only"]),
    ("--validation", &["validation-split", "validation-fraction", "val-split", "val-fraction", "val-size"]),
    ("--scale", &["scaler", "scaling", "normalize", "normalise", "standardize", "standardise", "preprocess"]),
    ("--init", &["weights", "initializer", "initialization", "pretrained", "checkpoint"]),
];

/// Commands by the names that other programs give them.
const COMMANDS: [(&str, &[&str]); 8] = [
    ("train", &["fit", "learn", "run"]),
    ("evaluate", &["eval", "test", "score", "validate"]),
    ("predict", &["classify", "infer", "inference"]),
    ("inspect", &["info", "show", "summary", "describe"]),
    ("data fetch", &["fetch", "download"]),
    ("export", &["onnx", "convert"]),
    ("devices", &["gpus", "adapters", "list"]),
    ("check", &["selftest", "self-test", "verify", "doctor", "diagnose"]),
];

/// The command line with `--lr -1` as `--lr=-1`: a negative number is a value, and what is wrong with it is for its option
/// to say. (clap's own allow_negative_numbers does not know -1e-3.)
pub fn with_negative_values(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let is_option = |word: &OsString| word.to_str().is_some_and(|word| word.starts_with("--") && !word.contains('='));
    let is_negative = |word: &OsString| {
        let text = word.to_str().filter(|word| word.starts_with('-'));
        // Of a list, the first one tells.
        text.and_then(|text| text.split(',').next()).is_some_and(|text| text.parse::<f64>().is_ok())
    };
    let mut joined: Vec<OsString> = Vec::new();
    for word in words {
        match joined.last_mut() {
            Some(option) if is_option(option) && option != "--" && is_negative(&word) => {
                option.push("=");
                option.push(word);
            }
            _ => joined.push(word),
        }
    }
    joined
}

/// What is wrong with `words`, the command line.
pub fn explain(error: &clap::Error, program: &Command, words: &[OsString]) -> String {
    let message = error.to_string();
    let first: Vec<&str> = message.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let mut first = first.join(" ");
    if let Some((theirs, ours)) = error.source().and_then(|source| Some((source.to_string(), number(source)?))) {
        first = first.strip_suffix(&theirs).map_or_else(|| first.clone(), |start| format!("{start}{ours}"));
    }
    let (command, path) = command_of(program, words);
    let tip = meant(error, command).map(|meant| format!("did you mean '{meant}'?")).or_else(|| tip(&message));
    let tip = tip.map_or_else(String::new, |tip| format!("; {tip}"));
    format!("{first}{tip} (see {path} --help)")
}

/// The command that words name, and how it is called.
fn command_of<'a>(program: &'a Command, words: &[OsString]) -> (&'a Command, String) {
    let (mut command, mut path) = (program, program.get_name().to_string());
    for word in words.iter().skip(1) {
        let Some(next) = command.find_subcommand(word) else { break };
        (command, path) = (next, format!("{path} {}", word.display()));
    }
    (command, path)
}

/// The option or command whose name in other programs was given, if there is one here.
fn meant(error: &clap::Error, command: &Command) -> Option<&'static str> {
    let (kind, names): (_, &[(&str, &[&str])]) = match error.kind() {
        ErrorKind::UnknownArgument => (ContextKind::InvalidArg, &OPTIONS),
        ErrorKind::InvalidSubcommand => (ContextKind::InvalidSubcommand, &COMMANDS),
        _ => return None,
    };
    let Some(ContextValue::String(given)) = error.get(kind) else { return None };
    let given = given.trim_start_matches('-').to_lowercase().replace('_', "-");
    let has = |name: &str| match name.strip_prefix("--") {
        Some(long) => command.get_arguments().any(|argument| argument.get_long() == Some(long)),
        None => true,
    };
    names.iter().find(|(name, others)| others.contains(&given.as_str()) && has(name)).map(|(name, _)| *name)
}

/// What clap advises, but for advice to pass a mistyped option as the value of another.
fn tip(message: &str) -> Option<String> {
    let tips = message.lines().filter_map(|line| line.trim().strip_prefix("tip: "));
    tips.filter(|tip| !tip.starts_with("to pass ")).map(String::from).next()
}

/// What a number must be that is none.
fn number(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if error.is::<ParseFloatError>() {
        return Some("must be a number");
    }
    Some(match error.downcast_ref::<ParseIntError>()?.kind() {
        IntErrorKind::PosOverflow => "must be a smaller number",
        _ => "must be a whole number of at least 0",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_numbers_are_values() {
        let joined = |line: &str| {
            let words = with_negative_values(line.split(' ').map(OsString::from));
            words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(joined("asgd train --lr -1 --noise -1e-3 -q"), "asgd train --lr=-1 --noise=-1e-3 -q");
        assert_eq!(joined("--seed -inf --lr -.5 --out -x"), "--seed=-inf --lr=-.5 --out -x");
        for unchanged in ["--lr=1 -1", "-o -1", "-- -1", "predict m -", "--lr 1 -2", "--out -"] {
            assert_eq!(joined(unchanged), unchanged);
        }
    }

    #[test]
    fn every_other_name_means_one_thing() {
        let all = [&OPTIONS[..], &COMMANDS].concat();
        let mut others: Vec<&&str> = all.iter().flat_map(|(_, others)| others.iter()).collect();
        let count = others.len();
        others.sort();
        others.dedup();
        assert_eq!(others.len(), count);
    }
}
