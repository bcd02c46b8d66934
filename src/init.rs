//! Initial parameters.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::model::Model;
use crate::names::expected;
use crate::random::Random;
use crate::spec::NetworkSpec;

/// How parameters start. Biases start at 0, unless it says otherwise; of normalized neurons beta at 0 and gamma at 1 in any case.
#[derive(Debug, Clone, PartialEq)]
pub enum Init {
    /// Weights from N(0, 2 / inputs) (He et al. 2015).
    Kaiming,
    /// Weights uniform within ± sqrt(6 / (inputs + outputs)) (Glorot and Bengio 2010).
    Glorot,
    /// Weights and biases uniform within ± 1 / sqrt(inputs): the default of PyTorch's nn.Linear. (Of a normalized layer, the weights.)
    Pytorch,
    /// Weights from N(0, standard deviation squared).
    Normal(f64),
    /// A .safetensors file, with a leading replica axis or with one network for all replicas.
    File(PathBuf),
}

impl FromStr for Init {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "kaiming" | "he" => Ok(Self::Kaiming),
            "glorot" | "xavier" => Ok(Self::Glorot),
            "pytorch" => Ok(Self::Pytorch),
            _ => match text.strip_prefix("normal:") {
                Some(number) => match number.parse::<f64>() {
                    Ok(deviation) if deviation.is_finite() && deviation >= 0.0 => Ok(Self::Normal(deviation)),
                    _ => Err(format!("'{number}' is no standard deviation; write for example normal:0.5")),
                },
                None if text.ends_with(".safetensors") => Ok(Self::File(text.into())),
                None => Err(expected(text, &["kaiming", "glorot", "pytorch", "normal:STD", "a FILE.safetensors"])),
            },
        }
    }
}

impl fmt::Display for Init {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kaiming => formatter.write_str("kaiming"),
            Self::Glorot => formatter.write_str("glorot"),
            Self::Pytorch => formatter.write_str("pytorch"),
            Self::Normal(deviation) => write!(formatter, "normal:{deviation}"),
            Self::File(path) => write!(formatter, "{}", path.display()),
        }
    }
}

impl Init {
    /// The networks that replicas with these seeds start from; a seed alone decides its network.
    ///
    /// # Errors
    /// [`Error::Model`] if the file cannot be read or holds networks of another shape or number.
    pub fn model(&self, spec: &NetworkSpec, seeds: &[u64]) -> Result<Model> {
        let mut model = Model::zeros(spec, seeds.len());
        for (replica, &seed) in seeds.iter().enumerate() {
            for (index, (inputs, outputs)) in spec.layers().enumerate() {
                let mut random = Random::new(seed, index as u64);
                for weight in model.weight_mut(index, replica) {
                    *weight = match self {
                        Self::Kaiming => random.normal() * libm::sqrt(2.0 / inputs as f64),
                        Self::Glorot => (2.0 * random.uniform() - 1.0) * libm::sqrt(6.0 / (inputs + outputs) as f64),
                        Self::Pytorch => (2.0 * random.uniform() - 1.0) / libm::sqrt(inputs as f64),
                        Self::Normal(deviation) => random.normal() * deviation,
                        Self::File(path) => return from_file(path, spec, seeds.len()),
                    } as f32;
                }
                // Of normalized layers.
                model.gamma_mut(index, replica).fill(1.0);
                model.running_variance_mut(index, replica).fill(1.0);
                if *self == Self::Pytorch && index >= spec.normalized_layers() {
                    for bias in model.bias_mut(index, replica) {
                        *bias = ((2.0 * random.uniform() - 1.0) / libm::sqrt(inputs as f64)) as f32;
                    }
                }
            }
        }
        Ok(model)
    }
}

/// The networks of a file, which must fit in shape and number; a single one starts all replicas.
fn from_file(path: &Path, spec: &NetworkSpec, replicas: usize) -> Result<Model> {
    let file = Model::load(path)?;
    if file.spec().batch_norm() != spec.batch_norm() {
        let problem = match file.spec().batch_norm() {
            true => "holds a network with batch normalization, but one without is to be trained",
            false => "holds a network without batch normalization; leave --batch-norm out",
        };
        return Err(Error::model(path, problem.to_string()));
    }
    // What the nodes do is for the caller to say: a file of another program does not.
    if (file.spec().widths(), file.spec().loss()) != (spec.widths(), spec.loss()) {
        let (found, wanted) = (file.spec().widths(), spec.widths());
        let problem = match found == wanted {
            false => format!("holds a network {found:?}, but {wanted:?} is to be trained; change --hidden or the file"),
            true => {
                let (found, wanted) = (file.spec().loss(), spec.loss());
                format!(
                    "holds a network for {found}, but one for {wanted} is to be trained; its metadata's loss says which"
                )
            }
        };
        return Err(Error::model(path, problem));
    }
    let mut other = Model::from_arena(spec, &file.to_arena());
    (other.class_names, other.data) = (file.class_names, file.data);
    let file = other;
    match file.replicas() {
        1 => Ok(file.repeat(replicas)),
        count if count == replicas => Ok(file),
        count => {
            let problem = format!("holds {count} replicas, but {replicas} are to be trained; change --replicas");
            Err(Error::model(path, problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Layers whose inputs and outputs differ, and enough weights to tell their spreads apart.
    const WIDTHS: [usize; 4] = [200, 50, 120, 30];

    fn drawn(init: &Init) -> Model {
        init.model(&NetworkSpec::new(&WIDTHS).unwrap(), &[3, 4]).unwrap()
    }

    #[test]
    fn normal_weights_have_their_deviation() {
        for (init, variance) in
            [(Init::Kaiming, (|inputs: usize| 2.0 / inputs as f64) as fn(usize) -> f64), (Init::Normal(0.5), |_| 0.25)]
        {
            let model = drawn(&init);
            for (layer, (inputs, _)) in model.spec().layers().enumerate() {
                let weights: Vec<f64> = model.weight(layer, 1).iter().map(|&weight| f64::from(weight)).collect();
                let count = weights.len() as f64;
                let square = weights.iter().map(|weight| weight * weight).sum::<f64>() / count / variance(inputs);
                let mean = weights.iter().sum::<f64>() / count / variance(inputs).sqrt();
                // Five standard errors: sqrt(2 / n) and 1 / sqrt(n).
                assert!((square - 1.0).abs() < 5.0 * (2.0 / count).sqrt(), "{init}, layer {layer}: {square}");
                assert!(mean.abs() < 5.0 / count.sqrt(), "{init}, layer {layer}: {mean}");
                assert!(model.bias(layer, 1).iter().all(|&bias| bias == 0.0));
            }
        }
    }

    #[test]
    fn uniform_weights_reach_their_bounds() {
        for (init, bound) in [
            (Init::Glorot, (|inputs, outputs| (6.0 / (inputs + outputs) as f64).sqrt()) as fn(usize, usize) -> f64),
            (Init::Pytorch, |inputs, _| 1.0 / (inputs as f64).sqrt()),
        ] {
            let model = drawn(&init);
            for (layer, (inputs, outputs)) in model.spec().layers().enumerate() {
                let bound = bound(inputs, outputs);
                let is_within =
                    |values: &[f32]| values.iter().all(|&value| f64::from(value).abs() <= bound * (1.0 + 1e-6));
                let reach =
                    |values: &[f32], sign: f32| values.iter().map(|&value| f64::from(sign * value)).fold(0.0, f64::max);
                for replica in 0..2 {
                    let (weights, biases) = (model.weight(layer, replica), model.bias(layer, replica));
                    assert!(is_within(weights), "{init}, layer {layer}");
                    assert!(
                        [1.0, -1.0].iter().all(|&sign| reach(weights, sign) > 0.98 * bound),
                        "{init}, layer {layer}"
                    );
                    assert!(is_within(biases), "{init}, layer {layer}");
                    let has_biases = init == Init::Pytorch;
                    assert!(
                        [1.0, -1.0].iter().all(|&sign| (reach(biases, sign) > 0.5 * bound) == has_biases),
                        "{init}"
                    );
                }
            }
        }
    }

    /// No layer begins with the numbers of another one, nor a replica with those of another seed.
    #[test]
    fn layers_and_seeds_have_numbers_of_their_own() {
        let spec = NetworkSpec::new(&[9, 9, 9]).unwrap();
        let model = Init::Kaiming.model(&spec, &[1, 2]).unwrap();
        let mut starts: Vec<u32> = [(0, 0), (1, 0), (0, 1), (1, 1)]
            .iter()
            .flat_map(|&(layer, replica)| model.weight(layer, replica).iter().map(|weight| weight.to_bits()))
            .collect();
        starts.sort_unstable();
        starts.dedup();
        assert_eq!(starts.len(), 4 * 81);
        assert_eq!(Init::Kaiming.model(&spec, &[2]).unwrap(), model.slice(1..2), "a seed alone decides");
    }
}
