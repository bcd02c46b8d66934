//! divergence.wgsl: a parameter that is no finite number, in its own replica. One parameter after the other is spoilt.

use super::case::Case;
use super::fixture::{Fixture, POISON, floats};
use super::kernels::{Kernels, LANES, Shader};
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::reference::divergence::divergence;

const SPOILT: [f32; 7] =
    [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN, f32::MAX, f32::MIN_POSITIVE / 2.0, -0.0];

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    let fixture = Fixture::new(case)?;
    let sound = fixture.packed_parameters();
    let stride = sound.len() / case.replicas;
    for (round, value) in SPOILT.into_iter().enumerate() {
        let mut parameters = sound.clone();
        let offset = (round * 7919 + 3) % parameters.len();
        parameters[offset] = value.to_bits();
        let storage = [&parameters[..], &vec![POISON; case.replicas * LANES]];
        let buffers = fixture.run(kernels, Shader::Divergence, fixture.batch(0), &storage)?;
        for (replica, (lanes, own)) in buffers[1].chunks(LANES).zip(parameters.chunks(stride)).enumerate() {
            let place = || format!("{case}; flags, replica {replica}, a parameter is {value}");
            let index = replica * LANES;
            comparison.holds(place, index, lanes, "0 or 1 in every lane", lanes.iter().all(|&lane| lane < 2));
            comparison.equal(place, index, lanes.contains(&1), divergence(&floats(own)));
        }
    }
    Ok(())
}
