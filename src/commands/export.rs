//! `asgd export`

use anyhow::Result;
use asgd::Model;

use super::choose;
use crate::cli::ExportArgs;
use crate::onnx;
use crate::report::print_line;

pub fn run(args: &ExportArgs) -> Result<()> {
    let model = choose(&Model::load(&args.model)?, &args.model, args.replica)?;
    asgd::files::write_atomically(&args.output, &onnx::encode(&model))?;
    let spec = model.spec();
    print_line(&format!(
        "{}: input (batch, {}), logits (batch, {}), probabilities",
        args.output.display(),
        spec.inputs(),
        spec.outputs()
    ))
}
