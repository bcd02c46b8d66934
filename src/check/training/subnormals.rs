//! Whether an engine keeps numbers below 1.2e-38, or flushes them to zero, which WGSL leaves to the driver. Where they are flushed, an
//! input, an activation or a delta that small is not counted.

use super::Engine;
use crate::dataset::{Dataset, Inputs, Samples};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::settings::{ReplicaSettings, TrainSettings};
use crate::spec::NetworkSpec;

const SAMPLES: usize = 4;

/// Takes a step in which no gradient is zero, but all stand on subnormal numbers: the first input is one; so is the delta of the first
/// hidden node, a product of normal numbers; and the activation of the second, another one.
///
/// # Errors
/// What the driver reported.
pub fn keeps_subnormals(engine: &dyn Engine) -> Result<bool> {
    let power = |exponent: i32| 2f32.powi(exponent);
    let inputs = [f32::MIN_POSITIVE * power(-14), 1.0, power(-70)];
    let samples = || Samples::new(3, Inputs::F32(inputs.repeat(SAMPLES)), vec![1; SAMPLES], 2);
    let (name, train, test) = ("subnormals".into(), samples()?, samples()?);
    let dataset = Dataset { name, classes: 2, class_names: Vec::new(), train, test, validation: None };
    let mut initial = Model::zeros(&NetworkSpec::new(&[3, 2, 1])?, 1);
    initial.weight_mut(0, 0).copy_from_slice(&[0.0, 1.0, 0.0, 0.0, 0.0, power(-70)]);
    initial.weight_mut(1, 0).copy_from_slice(&[f32::MIN_POSITIVE, 1.0]);
    let replicas = vec![ReplicaSettings { learning_rate: 0.0, ..Default::default() }];
    let mut trainer =
        engine.trainer(&dataset, &initial, TrainSettings { batch_size: SAMPLES, replicas, ..Default::default() })?;
    trainer.train(1)?;
    let (_, counts) = trainer.last_reduction()?.ok_or_else(|| Error::Gpu("a step left no counts".into()))?;
    Ok((0..2).all(|layer| counts.parameters(layer, 0).all(|&count| count as usize == SAMPLES)))
}
