//! What the parkers of a process share about spinning: the default, the number of CPUs, and how many spin for long.
//!
//! # Orderings
//!
//! All Relaxed: no memory is reached through these numbers, and each stands for itself.

use super::Spin;
use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicU32, Ordering};

/// What parkers use that were given no other. Read by every new parker, and hardly ever written.
static DEFAULT: AtomicU32 = AtomicU32::new(Spin::adaptive().0);

pub(super) fn set_default(spin: Spin) {
    // Relaxed: no other memory depends on the number.
    DEFAULT.store(spin.0, Ordering::Relaxed);
}

#[inline]
pub(super) fn default() -> Spin {
    // Relaxed: as above.
    Spin(DEFAULT.load(Ordering::Relaxed))
}

/// How many CPUs there are for this process, as far as its threads could tell so far.
///
/// Asking reads files where there are control groups, which takes 10 µs and more, so an answer is kept. One CPU is asked for
/// `again`, as the thread that got this answer may have been pinned, unlike others.
pub(crate) fn cpus(again: bool) -> u32 {
    static CPUS: AtomicU32 = AtomicU32::new(0);
    // Relaxed, here and below: the number is all there is.
    match CPUS.load(Ordering::Relaxed) {
        cpus if cpus > 1 || cpus == 1 && !again => cpus,
        _ => {
            let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u32);
            CPUS.fetch_max(cpus, Ordering::Relaxed).max(cpus)
        }
    }
}

/// The parkers that spin for long at this moment. A slot holds when its spin ends at the latest, or zero.
///
/// A time, and not a count: in the child of a `fork`, the spins of threads that it does not have end by themselves.
pub(crate) static LONG_SPINS: LongSpins<SLOTS> = LongSpins::new();

const SLOTS: usize = 16;

pub(crate) struct LongSpins<const N: usize>([CachePadded<AtomicU32>; N]);

/// One of them, until it is dropped.
pub(crate) struct LongSpin<'a>(&'a AtomicU32);

impl<const N: usize> LongSpins<N> {
    pub(crate) const fn new() -> Self {
        Self([const { CachePadded::new(AtomicU32::new(0)) }; N])
    }

    /// Counts a spin that lasts from `now` to `end`, in microseconds, unless there are `most` already.
    ///
    /// Two that begin at the same moment may not see each other; the next spin of one of them sees the other's. Each parker
    /// has a slot by its `number`, so that few share one; two that share one count once at most.
    pub(crate) fn begin(&self, number: usize, now: u32, end: u32, most: u32) -> Option<LongSpin<'_>> {
        // Relaxed, here and in `drop`: no memory is reached through these times.
        let runs = |slot: &&CachePadded<AtomicU32>| match slot.load(Ordering::Relaxed) {
            0 => false,
            // No spin is longer than that, so an end that is further ahead has passed, and the clock has wrapped.
            end => end.wrapping_sub(now).wrapping_sub(1) < Spin::LONGEST / 1_000 + 1,
        };
        if self.0.iter().filter(runs).count() as u32 >= most {
            return None;
        }
        let slot = &self.0[number % N];
        slot.store(end.max(1), Ordering::Relaxed);
        Some(LongSpin(slot))
    }
}

impl Drop for LongSpin<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_cpus_is_that_of_the_system() {
        let system = std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u32);
        // A pinned thread may have asked before.
        assert_eq!((cpus(true), cpus(false)), (system, system));
    }

    #[test]
    fn no_more_spin_for_long_than_may() {
        let spins = LongSpins::<4>::new();
        assert!(spins.begin(0, 100, 200, 0).is_none());
        let first = spins.begin(0, 100, 200, 2);
        let second = spins.begin(1, 100, 200, 2);
        assert!(first.is_some() && second.is_some() && spins.begin(2, 100, 200, 2).is_none());
        drop(first);
        assert!(spins.begin(2, 100, 200, 2).is_some());
    }

    #[test]
    fn a_slot_of_another_parker_counts() {
        let spins = LongSpins::<4>::new();
        let _first = spins.begin(1, 100, 200, 1);
        assert!(spins.begin(5, 100, 200, 1).is_none());
    }

    #[test]
    fn a_spin_that_nobody_ends_is_over_with_its_time() {
        let spins = LongSpins::<4>::new();
        std::mem::forget(spins.begin(0, u32::MAX - 10, 50, 1));
        assert!(spins.begin(1, u32::MAX - 5, 60, 1).is_none());
        assert!(spins.begin(1, 49, 60, 1).is_none());
        assert!(spins.begin(1, 50, 60, 1).is_some());
        assert!(spins.begin(1, 1 << 31, 60, 1).is_some());
    }

    #[test]
    fn the_longest_spin_counts_from_its_beginning() {
        let spins = LongSpins::<4>::new();
        let longest = Spin::LONGEST / 1_000 + 1;
        let first = spins.begin(0, 100, 100 + longest, 1);
        assert!(spins.begin(1, 100, 200, 1).is_none());
        drop(first);
        std::mem::forget(spins.begin(0, 100, 100 + longest + 1, 1));
        assert!(spins.begin(1, 100, 200, 1).is_some());
    }
}
