//! Processes (ranks) that train one network together: what all of them agree on, and what a team tells the other ranks.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::pace::Round;
use super::simd::LANES;
use crate::error::{Error, Result};
use crate::exchange::Exchange;
use crate::memory;
use crate::spec::NetworkSpec;

/// This process among the others.
#[derive(Debug)]
pub struct Together {
    exchange: Arc<dyn Exchange>,
    /// Threads of each rank.
    threads: Vec<usize>,
    available: u64,
}

impl Together {
    /// The processes of an exchange, of which this one has `threads` threads; `None` if it is alone. Collective, as everything here
    /// that needs the others.
    ///
    /// # Errors
    /// [`Error::Setting`] for an exchange that contradicts itself.
    pub fn new(exchange: Arc<dyn Exchange>, threads: usize) -> Result<Option<Arc<Self>>> {
        let (rank, ranks) = (exchange.rank(), exchange.ranks());
        if rank >= ranks {
            return Err(Error::setting("exchange", format!("rank {rank} of {ranks}; ranks are counted from 0")));
        }
        if ranks == 1 {
            return Ok(None);
        }
        let mut together = Self { exchange, threads: Vec::new(), available: 0 };
        let [low, high] = halves(memory::available());
        let all = together.tell([threads as u32, low, high]);
        together.threads = all.iter().map(|&[threads, ..]| threads as usize).collect();
        together.available = all.iter().map(|&[_, low, high]| whole([low, high])).min().unwrap_or(0) / ranks as u64;
        Ok(Some(Arc::new(together)))
    }

    fn ranks(&self) -> usize {
        self.threads.len()
    }

    /// Bytes that networks may take, the same number on all ranks: all may be on the machine that has the least.
    pub fn available(&self) -> u64 {
        self.available
    }

    /// What each rank has to say.
    fn tell<const N: usize>(&self, own: [u32; N]) -> Vec<[u32; N]> {
        let mut all = vec![[0; N]; self.exchange.ranks()];
        all[self.exchange.rank()] = own;
        self.exchange.all_gather(all.as_flattened_mut(), &vec![N; self.exchange.ranks()]);
        all
    }

    /// Whether any rank says so.
    pub fn any(&self, own: bool) -> bool {
        self.tell([u32::from(own)]).contains(&[1])
    }

    /// The round that rank 0 chose, with all of the `threads` threads or with one, as there.
    pub fn round(&self, own: Round, threads: usize) -> Round {
        let [low, high] = halves(own.steps);
        let [low, high, is_whole] = self.tell([low, high, u32::from(own.crew == threads)])[0];
        Round { steps: whole([low, high]), crew: if is_whole == 1 { threads } else { 1 } }
    }

    /// This rank's part of so many things.
    pub fn part(&self, count: usize) -> Range<usize> {
        self.part_of(self.exchange.rank(), count)
    }

    fn part_of(&self, rank: usize, count: usize) -> Range<usize> {
        rank * count / self.ranks()..(rank + 1) * count / self.ranks()
    }

    /// The words of `count` things in their order, `each` words for every thing, where `own` are those of [`Self::part`].
    pub fn collect(&self, own: &[u32], count: usize, each: usize) -> Vec<u32> {
        let lengths: Vec<usize> = (0..self.ranks()).map(|rank| each * self.part_of(rank, count).len()).collect();
        let mut all = vec![0; count * each];
        all[each * self.part(count).start..][..own.len()].copy_from_slice(own);
        self.exchange.all_gather(&mut all, &lengths);
        all
    }

    /// How many members of a team each rank drives: one a thread, but not more than there are samples for.
    pub fn members(&self, batch_size: usize) -> Vec<usize> {
        let most = (batch_size / self.ranks()).max(1);
        self.threads.iter().map(|&threads| threads.min(most)).collect()
    }
}

/// A number of 64 bits as two words.
pub fn halves(number: u64) -> [u32; 2] {
    [number as u32, (number >> 32) as u32]
}

/// The inverse of [`halves`].
pub fn whole([low, high]: [u32; 2]) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// Words that the ranks exchange at once, at most: of each sample its hidden activations and all deltas; or parameters with their
/// moments; or squares of a gradient's rows.
pub fn exchanged_words(spec: &NetworkSpec, batch_size: usize, moments: usize, members: usize) -> u128 {
    let padded = |width: usize| width.next_multiple_of(LANES) as u128;
    let layers = || spec.layers().map(|(inputs, outputs)| (inputs as u128, padded(outputs)));
    let hidden: u128 = spec.hidden().iter().map(|&width| padded(width)).sum();
    let of_sample = hidden + layers().map(|(_, outputs)| outputs).sum::<u128>();
    let parameters: u128 = layers().map(|(inputs, outputs)| (inputs + 1) * outputs).sum();
    let squares: u128 = 2 * layers().map(|(inputs, _)| inputs + members as u128).sum::<u128>();
    (batch_size as u128 * of_sample).max((1 + moments as u128) * parameters).max(squares)
}

/// The ranks of a team.
pub struct Ranks {
    together: Arc<Together>,
    /// Which members each rank drives.
    members: Vec<Range<usize>>,
    /// What all tell each other.
    words: Mutex<Vec<u32>>,
}

impl Ranks {
    /// For batches of `batch_size` and rules with so many moments.
    pub fn new(together: &Arc<Together>, spec: &NetworkSpec, batch_size: usize, moments: usize) -> Self {
        let counts = together.members(batch_size);
        let words = exchanged_words(spec, batch_size, moments, counts.iter().sum());
        let mut end = 0;
        let members = counts.into_iter().map(|count| {
            end += count;
            end - count..end
        });
        let members = members.collect();
        Self { together: together.clone(), members, words: Mutex::new(vec![0; words as usize]) }
    }

    /// The members that this rank drives.
    pub fn own(&self) -> Range<usize> {
        self.members[self.together.exchange.rank()].clone()
    }

    /// Tells the other ranks what `visit(member, each)` hands to `each` of this rank's members, slice by slice, and overwrites it with
    /// what they tell of theirs. How long it is, all ranks know.
    pub fn exchange(&self, visit: impl Fn(usize, &mut dyn FnMut(&mut [u32]))) {
        let own_rank = self.together.exchange.rank();
        let mut lengths = vec![0; self.members.len()];
        for (members, length) in self.members.iter().zip(&mut lengths) {
            members.clone().for_each(|member| visit(member, &mut |words| *length += words.len()));
        }
        let mut buffer = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        let total = lengths.iter().sum();
        debug_assert!(total <= buffer.len(), "{total} words, foretold are {}", buffer.len());
        if buffer.len() < total {
            buffer.resize(total, 0);
        }
        let all = &mut buffer[..total];
        let mut rest = &mut all[lengths[..own_rank].iter().sum()..];
        for member in self.own() {
            visit(member, &mut |words| {
                let (own, after) = std::mem::take(&mut rest).split_at_mut(words.len());
                own.copy_from_slice(words);
                rest = after;
            });
        }
        self.together.exchange.all_gather(all, &lengths);
        let mut rest = &*all;
        for (rank, members) in self.members.iter().enumerate() {
            if rank == own_rank {
                rest = &rest[lengths[rank]..];
                continue;
            }
            for member in members.clone() {
                visit(member, &mut |words| {
                    let (theirs, after) = rest.split_at(words.len());
                    words.copy_from_slice(theirs);
                    rest = after;
                });
            }
        }
    }
}
