//! Each shader alone, on this machine's adapter, against its twin in the reference: the checks of `asgd check`
//! (src/check/shaders/, a file a shader), with all sizes.

#![allow(missing_docs, reason = "a test binary")]

mod comparator;
mod planted;

use std::sync::OnceLock;

use asgd::check::Comparison;
use asgd::check::shaders::{ALL, Shader};
use asgd::gpu::Gpu;

/// The kernels of the adapter of all tests. Without one the tests fail: they never pass by skipping.
fn gpu() -> &'static Gpu {
    static GPU: OnceLock<Gpu> = OnceLock::new();
    GPU.get_or_init(|| Gpu::new(None).expect("the tests need an adapter"))
}

#[track_caller]
fn sweep(shader: Shader) {
    let check = ALL.iter().find(|check| check.shader == shader).unwrap();
    let mut comparison = Comparison::default();
    for case in check.sweep() {
        check.run(gpu(), &case, &mut comparison).unwrap();
        assert_eq!(comparison.mismatch(), None, "{shader:?}");
    }
    assert!(comparison.passed(), "nothing was compared");
}

macro_rules! equals_its_twin {
    ($($name:ident: $shader:ident),+ $(,)?) => {
        $(#[test]
        fn $name() {
            sweep(Shader::$shader);
        })+

        /// No shader is forgotten.
        #[test]
        fn all_shaders_are_here() {
            assert_eq!(ALL.map(|check| check.shader), [$(Shader::$shader),+]);
        }
    };
}

equals_its_twin!(
    permute: Permute,
    gather: Gather,
    select: Select,
    forward: Forward,
    normalize: Normalize,
    loss: Loss,
    delta: Delta,
    normalize_back: NormalizeBack,
    propagate: Propagate,
    threshold: Threshold,
    reduce: Reduce,
    reduce_norms: ReduceNorms,
    update: Update,
    update_norms: UpdateNorms,
    clip: Clip,
    step: Step,
    evaluate: Evaluate,
    activity: Activity,
    count: Count,
    divergence: Divergence,
);
