//! The spin policy: for how long a parker looks at its token before it goes to sleep.
//!
//! A pure state machine over durations. It reads no clock and no atomic; [`Parker`](crate::Parker) does both, and tells
//! it what came of each look and each sleep.
//!
//! # The idea
//!
//! Let `S` be what one block-and-wake costs, both threads' work and the delay together. It is taken for twice the delay
//! from the wake to the woken thread, as the shorter ones of late have it, and for 12 µs at least and 60 at most.
//! Looking for at most `S` before sleeping never costs more than twice what the sleep alone costs, and for a wait
//! shorter than `S` it costs the wait alone (competitive spinning: Karlin, Li, Manasse, Owicki, SOSP 1991). What is
//! left to do is not to look where it does not pay.
//!
//! - Each look that finds the token earns `S` less its length as *credit*, and no less than `S` of it is there before;
//!   each look that fails spends its own length. With credit, the parker looks at every wait: at first for `S`; by a
//!   quarter less after each look that failed in a long wait; twice as long after one that failed in a wait that was
//!   over within `S`; and after each that paid, for twice its length at least.
//! - Without credit it backs off: after `k` failures in a row it sleeps at once for a number of waits that is drawn
//!   evenly from 1 to `2^(k+1) - 1`, with `k` at most 12, and then tries one look of length `S`.
//! - A sleeper may ask whoever wakes it for the time at which the token came. If that was within `S`, looking would
//!   have paid. Such a *hint* cuts the pause to a part of its first eighth, drawn evenly. So a parker that was idle for
//!   hours is awake to a burst after a few waits. And two threads that put each other to sleep find out, as each waits
//!   for the other to be woken, which takes about half of `S`, or at least less than the most that `S` can be.
//! - Hints lie where a sleeping thread is woken at once but a looking one is in the way, on one core or among more
//!   threads than cores. Each look that a hint led to, and that fails, adds to the *doubt* `d`, at most 10; a hint
//!   counts with probability `2^-d`, and with `2^-3` at least if the token came within a microsecond, as it hardly does
//!   but from another core. A look that pays clears all doubt.
//! - Waits come in patterns: a burst, a pause, a burst. So all of the above, credit, levels and pauses, is kept once
//!   for each *history*: whether each of the last two waits was over within `S`. Where short and long waits alternate,
//!   the parker soon looks in the short ones and sleeps through the long ones. (Branch predictors do it like this: Yeh
//!   and Patt, MICRO 1991.)
//! - Where all is settled, there is nothing to learn and no thinking about it. By long waits in a row or by all doubt:
//!   then 12 to 35 waits of the pause, whatever comes, are slept through without reading the clock. On a thread that
//!   sleeps long, all that a wait touches is cold, and thinking would cost a few per cent of it. By looks that pay time
//!   after time: then one more of them teaches nothing.
//! - Those who look for longer than a microsecond or two are counted, and leave one CPU to the threads that they may be
//!   waiting for. Where as many look already, a further look is refused, and counts as one that failed for `S`: of those
//!   who wait, few get to look for long, and the others had better sleep.
//! - A new parker starts where the process as a whole stands, so that parkers that live for a few waits do not pay for
//!   the lesson again and again. A new process starts with pauses: hints end them after a few sleeps, if there is
//!   reason to, while a look to find out costs `S`, which may be ten times the processor time of a sleep.
//!
//! A look that was preempted after its first microsecond or two, and so took much longer than it was meant to, counts
//! as failed, even if it found the token: that is how threads on one core hand each other the token. (But for one of a
//! parker whose looks pay time after time. On one core they soon fail.)
//!
//! # What it costs at most
//!
//! Count `S` for a sleep, and the time of looking for a look. Let a wait be *short* if it ends within `S`, else *long*.
//!
//! 1. **Against always sleeping: at most 2, for every sequence of waits.** A wait costs at most a look of `S` and a
//!    sleep of `S`.
//! 2. **Long waits only: at most `1 + 2^-12` once warmed up.** There is soon but one history. Every look fails, and no
//!    hint is true. The warm-up is 13 looks at most, `13 S` in all. After it there is one look in `2^12` waits on
//!    average, and it costs `S`.
//! 3. **Against always looking: at most 2 and a constant, on average over the draws**, for every sequence of waits that
//!    was fixed before them, and looks that are not refused. While there is credit, every wait is looked at, so a short
//!    one costs what always looking pays, and a long one at most `2 S`, which that pays too. A look may have been
//!    shortened, and miss a short wait for up to `2 S`; but that doubles it again, so each miss has its own long wait
//!    before, at which it saved. While there is none, a short wait that is slept through costs up to `S` more. Let a
//!    share `q` of the waits be long. If `q >= 1/2`, always looking pays at least `2 q S >= S` a wait, and we at most
//!    `2 S`. If `q < 1/2`, a pause of level `k` is `2^k` waits on average without hints, and the look at its end fails
//!    with probability `q`, so `2 + 2 (2q) + ... + 2 (2q)^10 + 2 (2q)^11 / (1 - q) <= 26` waits at most are slept through
//!    before a look pays, and the credit that it starts to build has the better odds. This happens anew each time
//!    credit is exhausted, which takes waits of the other kind worth as much, that always looking pays twice, or missed
//!    short ones, each with a long one before it.
//!
//! So much for a single history. Now for all four: the history that a wait follows on depends on the waits before it,
//! not on what the parker did in them (but for those slept through without a thought, which count as part of the pause:
//! there are none where short waits come, and all doubt is not there). So the sequence falls into four, always looking
//! pays the sum of what it pays in each, and so do we: the factor stays, and the constant is four times that of one.
//!
//! All of this is about waits that end with the token, and counts what the parker can know: a look is timed only after
//! its first microsecond or two, unless the park is, and `S` is what the last sleeps showed. A wait is told by its
//! length modulo 4.3 s: one in many thousand of the very long ones may be taken for a short one.
//!
//! The draws matter. Against an adversary that sees the parker's state, no policy could have 2 and 3 together: it would
//! answer each look with a long wait, and each sleep with a short one.
//!
//! # Units
//!
//! All times in here are in nanoseconds.

use std::cell::Cell;
use std::time::Duration;

/// The most and the least that `S`, what one block-and-wake costs, is taken for, in nanoseconds.
///
/// A thread that is asleep on an idle core runs 5 to 50 µs after the wake, and one on a busy core after 2 to 5. The
/// rest is processor time: 5 to 15 µs for the sleeper and 1 to 3 for the waker.
const MAX_COST: u16 = 60_000;
const MIN_COST: u16 = 12_000;

/// No policy that learns looks for longer than this.
pub(crate) const LONGEST_LOOK: u32 = MAX_COST as u32;

/// What the delay of a wake-up is taken for until one was seen.
pub(crate) const FIRST_WAKE_UP: u16 = 10_000;

/// A token that came after no more than this was most likely given on another core: hardly ever does a thread fall
/// asleep, and another one run in its place, that soon.
const AT_ONCE: u32 = 1_000;

/// No more doubt than this counts against such a token.
const AT_ONCE_DOUBT: u8 = 3;

/// The shortest that looks become while there is credit.
const MIN_REACH: u16 = 1_000;

/// How much credit can be saved up, in units of `S`: what a change for the worse can cost before the parker begins to
/// back off.
const MAX_CREDIT: u32 = 3;

/// The highest levels of back-off and of doubt.
const MAX_BACKOFF: u8 = 12;
const MAX_DOUBT: u8 = 10;

/// Where a process starts: at a back-off of 5, without doubt. If waits are short, hints soon say so.
pub(crate) const FIRST_LEVELS: Prior = [5; HISTORIES];

/// Where all waits are long, or all doubt is there, this many in a row, or up to half as many more or less, are slept
/// through without a thought.
const CALM: u16 = 24;

/// Where there is no other CPU, this many are, before the question comes up again.
const REST: u16 = 64;

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
        Self { backoff: (byte % 16).min(MAX_BACKOFF), doubt: (byte / 16).min(MAX_DOUBT) }
    }

    fn to_byte(self) -> u8 {
        self.doubt * 16 + self.backoff
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

    /// Looks for at most this long, and a microsecond or two, at every park, whether it pays or not.
    ///
    /// Limited to 4 seconds. For those who know their waits; everybody else is better off with
    /// [`adaptive`](Spin::adaptive).
    #[must_use]
    pub const fn bounded(limit: Duration) -> Self {
        let nanos = limit.as_nanos();
        Self(Kind::Fixed(if nanos > u32::MAX as u128 { u32::MAX } else { nanos as u32 }))
    }

    /// Learns whether looking pays, and for how long, and rarely looks where it does not.
    ///
    /// A look takes at most what a sleep costs, which is taken for twice the time from a wake to the woken thread, and
    /// for 12 µs at least and 60 at most. So, counted like that, a wait costs at most twice what sleeping at once would.
    /// Waits that are not worth a look soon cost less than a thousandth more than that. However many parkers there are,
    /// those that look for more than a moment leave one CPU free. The default.
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

/// What one parker has learned. Small, in cells, and in this order, so that a wait touches few cache lines: they may
/// all be cold.
#[repr(C)]
pub(crate) struct Learner {
    spin: Spin,
    /// How many waits to sleep through without a thought.
    calm: Cell<u16>,
    /// False until the first wait: then it takes over what the process has learned.
    grown: Cell<bool>,
    /// Whether looks pay time after time.
    eager: Cell<bool>,
    /// A bit for each of the latest waits, the last one lowest: whether it was over within `S`.
    history: Cell<u8>,
    /// How long a wake-up takes.
    wake_up: Cell<u16>,
    /// The draws: a linear congruential generator.
    random: Cell<u32>,
    /// What is known of the wait that follows on each history.
    lessons: Cell<[Lesson; HISTORIES]>,
}

/// What is known of the waits that follow on one history.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Lesson {
    levels: Levels,
    /// Whether a hint has cut the pause.
    hinted: bool,
    /// For how many more waits to sleep at once.
    skip: u16,
    /// For how long to look while there is credit.
    reach: u16,
    /// What looks have earned and not yet spent.
    credit: u32,
}

/// How a wait went on after the look, if there was one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sleep {
    /// The look found the token.
    Spared,
    /// It slept, and the token came after so long.
    Took(u32),
    /// It slept for this long, until time was up.
    TimedOut(u32),
}

impl Learner {
    pub(crate) const fn new(spin: Spin) -> Self {
        let levels = Levels { backoff: 0, doubt: 0 };
        let lesson = Lesson { levels, hinted: false, skip: 0, reach: MAX_COST, credit: 0 };
        Self {
            spin,
            grown: Cell::new(false),
            eager: Cell::new(false),
            history: Cell::new(0),
            calm: Cell::new(0),
            wake_up: Cell::new(FIRST_WAKE_UP),
            random: Cell::new(0),
            lessons: Cell::new([lesson; HISTORIES]),
        }
    }

    /// Says that the wait that begins now is one to sleep through, and that there is nothing to learn from it.
    #[inline]
    pub(crate) fn is_calm(&self) -> bool {
        match self.calm.get().checked_sub(1) {
            Some(calm) => {
                self.calm.set(calm);
                true
            }
            None => self.spin == Spin::off(),
        }
    }

    /// Says that the wait that begins now is one to look in: looks pay time after time.
    #[inline]
    pub(crate) fn is_eager(&self) -> bool {
        self.eager.get()
    }

    /// Says whether there is anything to learn from a look that finds the token.
    pub(crate) fn learns_from_success(&self) -> bool {
        self.learns() && !self.is_eager()
    }

    /// Says whether there is anything to learn: a fixed policy neither takes hints from other parkers nor gives any.
    pub(crate) fn learns(&self) -> bool {
        self.spin.0 == Kind::Adaptive
    }

    /// Says that [`grow`](Learner::grow) is wanted before the first wait.
    pub(crate) fn is_young(&self) -> bool {
        !self.grown.get() && self.learns()
    }

    /// Starts where the process stands, at a point of the pause that differs from parker to parker.
    pub(crate) fn grow(&self, prior: Prior, wake_up: u16, seed: u32) {
        self.grown.set(true);
        self.random.set(seed);
        self.wake_up.set(wake_up);
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

    /// `S`, as far as it is known.
    fn cost(&self) -> u16 {
        self.wake_up.get().saturating_mul(2).clamp(MIN_COST, MAX_COST)
    }

    /// Says for how long to look in the wait that begins now; zero is to sleep at once.
    pub(crate) fn next_look(&self) -> u32 {
        if let Kind::Fixed(nanos) = self.spin.0 {
            return nanos;
        }
        let mut lesson = self.lesson().get();
        let Some(skip) = lesson.skip.checked_sub(1) else {
            return lesson.reach.min(self.cost()).into();
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
        self.eager.set(false);
        let cost = self.cost();
        let mut lesson = self.lesson().get();
        let took = u16::try_from(took).unwrap_or(u16::MAX);
        // One that took longer would have been a cheaper sleep. Perhaps it was preempted, by the thread that gave the
        // token: that was luck, not looking.
        if found && took <= cost {
            lesson.levels = Levels::default();
            lesson.hinted = false;
            // An advance of `S`, so that one failure does not end what has just begun.
            let credit = lesson.credit.max(cost.into()) + u32::from(cost - took);
            lesson.credit = credit.min(MAX_CREDIT * u32::from(cost));
            lesson.reach = lesson.reach.max(took.saturating_mul(2).saturating_add(MIN_REACH)).min(cost);
        } else if lesson.credit > took.into() {
            lesson.credit -= u32::from(took);
        } else {
            lesson.levels.backoff = (lesson.levels.backoff + 1).min(MAX_BACKOFF);
            lesson.levels.doubt = (lesson.levels.doubt + u8::from(lesson.hinted)).min(MAX_DOUBT);
            let skip = 1 + self.draw((2 << lesson.levels.backoff) - 1);
            lesson = Lesson { levels: lesson.levels, hinted: false, skip, reach: MAX_COST, credit: 0 };
        }
        self.lesson().set(lesson);
    }

    /// Learns that too many look already: the same as a look that failed for `S`, but for the time it would have taken.
    pub(crate) fn was_refused(&self) {
        self.looked(self.cost().into(), false);
    }

    /// Learns from the end of a wait: how long it looked, if it did, and how it went on.
    pub(crate) fn waited(&self, looked: Option<u32>, sleep: Sleep) {
        if !self.learns() {
            return;
        }
        let cost = self.cost();
        let slept = match sleep {
            Sleep::Spared => 0,
            Sleep::Took(slept) | Sleep::TimedOut(slept) => slept,
        };
        let soon = looked.unwrap_or(0).saturating_add(slept) <= cost.into();
        if soon && sleep == Sleep::TimedOut(slept) {
            // Who knows how long it would have been.
            return;
        }
        if !soon && looked.is_none() && self.history.get() == 0 {
            // As most waits of those who sleep long. There is no more to learn from it.
            self.calm_down();
            return;
        }
        if sleep != Sleep::Spared {
            self.slept(looked.is_some(), slept, soon, cost);
        }
        if soon && self.lesson().get().levels.doubt == MAX_DOUBT {
            self.calm_down();
        }
        self.history.set((self.history.get() * 2 + u8::from(soon)) % HISTORIES as u8);
        let only_soon = self.history.get() == HISTORIES as u8 - 1;
        let is_rich = self.lesson().get().credit >= (MAX_CREDIT - 1) * u32::from(cost);
        self.eager.set(sleep == Sleep::Spared && only_soon && is_rich);
    }

    #[cfg(all(test, not(any(loom, shuttle))))]
    pub(crate) fn has_seen_a_short_wait(&self) -> bool {
        self.history.get() > 0
    }

    #[cfg(all(test, not(any(loom, shuttle))))]
    pub(crate) fn has_seen_a_wake_up(&self) -> bool {
        self.wake_up.get() != FIRST_WAKE_UP
    }

    /// Sleeps at once for a while: there is no other CPU, and so nothing to look for or to learn.
    pub(crate) fn rest(&self) {
        self.calm.set(REST);
    }

    /// Sleeps through a part of the pause without a thought.
    fn calm_down(&self) {
        let mut lesson = self.lesson().get();
        let calm = (CALM / 2 + self.draw(CALM)).min(lesson.skip);
        lesson.skip -= calm;
        self.lesson().set(lesson);
        self.calm.set(calm);
    }

    /// Learns from a wake-up, and from what is known in the process, how long wake-ups take; returns it if it is news.
    ///
    /// Of all in the process, as some threads may always find their core busy. That is not what a wake-up costs, so
    /// short ones tell more than long ones; none is believed alone.
    pub(crate) fn woke_up(&self, known: u16, after: u32) -> Option<u16> {
        let after = u16::try_from(after).unwrap_or(u16::MAX);
        let wake_up = if after < known { known - (known - after) / 2 } else { known + (after - known) / 16 };
        self.wake_up.set(wake_up);
        // A little more or less is not worth the cache line that all share.
        (wake_up.abs_diff(known) > known / 64).then_some(wake_up)
    }

    fn slept(&self, looked: bool, slept: u32, soon: bool, cost: u16) {
        let mut lesson = self.lesson().get();
        if looked && lesson.credit > 0 {
            // Further if it was close; else less far, down to what pays.
            let reach = if soon { lesson.reach.saturating_mul(2) } else { lesson.reach - lesson.reach / 4 };
            lesson.reach = reach.clamp(MIN_REACH, cost);
        }
        let doubt = if slept <= AT_ONCE { lesson.levels.doubt.min(AT_ONCE_DOUBT) } else { lesson.levels.doubt };
        if soon && !looked && self.draw(1 << doubt) == 0 {
            // At the end by one or two, at random: else a pattern of waits could lead each look to a long one.
            lesson.skip = self.draw((lesson.skip / 8).max(2));
            lesson.hinted = true;
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

    /// What a sleep costs as long as wake-ups take what they are first taken for.
    const COST: u32 = 20_000;
    const S: u64 = COST as u64;

    fn adult(levels: Levels, seed: u32) -> Learner {
        let learner = Learner::new(Spin::adaptive());
        learner.grow([levels.to_byte(); HISTORIES], FIRST_WAKE_UP, seed);
        learner
    }

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
            costs.looking += if wait <= COST { u64::from(wait) } else { 2 * S };
            if learner.is_calm() {
                costs.ours += S;
                continue;
            }
            let budget = learner.next_look();
            let found = wait <= budget;
            let look = budget.min(wait);
            costs.ours += u64::from(look);
            if found && !learner.learns_from_success() {
                continue;
            }
            if budget > 0 {
                learner.looked(look, found);
            }
            let mut sleep = Sleep::Spared;
            if !found {
                costs.ours += S;
                sleep = Sleep::Took(wait - look);
            }
            learner.waited((budget > 0).then_some(look), sleep);
        }
        costs
    }

    /// A pattern of runs of equal waits: near, at and beyond each of the policy's limits.
    fn pattern() -> impl Strategy<Value = Vec<(u32, usize)>> {
        let wait = prop_oneof![0..COST / 4, COST / 2..COST * 2, Just(COST), Just(COST + 1), COST..u32::MAX / 2,];
        let length = prop_oneof![3 => 1..8usize, 1 => 8..200usize, 1 => 200..4000usize];
        prop::collection::vec((wait, length), 1..6)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn at_most_twice_the_best_choice_in_hindsight(pattern in pattern(), seed: u32, backoff in 0..=MAX_BACKOFF, doubt in 0..=MAX_DOUBT) {
            let learner = adult(Levels { backoff, doubt }, seed);
            let waits = pattern.iter().flat_map(|&(wait, times)| std::iter::repeat(wait).take(times));
            let rounds = 200_000 / waits.clone().count() + 1;
            let costs = play(&learner, std::iter::repeat(waits).take(rounds).flatten());
            let warm_up = (HISTORIES as u64 * S) << (MAX_BACKOFF + 2);
            prop_assert!(costs.ours <= 2 * costs.sleeping, "{costs:?}");
            prop_assert!(costs.ours <= 2 * costs.looking + warm_up, "{costs:?}");
        }

        #[test]
        fn long_waits_cost_hardly_more_than_sleeping(waits in prop::collection::vec(COST + 1..u32::MAX / 2, 1..100), seed: u32) {
            let learner = adult(Levels::default(), seed);
            play(&learner, waits.iter().copied().cycle().take(20_000));
            let costs = play(&learner, waits.iter().copied().cycle().take(200_000));
            prop_assert!(costs.ours * 1000 <= costs.sleeping * 1005, "{costs:?}");
        }
    }

    #[test]
    fn a_parker_that_was_idle_notices_a_burst() {
        for seed in 0..100 {
            let learner = adult(Levels::default(), seed);
            play(&learner, std::iter::repeat(5_000_000).take(10_000));
            let burst = play(&learner, std::iter::repeat(1_000).take(1_000));
            assert!(burst.ours < burst.looking + 40 * S, "{burst:?}");
        }
    }

    #[test]
    fn the_first_parker_of_a_process_learns_soon_and_cheaply() {
        let mut looks = 0;
        for seed in 0..100 {
            let newborn = || {
                let learner = Learner::new(Spin::adaptive());
                learner.grow(FIRST_LEVELS, FIRST_WAKE_UP, seed << 25);
                learner
            };
            let short = play(&newborn(), std::iter::repeat(1_000).take(1_000));
            assert!(short.ours < short.looking + 10 * S, "{short:?}");
            let long = play(&newborn(), std::iter::repeat(5_000_000).take(1_000));
            looks += (long.ours - long.sleeping) / S;
        }
        assert!(looks < 600, "{looks} in a hundred times a thousand long waits");
    }

    #[test]
    fn waits_that_alternate_are_told_apart() {
        for pattern in [&[2_000, 5_000_000][..], &[5_000, 5_000, 1_000_000], &[1_000, 300_000, 300_000]] {
            for seed in 0..100 {
                let learner = adult(Levels::default(), seed);
                play(&learner, std::iter::repeat(5_000_000).take(10_000));
                play(&learner, pattern.iter().copied().cycle().take(300));
                let costs = play(&learner, pattern.iter().copied().cycle().take(30_000));
                let best: u64 = pattern.iter().map(|wait| S.min((*wait).into())).sum();
                let best = best * 30_000 / pattern.len() as u64;
                assert!(costs.ours * 100 <= best * 102, "{costs:?}, the best is {best}");
            }
        }
    }

    const NOVICE: Lesson =
        Lesson { levels: Levels { backoff: 0, doubt: 0 }, hinted: false, skip: 0, reach: MAX_COST, credit: 0 };

    const LONG: Sleep = Sleep::Took(1_000_000);

    fn adaptive(history: u8, lesson: Lesson) -> Learner {
        let learner = Learner::new(Spin::adaptive());
        learner.history.set(history);
        learner.lesson().set(lesson);
        learner
    }

    /// The lesson after something was learned, and whatever the draw was, what all draws have in common.
    fn after<R>(lesson: Lesson, learn: impl FnOnce(&Learner) -> R) -> Lesson {
        let learner = adaptive(0, lesson);
        let lesson = learner.lesson();
        learn(&learner);
        lesson.get()
    }

    /// All that a draw can lead to.
    fn outcomes(draw: impl Fn(&Learner) -> u16) -> std::collections::BTreeSet<u16> {
        let draws = (0..u32::MAX).step_by(1 << 22).map(|seed| {
            let learner = adaptive(0, NOVICE);
            learner.random.set(seed);
            draw(&learner)
        });
        draws.collect()
    }

    #[test]
    fn a_look_that_finds_the_token_earns_credit_and_clears_the_levels() {
        let before = Lesson { levels: Levels { backoff: 3, doubt: 2 }, hinted: true, reach: 5_000, ..NOVICE };
        let found = after(before, |learner| learner.looked(4_000, true));
        assert_eq!(found, Lesson { reach: 9_000, credit: 36_000, ..NOVICE });
        let found = after(found, |learner| learner.looked(0, true));
        assert_eq!(found, Lesson { reach: 9_000, credit: 56_000, ..NOVICE });
        let found = after(found, |learner| learner.looked(20_000, true));
        assert_eq!(found, Lesson { reach: 20_000, credit: 56_000, ..NOVICE });
        let found = after(found, |learner| learner.looked(0, true));
        assert_eq!(found, Lesson { reach: 20_000, credit: 60_000, ..NOVICE });
    }

    #[test]
    fn a_look_that_fails_spends_credit_and_then_backs_off() {
        let rich = Lesson { reach: 5_000, credit: 9_000, ..NOVICE };
        let failed = after(rich, |learner| learner.looked(5_000, false));
        assert_eq!(failed, Lesson { credit: 4_000, ..rich });
        // The same for one that was preempted, if it found the token or not.
        assert_eq!(after(rich, |learner| learner.looked(20_001, true)).levels, Levels { backoff: 1, doubt: 0 });

        let back_off = |learner: &Learner| {
            learner.lesson().set(Lesson {
                levels: Levels { backoff: 1, doubt: 7 },
                reach: 1_000,
                credit: 5_000,
                ..NOVICE
            });
            learner.looked(5_000, false);
            let lesson = learner.lesson().get();
            assert_eq!(lesson, Lesson { levels: Levels { backoff: 2, doubt: 7 }, skip: lesson.skip, ..NOVICE });
            lesson.skip
        };
        assert_eq!(outcomes(back_off), (1..=7).collect());
        for backoff in [11, 12] {
            let last = Lesson { levels: Levels { backoff, doubt: 0 }, ..NOVICE };
            let last = after(last, |learner| learner.looked(5_000, false));
            assert_eq!(last.levels.backoff, 12);
            assert!((1..8192).contains(&last.skip));
        }
    }

    #[test]
    fn a_hint_that_led_astray_adds_to_the_doubt() {
        for (doubt, more) in [(4, 5), (10, 10)] {
            let hinted = Lesson { levels: Levels { backoff: 3, doubt }, hinted: true, ..NOVICE };
            let failed = after(hinted, |learner| learner.looked(20_000, false));
            assert_eq!((failed.levels, failed.hinted), (Levels { backoff: 4, doubt: more }, false));
        }
    }

    #[test]
    fn a_pause_is_slept_through() {
        let learner = adaptive(0, NOVICE);
        learner.wake_up.set(8_000);
        assert_eq!(learner.next_look(), 16_000);
        let learner = adaptive(0, Lesson { skip: 2, reach: 7_000, ..NOVICE });
        assert_eq!([(); 4].map(|()| learner.next_look()), [0, 0, 7_000, 7_000]);
    }

    #[test]
    fn a_history_is_two_waits_long() {
        let soon = Sleep::Took(20_000);
        let long = Sleep::Took(20_001);
        for (waits, history) in [
            ([(None, long), (None, long)], 0b00),
            ([(None, long), (None, soon)], 0b01),
            ([(None, soon), (Some(1), soon)], 0b10),
            ([(None, soon), (None, soon)], 0b11),
            ([(Some(1), Sleep::Spared), (None, soon)], 0b11),
            ([(Some(20_001), Sleep::Spared), (Some(20_000), Sleep::Spared)], 0b01),
            ([(None, soon), (None, Sleep::TimedOut(20_001))], 0b10),
            ([(Some(10_001), Sleep::TimedOut(10_000)), (None, soon)], 0b01),
        ] {
            for before in 0..HISTORIES as u8 {
                let learner = adaptive(before, NOVICE);
                waits.iter().for_each(|&(looked, sleep)| learner.waited(looked, sleep));
                assert_eq!(learner.history.get(), history, "{waits:?}");
            }
        }
    }

    #[test]
    fn time_that_was_up_soon_says_nothing() {
        let lesson = Lesson { skip: 80, reach: 5_000, credit: 9_000, ..NOVICE };
        for looked in [None, Some(5_000)] {
            let learner = adaptive(3, lesson);
            learner.waited(looked, Sleep::TimedOut(15_000));
            assert_eq!((learner.history.get(), learner.lesson().get()), (3, lesson));
        }
    }

    #[test]
    fn settled_parkers_calm_down() {
        let paused = Lesson { skip: 1_000, ..NOVICE };
        let doubtful = |doubt| Lesson { levels: Levels { backoff: 0, doubt }, ..paused };
        let soon = Sleep::Took(1_000);
        let calm = |history, lesson: Lesson, sleep| {
            outcomes(move |learner| {
                learner.history.set(history);
                let cell = learner.lesson();
                cell.set(lesson);
                learner.waited(None, sleep);
                let calm = learner.calm.get();
                // Unless a hint has cut it, as one in so many does: then the calm may be all of it.
                let is_cut = sleep != LONG && cell.get().skip < 125;
                assert!(cell.get().skip + calm == 1_000 || is_cut);
                if is_cut && cell.get().skip == 0 {
                    12
                } else {
                    calm
                }
            })
        };
        for (history, lesson, sleep) in
            [(0, paused, LONG), (0, doubtful(10), soon), (2, doubtful(10), soon), (3, doubtful(10), soon)]
        {
            assert_eq!(calm(history, lesson, sleep), (12..36).collect());
        }
        for (history, lesson, sleep) in
            [(1, paused, LONG), (2, paused, LONG), (3, doubtful(10), LONG), (0, doubtful(9), soon)]
        {
            assert_eq!(calm(history, lesson, sleep), [0].into());
        }

        let learner = adaptive(0, NOVICE);
        learner.rest();
        assert_eq!((0..100).take_while(|_| learner.is_calm()).count(), 64);
        assert!(Learner::new(Spin::off()).is_calm());
    }

    #[test]
    fn a_parker_becomes_eager_when_looks_pay_time_after_time() {
        let learner = adaptive(0, NOVICE);
        let pay = || {
            learner.looked(1_000, true);
            learner.waited(Some(1_000), Sleep::Spared);
            assert_eq!(learner.learns_from_success(), !learner.is_eager());
            learner.is_eager()
        };
        assert_eq!([(); 5].map(|()| pay()), [false, false, false, true, true]);
        let lesson = learner.lesson().get();
        assert_eq!((learner.history.get(), lesson.credit), (3, 60_000));
        learner.looked(5_000, false);
        learner.waited(Some(5_000), Sleep::Took(1_000));
        assert!(!learner.is_eager());
        assert!(pay());
        learner.waited(None, LONG);
        assert_eq!([(); 2].map(|()| pay()), [false, true]);

        // Where short waits come in twos, the one that follows on them is not one to look in.
        let learner = adaptive(1, Lesson { credit: 60_000, ..NOVICE });
        learner.looked(1_000, true);
        learner.waited(Some(1_000), Sleep::Spared);
        assert_eq!((learner.history.get(), learner.is_eager()), (3, false));
    }

    #[test]
    fn a_look_that_is_refused_counts_as_one_that_failed() {
        let refused = |lesson| {
            let learner = adaptive(0, lesson);
            learner.eager.set(true);
            let cell = learner.lesson();
            learner.was_refused();
            assert!(!learner.is_eager());
            cell.get()
        };
        let rich = Lesson { reach: 5_000, credit: 50_000, ..NOVICE };
        assert_eq!(refused(rich), Lesson { credit: 30_000, ..rich });
        let hinted = Lesson { levels: Levels { backoff: 3, doubt: 2 }, hinted: true, credit: 20_000, ..NOVICE };
        let backed_off = refused(hinted);
        assert_eq!((backed_off.levels, backed_off.credit), (Levels { backoff: 4, doubt: 3 }, 0));
        assert!((1..32).contains(&backed_off.skip));
    }

    #[test]
    fn what_a_wake_up_takes_says_what_a_sleep_costs() {
        let learner = adaptive(0, NOVICE);
        for (known, woke, wake_up) in
            [(10_000, 2_000, 6_000), (2_000, 18_000, 3_000), (1_535, u32::MAX, 5_535), (640, 618, 629)]
        {
            assert_eq!(learner.woke_up(known, woke), Some(wake_up));
            assert_eq!(learner.wake_up.get(), wake_up);
        }
        for (known, woke, wake_up) in [(9_000, 9_000, 9_000), (640, 620, 630), (6_400, 8_000, 6_500), (0, 0, 0)] {
            assert_eq!(learner.woke_up(known, woke), None);
            assert_eq!(learner.wake_up.get(), wake_up);
        }
        for (wake_up, cost) in [(0, 12_000), (6_000, 12_000), (10_000, 20_000), (30_001, 60_000), (u16::MAX, 60_000)] {
            let learner = adaptive(0, NOVICE);
            learner.wake_up.set(wake_up);
            assert_eq!(learner.cost(), cost);
        }
    }

    #[test]
    fn a_sleep_after_a_look_says_how_far_to_look() {
        let reach = |reach, credit, looked, sleep| {
            after(Lesson { reach, credit, ..NOVICE }, |learner| learner.waited(looked, sleep)).reach
        };
        assert_eq!(reach(5_000, 1, Some(5_000), Sleep::Took(15_000)), 10_000);
        assert_eq!(reach(15_000, 1, Some(15_000), Sleep::Took(5_000)), 20_000);
        assert_eq!(reach(8_000, 1, Some(8_000), Sleep::Took(12_001)), 6_000);
        assert_eq!(reach(1_001, 1, Some(1_001), LONG), 1_000);
        assert_eq!(reach(5_000, 0, Some(5_000), Sleep::Took(15_000)), 5_000);
        assert_eq!(reach(5_000, 1, None, Sleep::Took(15_000)), 5_000);
    }

    #[test]
    fn a_token_that_came_soon_is_a_hint() {
        let skip = |skip, doubt, looked, sleep| {
            outcomes(move |learner| {
                learner.history.set(3);
                let cell = learner.lesson();
                let lesson = Lesson { levels: Levels { backoff: 9, doubt }, skip, ..NOVICE };
                cell.set(lesson);
                learner.waited(looked, sleep);
                assert!(cell.get().hinted || cell.get() == lesson);
                cell.get().skip
            })
        };
        let soon = Sleep::Took(20_000);
        assert_eq!(skip(80, 0, None, soon), (0..10).collect());
        assert_eq!(skip(9, 0, None, soon), (0..2).collect());
        assert_eq!(skip(80, 1, None, soon), (0..10).chain([80]).collect());
        // With a doubt of 3 in place of 9, and without.
        assert_eq!(skip(80, 9, None, Sleep::Took(1_000)), (0..10).chain([80]).collect());
        assert!(skip(80, 9, None, Sleep::Took(1_001)).len() <= 3);
        assert_eq!(skip(80, 0, Some(1), soon), [80].into());
        assert_eq!(skip(80, 0, None, Sleep::Took(20_001)), [80].into());
    }

    /// Between two threads, of which each puts the other one to sleep or finds it awake.
    #[test]
    fn two_that_put_each_other_to_sleep_find_out() {
        for wake_up in [5_000, 20_000, 40_000, 55_000] {
            for (levels, by) in [(Levels::default(), 400), (Levels { backoff: 10, doubt: 10 }, 3_000)] {
                for seed in 0..100 {
                    let pair = [seed, !seed].map(|seed| (adult(levels, seed), Cell::new(true)));
                    let mut known = FIRST_WAKE_UP;
                    let mut last_sleep = 0;
                    for turn in 0..2 * by {
                        let (learner, asleep) = &pair[turn % 2];
                        let wait = 200 + if pair[1 - turn % 2].1.get() { wake_up } else { 0 };
                        let calm = learner.is_calm();
                        let budget = if calm { 0 } else { learner.next_look() };
                        let found = wait <= budget;
                        asleep.set(!found);
                        let looked = (budget > 0).then_some(wait.min(budget));
                        if let Some(look) = looked {
                            learner.looked(look, found);
                        }
                        if !calm {
                            if !found && wait <= LONGEST_LOOK {
                                known = learner.woke_up(known, wake_up).unwrap_or(known);
                            }
                            let slept = Sleep::Took(wait - looked.unwrap_or(0));
                            learner.waited(looked, if found { Sleep::Spared } else { slept });
                        }
                        last_sleep = if found { last_sleep } else { turn };
                    }
                    assert!(last_sleep < by, "{wake_up} ns, {levels:?}, seed {seed}: {last_sleep}");
                }
            }
        }
    }

    #[test]
    fn a_new_parker_starts_where_the_process_stands_and_teaches_it() {
        let levels = [0x01, 0x23, 0x45, 0xAA].map(Levels::from_byte);
        let prior = levels.map(Levels::to_byte);
        assert_eq!(levels[1], Levels { backoff: 3, doubt: 2 });
        let skips = outcomes(|learner| {
            assert!(learner.is_young());
            learner.grow(prior, 25_000, learner.random.get());
            assert!(!learner.is_young());
            assert_eq!([0, 1, 2, 3].map(|history| learner.lessons()[history].get().levels), levels);
            assert_eq!(learner.cost(), 50_000);
            assert!(learner.lessons()[3].get().skip < 1024);
            learner.lessons()[1].get().skip
        });
        assert_eq!(skips, (0..8).collect());

        let learner = adaptive(2, NOVICE);
        assert_eq!(learner.teach([0x33; HISTORIES]), [0x33, 0x33, 0x22, 0x33]);
    }

    #[test]
    fn fixed_policies_do_not_learn() {
        for (spin, nanos) in [
            (Spin::off(), 0),
            (Spin::bounded(Duration::from_micros(5)), 5_000),
            (Spin::bounded(Duration::from_secs(4)), 4_000_000_000),
            (Spin::bounded(Duration::from_secs(5)), u32::MAX),
            (Spin::bounded(Duration::MAX), u32::MAX),
        ] {
            let learner = Learner::new(spin);
            assert!(!learner.learns() && !learner.learns_from_success() && !learner.is_young());
            for found in [true, false] {
                learner.looked(1, found);
                learner.waited(Some(1), Sleep::Took(1));
                assert_eq!(learner.history.get(), 0);
                assert_eq!(learner.next_look(), nanos);
                assert_eq!(learner.teach([0; HISTORIES]), [0; HISTORIES]);
            }
        }
    }

    #[test]
    fn levels_survive_the_byte_and_approach_one_another() {
        for backoff in 0..=MAX_BACKOFF {
            for doubt in 0..=MAX_DOUBT {
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
