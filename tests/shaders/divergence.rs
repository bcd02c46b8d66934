use asgd::gpu::kernels::DIVERGENCE;
use asgd::reference::divergence::divergence;

use crate::fixture::{cases, many_workgroups, Fixture, POISON};

/// One parameter after the other is spoilt, in one replica.
#[test]
fn equals_its_twin() {
    for case in cases().iter().chain([&many_workgroups()]) {
        let fixture = Fixture::new(case);
        let sound = fixture.packed_parameters();
        let stride = sound.len() / case.replicas;
        let spoilt = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN, f32::MAX, f32::MIN_POSITIVE / 2.0, -0.0];
        for (round, value) in spoilt.into_iter().enumerate() {
            let mut parameters = sound.clone();
            let offset = (round * 7919 + 3) % parameters.len();
            parameters[offset] = value.to_bits();
            let poison = vec![POISON; case.replicas * 64];
            let workgroups = fixture.dispatch().evaluate();
            let buffers = fixture.run(&DIVERGENCE, fixture.batch(0), workgroups, &[&parameters, &poison]);
            for (replica, (found, bits)) in buffers[1].chunks(64).zip(parameters.chunks(stride)).enumerate() {
                let values: Vec<f32> = bits.iter().map(|&bits| f32::from_bits(bits)).collect();
                assert!(found.iter().all(|&lane| lane < 2), "{case:?}: a lane was not written");
                assert_eq!(found.contains(&1), divergence(&values), "{case:?} replica {replica} {value}");
            }
        }
    }
}
