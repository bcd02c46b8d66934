//! What a run takes of the machine's memory at its peak, foretold before anything is allocated for it.

use anyhow::Result;
use asgd::{Dataset, Device, NetworkSpec, TrainSettings, memory};

use super::division;
use super::length::Length;
use super::metrics::Point;
use super::shard::Shard;
use crate::device_args::Devices;
use crate::ranks;
use crate::sweep::cells::Cell;
use crate::sweep::groups::Group;

/// What a run trains.
pub struct Demand<'a> {
    pub devices: &'a Devices,
    pub dataset: &'a Dataset,
    pub cells: &'a [Cell],
    pub groups: &'a [Group],
    /// Of each cell.
    pub lengths: &'a [Length],
    /// Of each cell.
    pub replicas: usize,
    /// Where only a part is trained.
    pub shard: Option<Shard>,
    /// Whether evaluations decide which networks are kept.
    pub has_rules: bool,
}

/// Values of four bytes each, as many as a network of this shape has parameters.
fn network_bytes(spec: &NetworkSpec) -> u128 {
    4 * spec.arena_stride() as u128
}

/// Stacks of threads, and what of the program itself comes to memory later on.
const OF_PROGRAM: u128 = 4 << 20;

/// What an allocation takes beside its contents.
const OVERHEAD: usize = 16;

impl Demand<'_> {
    /// The peak of this process, in bytes.
    ///
    /// # Errors
    /// [`asgd::Error::Memory`] if that cannot be had.
    pub fn check(&self) -> Result<u64> {
        let what = match (self.replicas, self.cells.len()) {
            (1, 1) => "training 1 network".to_string(),
            (replicas, 1) => format!("training {replicas} replicas"),
            (replicas, cells) => format!("training {} networks", replicas as u128 * cells as u128),
        };
        let more = self.more();
        memory::require(&what, more, "use fewer --replicas, fewer cells or a smaller network")?;
        Ok(memory::resident().saturating_add(more as u64))
    }

    /// Bytes beside those that are taken already.
    fn more(&self) -> u128 {
        let replicas = self.replicas as u128;
        let initial: u128 = self.cells.iter().map(|cell| replicas * network_bytes(&cell.spec)).sum();
        if !ranks::is_first() && !ranks::shares_batches() {
            let of_share = |group: &Group| self.group(group) + self.evaluations(group, self.trained(group));
            return OF_PROGRAM + initial + self.groups.iter().map(of_share).max().unwrap_or(0) + self.kernels();
        }
        // Each group's networks and counts stay until the end.
        let results: u128 = self.groups.iter().map(|group| 2 * self.networks(group) * network_bytes(&group.spec)).sum();
        let evaluations: u128 = self.groups.iter().map(|group| self.evaluations(group, self.networks(group))).sum();
        let while_training = self.groups.iter().map(|group| self.group(group)).max().unwrap_or(0);
        // Of the last group, what it has become is in both.
        let last = self.groups.last().map_or(0, |group| 2 * self.networks(group) * network_bytes(&group.spec));
        let of_files = self.groups.iter().map(|group| self.networks(group) * network_bytes(&group.spec)).max();
        let at_the_end = results + of_files.unwrap_or(0);
        OF_PROGRAM + evaluations + (initial + results - last + while_training).max(at_the_end) + self.kernels()
    }

    /// Of a group, those that this process trains.
    fn trained(&self, group: &Group) -> u128 {
        self.networks(group).div_ceil(ranks::parts().0 as u128)
    }

    /// Of a group, those whose results are in this process at the end.
    fn networks(&self, group: &Group) -> u128 {
        let all = group.cells.len().saturating_mul(self.replicas);
        self.shard.map_or(all, |shard| shard.range(all).len()) as u128
    }

    /// While it is trained, at the last checkpoint.
    fn group(&self, group: &Group) -> u128 {
        let settings = TrainSettings {
            batch_size: group.batch_size,
            replicas: group.cells.iter().map(|&cell| self.cells[cell].replica(0)).collect(),
            ..Default::default()
        };
        let networks = self.trained(group);
        // Each device trains a chunk of its share, at once with the others.
        let shares = division::shares(0..usize::try_from(networks).unwrap_or(usize::MAX), &self.devices.weights());
        let (mut chunk, mut engines) = (0, 0);
        for (device, share) in self.devices.iter().zip(shares) {
            let own = device.max_replicas(self.dataset, &group.spec, &settings).max(1).min(share.len());
            chunk += own as u128;
            if device.runs_on_cpu() && own > 0 {
                engines += device.training_bytes(self.dataset, &group.spec, &settings, own);
            }
        }
        let moments = settings.moments() as u128;
        // The group's initial networks; the networks and counts of the chunks before.
        let of_all = networks + 2 * (networks - chunk);
        // Networks, moments and counts, and all three as bytes, twice: as files, and as the file of them; where evaluations decide,
        // those that are kept with their counts, too.
        let state = 2 + moments + if self.has_rules { 2 } else { 0 };
        of_all * network_bytes(&group.spec) + 3 * state * chunk * network_bytes(&group.spec) + engines
    }

    /// Evaluations of some networks of a group, with what a checkpoint and metrics.csv make of them.
    fn evaluations(&self, group: &Group, networks: u128) -> u128 {
        let length = self.lengths[group.cells[0]];
        let count = u128::from(length.steps.div_ceil(length.evaluate_every)) + 1;
        let (hidden, layers) = (group.spec.hidden().iter().sum::<usize>(), group.spec.layers().len());
        let point = size_of::<Point>() + hidden + 8 * layers + 2 * OVERHEAD;
        let in_checkpoint = 2 * (7 * 8 + hidden + 8 * layers);
        networks * count * (point + in_checkpoint) as u128
    }

    /// What a driver on this machine's CPU takes to compile the kernels.
    fn kernels(&self) -> u128 {
        const OF_SOFTWARE: u128 = 64 << 20;
        if self.devices.iter().any(Device::compiles_kernels) { OF_SOFTWARE } else { 0 }
    }
}
