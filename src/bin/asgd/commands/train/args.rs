//! The options of `asgd train`.

use std::path::PathBuf;

use anyhow::Result;
use asgd::dataset::Scale;
use asgd::{Activation, Error, Init, Order};
use clap::Parser;

use super::optimizer::OptimizerArgs;
use crate::data_source::DataArgs;
use crate::device_args::DeviceArgs;
use crate::run::length::Extent;
use crate::run::rates::{RateSchedule, Warmup};
use crate::run::shard::Shard;
use crate::run::stopping::{Criterion, Keep, Rules};
use crate::usage;
use crate::values::{Hidden, at_least_one, below_one, hidden, not_negative, positive};

#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  asgd train                                          concentric circles, needs no file
  asgd train houses.csv --label price                 a regression, because prices are no classes
  asgd train spirals --optimizer sgd --lr 0.3 --epochs 400
  asgd train mnist --hidden 30,20 --epochs 10 --replicas 8 --out runs/first
  asgd train mnist --init start.safetensors --order sequential --steps 5
  asgd train mnist --gradient mean,effective --rule adam --beta1 0.5,0.9 --lr 0.001          a sweep
  asgd train mnist --optimizer asgd,sgd --lr 0.003,0.01,0.03 --hidden 30,20 --hidden 60,40 --replicas 5      a sweep
  asgd train --resume runs/first                      after Ctrl-C, a crash, a power cut
  asgd train --resume runs/first --epochs 20          the same, longer")]
pub struct TrainArgs {
    /// circles, sine, spirals, mnist, fashion-mnist, kmnist, a folder of IDX files, a table (.csv, .tsv, .txt, .data, plain or .gz;
    /// .parquet, .arrow) or an .npz file.
    #[arg(default_value = "circles")]
    pub dataset: String,

    /// Widths of the hidden layers, separated by commas; `none` for no hidden layer. Given several times: a sweep.
    /// [default: those of the --init file, else 30,20 for images and 10,10 for points]
    #[arg(long, value_name = "WIDTHS", value_parser = hidden)]
    pub hidden: Vec<Hidden>,
    /// What hidden nodes do: relu, leaky-relu:SLOPE, elu, gelu, silu, tanh or sigmoid, as in torch.nn.
    /// [default: that of the --init file, else relu]
    #[arg(long, value_name = "ACTIVATION")]
    pub activation: Option<Activation>,
    /// Normalize the sums of every hidden node over the mini-batch before its activation, as torch.nn.BatchNorm1d does; evaluations use
    /// running statistics. [default: as in the --init file]
    #[arg(long)]
    pub batch_norm: bool,
    #[command(flatten)]
    pub optimizer: OptimizerArgs,
    /// Learning rate; several, separated by commas, for a sweep. [default: 0.01 for asgd, 0.1 for sgd, torch.optim's for most others]
    #[arg(long, value_name = "RATE", value_delimiter = ',', value_parser = positive)]
    pub lr: Vec<f32>,
    /// epsilon in the effective gradient, S / (c + epsilon); 1 is the paper's literal reading. --eps is that of a rule. Several for
    /// a sweep.
    #[arg(long, default_value = "1e-8", value_delimiter = ',', value_parser = not_negative::<f32>)]
    pub epsilon: Vec<f32>,
    /// Dropout of the hidden layers: the probability that a node is silent for a sample of a step. The others are multiplied by
    /// 1 / (1 - P), and evaluations silence none, as in torch.nn.Dropout. Several for a sweep.
    #[arg(long, value_name = "P", default_value = "0", value_delimiter = ',', value_parser = below_one)]
    pub dropout: Vec<f32>,
    /// The same of the inputs. Several for a sweep.
    #[arg(long, value_name = "P", default_value = "0", value_delimiter = ',', value_parser = below_one)]
    pub input_dropout: Vec<f32>,
    /// A sample counts where |a| > T and |delta| > T times the largest |delta| of its node in the mini-batch; 0: where they are not
    /// zero. For activations that are never exactly zero. Several for a sweep.
    #[arg(long, value_name = "T", default_value = "0", value_delimiter = ',', value_parser = below_one)]
    pub count_threshold: Vec<f32>,
    /// Samples of a mini-batch; several for a sweep. [default: 64, or all of a smaller training set]
    #[arg(long, value_name = "SAMPLES", value_delimiter = ',', value_parser = at_least_one::<usize>)]
    pub batch_size: Vec<usize>,
    /// Share of the training samples that is set aside to choose between settings by; 0 for none.
    /// [default: 0.1 in a sweep, else 0]
    #[arg(long, value_name = "SHARE", value_parser = not_negative::<f64>)]
    pub validation: Option<f64>,
    /// What is done to the inputs; stays with the model: none, standard, maxabs or pixels (divided by 255).
    /// [default: that of the --init file, else what suits a table, and none for images and points]
    #[arg(long, value_name = "SCALE")]
    pub scale: Option<Scale>,
    /// What is done to the targets of a regression; stays with the model, and is undone to its answers: none, standard, maxabs or
    /// pixels. [default: that of the --init file, else standard, and none for sine]
    #[arg(long, value_name = "SCALE")]
    pub target_scale: Option<Scale>,
    /// Passes over the training set. [default: 10 for images, 200 for points and tables, of small tables as many as make
    /// 2,000 steps]
    #[arg(long, value_name = "N", value_parser = at_least_one::<u64>, conflicts_with = "steps")]
    pub epochs: Option<u64>,
    /// Steps, instead of epochs.
    #[arg(long, value_name = "N", value_parser = at_least_one::<u64>)]
    pub steps: Option<u64>,
    /// Networks to train side by side; in a sweep, of each combination of settings.
    #[arg(long, value_name = "R", default_value_t = 1, value_parser = at_least_one::<usize>)]
    pub replicas: usize,
    /// Seed of the first replica; replica r has seed SEED + r.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Initial weights: kaiming, glorot, pytorch, normal:STD or a FILE.safetensors.
    #[arg(long, value_name = "INIT", default_value = "kaiming")]
    pub init: Init,
    /// Order of the samples: shuffled anew every epoch, or sequential.
    #[arg(long, default_value = "shuffled")]
    pub order: Order,
    /// Evaluate every N epochs, besides the start and the end. [default: about 50 times in all]
    #[arg(long, value_name = "N", value_parser = at_least_one::<u64>)]
    pub eval_every: Option<u64>,

    /// How the learning rate falls, as in torch.optim.lr_scheduler: constant, step:EVERY:GAMMA and exponential:GAMMA (epochs),
    /// cosine or cosine:MINIMUM (a factor; down to the last step), or, for each replica by itself, plateau:PATIENCE:FACTOR
    /// (evaluations of the validation samples).
    #[arg(long, value_name = "SCHEDULE", default_value = "constant")]
    pub schedule: RateSchedule,
    /// Let the learning rate rise linearly before that, for so many epochs (2, 0.5) or steps (100steps).
    #[arg(long, value_name = "EPOCHS")]
    pub warmup: Option<Warmup>,
    /// Stop each replica after N evaluations in a row without improvement on the validation samples.
    #[arg(long, value_name = "N", value_parser = at_least_one::<u64>)]
    pub patience: Option<u64>,
    /// Which network of each replica the run leaves: best (on the validation samples) or last. [default: best with --patience,
    /// else last]
    #[arg(long, value_name = "WHICH")]
    pub keep: Option<Keep>,
    /// What is best on the validation samples, and what improves: loss or accuracy, of a regression r2. [default: loss]
    #[arg(long, value_name = "WHAT")]
    pub keep_by: Option<Criterion>,

    /// Save a checkpoint every N epochs, besides the end, Ctrl-C and SIGTERM. [default: every 15 s]
    #[arg(long, value_name = "N", value_parser = at_least_one::<u64>)]
    pub checkpoint_every: Option<u64>,
    /// Train only the K-th of N parts of all networks, as a job of its own; `asgd merge` makes one run of all parts.
    #[arg(long, value_name = "K/N")]
    pub shard: Option<Shard>,
    /// Train each network by all processes that mpirun has started, which share every batch, and not each network by one of them:
    /// for few networks that are large. The bits are the same. On CPUs.
    #[arg(long)]
    pub data_parallel: bool,
    /// Resume the run in DIR from its last checkpoint, bit for bit, with the arguments that it was started with. More --epochs
    /// or --steps make it longer, also when it is finished.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["dataset", "hidden", "activation", "batch_norm", "optimizer", "gradient",
        "rule", "momentum", "beta1", "beta2", "alpha", "rho", "eps", "weight_decay", "clip_value", "clip_norm", "lr", "epsilon", "dropout",
        "input_dropout", "count_threshold", "batch_size", "validation", "replicas", "seed", "init", "order", "eval_every", "schedule", "warmup", "patience", "keep", "keep_by",
        "checkpoint_every", "shard", "data_parallel", "out", "data_dir",
        "label", "test", "test_fraction", "classes", "samples", "factor", "noise", "data_seed", "header", "drop", "delimiter",
        "keep_index", "drop_missing", "max_expansion", "force_classes", "task", "scale", "target_scale"])]
    pub resume: Option<PathBuf>,
    /// Resume on another device or driver than the run was started on; the last bits may then differ.
    #[arg(long, requires = "resume")]
    pub force: bool,

    /// Run folder. An earlier run there is replaced. [default: runs/DATASET-NUMBER, the next free one]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print nothing but errors (and the line of --json).
    #[arg(long, short)]
    pub quiet: bool,
    /// Print the result as one line of JSON on stdout.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub data: DataArgs,

    /// The command line as it was given.
    #[arg(skip = usage::words())]
    pub words: Vec<String>,
    /// To what it was made longer since, one after the other.
    #[arg(skip)]
    pub extended: Vec<Extent>,
    /// Whether the run was begun with cells of several widths side by side.
    #[arg(skip)]
    pub padded: Option<bool>,
}

impl TrainArgs {
    /// The length that was asked for.
    pub fn extent(&self) -> Option<Extent> {
        self.epochs.map(Extent::Epochs).or(self.steps.map(Extent::Steps))
    }

    /// Whether settings are listed, so that they are compared.
    pub fn is_sweep(&self) -> bool {
        let counts = [&self.lr, &self.epsilon, &self.dropout, &self.input_dropout, &self.count_threshold].map(Vec::len);
        let counts = [&counts[..], &[self.hidden.len(), self.batch_size.len()]].concat();
        self.optimizer.is_sweep() || counts.iter().any(|&count| count > 1)
    }

    /// What evaluations decide, if anything.
    ///
    /// # Errors
    /// [`Error::Setting`] if there are no validation samples to decide by.
    pub fn rules(&self) -> Result<Option<Rules>> {
        let (patience, plateau) = (self.patience, self.schedule.plateau());
        let keep = self.keep.unwrap_or(if patience.is_some() { Keep::Best } else { Keep::Last });
        let asked = [
            ("--patience", patience.is_some()),
            ("--keep best", keep == Keep::Best),
            ("--schedule plateau", plateau.is_some()),
        ];
        let Some((setting, _)) = asked.into_iter().find(|(_, is_asked)| *is_asked) else {
            if self.keep_by.is_some() {
                let problem = "decides nothing without --patience, --keep best or --schedule plateau".into();
                return Err(Error::Setting { setting: "--keep-by", problem }.into());
            }
            return Ok(None);
        };
        if self.validation_share().is_none() {
            let problem = "needs samples to decide by that are neither trained on nor tested on: add --validation 0.1";
            return Err(Error::Setting { setting, problem: problem.into() }.into());
        }
        Ok(Some(Rules { criterion: self.keep_by.unwrap_or_default(), patience, keep, plateau }))
    }

    /// Refuses to make a run longer whose steps so far would have been others in a longer run.
    pub fn check_extensible(&self, option: &'static str) -> Result<()> {
        let why = match (self.schedule.decay(), self.rules()?) {
            (asgd::Decay::Cosine { .. }, _) => "its cosine ends where it ends",
            (_, Some(_)) => "its stops, best networks or rates depend on its evaluations",
            _ => return Ok(()),
        };
        let problem = format!("the run cannot be made longer, because {why}; train a longer one anew");
        Err(Error::Setting { setting: option, problem }.into())
    }

    /// The share of the training samples that is set aside.
    pub fn validation_share(&self) -> Option<f64> {
        const SHARE_OF_A_SWEEP: f64 = 0.1;
        self.validation.or(self.is_sweep().then_some(SHARE_OF_A_SWEEP)).filter(|&share| share > 0.0)
    }
}
