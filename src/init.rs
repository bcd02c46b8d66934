//! Initial parameters.

use std::path::PathBuf;
use std::str::FromStr;

use crate::model::Model;
use crate::network::NetworkSpec;
use crate::random::Random;
use crate::{Error, Result};

/// How parameters start. Biases start at 0, except from a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Init {
    /// Weights from N(0, 2 / inputs) (He et al. 2015).
    Kaiming,
    /// Weights uniform within ± sqrt(6 / (inputs + outputs)) (Glorot and Bengio 2010).
    Glorot,
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
            _ => match text.strip_prefix("normal:") {
                Some(number) => match number.parse::<f64>() {
                    Ok(deviation) if deviation.is_finite() && deviation >= 0.0 => Ok(Self::Normal(deviation)),
                    _ => Err(format!("'{number}' is no standard deviation; write for example normal:0.5")),
                },
                None if text.ends_with(".safetensors") => Ok(Self::File(text.into())),
                None => Err("expected kaiming, glorot, normal:STD or a FILE.safetensors".into()),
            },
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
        let sample: Box<dyn Fn(&mut Random, usize, usize) -> f64> = match self {
            Self::Kaiming => Box::new(|random, inputs, _| random.normal() * (2.0 / inputs as f64).sqrt()),
            Self::Glorot => Box::new(|random, inputs, outputs| {
                (2.0 * random.uniform() - 1.0) * (6.0 / (inputs + outputs) as f64).sqrt()
            }),
            Self::Normal(deviation) => {
                let deviation = *deviation;
                Box::new(move |random, _, _| random.normal() * deviation)
            }
            Self::File(path) => {
                let file = Model::load(path)?;
                if file.spec() != spec {
                    let problem = format!(
                        "holds a network {:?}, but {:?} is to be trained; change --hidden or the file",
                        file.spec().widths(),
                        spec.widths()
                    );
                    return Err(Error::model(path, problem));
                }
                if file.replicas() == 1 {
                    return Ok(file.repeat(seeds.len()));
                }
                if file.replicas() != seeds.len() {
                    let problem = format!("holds {} replicas, but {} are to be trained; change --replicas", file.replicas(), seeds.len());
                    return Err(Error::model(path, problem));
                }
                return Ok(file);
            }
        };
        for (replica, &seed) in seeds.iter().enumerate() {
            for (index, (inputs, outputs)) in spec.layers().enumerate() {
                let mut random = Random::new(seed, index as u64);
                for weight in model.weight_mut(index, replica) {
                    *weight = sample(&mut random, inputs, outputs) as f32;
                }
            }
        }
        Ok(model)
    }
}
