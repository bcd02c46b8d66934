//! Threads that train one replica together.
//!
//! A team of T members does a step in two halves, with a barrier after each. In the first, each member takes its block of
//! the samples forward and back; in the second, each reduces and updates its share of the parameters. (Where counts have a
//! threshold, or the norm of the gradient is wanted, threshold.rs and clip.rs come between them.) Every sum is a chain in a
//! fixed order that one member computes, so the bits do not depend on T.
//!
//! A team may span processes (together.rs), each of which drives some of the members. Every process has all blocks and all
//! parameters; after each half the leaders tell each other what their members found, and what follows from it alone (inputs, masks,
//! transposed weights) each process finds for itself.

use std::hint::spin_loop;
use std::ops::{Deref, Range};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use super::block::Block;
use super::clip;
use super::dropout::Dropout;
use super::gather::BatchInputs;
use super::optimizer::Update;
use super::parameters::{Parameters, Share};
use super::reduce::{ReduceLists, ReduceNeurons, ReducePanels};
use super::samples::StoredSamples;
use super::simd::InstructionSet;
use super::together::Ranks;
use crate::spec::NetworkSpec;

/// The members' workspaces.
pub struct Team {
    barrier: Barrier,
    /// What the members work at, as their leader (member 0) says: a chunk of steps of a replica.
    pub task: AtomicU64,
    /// The first step of the chunk. Two numbers, so that neither changes before every member has read it.
    pub begin: AtomicU64,
    blocks: Vec<RwLock<Block>>,
    /// Where other processes drive some of the members.
    ranks: Option<Ranks>,
}

/// What a step works on.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    /// The machine.
    pub simd: InstructionSet,
    /// The training set.
    pub samples: &'a StoredSamples,
    /// The replica.
    pub parameters: &'a Parameters,
    /// Samples of its batch.
    pub size: usize,
    /// Of the replica's hidden nodes in this step.
    pub dropout: Option<Dropout>,
    /// Of its inputs.
    pub input_dropout: Option<Dropout>,
    /// T of the replica.
    pub count_threshold: f32,
    /// Whether to keep the parameters as they were before.
    pub is_kept: bool,
}

impl Team {
    /// A team of `members` for batches of `batch_size`.
    pub fn new(spec: &NetworkSpec, samples: &StoredSamples, members: usize, batch_size: usize) -> Self {
        let capacity = batch_size.div_ceil(members);
        Self {
            barrier: Barrier::default(),
            task: AtomicU64::new(0),
            begin: AtomicU64::new(0),
            blocks: (0..members).map(|_| RwLock::new(Block::new(spec, samples, capacity))).collect(),
            ranks: None,
        }
    }

    /// The same team, of which this process drives only the members of its rank.
    pub fn across(self, ranks: Ranks) -> Self {
        Self { ranks: Some(ranks), ..self }
    }

    /// How many.
    pub fn members(&self) -> usize {
        self.blocks.len()
    }

    /// Those that this process drives.
    pub fn own(&self) -> Range<usize> {
        self.ranks.as_ref().map_or(0..self.members(), Ranks::own)
    }

    /// The positions of a batch of `size` that a member takes.
    fn range(&self, member: usize, size: usize) -> Range<usize> {
        member * size / self.members()..(member + 1) * size / self.members()
    }
}

/// A thread at work in a team. It stands for one member, or for several where fewer threads than members take part.
pub struct Worker<'a> {
    /// Where it works.
    pub team: &'a Team,
    /// Threads of this process that take part.
    crew: usize,
    members: Range<usize>,
    /// Members of other processes for which it does here what is not exchanged.
    others: Vec<usize>,
    /// The samples in this step and in the next of each of its members, and then of the others.
    indices: Vec<[Vec<u32>; 2]>,
}

impl<'a> Worker<'a> {
    /// Thread `thread` of `crew`.
    pub fn new(team: &'a Team, thread: usize, crew: usize) -> Self {
        let part = |count: usize| thread * count / crew..(thread + 1) * count / crew;
        let own = team.own();
        let others: Vec<usize> = (0..own.start).chain(own.end..team.members()).collect();
        let (members, others) = (part(own.len()), others[part(others.len())].to_vec());
        let members = own.start + members.start..own.start + members.end;
        Self { team, crew, indices: vec![Default::default(); members.len() + others.len()], members, others }
    }

    /// Whether it chooses what the team works at, and speaks to other processes.
    pub fn is_leader(&self) -> bool {
        self.members.start == self.team.own().start
    }

    /// Waits for the others.
    pub fn wait(&self) {
        self.team.barrier.wait(self.crew);
    }

    /// Plans the next step, of a batch of `size`: `fill` appends the samples at some positions of it.
    pub fn plan(&mut self, fill: impl Fn(Range<usize>, &mut Vec<u32>), size: usize) {
        for (member, [_, next]) in self.members.clone().chain(self.others.iter().copied()).zip(&mut self.indices) {
            fill(self.team.range(member, size), next);
        }
    }

    /// Makes the planned step this one.
    pub fn advance(&mut self) {
        for [now, next] in &mut self.indices {
            std::mem::swap(now, next);
            next.clear();
        }
    }

    /// Its members' parts of a step.
    pub fn step<U: Update<M>, const M: usize>(&self, step: Step<'_>, update: U) {
        self.propagate(step);
        self.update(step, update);
    }

    /// The first half of a step.
    pub fn propagate(&self, step: Step<'_>) {
        let Step { simd, samples, parameters, size, dropout, input_dropout, count_threshold, .. } = step;
        let gather = |member: usize, [now, next]: &[Vec<u32>; 2]| {
            let mut block = self.block(member);
            block.gather(simd, samples, now, next);
            let first = self.team.range(member, size).start;
            if let Some(dropout) = input_dropout {
                block.drop_inputs(simd, dropout.from(first));
            }
            (block, dropout.map(|dropout| dropout.from(first)))
        };
        let find = |mut block: RwLockWriteGuard<'_, Block>| match count_threshold > 0.0 {
            false => block.find_masks(simd, 0.0, &[]),
            true => block.find_largest(simd),
        };
        {
            let shares = parameters.read();
            for (member, indices) in self.members.clone().zip(&self.indices) {
                let (mut block, dropout) = gather(member, indices);
                block.propagate(simd, &shares, dropout);
                find(block);
            }
        }
        for (&member, indices) in self.others.iter().zip(&self.indices[self.members.len()..]) {
            drop(gather(member, indices));
        }
        self.wait();
        self.exchange(
            |ranks| ranks.exchange(|member, each| self.block(member).exchanged(each)),
            |member| find(self.block(member)),
        );
        if count_threshold > 0.0 {
            // Of the whole batch, and before a member's own block changes.
            let mut largest = Vec::new();
            self.blocks().iter().for_each(|block| block.merge_largest(&mut largest));
            self.wait();
            for member in self.members.clone().chain(self.others.iter().copied()) {
                self.block(member).find_masks(simd, count_threshold, &largest);
            }
            self.wait();
        }
    }

    /// The second half of a step.
    pub fn update<U: Update<M>, const M: usize>(&self, step: Step<'_>, update: U) {
        let Step { simd, samples, parameters, is_kept, .. } = step;
        {
            let blocks = self.blocks();
            let keep = |member: usize| {
                let mut share = parameters.write(member);
                if is_kept {
                    share.keep();
                }
                share
            };
            self.others.iter().for_each(|&member| drop(keep(member)));
            for member in self.members.clone() {
                let mut share = keep(member);
                reduce(simd, &blocks, &mut share, update);
                for (statistics, normalized) in share.statistics.iter_mut().zip(&blocks[0].normalized) {
                    normalized.move_statistics(statistics, blocks[0].samples);
                }
            }
        }
        self.wait();
        self.exchange(
            |ranks| {
                let active =
                    if update.moves_inactive() { None } else { active_inputs(&self.blocks(), samples.features) };
                ranks.exchange(|member, each| parameters.write(member).exchanged(M, active.as_deref(), each));
            },
            |member| {
                let mut share = parameters.write(member);
                (1..share.values.weights.len()).for_each(|layer| share.transpose(layer));
            },
        );
    }

    /// Between the halves of a step: what clipping by norm multiplies the gradient by.
    pub fn clip(&self, step: Step<'_>, gradient: impl Update<0>, clip_norm: f32) -> f32 {
        let Step { simd, parameters, .. } = step;
        {
            let blocks = self.blocks();
            for member in self.members.clone() {
                clip::square(&mut parameters.write(member), |share| reduce(simd, &blocks, share, gradient));
            }
            for &member in &self.others {
                let share = &mut *parameters.write(member);
                share.squares.make_room(&share.values);
            }
        }
        self.wait();
        self.exchange(|ranks| ranks.exchange(|member, each| parameters.write(member).squares.exchanged(each)), |_| ());
        clip::scale(clip::norm(parameters), clip_norm)
    }

    /// Where there are other processes: the leader tells them what this one's members found and takes what theirs did, and then
    /// `follow` is done for each member of theirs.
    fn exchange(&self, tell: impl FnOnce(&Ranks), follow: impl Fn(usize)) {
        let Some(ranks) = &self.team.ranks else { return };
        if self.is_leader() {
            tell(ranks);
        }
        self.wait();
        self.others.iter().for_each(|&member| follow(member));
        self.wait();
    }

    fn block(&self, member: usize) -> RwLockWriteGuard<'_, Block> {
        self.team.blocks[member].write().unwrap_or_else(PoisonError::into_inner)
    }

    fn blocks(&self) -> Vec<impl Deref<Target = Block>> {
        let blocks = self.team.blocks.iter().map(|block| block.read().unwrap_or_else(PoisonError::into_inner));
        blocks.collect()
    }
}

/// If a thread panics, the others do not wait for it.
impl Drop for Worker<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.team.barrier.is_broken.store(true, Ordering::Relaxed);
        }
    }
}

/// The inputs that are not 0 in all samples, in rising order, where they are listed.
fn active_inputs(blocks: &[impl Deref<Target = Block>], features: usize) -> Option<Vec<usize>> {
    let mut is_active = vec![false; features];
    for block in blocks {
        let BatchInputs::Listed(lists) = &block.inputs else { return None };
        (0..block.samples).flat_map(|sample| lists.of(sample).0).for_each(|&input| is_active[input as usize] = true);
    }
    Some((0..features).filter(|&input| is_active[input]).collect())
}

/// Reduces and updates a share of all layers.
fn reduce<U: Update<M>, const M: usize>(
    simd: InstructionSet,
    blocks: &[impl Deref<Target = Block>],
    share: &mut Share,
    update: U,
) {
    for layer in 0..share.values.weights.len() {
        if !share.split.rows[layer].is_empty() {
            match (layer, &blocks[0].inputs) {
                (0, BatchInputs::Listed(_)) => simd.run(ReduceLists { blocks, share, update }),
                _ => simd.run(ReducePanels { layer, blocks, share, update }),
            }
            if layer > 0 {
                share.transpose(layer);
            }
        }
        if share.split.has_biases {
            simd.run(ReduceNeurons::<_, _, false, M> { layer, blocks, share, update });
            if layer < share.statistics.len() {
                simd.run(ReduceNeurons::<_, _, true, M> { layer, blocks, share, update });
            }
        }
    }
}

/// Where the threads of a team wait for each other, for microseconds: they spin.
#[derive(Default)]
struct Barrier {
    waiting: AtomicUsize,
    generation: AtomicUsize,
    is_broken: AtomicBool,
}

impl Barrier {
    /// Waits until `crew` threads do.
    fn wait(&self, crew: usize) {
        /// Then the others are probably not running, and get this thread's core.
        const SPINS: usize = 2000;
        if crew == 1 {
            return;
        }
        let generation = self.generation.load(Ordering::Acquire);
        if self.waiting.fetch_add(1, Ordering::AcqRel) + 1 == crew {
            self.waiting.store(0, Ordering::Relaxed);
            self.generation.store(generation.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut spins = 0;
        while self.generation.load(Ordering::Acquire) == generation {
            assert!(!self.is_broken.load(Ordering::Relaxed), "another thread of the team panicked");
            spins += 1;
            if spins < SPINS {
                spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
    }
}
