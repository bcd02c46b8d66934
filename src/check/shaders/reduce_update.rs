//! reduce.wgsl, where it updates the parameters in place: replicas of both optimizers side by side.

use super::case::Case;
use super::fixture::Fixture;
use super::kernels::{Kernels, ReplicaColumns, Shader};
use super::reduce::{expected, of_parameter, reduced_buffers, roundings};
use super::update::check_parameter;
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::optimizer::Optimizer;
use crate::settings::ReplicaSettings;

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    let fixture = Fixture::new(case)?;
    let expected = expected(&fixture);
    let buffers = reduced_buffers(&fixture);
    let settings = |replica: usize| ReplicaSettings {
        seed: 0,
        optimizer: if replica.is_multiple_of(2) { Optimizer::ASGD } else { Optimizer::SGD },
        learning_rate: 0.1 * (1 + replica % 3) as f32,
        epsilon: [0.0, 1e-8, 1.0][replica / 2 % 3],
    };
    let columns: Vec<ReplicaColumns> =
        (0..case.replicas).map(|replica| ReplicaColumns::from(&settings(replica))).collect();
    let before = fixture.packed_parameters();
    let mut storage: Vec<&[u32]> = buffers.iter().map(Vec::as_slice).collect();
    storage.extend([bytemuck::cast_slice(&columns), &before]);
    let results = fixture.run(kernels, Shader::ReduceUpdate, fixture.batch(0), &storage)?;
    for (index, parameter) in fixture.parameters().into_iter().enumerate() {
        let reduction = of_parameter(&expected, parameter);
        let settings = settings(parameter.replica);
        let place = || format!("{case}; {parameter:?} with {settings:?}");
        let values = [results[7][index], before[index]];
        check_parameter(place, index, values, reduction, roundings(case), case.size, &settings, comparison);
    }
    Ok(())
}
