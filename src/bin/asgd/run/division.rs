//! Who trains which replicas: shares of devices and processes, chunks of a share.

use std::ops::Range;

/// Cuts replicas in the ratio of weights, some of which may get none.
pub fn shares(replicas: Range<usize>, weights: &[f64]) -> Vec<Range<usize>> {
    let total: f64 = weights.iter().sum();
    let mut weight = 0.0;
    let mut start = replicas.start;
    let share = weights.iter().map(|own| {
        weight += own;
        let end = replicas.start + (weight / total * replicas.len() as f64).round() as usize;
        let share = start..end.clamp(start, replicas.end);
        start = share.end;
        share
    });
    share.collect()
}

/// The chunks that a share is trained in: those that are begun (`begun`) as they are, others of `fitting` replicas at most.
pub fn chunks(begun: &[Range<usize>], share: Range<usize>, fitting: usize) -> Vec<Range<usize>> {
    let mut chunks = Vec::new();
    let mut next = share.start;
    while next < share.end {
        let own = begun.iter().filter(|chunk| chunk.start == next).map(|chunk| chunk.end).min();
        let other = begun.iter().map(|chunk| chunk.start).filter(|&start| start > next).min().unwrap_or(share.end);
        let end = own.unwrap_or(next.saturating_add(fitting).min(other)).min(share.end);
        chunks.push(next..end);
        next = end;
    }
    chunks
}

/// What an interrupted [`pieces`] has left: chunks within others.
pub fn leftovers(begun: &[Range<usize>]) -> Vec<Range<usize>> {
    let is_within = |a: &Range<usize>, b: &Range<usize>| a != b && b.start <= a.start && a.end <= b.end;
    begun.iter().filter(|chunk| begun.iter().any(|other| is_within(chunk, other))).cloned().collect()
}

/// The pieces of a chunk that lies in several shares; none if it lies in one.
pub fn pieces(chunk: &Range<usize>, shares: &[Range<usize>]) -> Vec<Range<usize>> {
    let common = |share: &Range<usize>| chunk.start.max(share.start)..chunk.end.min(share.end);
    let pieces: Vec<Range<usize>> = shares.iter().map(common).filter(|piece| !piece.is_empty()).collect();
    if pieces.len() > 1 { pieces } else { Vec::new() }
}

/// Whether chunks are all of some replicas, each once, in their order.
pub fn are_whole(chunks: &[Range<usize>], replicas: &Range<usize>) -> bool {
    let end = chunks.iter().try_fold(replicas.start, |end, chunk| (chunk.start == end).then_some(chunk.end));
    end == Some(replicas.end)
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "one chunk, not its replicas")]
mod tests {
    use super::*;

    #[test]
    fn shares_are_all_replicas_in_their_order() {
        assert_eq!(shares(0..7, &[1.0]), [0..7]);
        assert_eq!(shares(10..20, &[1.0, 1.0, 1.0]), [10..13, 13..17, 17..20]);
        assert_eq!(shares(0..2, &[1.0; 4]), [0..1, 1..1, 1..2, 2..2]);
        assert_eq!(shares(0..100, &[3.0, 1.0]), [0..75, 75..100]);
        assert_eq!(shares(0..5, &[1.0, 0.0]), [0..5, 5..5]);
        for count in 1..40 {
            let weights: Vec<f64> = (0..count).map(|index| 0.1 + f64::from(index % 7)).collect();
            let shares = shares(3..50, &weights);
            assert_eq!((shares[0].start, shares[shares.len() - 1].end), (3, 50));
            assert!(shares.windows(2).all(|pair| pair[0].end == pair[1].start));
        }
    }

    #[test]
    fn what_was_begun_keeps_its_chunks() {
        assert_eq!(chunks(&[], 0..10, 4), [0..4, 4..8, 8..10]);
        assert_eq!(chunks(&[], 3..3, 4), []);
        assert_eq!(chunks(&[0..3, 6..9], 0..10, 100), [0..3, 3..6, 6..9, 9..10]);
        assert_eq!(chunks(&[2..9], 0..10, 4), [0..2, 2..9, 9..10]);
        // Never beyond the share, nor over one that was begun.
        assert_eq!(chunks(&[0..10], 0..4, 100), [0..4]);
    }

    #[test]
    fn a_whole_has_no_gaps() {
        assert!(are_whole(&[2..4, 4..9], &(2..9)) && are_whole(&[], &(3..3)));
        for chunks in [vec![2..4, 5..9], vec![2..4, 3..9], vec![2..4], vec![3..9], vec![]] {
            assert!(!are_whole(&chunks, &(2..9)), "{chunks:?}");
        }
    }

    #[test]
    fn chunks_are_cut_at_the_bounds_of_shares() {
        assert_eq!(pieces(&(0..10), &[0..4, 4..7, 7..20]), [0..4, 4..7, 7..10]);
        assert_eq!(pieces(&(4..6), &[0..4, 4..7, 7..20]), []);
        assert_eq!(leftovers(&[0..10, 0..4, 4..7, 10..12]), [0..4, 4..7]);
        assert_eq!(leftovers(&[0..10, 10..12]), []);
    }
}
