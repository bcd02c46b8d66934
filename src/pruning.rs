//! Which hidden nodes can be cut out, and the network without them.

use crate::error::{Error, Result};
use crate::model::Model;
use crate::rounding::gamma;
use crate::spec::NetworkSpec;

/// Hidden nodes, layer by layer.
pub type Nodes = Vec<Vec<bool>>;

/// Hidden nodes of one network that no input in [0, 1] can activate: an upper bound of z, from the bounds of the layer
/// below and the signs of the weights, is not above 0, whatever the order of the sum's rounding.
pub fn never_active(model: &Model, replica: usize) -> Nodes {
    let spec = model.spec();
    let mut bounds = vec![(0.0, 1.0); spec.inputs()];
    let mut nodes = Nodes::new();
    for (layer, (inputs, _)) in spec.layers().enumerate().take(spec.layers().len() - 1) {
        let rows = model.weight(layer, replica).chunks_exact(inputs).zip(model.bias(layer, replica));
        let outputs: Vec<(f64, f64)> = rows
            .map(|(weights, &bias)| {
                let mut z = (f64::from(bias), f64::from(bias));
                let mut magnitude = z.0.abs();
                for (&weight, &(low, high)) in weights.iter().zip(&bounds) {
                    let (a, b) = (f64::from(weight) * low, f64::from(weight) * high);
                    z = (z.0 + a.min(b), z.1 + a.max(b));
                    magnitude += a.abs().max(b.abs());
                }
                // Inputs + 1 products and as many additions in f32, and a division by 255 or a scaled input.
                let rounding = gamma(2 * inputs + 4) * magnitude;
                (z.0 - rounding, z.1 + rounding)
            })
            .collect();
        // ReLU. A bound that is no number proves nothing.
        nodes.push(outputs.iter().map(|&(_, high)| high <= 0.0).collect());
        bounds = outputs.into_iter().map(|(low, high)| (low.max(0.0), high.max(0.0))).collect();
    }
    nodes
}

/// One network without the nodes of `cut`. A layer keeps at least one node.
///
/// Where no sample activates a node, its activation is 0 and adds nothing to any sum of the layer above; the terms that
/// remain keep their order, so that the outputs stay the same, bit for bit.
///
/// # Errors
/// [`Error::Setting`] if `cut` is of another shape.
pub fn without(model: &Model, replica: usize, cut: &Nodes) -> Result<Model> {
    let spec = model.spec();
    let hidden = &spec.widths()[1..spec.widths().len() - 1];
    if cut.len() != hidden.len() || cut.iter().zip(hidden).any(|(nodes, &width)| nodes.len() != width) {
        return Err(Error::setting("cut", format!("nodes of other layers than {hidden:?}")));
    }
    let kept_in = |nodes: &Vec<bool>| {
        let kept: Vec<usize> = (0..nodes.len()).filter(|&node| !nodes[node]).collect();
        if kept.is_empty() { vec![0] } else { kept }
    };
    let mut kept: Vec<Vec<usize>> = vec![(0..spec.inputs()).collect()];
    kept.extend(cut.iter().map(kept_in));
    kept.push((0..spec.outputs()).collect());
    let widths: Vec<usize> = kept.iter().map(Vec::len).collect();
    let mut pruned = Model::zeros(&NetworkSpec::with(&widths, spec.activation(), spec.loss())?, 1);
    pruned.class_names = model.class_names.clone();
    pruned.data = model.data.clone();
    for (layer, (inputs, _)) in spec.layers().enumerate() {
        let (below, above) = (&kept[layer], &kept[layer + 1]);
        let weights = model.weight(layer, replica);
        for (index, &neuron) in above.iter().enumerate() {
            for (column, &input) in below.iter().enumerate() {
                pruned.weight_mut(layer, 0)[index * below.len() + column] = weights[neuron * inputs + input];
            }
            pruned.bias_mut(layer, 0)[index] = model.bias(layer, replica)[neuron];
        }
    }
    Ok(pruned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_prove_what_is_certain() {
        let spec = NetworkSpec::new(&[2, 4, 2, 1]).unwrap();
        let mut model = Model::zeros(&spec, 2);
        // z = x - y, -x - y - 1, 0, x + y - 2.000001
        model.weight_mut(0, 1).copy_from_slice(&[1.0, -1.0, -1.0, -1.0, 0.0, 0.0, 1.0, 1.0]);
        model.bias_mut(0, 1).copy_from_slice(&[0.0, -1.0, 0.0, -2.0 - 1e-6]);
        // -a1 is never positive; 3 a2 + 1e-3 is, though a2 is dead.
        model.weight_mut(1, 1).copy_from_slice(&[-1.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0]);
        model.bias_mut(1, 1).copy_from_slice(&[-1e-3, 1e-3]);
        let nodes = never_active(&model, 1);
        assert_eq!(nodes, [vec![false, true, true, false], vec![true, false]], "-2.000001 is within rounding of 2");
        model.bias_mut(0, 1)[3] = f32::NAN;
        assert!(!never_active(&model, 1)[0][3]);

        let pruned = without(&model, 1, &nodes).unwrap();
        assert_eq!(pruned.spec().widths(), [2, 2, 1, 1]);
        assert_eq!(pruned.weight(0, 0), [1.0, -1.0, 1.0, 1.0]);
        assert_eq!(pruned.weight(1, 0), [0.0, 0.0]);
        assert_eq!(pruned.bias(1, 0), [1e-3]);
        let everything = without(&model, 1, &vec![vec![true; 4], vec![true; 2]]).unwrap();
        assert_eq!(everything.spec().widths(), [2, 1, 1, 1]);
        assert!(without(&model, 1, &vec![vec![true; 4]]).is_err());
    }
}
