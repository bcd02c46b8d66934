//! Settings as run.json keeps them, in words.

use asgd::dataset::HeldOut;
use serde_json::Value;

/// What a setting is called.
pub fn label(key: &str) -> String {
    match key {
        "dataset" => "data set".into(),
        "widths" => "network".into(),
        "batch_norm" => "batch normalization".into(),
        "learning_rate" => "lr".into(),
        "target_scale" => "scale of the targets".into(),
        "evaluate_every_steps" => "evaluated every (steps)".into(),
        "initial_sha256" => "SHA-256 of the initial weights".into(),
        key => key.replace('_', " "),
    }
}

/// The settings of a run, those first that people look for first.
pub fn in_order(settings: &Value) -> Vec<(&str, &Value)> {
    const FIRST: [&str; 23] = [
        "widths",
        "hidden",
        "activation",
        "batch_norm",
        "optimizer",
        "learning_rate",
        "epsilon",
        "momentum",
        "beta1",
        "beta2",
        "alpha",
        "rho",
        "eps",
        "weight_decay",
        "clip_value",
        "clip_norm",
        "dropout",
        "input_dropout",
        "count_threshold",
        "batch_size",
        "replicas",
        "steps",
        "seed",
    ];
    let rank = |key: &str| FIRST.iter().position(|first| *first == key).unwrap_or(FIRST.len());
    let mut all: Vec<_> =
        settings.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value)).collect();
    all.sort_by_key(|(key, _)| rank(key));
    all
}

/// The name of the device that a run was trained on, or of each of several.
pub fn devices(device: &Value) -> String {
    let several = device.as_array().map_or(std::slice::from_ref(device), Vec::as_slice);
    several.iter().map(|device| text("device", &device["name"])).collect::<Vec<_>>().join(" and ")
}

/// A value of a setting: 784-30-10, 0.01, 1e-8, circles.
pub fn text(key: &str, value: &Value) -> String {
    let separator = if matches!(key, "widths" | "hidden") { "-" } else { ", " };
    match value {
        Value::Null => "none".into(),
        Value::Bool(is_so) => if *is_so { "yes" } else { "no" }.into(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_f64().filter(|_| number.is_f64()).map_or(number.to_string(), float),
        // Several networks are lists of widths.
        Value::Array(items) if items.iter().any(Value::is_array) => {
            items.iter().map(|item| text(key, item)).collect::<Vec<_>>().join(", ")
        }
        Value::Array(items) => items.iter().map(|item| text(key, item)).collect::<Vec<_>>().join(separator),
        other => other.to_string(),
    }
}

/// As it was typed: of 32 bits where the number is one of them.
pub fn float(number: f64) -> String {
    let single = number as f32;
    let is_single = f64::from(single) == number;
    let has_power = number != 0.0 && !(1e-3..1e9).contains(&number.abs());
    match (is_single, has_power) {
        (true, true) => format!("{single:e}"),
        (true, false) => single.to_string(),
        (false, true) => format!("{number:e}"),
        (false, false) => number.to_string(),
    }
}

/// Where the test samples came from.
pub fn split(held_out: &HeldOut) -> String {
    match held_out {
        HeldOut::Share { fraction, seed } => {
            format!("{} % of the samples were set aside for testing, chosen by seed {seed}", float(100.0 * fraction))
        }
        HeldOut::File { .. } => "the test samples are a file of their own".into(),
        HeldOut::Own => "the data has a test set of its own".into(),
    }
}

/// A command line that a shell reads as these words.
pub fn command<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let quoted = |word: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./,:=+@%-".contains(c);
        match word.chars().all(is_plain) && !word.is_empty() {
            true => word.to_string(),
            false => format!("'{}'", word.replace('\'', r"'\''")),
        }
    };
    words.into_iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_as_they_were_typed() {
        assert_eq!(text("learning_rate", &json!(0.01f32)), "0.01");
        assert_eq!(text("learning_rate", &json!(0.03f32)), "0.03");
        assert_eq!(text("epsilon", &json!(1e-8f32)), "1e-8");
        assert_eq!(text("epsilon", &json!(0.0)), "0");
        assert_eq!(text("learning_rate", &json!(1e30f32)), "1e30");
        assert_eq!(text("learning_rate", &json!([0.1, 3])), "0.1, 3");
        assert_eq!(text("widths", &json!([2, 10, 1])), "2-10-1");
        assert_eq!(text("hidden", &json!([[30, 20], [5]])), "30-20, 5");
        assert_eq!(text("init", &json!("kaiming")), "kaiming");
        assert_eq!(text("scale", &json!(null)), "none");
    }

    #[test]
    fn commands_can_be_pasted() {
        assert_eq!(command(["asgd", "train", "a b.csv", "it's"]), r"asgd train 'a b.csv' 'it'\''s'");
        assert_eq!(command(["--hidden=30,20", "", "$HOME"]), "--hidden=30,20 '' '$HOME'");
    }
}
