//! Whether trained networks tell anything apart: layers without a living node, and one class predicted for everything.

use anyhow::Result;
use asgd::dataset::Samples;
use asgd::{Activity, Dataset, Device, Model, Predictor};

use super::metrics::{Point, by_layer};
use crate::sweep::groups::CellTrained;
use crate::trained::{class_name, classify};

/// What is wrong with networks that have not diverged.
#[derive(Debug, Default)]
pub struct Health {
    /// Replicas with a hidden layer in which no training sample activates any node, and the first such layer, from 1.
    pub dead: Vec<(usize, usize)>,
    /// Replicas that predict one class for every training and test sample, and the class.
    pub constant: Vec<(usize, usize)>,
}

impl Health {
    /// Looks at the ends of trainings.
    pub fn of(device: &Device, dataset: &Dataset, trained: &CellTrained) -> Result<Self> {
        let mut health = Self::default();
        let model = &trained.model;
        for (replica, last) in trained.sound() {
            let dead = by_layer(model.spec(), &last.train.nodes, Activity::Never);
            let dead = dead.zip(model.spec().hidden()).position(|(dead, &width)| dead == width);
            health.dead.extend(dead.map(|layer| (replica, layer + 1)));
            if let Some(class) = constant(device, dataset, &model.slice(replica..replica + 1), last)? {
                health.constant.push((replica, class));
            }
        }
        Ok(health)
    }

    /// In a line each, with what to try.
    pub fn lines(&self, model: &Model) -> Vec<String> {
        let replicas = model.replicas();
        let of = |found: &[(usize, usize)]| match replicas {
            1 => String::new(),
            _ => format!(" in {} of {replicas} replicas", found.len()),
        };
        let mend = match model.data.scaling.as_ref().map(asgd::dataset::Scaling::scale) {
            Some(asgd::dataset::Scale::None) | None => {
                "a lower --lr, --scale standard, more --hidden nodes or another --seed"
            }
            Some(_) => "a lower --lr, more --hidden nodes or another --seed",
        };
        let mut lines = Vec::new();
        if let Some((_, layer)) = self.dead.first() {
            lines.push(format!(
                "hidden layer {layer} has no living node{}: no training sample activates any, so the output is constant; try {mend}",
                of(&self.dead)
            ));
        }
        if let Some((_, class)) = self.constant.first() {
            let same = self.constant.iter().all(|(_, other)| other == class);
            let class =
                if same { format!("class '{}'", class_name(&model.class_names, *class)) } else { "one class".into() };
            lines.push(format!(
                "{class} is predicted for every sample{}; try {mend}, or longer training",
                of(&self.constant)
            ));
        }
        lines
    }
}

/// The class that a classifier predicts for every sample, if it is one. Then its accuracies are the shares of that class,
/// which is looked at first, because it costs nothing.
fn constant(device: &Device, dataset: &Dataset, network: &Model, last: &Point) -> Result<Option<usize>> {
    if network.spec().loss().is_regression() {
        return Ok(None);
    }
    let share = |samples: &Samples, class: u32| {
        samples.labels().iter().filter(|&&label| label == class).count() as f64 / samples.len() as f64
    };
    let is_share = |samples: &Samples, class: u32, accuracy: f64| (share(samples, class) - accuracy).abs() < 1e-9;
    let suspect = (0..dataset.classes as u32).find(|&class| {
        is_share(&dataset.train, class, last.train.score) && is_share(&dataset.test, class, last.test.score)
    });
    let Some(class) = suspect else { return Ok(None) };
    for samples in [&dataset.train, &dataset.test] {
        let logits = Predictor::new(device, network, samples)?.logits()?;
        let mut rows = logits.chunks_exact(network.spec().outputs());
        if !rows.all(|logits| classify(network.spec().loss(), logits).0 == class as usize) {
            return Ok(None);
        }
    }
    Ok(Some(class as usize))
}
