//! permute.wgsl: the same integers as the reference, for three seeds' epochs, the last batch short, and into the next epoch.

use super::case::Case;
use super::fixture::{Fixture, POISON};
use super::kernels::{Batch, Kernels, ReplicaColumns, Shader};
use crate::check::comparison::Comparison;
use crate::error::Result;
use crate::reference::permute::permute;
use crate::settings::ReplicaSettings;

pub fn check(kernels: &dyn Kernels, case: &Case, comparison: &mut Comparison) -> Result<()> {
    let fixture = Fixture::new(case)?;
    let (replicas, batch_size, stride) = (case.replicas, case.batch_size as u32, fixture.stride());
    let seeds: Vec<u64> = (0..replicas as u64).map(|replica| replica.wrapping_mul(0x1_0000_0001_0003)).collect();
    let columns = |&seed: &u64| ReplicaColumns::from(&ReplicaSettings { seed, ..Default::default() });
    let columns: Vec<ReplicaColumns> = seeds.iter().map(columns).collect();
    // The last of three batches is short.
    let count = batch_size * 3 - batch_size / 2;
    let targets = fixture.labels_of(0).len() / case.size;
    let labels: Vec<u32> = (0..count * targets as u32).map(|index| index * 7 % 10).collect();
    for (shuffled, epoch, first_step) in [(1, 0, 0), (1, 7, 1), (0, 3, 1)] {
        let steps = 5 - first_step;
        let position = first_step * batch_size;
        let batch = Batch { steps, position, epoch, sample_count: count, shuffled, ..fixture.batch(0) };
        let poison = vec![POISON; steps as usize * replicas * stride * targets];
        let indices = &poison[..poison.len() / targets];
        let storage = [bytemuck::cast_slice(&columns), &labels[..], indices, &poison];
        let buffers = fixture.run(kernels, Shader::Permute, batch, &storage)?;
        for (index, &sample) in buffers[2].iter().enumerate() {
            let (offset, replica) = (index % stride, index / stride % replicas);
            let step = first_step + (index / stride / replicas) as u32;
            let (epoch, at) = (epoch + step / 3, step % 3 * batch_size + offset as u32);
            let label = |target: usize| buffers[3][(index / stride * targets + target) * stride + offset];
            let labels_of = |sample: u32| labels[sample as usize * targets..][..targets].to_vec();
            let expected = if offset >= case.batch_size || at >= count {
                (count, vec![0; targets])
            } else {
                let sample = if shuffled == 1 { permute(at, count, seeds[replica], epoch) } else { at };
                (sample, labels_of(sample))
            };
            let place = || format!("{case}; (sample, targets) of epoch {epoch}, step {step}, replica {replica}");
            comparison.equal(place, index, (sample, (0..targets).map(label).collect()), expected);
        }
    }
    Ok(())
}
