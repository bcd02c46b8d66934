//! divergence.wgsl: a parameter that is no finite number, in its own replica. One parameter after the other is spoilt, the first and
//! the last of all among them.

use super::case::Case;
use super::fixture::{Fixture, POISON, floats};
use super::kernels::{Kernels, Shader};
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::reference::divergence::divergence;

const SPOILT: [f32; 7] =
    [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN, f32::MAX, f32::MIN_POSITIVE / 2.0, -0.0];

/// Words behind the flags.
const BEHIND: usize = 64;

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    let fixture = Fixture::new(case)?;
    let sound = fixture.packed_parameters();
    let stride = sound.len() / case.replicas;
    let last = sound.len() - 1;
    let anywhere = SPOILT.into_iter().enumerate().map(|(round, value)| ((round * 7919 + 3) % (last + 1), value));
    for (offset, value) in anywhere.chain([(0, f32::NAN), (stride - 1, f32::INFINITY), (last, f32::NAN)]) {
        let mut parameters = sound.clone();
        parameters[offset] = value.to_bits();
        // The host clears the flags; what follows them stays.
        let flags = [vec![0; case.replicas], vec![POISON; BEHIND]].concat();
        let buffers = fixture.run(kernels, Shader::Divergence, fixture.batch(0), &[&parameters, &flags])?;
        let own = parameters.chunks(stride).map(|own| u32::from(divergence(&floats(own))));
        let expected: Vec<u32> = own.chain([POISON; BEHIND]).collect();
        comparison.all_equal(|| format!("{case}; flags, a parameter is {value}"), &buffers[1], &expected);
    }
    Ok(())
}
