//! The spin policy: for how long a parker looks at its token before it goes to sleep.
//!
//! A pure state machine over durations. It reads no clock and no atomic; [`Parker`](crate::Parker) does both, and tells
//! it what came of each look.
//!
//! # The idea
//!
//! Let `S` be what one block-and-wake costs: 20 µs at most, and about as much as the shorter sleeps take of late.
//! Looking for at most `S` before sleeping never costs more than twice what the sleep alone costs, and for a wait
//! shorter than `S` it costs the wait alone (competitive spinning: Karlin, Li, Manasse, Owicki, SOSP 1991). What is
//! left to do is not to look where it does not pay.
//!
//! - Each look that finds the token earns `S` less its length as *credit*; each one that fails spends its own length.
//!   With credit, the parker looks at every wait: at first for `S`; by a quarter less after each look that failed in a
//!   long wait, down to twice what pays; twice as long after one that failed in a wait that was over soon.
//! - Without credit it backs off: after `k` failures in a row it sleeps at once for a number of waits that is drawn
//!   evenly from 1 to `2^(k+1) - 1`, with `k` at most 10, and then tries one look of length `S`.
//! - A wait that was slept through, and nevertheless was over soon, is a *hint* that looking would have paid, and cuts
//!   the pause to a part drawn evenly. So a parker that was idle for hours is awake to a burst after a few waits.
//! - Hints lie where a sleeping thread is woken at once but a looking one is in the way, on one core or among more
//!   threads than cores. Each look that fails in a wait that is over soon after it adds to the *doubt* `d`, at most 10;
//!   a hint counts with probability `2^-d`. A look that pays clears all doubt.
//! - A new parker starts where the process as a whole stands, so that parkers that live for a few waits do not pay for
//!   the lesson again and again.
//!
//! A look that was preempted, and so took much longer than it was meant to, counts as failed, even if it found
//! the token: that is how threads on one core hand each other the token.
//!
//! # What it costs at most
//!
//! Count `S` for a sleep, and the time of looking for a look. Let a wait be *short* if it ends within `S`, else *long*.
//!
//! 1. **Against always sleeping: at most 2, for every sequence of waits.** A wait costs at most a look of `S` and a
//!    sleep of `S`.
//! 2. **Long waits only, longer than a hint: at most `1 + 2^-10` once warmed up.** Every look fails. The warm-up is 11
//!    looks, `11 S` in all. After it there is one look in `2^10` waits on average, and it costs `S`.
//! 3. **Against always looking: at most 2 and a constant, on average over the draws**, for every sequence of waits that
//!    was fixed before them. While there is credit, every wait is looked at, so a short one costs what always looking
//!    pays, and a long one at most `2 S`, which that pays too. A look may have been shortened, and miss a short wait
//!    for up to `2 S`; but that doubles it again, so each miss has its own long wait before, at which it saved. While
//!    there is none, a short wait that is slept through costs up to `S` more. Let a share `q` of the waits be long. If
//!    `q >= 1/2`, always looking pays at least `2 q S >= S` a wait, and we at most `2 S`. If `q < 1/2`, a pause of
//!    level `k` is `2^k` waits on average without hints, and the look at its end fails with probability `q`, so at most
//!    `1 + 2q + ... + (2q)^10 <= 11` waits are slept through before a look pays, and the credit that it starts to build
//!    has the better odds. This happens anew each time credit is exhausted, which takes long waits worth as much, that
//!    always looking pays twice.
//!
//! The draws matter. Against an adversary that sees the parker's state, no policy could have 2 and 3 together: it would
//! answer each look with a long wait, and each sleep with a short one.
//!
//! # Units
//!
//! All times in here are in nanoseconds, as `u32`.

use std::time::Duration;

/// The most that `S`, what one block-and-wake costs, is taken for, in nanoseconds; also the first guess.
///
/// Measured hand-offs between sleeping threads on two idle cores take 20 to 60 µs, most of which is the wake-up of an
/// idle core; where the core is busy anyway, 2 to 5 µs.
const MAX_COST: u32 = 20_000;

/// The least that `S` is taken for.
const MIN_COST: u32 = 1_000;

/// How much credit can be saved up: what a change for the worse can cost before the parker begins to back off.
const MAX_CREDIT: u32 = 4 * MAX_COST;

/// A wait that was slept through and took no longer than this, the wake-up included, is a hint.
const HINT: u32 = 5 * MAX_COST;

/// The highest level of back-off, and of doubt.
const MAX_LEVEL: u8 = 10;

/// How far a parker has gone in its back-off and its doubt, or the process as a whole: the prior of new parkers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Levels {
    backoff: u8,
    doubt: u8,
}

impl Levels {
    pub(crate) fn from_byte(byte: u8) -> Self {
        Self { backoff: (byte & 15).min(MAX_LEVEL), doubt: (byte >> 4).min(MAX_LEVEL) }
    }

    pub(crate) fn to_byte(self) -> u8 {
        self.backoff | self.doubt << 4
    }

    /// One step towards another parker's levels.
    pub(crate) fn towards(self, other: Self) -> Self {
        let step = |from: u8, to: u8| if from < to { from + 1 } else { from - u8::from(from > to) };
        Self { backoff: step(self.backoff, other.backoff), doubt: step(self.doubt, other.doubt) }
    }
}

/// For how long a [`Parker`](crate::Parker) looks at the token before it sleeps.
///
/// A sleep and a wake-up cost 4 to 60 µs, while two cores that look at the same cache line hand over a token in about
/// 0.1 µs. Looking is ruinous if it goes on for too long, or keeps the thread that would give the token off
/// the processor. So a parker never looks on one available CPU, nor past the deadline of a timed park, and
/// [`adaptive`](Spin::adaptive) learns where looking pays.
///
/// # Examples
///
/// ```
/// use atomic_parker::{Parker, Spin};
/// use std::time::Duration;
///
/// let asleep_at_once = Parker::new().with_spin(Spin::off());
/// let at_most_5_us = Parker::new().with_spin(Spin::bounded(Duration::from_micros(5)));
/// let learning = Parker::new().with_spin(Spin::adaptive());
/// # let _ = (asleep_at_once, at_most_5_us, learning);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Spin(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// A look of so many nanoseconds at each wait.
    Fixed(u32),
    Adaptive,
}

impl Spin {
    /// Never looks: sleeps at once if the token is not there.
    #[must_use]
    pub const fn off() -> Self {
        Self(Kind::Fixed(0))
    }

    /// Looks for at most this long, at every park, whether it pays or not.
    ///
    /// Limited to 4 seconds. For those who know their waits; everybody else is better off with
    /// [`adaptive`](Spin::adaptive).
    #[must_use]
    pub const fn bounded(limit: Duration) -> Self {
        let nanos = limit.as_nanos();
        Self(Kind::Fixed(if nanos > u32::MAX as u128 { u32::MAX } else { nanos as u32 }))
    }

    /// Learns whether looking pays, and for how long: at most 20 µs at a time, and rarely where it does not pay.
    ///
    /// Costs at most twice what sleeping at once would; for long waits, about a thousandth more.
    #[must_use]
    pub const fn adaptive() -> Self {
        Self(Kind::Adaptive)
    }
}

impl Default for Spin {
    /// The policy of [`Parker::new`](crate::Parker::new): [`off`](Spin::off).
    fn default() -> Self {
        Self::off()
    }
}

/// What one parker has learned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Learner {
    spin: Spin,
    /// False until the first wait: then it takes over what the process has learned.
    grown: bool,
    levels: Levels,
    /// For how many more waits to sleep at once.
    skip: u32,
    /// What looks have earned and not yet spent.
    credit: u32,
    /// For how long to look while there is credit.
    reach: u32,
    /// `S`, as far as it is known.
    sleep_cost: u32,
    /// The draws: a linear congruential generator.
    random: u32,
}

impl Learner {
    pub(crate) const fn new(spin: Spin) -> Self {
        let levels = Levels { backoff: 0, doubt: 0 };
        Self { spin, grown: false, levels, skip: 0, credit: 0, reach: MAX_COST, sleep_cost: MAX_COST, random: 0 }
    }

    /// Says whether there is anything to learn: a fixed policy neither takes hints from other parkers nor gives any.
    pub(crate) fn learns(&self) -> bool {
        self.spin.0 == Kind::Adaptive
    }

    /// Says that [`prior`](Learner::prior) is wanted before the first wait.
    pub(crate) fn is_young(&self) -> bool {
        !self.grown && self.learns()
    }

    /// Starts at the levels that the process has reached, at a point of the pause that differs from parker to parker.
    pub(crate) fn prior(&mut self, levels: Levels, seed: u32) {
        self.grown = true;
        self.random = seed;
        self.levels = levels;
        self.skip = self.draw(1 << levels.backoff);
    }

    pub(crate) fn levels(&self) -> Levels {
        self.levels
    }

    /// Says for how long to look in the wait that begins now; zero is to sleep at once.
    pub(crate) fn next_look(&mut self) -> u32 {
        match self.spin.0 {
            Kind::Fixed(nanos) => nanos,
            Kind::Adaptive if self.skip == 0 => self.reach,
            Kind::Adaptive => {
                self.skip -= 1;
                0
            }
        }
    }

    /// Learns from a look that took this long, and whether it found the token.
    pub(crate) fn looked(&mut self, took: u32, found: bool) {
        if !self.learns() {
            return;
        }
        // One that took longer would have been a cheaper sleep. Perhaps it was preempted, by the thread that gave the
        // token: that was luck, not looking.
        if found && took <= self.sleep_cost {
            self.levels = Levels::default();
            // An advance of `S`, so that one failure does not end what has just begun.
            let credit = self.credit.max(self.sleep_cost);
            self.credit = (credit + (self.sleep_cost - took)).min(MAX_CREDIT);
            self.reach = self.reach.max(2 * took + MIN_COST).min(self.sleep_cost);
        } else if self.credit > took {
            self.credit -= took;
        } else {
            self.credit = 0;
            self.reach = self.sleep_cost;
            self.levels.backoff = (self.levels.backoff + 1).min(MAX_LEVEL);
            self.skip = 1 + self.draw((2 << self.levels.backoff) - 1);
        }
    }

    /// Says whether it is worth two readings of the clock to know how long the next sleep takes.
    pub(crate) fn is_curious(&self) -> bool {
        self.learns() && self.levels.doubt < MAX_LEVEL
    }

    /// Learns from a wait that ended with a sleep: how long it looked before, if it did, and how long it slept.
    pub(crate) fn slept(&mut self, looked: Option<u32>, slept: u32) {
        // A sleep is never shorter than what sleeping costs, unless the token came just as it began. So short ones tell
        // more than long ones, but none is believed alone.
        let seen = slept.clamp(MIN_COST, MAX_COST);
        if seen < self.sleep_cost {
            self.sleep_cost -= (self.sleep_cost - seen) / 8;
        } else {
            self.sleep_cost += (seen - self.sleep_cost) / 16;
        }
        let soon = looked.unwrap_or(0).saturating_add(slept) <= HINT;
        if looked.is_some() && self.credit > 0 {
            // Further if it was close; else less far, down to what pays.
            self.reach = if soon { 2 * self.reach } else { self.reach - self.reach / 4 };
        }
        self.reach = self.reach.clamp(MIN_COST, self.sleep_cost);
        if !soon {
            return;
        }
        if looked.is_some() {
            self.levels.doubt = (self.levels.doubt + 1).min(MAX_LEVEL);
        } else if self.draw(1 << self.levels.doubt) == 0 {
            // At the end by one or two, at random: else a pattern of waits could lead each look to a long one.
            self.skip = self.draw((self.skip / 8).max(2));
        }
    }

    /// A number below `bound`, or zero.
    fn draw(&mut self, bound: u32) -> u32 {
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((u64::from(self.random) * u64::from(bound)) >> 32) as u32
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: u64 = MAX_COST as u64;

    /// What a sequence of waits costs: us, always sleeping, always looking for `S`.
    #[derive(Default, Debug)]
    struct Costs {
        ours: u64,
        sleeping: u64,
        looking: u64,
    }

    fn play(learner: &mut Learner, waits: impl IntoIterator<Item = u32>) -> Costs {
        let mut costs = Costs::default();
        for wait in waits {
            let budget = learner.next_look();
            let found = wait <= budget;
            let look = budget.min(wait);
            costs.ours += u64::from(look);
            if budget > 0 {
                learner.looked(look, found);
            }
            if !found {
                costs.ours += S;
                learner.slept((budget > 0).then_some(look), (wait - look).saturating_add(MAX_COST));
            }
            costs.sleeping += S;
            costs.looking += if wait <= MAX_COST { u64::from(wait) } else { 2 * S };
        }
        costs
    }

    /// A pattern of runs of equal waits: near, at and beyond each of the policy's limits.
    fn pattern() -> impl Strategy<Value = Vec<(u32, usize)>> {
        let wait = prop_oneof![
            0..MAX_COST / 4,
            MAX_COST / 2..MAX_COST * 2,
            MAX_COST..HINT,
            Just(MAX_COST),
            Just(MAX_COST + 1),
            HINT..u32::MAX / 2,
        ];
        let length = prop_oneof![3 => 1..8usize, 1 => 8..200usize, 1 => 200..4000usize];
        prop::collection::vec((wait, length), 1..6)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn at_most_twice_the_best_choice_in_hindsight(pattern in pattern(), seed: u32, backoff in 0..=MAX_LEVEL, doubt in 0..=MAX_LEVEL) {
            let mut learner = Learner::new(Spin::adaptive());
            learner.prior(Levels { backoff, doubt }, seed);
            let waits = pattern.iter().flat_map(|&(wait, times)| std::iter::repeat(wait).take(times));
            let rounds = 200_000 / waits.clone().count() + 1;
            let costs = play(&mut learner, std::iter::repeat(waits).take(rounds).flatten());
            let warm_up = S << (MAX_LEVEL + 2);
            prop_assert!(costs.ours <= 2 * costs.sleeping, "{costs:?}");
            prop_assert!(costs.ours <= 2 * costs.looking + warm_up, "{costs:?}");
        }

        #[test]
        fn long_waits_cost_hardly_more_than_sleeping(waits in prop::collection::vec(HINT..u32::MAX / 2, 1..100), seed: u32) {
            let mut learner = Learner::new(Spin::adaptive());
            learner.prior(Levels::default(), seed);
            play(&mut learner, waits.iter().copied().cycle().take(20_000));
            let costs = play(&mut learner, waits.iter().copied().cycle().take(200_000));
            prop_assert!(costs.ours * 100 <= costs.sleeping * 102, "{costs:?}");
        }
    }

    #[test]
    fn a_parker_that_was_idle_notices_a_burst() {
        for seed in 0..100 {
            let mut learner = Learner::new(Spin::adaptive());
            learner.prior(Levels::default(), seed);
            play(&mut learner, std::iter::repeat(5_000_000).take(10_000));
            let burst = play(&mut learner, std::iter::repeat(1_000).take(1_000));
            assert!(burst.ours < burst.looking + 40 * S, "{burst:?}");
        }
    }

    #[test]
    fn short_and_long_waits_in_turn_are_looked_at() {
        for seed in 0..100 {
            let mut learner = Learner::new(Spin::adaptive());
            learner.prior(Levels::default(), seed);
            play(&mut learner, std::iter::repeat(5_000_000).take(10_000));
            play(&mut learner, [2_000, 5_000_000].into_iter().cycle().take(200));
            // In step with the long waits, looks would fail for ever.
            let costs = play(&mut learner, [2_000, 5_000_000].into_iter().cycle().take(200));
            assert!(costs.ours < 150 * S, "{costs:?}");
        }
    }

    #[test]
    fn where_sleeping_is_cheap_looks_are_short() {
        let mut learner = Learner::new(Spin::adaptive());
        learner.prior(Levels::default(), 0);
        for _ in 0..100 {
            learner.slept(None, 4_000);
        }
        assert!((4_000..5_000).contains(&learner.sleep_cost), "{learner:?}");
        learner.skip = 0;
        assert!(learner.next_look() < 5_000);
        for _ in 0..100 {
            learner.slept(None, 60_000);
        }
        assert!(learner.sleep_cost > 19_000, "{learner:?}");
    }

    #[test]
    fn fixed_policies_do_not_learn() {
        for (spin, nanos) in [
            (Spin::off(), 0),
            (Spin::bounded(Duration::from_micros(5)), 5_000),
            (Spin::bounded(Duration::MAX), u32::MAX),
        ] {
            let mut learner = Learner::new(spin);
            assert!(!learner.learns() && !learner.is_young() && !learner.is_curious());
            for found in [true, false] {
                learner.looked(1, found);
                assert_eq!(learner.next_look(), nanos);
                assert_eq!(learner.levels(), Levels::default());
            }
        }
    }

    #[test]
    fn a_preempted_look_has_failed() {
        let mut learner = Learner::new(Spin::adaptive());
        learner.looked(MAX_COST + 1, true);
        assert_eq!(learner.levels().backoff, 1);
    }

    #[test]
    fn levels_survive_the_byte_and_approach_one_another() {
        for backoff in 0..=MAX_LEVEL {
            for doubt in 0..=MAX_LEVEL {
                let levels = Levels { backoff, doubt };
                assert_eq!(Levels::from_byte(levels.to_byte()), levels);
                let from = Levels { backoff: 5, doubt: 5 };
                let step = from.towards(levels);
                let distance = |a: Levels| a.backoff.abs_diff(backoff).max(a.doubt.abs_diff(doubt));
                assert_eq!(distance(step), distance(from).saturating_sub(1));
            }
        }
    }
}
