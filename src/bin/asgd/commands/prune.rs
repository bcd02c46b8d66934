//! `asgd prune`

use std::path::PathBuf;

use anyhow::{Result, bail};
use asgd::{Activity, Predictor, pruning};
use clap::Args;
use serde_json::json;

use crate::console::announce;
use crate::table::{Cell, Table};
use crate::trained::{ModelAndData, Opened, choose, open};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  asgd prune runs/mnist-1/model.safetensors mnist -o small.safetensors
  asgd train mnist --init small.safetensors                               the pruned network trains on")]
pub struct PruneArgs {
    /// Where the smaller network goes.
    #[arg(long, short, value_name = "FILE.safetensors")]
    pub output: PathBuf,
    /// Which network of a model with several, from 0.
    #[arg(long, value_name = "N")]
    pub replica: Option<usize>,
    /// Print one line of JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub input: ModelAndData,
}

pub fn run(args: &PruneArgs) -> Result<()> {
    let opened = open(&args.input)?;
    let samples = opened.all();
    let Opened { model, dataset, device, .. } = opened;
    let model = choose(&model, &args.input.model, args.replica)?;
    let spec = model.spec();
    let mut predictor = Predictor::new(&device, &model, &samples)?;
    let mut nodes = &predictor.evaluate()?[0].nodes[..];
    let mut on_data = pruning::Nodes::new();
    for &width in spec.hidden() {
        let (layer, rest) = nodes.split_at(width);
        on_data.push(layer.iter().map(|&node| node == Activity::Never).collect());
        nodes = rest;
    }
    let silences = spec.activation().silences();
    let is_in_range = (0..samples.len()).all(|index| samples.sample(index).iter().all(|x| (0.0..=1.0).contains(x)));
    let certain = if is_in_range {
        pruning::never_active(&model, 0)
    } else {
        on_data.iter().map(|layer| vec![false; layer.len()]).collect()
    };

    let pruned = pruning::without(&model, 0, &on_data)?;
    // The proof: the same logits on every sample, signs of zero aside.
    let before = predictor.logits()?;
    let after = Predictor::new(&device, &pruned, &samples)?.logits()?;
    let differing =
        before.iter().zip(&after).filter(|(a, b)| a.to_bits() != b.to_bits() && !(**a == 0.0 && **b == 0.0)).count();
    if differing > 0 {
        bail!(
            "{differing} of {} logits would change on {}, which they must not; nothing was written. Please report it",
            before.len(),
            dataset.name
        );
    }
    pruned.save(&args.output)?;

    // What the batch normalization had of its own is folded into weights and biases; that is no pruning.
    let folded = spec.clone().with_batch_norm(false).parameter_count();
    let (old, new) = (folded, pruned.spec().parameter_count());
    // A layer of nothing but true dummies passes nothing on: what is left says the same of every sample.
    let dead_layer = on_data.iter().position(|layer| layer.iter().all(|&never| never));
    let cut = |layer: usize| spec.widths()[layer + 1] - pruned.spec().widths()[layer + 1];
    let certain_in = |layer: usize| {
        on_data[layer].iter().zip(&certain[layer]).filter(|(on_data, certain)| **on_data && **certain).count()
    };
    if args.json {
        let document = json!({
            "output": args.output, "widths": pruned.spec().widths(), "parameters_before": spec.parameter_count(),
            "parameters_folded": old, "parameters": new,
            "cut": (0..on_data.len()).map(cut).collect::<Vec<_>>(),
            "certain": (0..on_data.len()).map(certain_in).collect::<Vec<_>>(),
            "samples": samples.len(), "logits_equal": before.len(), "dead_layer": dead_layer.map(|layer| layer + 1),
        });
        announce(&document.to_string());
        return Ok(());
    }
    if spec.batch_norm() {
        announce(&format!(
            "batch normalization is folded into weights and biases: {old} parameters instead of {}",
            spec.parameter_count()
        ));
    }
    let mut table = Table::new("pruned", "", &["layer", "nodes", "cut", "certain", "on this data"]);
    for layer in 0..on_data.len() {
        let certain = certain_in(layer).min(cut(layer));
        let cells = [layer + 1, spec.widths()[layer + 1], cut(layer), certain, cut(layer) - certain];
        table.rows.push(cells.map(|number| Cell::Number(number as f64, 0)).into());
    }
    announce(&table.text());
    let reason = match (silences, is_in_range) {
        (false, _) => format!(
            "nothing is certain: only of relu can weights and bias prove that a node stays 0, not of {}",
            spec.activation()
        ),
        (true, true) => "certain: weights and bias alone prove that no input in [0, 1] activates the node".into(),
        (true, false) => "nothing is certain: inputs lie outside [0, 1]".to_string(),
    };
    announce(&format!("{reason}; on this data: none of the {} samples of {} does", samples.len(), dataset.name));
    if let Some(layer) = dead_layer {
        announce(&format!(
            "hidden layer {} has no living node: the network says the same of every sample, so that there is nothing to \
             keep; train it again with a lower --lr, --scale standard or another --seed",
            layer + 1
        ));
        announce(&format!("{old} parameters before, {new} now"));
        announce(&args.output.display().to_string());
        return Ok(());
    }
    let saved = 100.0 * (old - new) as f64 / old as f64;
    announce(&format!("{old} parameters before, {new} now: {saved:.1} % saved"));
    announce(&format!("all {} logits of the {} samples are the same, bit for bit", before.len(), samples.len()));
    announce(&args.output.display().to_string());
    Ok(())
}
