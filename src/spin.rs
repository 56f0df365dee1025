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
//! - Waits come in patterns: a burst, a pause, a burst. So all of the above, credit, levels and pauses, is kept once
//!   for each *history*: whether each of the last two waits was over soon. Where short and long waits alternate, the
//!   parker soon looks in the short ones and sleeps through the long ones. (Branch predictors do it like this: Yeh and
//!   Patt, MICRO 1991.)
//! - Where all is settled, by long waits in a row or by all doubt, up to 15 waits of the pause are slept through
//!   without reading the clock or learning from them. On a thread that sleeps long, all that a wait touches is cold,
//!   and thinking would cost a few per cent of it.
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
//! 2. **Long waits only, longer than a hint: at most `1 + 2^-10` once warmed up.** There is but one history. Every look
//!    fails. The warm-up is 11 looks, `11 S` in all. After it there is one look in `2^10` waits on average, and it
//!    costs `S`.
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
//! So much for a single history. Now for all four: the history that a wait follows on depends on the waits before it,
//! not on what the parker did in them (but for a wait that a wake-up's length moves across the limit of "soon", and
//! those slept through without a thought, which count as part of the pause). So the sequence falls into four, always
//! looking pays the sum of what it pays in each, and so do we: the factor stays, and the constant is four times that
//! of one.
//!
//! The draws matter. Against an adversary that sees the parker's state, no policy could have 2 and 3 together: it would
//! answer each look with a long wait, and each sleep with a short one.
//!
//! # Units
//!
//! All times in here are in nanoseconds.

use std::cell::Cell;
use std::time::Duration;

/// The most that `S`, what one block-and-wake costs, is taken for, in nanoseconds; also the first guess.
///
/// Measured hand-offs between sleeping threads on two idle cores take 20 to 60 µs, most of which is the wake-up of an
/// idle core; where the core is busy anyway, 2 to 5 µs.
const MAX_COST: u16 = 20_000;

/// The least that `S` is taken for.
const MIN_COST: u16 = 1_000;

/// How much credit can be saved up: what a change for the worse can cost before the parker begins to back off.
const MAX_CREDIT: u16 = 3 * MAX_COST;

/// A wait that was slept through and took no longer than this, the wake-up included, is a hint.
const HINT: u32 = 5 * MAX_COST as u32;

/// The highest level of back-off, and of doubt.
const MAX_LEVEL: u8 = 10;

/// Where all waits are long, or all doubt is there, fewer than this many in a row are slept through without a thought.
const CALM: u16 = 16;

/// How many waits back a history goes.
const HISTORY: u32 = 2;

const HISTORIES: usize = 1 << HISTORY;

/// The levels that the process has reached, a byte for each history.
pub(crate) type Prior = [u8; HISTORIES];

/// How far a parker has gone in its back-off and its doubt, or the process as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Levels {
    backoff: u8,
    doubt: u8,
}

impl Levels {
    fn from_byte(byte: u8) -> Self {
        Self { backoff: (byte & 15).min(MAX_LEVEL), doubt: (byte >> 4).min(MAX_LEVEL) }
    }

    fn to_byte(self) -> u8 {
        self.backoff | self.doubt << 4
    }

    /// One step towards another parker's levels.
    fn towards(self, other: Self) -> Self {
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
    /// Costs at most twice what sleeping at once would; for long waits, about a thousandth more. The default.
    #[must_use]
    pub const fn adaptive() -> Self {
        Self(Kind::Adaptive)
    }
}

impl Default for Spin {
    /// The policy of [`Parker::new`](crate::Parker::new): [`adaptive`](Spin::adaptive).
    fn default() -> Self {
        Self::adaptive()
    }
}

/// What one parker has learned. Small, and in cells, so that a wait touches few cache lines: they may all be cold.
pub(crate) struct Learner {
    spin: Spin,
    /// False until the first wait: then it takes over what the process has learned.
    grown: Cell<bool>,
    /// How many waits to sleep through without a thought.
    calm: Cell<u16>,
    /// A bit for each of the latest waits, the last one lowest: whether it was over soon.
    history: Cell<u8>,
    /// `S`, as far as it is known.
    sleep_cost: Cell<u16>,
    /// The draws: a linear congruential generator.
    random: Cell<u32>,
    /// What is known of the wait that follows on each history.
    lessons: Cell<[Lesson; HISTORIES]>,
}

/// What is known of the waits that follow on one history.
#[derive(Clone, Copy, Debug)]
struct Lesson {
    levels: Levels,
    /// For how many more waits to sleep at once.
    skip: u16,
    /// For how long to look while there is credit.
    reach: u16,
    /// What looks have earned and not yet spent.
    credit: u16,
}

/// How a wait went on after the look, if there was one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sleep {
    /// The look found the token.
    Spared,
    /// It slept for this long.
    Took(u32),
    /// It slept, and did not read the clock, because the parker was not curious.
    Untimed,
}

impl Learner {
    pub(crate) const fn new(spin: Spin) -> Self {
        let levels = Levels { backoff: 0, doubt: 0 };
        let lesson = Lesson { levels, skip: 0, reach: MAX_COST, credit: 0 };
        Self {
            spin,
            grown: Cell::new(false),
            calm: Cell::new(0),
            history: Cell::new(0),
            sleep_cost: Cell::new(MAX_COST),
            random: Cell::new(0),
            lessons: Cell::new([lesson; HISTORIES]),
        }
    }

    /// Says that the wait that begins now is one to sleep through, and that there is nothing to learn from it.
    pub(crate) fn is_calm(&self) -> bool {
        match self.calm.get().checked_sub(1) {
            Some(calm) => {
                self.calm.set(calm);
                true
            }
            None => self.spin == Spin::off(),
        }
    }

    /// Says whether there is anything to learn: a fixed policy neither takes hints from other parkers nor gives any.
    pub(crate) fn learns(&self) -> bool {
        self.spin.0 == Kind::Adaptive
    }

    /// Says that [`grow`](Learner::grow) is wanted before the first wait.
    pub(crate) fn is_young(&self) -> bool {
        !self.grown.get() && self.learns()
    }

    /// Starts at the levels that the process has reached, at a point of the pause that differs from parker to parker.
    pub(crate) fn grow(&self, prior: Prior, seed: u32) {
        self.grown.set(true);
        self.random.set(seed);
        for (lesson, byte) in self.lessons().iter().zip(prior) {
            let levels = Levels::from_byte(byte);
            lesson.set(Lesson { levels, skip: self.draw(1 << levels.backoff), ..lesson.get() });
        }
    }

    /// Moves the prior one step in the direction of what this parker knows of the present wait.
    pub(crate) fn teach(&self, mut prior: Prior) -> Prior {
        let level = &mut prior[usize::from(self.history.get())];
        *level = Levels::from_byte(*level).towards(self.lesson().get().levels).to_byte();
        prior
    }

    fn lessons(&self) -> &[Cell<Lesson>] {
        let lessons: &Cell<[Lesson]> = &self.lessons;
        lessons.as_slice_of_cells()
    }

    fn lesson(&self) -> &Cell<Lesson> {
        &self.lessons()[usize::from(self.history.get())]
    }

    /// Says for how long to look in the wait that begins now; zero is to sleep at once.
    pub(crate) fn next_look(&self) -> u32 {
        if let Kind::Fixed(nanos) = self.spin.0 {
            return nanos;
        }
        let mut lesson = self.lesson().get();
        let Some(skip) = lesson.skip.checked_sub(1) else {
            return lesson.reach.into();
        };
        lesson.skip = skip;
        self.lesson().set(lesson);
        0
    }

    /// Learns from a look that took this long, and whether it found the token.
    pub(crate) fn looked(&self, took: u32, found: bool) {
        if !self.learns() {
            return;
        }
        let took = u16::try_from(took).unwrap_or(u16::MAX);
        let sleep_cost = self.sleep_cost.get();
        let mut lesson = self.lesson().get();
        // One that took longer would have been a cheaper sleep. Perhaps it was preempted, by the thread that gave the
        // token: that was luck, not looking.
        if found && took <= sleep_cost {
            lesson.levels = Levels::default();
            // An advance of `S`, so that one failure does not end what has just begun.
            let credit = lesson.credit.max(sleep_cost);
            lesson.credit = credit.saturating_add(sleep_cost - took).min(MAX_CREDIT);
            lesson.reach = lesson.reach.max(took.saturating_mul(2).saturating_add(MIN_COST)).min(sleep_cost);
        } else if lesson.credit > took {
            lesson.credit -= took;
        } else {
            lesson.credit = 0;
            lesson.reach = sleep_cost;
            lesson.levels.backoff = (lesson.levels.backoff + 1).min(MAX_LEVEL);
            lesson.skip = 1 + self.draw((2 << lesson.levels.backoff) - 1);
        }
        self.lesson().set(lesson);
    }

    /// Says whether it is worth two readings of the clock to know how long the next sleep takes.
    pub(crate) fn is_curious(&self) -> bool {
        self.learns() && self.lesson().get().levels.doubt < MAX_LEVEL
    }

    /// Learns from the end of a wait: how long it looked, if it did, and how it went on.
    pub(crate) fn waited(&self, looked: Option<u32>, sleep: Sleep) {
        if !self.learns() {
            return;
        }
        let soon = match sleep {
            Sleep::Spared => looked.unwrap_or(0) <= HINT,
            Sleep::Took(slept) => {
                let soon = looked.unwrap_or(0).saturating_add(slept) <= HINT;
                self.slept(looked.is_some(), slept, soon);
                soon
            }
            // What all the doubt comes from.
            Sleep::Untimed => true,
        };
        let settled = if soon { self.lesson().get().levels.doubt == MAX_LEVEL } else { self.history.get() == 0 };
        if settled {
            self.calm_down(self.draw(CALM));
        }
        self.history.set((self.history.get() << 1 | u8::from(soon)) % HISTORIES as u8);
    }

    /// Sleeps through the whole pause without a thought: there is no other CPU, and so nothing to learn.
    pub(crate) fn rest(&self) {
        self.calm_down(u16::MAX);
    }

    /// Sleeps through a part of the pause without a thought.
    fn calm_down(&self, limit: u16) {
        let mut lesson = self.lesson().get();
        let calm = lesson.skip.min(limit);
        lesson.skip -= calm;
        self.lesson().set(lesson);
        self.calm.set(calm);
    }

    fn slept(&self, looked: bool, slept: u32, soon: bool) {
        // A sleep is never shorter than what sleeping costs, unless the token came just as it began. So short ones tell
        // more than long ones, but none is believed alone.
        let seen = slept.clamp(MIN_COST.into(), MAX_COST.into()) as u16;
        let mut sleep_cost = self.sleep_cost.get();
        if seen < sleep_cost {
            sleep_cost -= (sleep_cost - seen) / 8;
        } else {
            sleep_cost += (seen - sleep_cost) / 16;
        }
        self.sleep_cost.set(sleep_cost);
        let mut lesson = self.lesson().get();
        if looked && lesson.credit > 0 {
            // Further if it was close; else less far, down to what pays.
            lesson.reach = if soon { lesson.reach.saturating_mul(2) } else { lesson.reach - lesson.reach / 4 };
        }
        lesson.reach = lesson.reach.clamp(MIN_COST, sleep_cost);
        if soon && looked {
            lesson.levels.doubt = (lesson.levels.doubt + 1).min(MAX_LEVEL);
        } else if soon && self.draw(1 << lesson.levels.doubt) == 0 {
            // At the end by one or two, at random: else a pattern of waits could lead each look to a long one.
            lesson.skip = self.draw((lesson.skip / 8).max(2));
        }
        self.lesson().set(lesson);
    }

    /// A number below `bound`, or zero.
    fn draw(&self, bound: u16) -> u16 {
        let random = self.random.get().wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.random.set(random);
        (((random >> 16) * u32::from(bound)) >> 16) as u16
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAX_COST: u32 = super::MAX_COST as u32;
    const S: u64 = MAX_COST as u64;

    /// What a sequence of waits costs: us, always sleeping, always looking for `S`.
    #[derive(Default, Debug)]
    struct Costs {
        ours: u64,
        sleeping: u64,
        looking: u64,
    }

    fn play(learner: &Learner, waits: impl IntoIterator<Item = u32>) -> Costs {
        let mut costs = Costs::default();
        for wait in waits {
            costs.sleeping += S;
            costs.looking += if wait <= MAX_COST { u64::from(wait) } else { 2 * S };
            if learner.is_calm() {
                costs.ours += S;
                continue;
            }
            let budget = learner.next_look();
            let found = wait <= budget;
            let look = budget.min(wait);
            costs.ours += u64::from(look);
            if budget > 0 {
                learner.looked(look, found);
            }
            let mut sleep = Sleep::Spared;
            if !found {
                costs.ours += S;
                sleep = Sleep::Untimed;
                if learner.is_curious() {
                    sleep = Sleep::Took((wait - look).saturating_add(MAX_COST));
                }
            }
            learner.waited((budget > 0).then_some(look), sleep);
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
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn at_most_twice_the_best_choice_in_hindsight(pattern in pattern(), seed: u32, backoff in 0..=MAX_LEVEL, doubt in 0..=MAX_LEVEL) {
            let learner = Learner::new(Spin::adaptive());
            learner.grow([Levels { backoff, doubt }.to_byte(); HISTORIES], seed);
            let waits = pattern.iter().flat_map(|&(wait, times)| std::iter::repeat(wait).take(times));
            let rounds = 200_000 / waits.clone().count() + 1;
            let costs = play(&learner, std::iter::repeat(waits).take(rounds).flatten());
            let warm_up = (HISTORIES as u64 * S) << (MAX_LEVEL + 2);
            prop_assert!(costs.ours <= 2 * costs.sleeping, "{costs:?}");
            prop_assert!(costs.ours <= 2 * costs.looking + warm_up, "{costs:?}");
        }

        #[test]
        fn long_waits_cost_hardly_more_than_sleeping(waits in prop::collection::vec(HINT..u32::MAX / 2, 1..100), seed: u32) {
            let learner = Learner::new(Spin::adaptive());
            learner.grow([0; HISTORIES], seed);
            play(&learner, waits.iter().copied().cycle().take(20_000));
            let costs = play(&learner, waits.iter().copied().cycle().take(200_000));
            prop_assert!(costs.ours * 100 <= costs.sleeping * 102, "{costs:?}");
        }
    }

    #[test]
    fn a_parker_that_was_idle_notices_a_burst() {
        for seed in 0..100 {
            let learner = Learner::new(Spin::adaptive());
            learner.grow([0; HISTORIES], seed);
            play(&learner, std::iter::repeat(5_000_000).take(10_000));
            let burst = play(&learner, std::iter::repeat(1_000).take(1_000));
            assert!(burst.ours < burst.looking + 40 * S, "{burst:?}");
        }
    }

    #[test]
    fn waits_that_alternate_are_told_apart() {
        for pattern in [&[2_000, 5_000_000][..], &[5_000, 5_000, 1_000_000], &[1_000, 300_000, 300_000]] {
            for seed in 0..100 {
                let learner = Learner::new(Spin::adaptive());
                learner.grow([0; HISTORIES], seed);
                play(&learner, std::iter::repeat(5_000_000).take(10_000));
                play(&learner, pattern.iter().copied().cycle().take(300));
                let costs = play(&learner, pattern.iter().copied().cycle().take(30_000));
                let best: u64 = pattern.iter().map(|wait| S.min((*wait).into())).sum();
                let best = best * 30_000 / pattern.len() as u64;
                assert!(costs.ours * 100 <= best * 102, "{costs:?}, the best is {best}");
            }
        }
    }

    #[test]
    fn where_sleeping_is_cheap_looks_are_short() {
        let learner = Learner::new(Spin::adaptive());
        learner.grow([0; HISTORIES], 0);
        for _ in 0..100 {
            learner.waited(None, Sleep::Took(4_000));
        }
        assert!((4_000..5_000).contains(&learner.sleep_cost.get()));
        learner.lesson().set(Lesson { skip: 0, ..learner.lesson().get() });
        assert!(learner.next_look() < 5_000);
        for _ in 0..100 {
            learner.waited(None, Sleep::Took(60_000));
        }
        assert!(learner.sleep_cost.get() > 19_000);
    }

    #[test]
    fn fixed_policies_do_not_learn() {
        for (spin, nanos) in [
            (Spin::off(), 0),
            (Spin::bounded(Duration::from_micros(5)), 5_000),
            (Spin::bounded(Duration::MAX), u32::MAX),
        ] {
            let learner = Learner::new(spin);
            assert!(!learner.learns() && !learner.is_young() && !learner.is_curious());
            for found in [true, false] {
                learner.looked(1, found);
                assert_eq!(learner.next_look(), nanos);
                assert_eq!(learner.teach([0; HISTORIES]), [0; HISTORIES]);
            }
        }
    }

    #[test]
    fn a_preempted_look_has_failed() {
        let learner = Learner::new(Spin::adaptive());
        learner.looked(MAX_COST + 1, true);
        assert_eq!(learner.lesson().get().levels.backoff, 1);
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
