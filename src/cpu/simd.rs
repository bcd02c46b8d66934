//! Vectors of eight floats, and the instruction set that kernels are compiled for.
//!
//! [`Lanes`] always has eight lanes, whatever the machine's registers hold, and every multiply-add is fused: a kernel gives
//! the same bits for every instruction set. Kernels are plain loops over lanes that the compiler turns into vector
//! instructions; [`InstructionSet::run`] enters them through a function compiled for AVX2 or AVX-512.

use std::fmt;

use bytemuck::{Pod, Zeroable};

/// Lanes of a vector.
pub const LANES: usize = 8;

/// Eight floats that are computed side by side.
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C, align(32))]
pub struct Lanes(pub [f32; LANES]);

impl Lanes {
    /// All zero.
    pub const ZERO: Self = Self([0.0; LANES]);

    /// `factor * other + self`, rounded once.
    #[inline(always)]
    pub fn add_product(self, factor: f32, other: Self) -> Self {
        let mut sum = self;
        for lane in 0..LANES {
            sum.0[lane] = factor.mul_add(other.0[lane], sum.0[lane]);
        }
        sum
    }

    /// `factors * others + self` lane by lane, rounded once.
    #[inline(always)]
    pub fn add_products(self, factors: Self, others: Self) -> Self {
        let mut sum = self;
        for lane in 0..LANES {
            sum.0[lane] = factors.0[lane].mul_add(others.0[lane], sum.0[lane]);
        }
        sum
    }

    /// What `function` makes of each lane.
    #[inline(always)]
    pub fn map(self, function: impl Fn(f32) -> f32) -> Self {
        let mut result = self;
        for lane in 0..LANES {
            result.0[lane] = function(self.0[lane]);
        }
        result
    }

    /// What `function` makes of each pair of lanes.
    #[inline(always)]
    pub fn zip(self, other: Self, function: impl Fn(f32, f32) -> f32) -> Self {
        let mut result = self;
        for lane in 0..LANES {
            result.0[lane] = function(self.0[lane], other.0[lane]);
        }
        result
    }
}

/// The floats of vectors, one after the other.
#[inline(always)]
pub fn floats(lanes: &[Lanes]) -> &[f32] {
    bytemuck::cast_slice(lanes)
}

/// The floats of vectors, one after the other.
#[inline(always)]
pub fn floats_mut(lanes: &mut [Lanes]) -> &mut [f32] {
    bytemuck::cast_slice_mut(lanes)
}

/// Work that is compiled once for each instruction set. `run` must be `#[inline(always)]`, and so must all that it calls in
/// its loops, or they are compiled for the oldest machine.
pub trait Kernel {
    /// What comes out.
    type Output;

    /// Does the work.
    fn run(self) -> Self::Output;
}

/// Which vector instructions the kernels use.
#[derive(Debug, Clone, Copy)]
pub enum InstructionSet {
    /// What every processor of this kind has: SSE2 on x86-64, NEON on aarch64.
    Baseline,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2(pulp::x86::V3),
    /// AVX-512 F, BW, CD, DQ, VL.
    #[cfg(target_arch = "x86_64")]
    Avx512(pulp::x86::V4),
}

impl InstructionSet {
    /// All that this machine has, the fastest last.
    pub fn available() -> Vec<Self> {
        let mut sets = vec![Self::Baseline];
        #[cfg(target_arch = "x86_64")]
        {
            sets.extend(pulp::x86::V3::try_new().map(Self::Avx2));
            sets.extend(pulp::x86::V4::try_new().map(Self::Avx512));
        }
        sets
    }

    /// The fastest, or the one that the environment variable `ASGD_INSTRUCTION_SET` names, for tests: results do not
    /// depend on it. A name that this machine does not have is ignored.
    pub fn detect() -> Self {
        let available = Self::available();
        let wanted = std::env::var("ASGD_INSTRUCTION_SET").unwrap_or_default();
        let named = available.iter().find(|set| set.to_string().eq_ignore_ascii_case(&wanted));
        *named.unwrap_or(&available[available.len() - 1])
    }

    /// Runs a kernel.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            Self::Baseline => kernel.run(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(set) => set.vectorize(Vectorized(kernel)),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(set) => set.vectorize(Vectorized(kernel)),
        }
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Baseline if cfg!(target_arch = "x86_64") => "SSE2",
            Self::Baseline if cfg!(target_arch = "aarch64") => "NEON",
            Self::Baseline => "baseline",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "AVX-512",
        })
    }
}

#[cfg(target_arch = "x86_64")]
struct Vectorized<K>(K);

#[cfg(target_arch = "x86_64")]
impl<K: Kernel> pulp::NullaryFnOnce for Vectorized<K> {
    type Output = K::Output;

    #[inline(always)]
    fn call(self) -> K::Output {
        self.0.run()
    }
}

/// Runs `$body` with the constant `$name` equal to `$lanes`, which is 1 to 4: the vectors in a row of a panel. A second
/// name is one more.
macro_rules! with_lanes {
    ($lanes:expr, $name:ident $(, $next:ident)? => $body:expr) => {
        match $lanes {
            1 => $crate::cpu::simd::with_lanes!(@ 1, $name $(, $next)? => $body),
            2 => $crate::cpu::simd::with_lanes!(@ 2, $name $(, $next)? => $body),
            3 => $crate::cpu::simd::with_lanes!(@ 3, $name $(, $next)? => $body),
            _ => $crate::cpu::simd::with_lanes!(@ 4, $name $(, $next)? => $body),
        }
    };
    (@ $lanes:literal, $name:ident $(, $next:ident)? => $body:expr) => {{
        const $name: usize = $lanes;
        $(const $next: usize = $lanes + 1;)?
        $body
    }};
}
pub(crate) use with_lanes;
