//! Batch normalization: its constants, and the network that it is in evaluation.

use std::borrow::Cow;

use crate::model::Model;

/// Added to variances, as in torch.nn.BatchNorm1d.
pub const EPSILON: f32 = 1e-5;

/// What a batch's statistics weigh in the running ones, as in torch.nn.BatchNorm1d.
pub const MOMENTUM: f32 = 0.1;

/// What the weights of a neuron are multiplied by in evaluation, and its bias.
pub fn fold(gamma: f32, beta: f32, mean: f32, variance: f32) -> (f32, f32) {
    let scale = gamma / (variance + EPSILON).sqrt();
    (scale, (-mean).mul_add(scale, beta))
}

impl Model {
    /// The same networks without batch normalization: with the running statistics, it is a factor on a neuron's weights and a
    /// bias,
    ///
    ///   W' = W gamma / sqrt(running variance + 1e-5)    b' = beta - running mean gamma / sqrt(running variance + 1e-5)
    ///
    /// Every evaluation sees these.
    pub fn folded(&self) -> Cow<'_, Self> {
        if !self.spec().batch_norm() {
            return Cow::Borrowed(self);
        }
        let spec = self.spec().clone().with_batch_norm(false);
        let mut folded = Self::zeros(&spec, self.replicas());
        folded.class_names = self.class_names.clone();
        folded.data = self.data.clone();
        for (layer, (inputs, _)) in spec.layers().enumerate() {
            for replica in 0..self.replicas() {
                folded.weight_mut(layer, replica).copy_from_slice(self.weight(layer, replica));
                folded.bias_mut(layer, replica).copy_from_slice(self.bias(layer, replica));
                let statistics = self.running_mean(layer, replica).iter().zip(self.running_variance(layer, replica));
                for (neuron, (&gamma, (&mean, &variance))) in
                    self.gamma(layer, replica).iter().zip(statistics).enumerate()
                {
                    let (scale, bias) = fold(gamma, self.bias(layer, replica)[neuron], mean, variance);
                    let weights = &mut folded.weight_mut(layer, replica)[neuron * inputs..][..inputs];
                    weights.iter_mut().for_each(|weight| *weight *= scale);
                    folded.bias_mut(layer, replica)[neuron] = bias;
                }
            }
        }
        Cow::Owned(folded)
    }

    /// Whether all numbers of a replica are finite, those of its running statistics too.
    pub(crate) fn is_finite(&self, replica: usize) -> bool {
        let of_layer = |layer: usize| {
            let statistics = self.running_mean(layer, replica).iter().chain(self.running_variance(layer, replica));
            self.parameters(layer, replica).chain(statistics).all(|value| value.is_finite())
        };
        (0..self.spec().layers().len()).all(of_layer)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Model, NetworkSpec};

    #[test]
    fn a_folded_network_is_that_of_the_formula() {
        let spec = NetworkSpec::new(&[2, 3, 1]).unwrap().with_batch_norm(true);
        let mut model = Model::zeros(&spec, 2);
        model.weight_mut(0, 1).copy_from_slice(&[1.0, 2.0, 3.0, -4.0, 5.0, 6.0]);
        model.gamma_mut(0, 1).copy_from_slice(&[2.0, -1.0, 0.0]);
        model.bias_mut(0, 1).copy_from_slice(&[0.5, 0.25, 7.0]);
        model.running_mean_mut(0, 1).copy_from_slice(&[1.0, -3.0, 2.0]);
        model.running_variance_mut(0, 1).copy_from_slice(&[4.0 - 1e-5, 0.25 - 1e-5, 0.0]);
        model.weight_mut(1, 1).copy_from_slice(&[1.5, 2.5, 3.5]);
        model.bias_mut(1, 1)[0] = -1.0;
        let folded = model.folded();
        assert!(!folded.spec().batch_norm() && folded.gamma(0, 1).is_empty());
        // gamma / sqrt(variance + 1e-5) = 1, -2, 0
        assert_eq!(folded.weight(0, 1), [1.0, 2.0, -6.0, 8.0, 0.0, 0.0]);
        assert_eq!(folded.bias(0, 1), [-0.5, -5.75, 7.0]);
        assert_eq!((folded.weight(1, 1), folded.bias(1, 1)), (&[1.5, 2.5, 3.5][..], &[-1.0][..]));
        assert_eq!(*folded.folded(), *folded);
    }
}
