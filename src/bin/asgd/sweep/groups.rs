//! Which cells train side by side, as replicas of one network.

use std::ops::Range;

use asgd::{AdaptiveBatchSizes, Model, NetworkSpec, Order, TrainSettings};

use super::cells::Cell;
use crate::run::chunks::Trained;
use crate::run::metrics::{self, Point, Trajectories};
use crate::run::rates::Rates;

/// Cells of one batch size and depth. Narrower networks are padded to the widest: [`Model::resized`]; but not where the order in
/// which a norm is summed, and so its bits, would depend on it, nor where nodes without weights would give more than 0.
pub struct Group {
    /// Their numbers, from 0.
    pub cells: Vec<usize>,
    /// The network that holds each of theirs.
    pub spec: NetworkSpec,
    pub batch_size: usize,
}

/// What became of a cell.
pub struct CellTrained {
    pub trajectories: Trajectories,
    /// Of each replica, the index of the evaluation of its network in `model`.
    pub kept: Vec<usize>,
    pub model: Model,
    /// Of the last step of each network in `model`.
    pub counts: AdaptiveBatchSizes,
}

impl CellTrained {
    /// The evaluation of each replica's network.
    pub fn ends(&self) -> impl Iterator<Item = &Point> {
        self.trajectories.iter().zip(&self.kept).filter_map(|(points, &kept)| points.get(kept))
    }

    /// Whether the training of a replica diverged, whatever network of before was kept.
    pub fn has_diverged(&self, replica: usize) -> bool {
        self.trajectories[replica].last().is_some_and(metrics::has_diverged)
    }

    /// The evaluation of each network whose training did not diverge, with the replica's number.
    pub fn sound(&self) -> impl Iterator<Item = (usize, &Point)> {
        self.ends().enumerate().filter(|(replica, _)| !self.has_diverged(*replica))
    }
}

/// Deals the cells to groups, in the order of their first cells. Where `pads` is false, only networks of the same widths
/// train side by side: what a padded network costs on a CPU, it saves nothing there.
pub fn groups(cells: &[Cell], pads: bool) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (index, cell) in cells.iter().enumerate() {
        let fits = |group: &&mut Group| {
            let (own, theirs) = (&cell.spec, &group.spec);
            let clips_norm = |cell: &Cell| cell.optimizer.clips_norm();
            let norms = clips_norm(cell) || group.cells.iter().any(|&other| clips_norm(&cells[other]));
            let has_zero = own.activation().is_zero_at_zero();
            let is_padded = pads && own.layers().len() == theirs.layers().len() && !norms && has_zero;
            group.batch_size == cell.batch_size && (own == theirs || is_padded)
        };
        match groups.iter_mut().find(fits) {
            Some(group) => {
                group.cells.push(index);
                group.spec = group.spec.widened(&cell.spec);
            }
            None => groups.push(Group { cells: vec![index], spec: cell.spec.clone(), batch_size: cell.batch_size }),
        }
    }
    groups
}

impl Group {
    /// How its networks are trained: of each cell those of all seeds.
    pub fn training_settings(&self, cells: &[Cell], order: Order, rates: &[Rates], seeds: &[u64]) -> TrainSettings {
        TrainSettings {
            batch_size: self.batch_size,
            order,
            schedule: rates[self.cells[0]].schedule,
            replicas: self
                .cells
                .iter()
                .flat_map(|&cell| seeds.iter().map(move |&seed| cells[cell].replica(seed)))
                .collect(),
        }
    }

    /// The replicas of each cell, in the group.
    fn ranges(&self, replicas: usize) -> impl Iterator<Item = (usize, Range<usize>)> + '_ {
        self.cells.iter().enumerate().map(move |(index, &cell)| (cell, index * replicas..(index + 1) * replicas))
    }

    /// The networks that its replicas start from, of those of all cells.
    pub fn initial(&self, initials: &[Model]) -> Model {
        let mut whole = initials[self.cells[0]].resized(&self.spec);
        for &cell in &self.cells[1..] {
            whole.append(&initials[cell].resized(&self.spec));
        }
        whole
    }

    /// Trajectories of each cell, as far as the group's replicas are there.
    pub fn trajectories<'a>(
        &'a self,
        cells: &'a [Cell],
        replicas: usize,
        so_far: &'a Trajectories,
    ) -> impl Iterator<Item = (usize, Trajectories)> + 'a {
        self.ranges(replicas).map(move |(cell, range)| {
            let there = range.start.min(so_far.len())..range.end.min(so_far.len());
            let narrowed = |points: &Vec<_>| {
                points.iter().map(|point| metrics::narrowed(point, &self.spec, &cells[cell].spec)).collect()
            };
            (cell, so_far[there].iter().map(narrowed).collect())
        })
    }

    /// What became of each cell.
    pub fn split(&self, cells: &[Cell], replicas: usize, trained: Trained) -> Vec<(usize, CellTrained)> {
        if let [cell] = self.cells[..] {
            let Trained { trajectories, kept, model, counts, .. } = trained;
            return vec![(cell, CellTrained { trajectories, kept, model, counts })];
        }
        let trajectories = self.trajectories(cells, replicas, &trained.trajectories);
        let parts = self.ranges(replicas).zip(trajectories).map(|((cell, range), (_, trajectories))| {
            let spec = &cells[cell].spec;
            let kept = trained.kept[range.clone()].to_vec();
            let (model, counts) = (trained.model.slice(range.clone()), trained.counts.slice(range));
            (cell, CellTrained { trajectories, kept, model: model.resized(spec), counts: counts.resized(spec) })
        });
        parts.collect()
    }
}
