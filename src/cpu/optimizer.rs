//! theta from S and c: update.wgsl and optimizer.wgsl.

use super::simd::Lanes;

/// What becomes of eight parameters, from their gradient sums and adaptive batch sizes.
pub trait Update: Copy {
    /// Whether parameters may change whose S and c are 0. Otherwise weights of inputs that are zero in the whole batch are
    /// skipped.
    const MOVES_INACTIVE: bool;

    /// The new parameters.
    fn apply(self, theta: Lanes, sum: Lanes, count: Lanes) -> Lanes;
}

/// SGD: theta - lr S / m.
#[derive(Clone, Copy)]
pub struct Mean {
    /// lr.
    pub learning_rate: f32,
    /// m.
    pub samples: f32,
}

impl Update for Mean {
    const MOVES_INACTIVE: bool = false;

    #[inline(always)]
    fn apply(self, theta: Lanes, sum: Lanes, _count: Lanes) -> Lanes {
        theta.zip(sum, |theta, sum| (-self.learning_rate).mul_add(sum / self.samples, theta))
    }
}

/// aSGD: theta - lr S / (c + epsilon), and theta, bit for bit, where c = 0.
#[derive(Clone, Copy)]
pub struct Effective {
    /// lr.
    pub learning_rate: f32,
    /// epsilon.
    pub epsilon: f32,
}

impl Update for Effective {
    const MOVES_INACTIVE: bool = false;

    #[inline(always)]
    fn apply(self, theta: Lanes, sum: Lanes, count: Lanes) -> Lanes {
        // Where c = 0, S = 0 too: over any other number it is 0, and theta - lr * 0 is theta, bit for bit. (A choice after
        // the division would be compiled to branches.)
        let divisor = count.map(|count| if count == 0.0 { 1.0 } else { count + self.epsilon });
        let gradient = sum.zip(divisor, |sum, divisor| sum / divisor);
        theta.zip(gradient, |theta, gradient| (-self.learning_rate).mul_add(gradient, theta))
    }
}

/// Puts S where the parameters are.
#[derive(Clone, Copy)]
pub struct Sums;

impl Update for Sums {
    const MOVES_INACTIVE: bool = true;

    #[inline(always)]
    fn apply(self, _theta: Lanes, sum: Lanes, _count: Lanes) -> Lanes {
        sum
    }
}

/// Puts c where the parameters are.
#[derive(Clone, Copy)]
pub struct Counts;

impl Update for Counts {
    const MOVES_INACTIVE: bool = true;

    #[inline(always)]
    fn apply(self, _theta: Lanes, _sum: Lanes, count: Lanes) -> Lanes {
        count
    }
}
