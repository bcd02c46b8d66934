//! Each shader alone, on buffers that no kernel computed, against its twin in the reference: integers equal, floats within
//! the error bound of their sum. Outputs are poisoned first, and rows that are no neurons must come back as they were. A
//! file a shader, named as it is.

mod activity;
mod case;
mod clip;
mod count;
mod delta;
mod divergence;
mod evaluate;
mod fixture;
mod forward;
mod gather;
mod kernels;
mod loss;
mod normalize;
mod normalize_back;
mod permute;
mod propagate;
mod reduce;
mod reduce_norms;
mod select;
mod step;
mod threshold;
mod update;

pub use case::Case;
pub use fixture::POISON;
pub use kernels::{InputFormat, Job, Kernels, Shader};

use super::comparison::Comparison;
use crate::error::Result;

/// The check of one shader.
pub struct ShaderCheck {
    /// Name of its file, or of what is composed of several.
    pub name: &'static str,
    /// Which kernel.
    pub shader: Shader,
    check: fn(&dyn Kernels, &Case, &mut Comparison) -> Result<()>,
    /// Sizes beside those of all: past 65,535 workgroups, or past a limit that is its own.
    extremes: fn() -> Vec<Case>,
}

/// Every shader, in the order of a step.
pub const ALL: [ShaderCheck; 20] = [
    of("permute", Shader::Permute, permute::check, many_workgroups),
    of("gather", Shader::Gather, gather::check, many_batches),
    of("select", Shader::Select, select::check, || vec![select::long_batch(), Case::many_batches()]),
    of("forward", Shader::Forward, forward::check, with_activations),
    of("normalize", Shader::Normalize, normalize::check, many_workgroups),
    of("loss", Shader::Loss, loss::check, many_workgroups),
    of("delta", Shader::Delta, delta::check, with_activations),
    of("normalize_back", Shader::NormalizeBack, normalize_back::check, many_workgroups),
    of("propagate", Shader::Propagate, propagate::check, with_activations),
    of("threshold", Shader::Threshold, threshold::check, many_workgroups),
    of("reduce", Shader::Reduce, reduce::check, many_workgroups),
    of("reduce_norms", Shader::ReduceNorms, reduce_norms::check_store, many_workgroups),
    of("update", Shader::Update, update::check, many_workgroups),
    of("update_norms", Shader::UpdateNorms, reduce_norms::check_update, many_workgroups),
    of("clip", Shader::Clip, clip::check, many_workgroups),
    of("step", Shader::Step, step::check, step::extremes),
    of("evaluate", Shader::Evaluate, evaluate::check, many_workgroups),
    of("activity", Shader::Activity, activity::check, many_workgroups),
    of("count", Shader::Count, count::check, || vec![Case::many_workgroups(), count::long_batch()]),
    of("divergence", Shader::Divergence, divergence::check, many_workgroups),
];

const fn of(
    name: &'static str,
    shader: Shader,
    check: fn(&dyn Kernels, &Case, &mut Comparison) -> Result<()>,
    extremes: fn() -> Vec<Case>,
) -> ShaderCheck {
    ShaderCheck { name, shader, check, extremes }
}

fn many_workgroups() -> Vec<Case> {
    vec![Case::many_workgroups()]
}

fn with_activations() -> Vec<Case> {
    [many_workgroups(), Case::activations()].concat()
}

fn many_batches() -> Vec<Case> {
    vec![Case::many_batches()]
}

impl ShaderCheck {
    /// Runs the shader on the state of a case, and holds what it leaves against the reference.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn run(&self, kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
        (self.check)(kernels, case, comparison)
    }

    /// All cases: minutes on software Vulkan.
    pub fn sweep(&self) -> Vec<Case> {
        [Case::sweep(), (self.extremes)()].concat()
    }

    /// Runs the shader on the cases that take seconds.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn quick(&self, kernels: &dyn Kernels, comparison: &mut Comparison) -> Result<()> {
        for case in Case::quick() {
            self.run(kernels, &case, comparison)?;
        }
        Ok(())
    }
}
