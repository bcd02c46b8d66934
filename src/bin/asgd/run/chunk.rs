//! Replicas that train at once: their evaluations, what these decide for each of them, and their place in a checkpoint.

use anyhow::{Context, Result};
use asgd::{AdaptiveBatchSizes, Dataset, Device, Evaluation, Model, Split, TrainSettings, Trainer};

use super::checkpoint::{Kept, Place, State};
use super::metrics::{self, Point};
use super::stopping::{Keep, Progress, Rules};

/// Replicas of one network, some of which may have stopped.
pub struct Chunk<'a> {
    device: &'a Device,
    dataset: &'a Dataset,
    /// Of all its replicas.
    settings: TrainSettings,
    rules: Option<Rules>,
    pub state: State,
    /// Of every replica; not followed without rules.
    progress: Vec<Progress>,
    /// The replicas that the trainer has, in its order. Those that stop are left out once they are half of them.
    members: Vec<usize>,
}

impl<'a> Chunk<'a> {
    /// A chunk as it was saved, or before its first step.
    pub fn new(
        device: &'a Device,
        dataset: &'a Dataset,
        settings: TrainSettings,
        rules: Option<Rules>,
        mut state: State,
    ) -> Self {
        let of = |points: &Vec<Point>| rules.map_or_else(Progress::default, |rules| rules.progress(points));
        let progress: Vec<Progress> = state.trajectories.iter().map(of).collect();
        let members = (0..progress.len()).filter(|&replica| !progress[replica].has_stopped()).collect();
        if rules.is_some() && state.kept.is_none() {
            let (spec, replicas) = (state.model.spec(), progress.len());
            let counts = AdaptiveBatchSizes::zeros(spec, replicas);
            state.kept = Some(Kept { model: Model::zeros(spec, replicas), counts });
        }
        Self { device, dataset, settings, rules, state, progress, members }
    }

    /// Ready to train the members from where the state is.
    pub fn trainer(&self) -> Result<Trainer> {
        let replicas = self.members.iter().zip(self.rates());
        let replicas = replicas
            .map(|(&member, learning_rate)| {
                let settings = self.settings.replicas[member];
                asgd::ReplicaSettings { learning_rate, ..settings }
            })
            .collect();
        let settings = TrainSettings { replicas, ..self.settings.clone() };
        // Those that have stopped may have been the ones whose rules keep more.
        let kept = settings.moments();
        let mut trainer = Trainer::new(self.device, self.dataset, &self.state.model.select(&self.members), settings)?;
        let moments = self.state.moments.iter().take(kept);
        let moments: Vec<Model> = moments.map(|moment| moment.select(&self.members)).collect();
        trainer.resume_at(self.state.step, &moments)?;
        Ok(trainer)
    }

    /// Learning rates of the members, after their falls.
    fn rates(&self) -> Vec<f32> {
        let rate = |&member: &usize| {
            let initial = self.settings.replicas[member].learning_rate;
            self.rules.map_or(initial, |rules| rules.rate(initial, self.progress[member].falls().len()))
        };
        self.members.iter().map(rate).collect()
    }

    /// All its replicas, stopped ones included.
    pub fn replicas(&self) -> usize {
        self.progress.len()
    }

    /// Those that the trainer has.
    pub fn members(&self) -> usize {
        self.members.len()
    }

    fn running(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let members = self.members.iter().copied().enumerate();
        members.filter(|(_, member)| !self.progress[*member].has_stopped())
    }

    pub fn have_all_stopped(&self) -> bool {
        self.running().next().is_none()
    }

    /// Whether so many members have stopped that training without them is worth a new trainer.
    pub fn is_sparse(&self) -> bool {
        let running = self.running().count();
        running > 0 && 2 * running <= self.members.len()
    }

    /// The step of the last evaluation.
    pub fn last_evaluation(&self) -> Option<u64> {
        self.state.trajectories.iter().filter_map(|points| points.last()).map(|point| point.step).max()
    }

    /// Adds a point to the trajectory of every replica that runs, and follows what it decides.
    pub fn evaluate(&mut self, trainer: &mut Trainer) -> Result<()> {
        let step = trainer.step();
        let (train, test) = (trainer.evaluate(Split::Train)?, trainer.evaluate(Split::Test)?);
        let has_validation = self.dataset.validation.is_some();
        let validation = has_validation.then(|| trainer.evaluate(Split::Validation)).transpose()?;
        let means = trainer.mean_adaptive_batch_sizes()?.unwrap_or_else(|| vec![Vec::new(); train.len()]);
        let running: Vec<(usize, usize)> = self.running().collect();
        for &(index, member) in &running {
            let without_nodes = |evaluation: &Evaluation| Evaluation { nodes: Vec::new(), ..evaluation.clone() };
            let point = Point {
                step,
                train: train[index].clone(),
                test: without_nodes(&test[index]),
                validation: validation.as_ref().map(|validation| without_nodes(&validation[index])),
                mean_adaptive_batch_sizes: means[index].clone(),
            };
            metrics::push(&mut self.state.trajectories[member], point);
        }
        match self.rules {
            Some(rules) => self.follow(rules, trainer, &running),
            None => Ok(()),
        }
    }

    /// Follows the last evaluations of those that ran.
    fn follow(&mut self, rules: Rules, trainer: &mut Trainer, running: &[(usize, usize)]) -> Result<()> {
        let rates = self.rates();
        let mut kept = Vec::new();
        for &(index, member) in running {
            let progress = &mut self.progress[member];
            if let Some(point) = self.state.trajectories[member].last() {
                progress.add(&rules, point);
            }
            let is_best = rules.keep == Keep::Best && progress.has_improved();
            let is_last = progress.has_stopped() && (rules.keep == Keep::Last || progress.best().is_none());
            if is_best || is_last {
                kept.push((index, member));
            }
        }
        self.keep(trainer, &kept)?;
        let fallen = self.rates();
        if fallen != rates {
            trainer.set_learning_rates(&fallen)?;
        }
        Ok(())
    }

    /// The networks of these members, with the adaptive batch sizes of their last step, are their results.
    fn keep(&mut self, trainer: &Trainer, members: &[(usize, usize)]) -> Result<()> {
        let (Some(kept), false) = (&mut self.state.kept, members.is_empty()) else { return Ok(()) };
        let (model, counts) = (trainer.model()?, trainer.last_reduction()?.map(|(_, counts)| counts));
        // Before the first step nothing is counted.
        let counts = counts.unwrap_or_else(|| AdaptiveBatchSizes::zeros(model.spec(), model.replicas()));
        for &(index, member) in members {
            kept.model.copy_replica(member, &model, index);
            kept.counts.copy_replica(member, &counts, index);
        }
        Ok(())
    }

    /// Takes over where the trainer is.
    pub fn update(&mut self, trainer: &Trainer) -> Result<()> {
        let (model, moments) = (trainer.model()?, trainer.moments()?);
        let running: Vec<(usize, usize)> = self.running().collect();
        for (index, member) in running {
            self.state.model.copy_replica(member, &model, index);
            for (own, moment) in self.state.moments.iter_mut().zip(&moments) {
                own.copy_replica(member, moment, index);
            }
        }
        Ok(())
    }

    /// Leaves the members out that have stopped; to be followed by another [`Self::trainer`].
    pub fn leave_out_stopped(&mut self) {
        self.members = self.running().map(|(_, member)| member).collect();
    }

    /// What it came to: the networks that are kept, and the adaptive batch sizes of their last step.
    pub fn conclude(&mut self, trainer: &Trainer) -> Result<()> {
        let Some(rules) = self.rules else {
            let (_, counts) = trainer.last_reduction()?.context("a training has at least one step")?;
            self.state.counts = Some(counts);
            return Ok(());
        };
        let is_last = |member: usize| rules.keep == Keep::Last || self.progress[member].best().is_none();
        let last: Vec<(usize, usize)> = self.running().filter(|(_, member)| is_last(*member)).collect();
        self.keep(trainer, &last)?;
        let Kept { model, counts } = self.state.kept.take().context("a chunk with rules keeps networks")?;
        (self.state.model, self.state.counts) = (model, Some(counts));
        Ok(())
    }

    /// Keeps it on disk.
    pub fn save(&self, place: &Place) -> Result<()> {
        self.state.save(place)
    }
}
