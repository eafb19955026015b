//! Seeds of the simulations: which ones to run, the numbers that follow from one, and how to replay
//! one that failed.
//!
//! `TASUKI_SIM_SEED=N` runs one seed, `TASUKI_SIM_SEEDS=A..B` a range of them.

use std::env;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Numbers that follow from a seed.
///
/// SplitMix64 (Steele, Lea and Flood, 2014): every seed is as good as any other.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.number().to_le_bytes()[0]).collect()
    }

    /// A number below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    /// True in one of so many cases.
    pub(crate) fn one_in(&mut self, cases: u64) -> bool {
        self.below(cases) == 0
    }
}

/// Runs a test for the chosen seeds, or for `count` of them, and says how to replay one that fails.
///
/// `name` is the test's name, as cargo knows it.
pub(crate) fn each(name: &str, count: u64, test: impl Fn(u64)) {
    let seeds = chosen(count);
    println!("{name}: seeds {}..{}", seeds.start, seeds.end);
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(seed))) {
            eprintln!(
                "seed {seed} fails; to replay it:\n  \
                 TASUKI_SIM_SEED={seed} cargo test -p relay --lib {name}"
            );
            resume_unwind(panic);
        }
    }
}

fn chosen(count: u64) -> Range<u64> {
    let number = |text: &str| -> u64 { text.parse().expect("a seed is a number") };
    if let Ok(seed) = env::var("TASUKI_SIM_SEED") {
        let seed = number(&seed);
        return seed..seed + 1;
    }
    match env::var("TASUKI_SIM_SEEDS") {
        Ok(range) => {
            let (from, to) = range.split_once("..").expect("a range of seeds: A..B");
            number(from)..number(to)
        }
        Err(_) => 0..count,
    }
}
