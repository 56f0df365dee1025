//! The spin policy: for how long a parker looks at its token before it goes to sleep.
//!
//! A pure state machine over durations. It reads no clock and no atomic; [`Parker`](crate::Parker) does both, and tells
//! it what came of each look and each sleep.
//!
//! # The idea
//!
//! Let `S` be what one block-and-wake costs, both threads' work and the delay together. It is taken for twice the delay
//! from the wake to the woken thread, so that a third of the late ones were shorter, for 12 µs at least and 60 at most.
//! Looking for at most `S` before sleeping never costs more than twice what the sleep alone costs, and for a wait
//! shorter than `S` it costs the wait alone (competitive spinning: Karlin, Li, Manasse, Owicki, SOSP 1991). What is
//! left to do is not to look where it does not pay.
//!
//! - A sleeper may ask whoever wakes it for the time at which the token came, and whether that was on the CPU that the
//!   sleeper had left. If it was within `S`, and on another CPU, looking would have paid, and the parker looks for `S` at
//!   the next such wait or the one after that. Such a *hint* costs three looks at the clock, where a look at the token,
//!   to find out, costs `S`: ten times the processor time of a sleep on some machines. So there is no other reason to
//!   begin. And two threads that put each other to sleep find out, as each waits for the other to be woken, which takes
//!   about half of `S`, or at least less than the most that `S` can be. A token that came from the same CPU is taken for
//!   one that came late, whenever it did: there, a look is in its way.
//! - Each look that finds the token earns `S` less its length as *credit*, and no less than `S` of it is there before;
//!   each look that fails spends its own length. With credit, the parker looks at every wait: at first for `S`; by a
//!   quarter less after each look that failed in a long wait; twice as long after one that failed in a wait that was
//!   over within `S`; and after each that paid, for twice its length at least.
//! - Hints lie where a sleeping thread is woken at once but a looking one is in the way, among more threads than cores.
//!   Each look that a hint led to, and that fails, adds to the *doubt* `d`, at most 5; a hint is believed with
//!   probability `2^-d`, and with 1/2 at least if the token came within a microsecond. A look that pays clears all doubt.
//!   (Where the CPU is not known, they lie on one core as well: there, the most is 12, and the microsecond counts for
//!   nothing.)
//! - Some virtual machines have both of their CPUs on one of the host's for as long as only one of them is busy. Then a
//!   look delays what it waits for, and fails by less than `S`, though two threads that only look would soon have a CPU
//!   each. So from a doubt of 3 on, such a near miss leads to a *trial*: whatever their history, the next waits are
//!   looked in to the end, for half a millisecond all together. That gives the other side hints, and the host a reason.
//!   A look that pays counts for a sixteenth of that. A parker begins with one trial, unless the process knows better;
//!   each sleep that it learns from saves a sixteenth of `S` for the next.
//! - Waits come in patterns: a burst, a pause, a burst. So all of the above, hints, credit and doubt, is kept once for
//!   each *history*: whether each of the last two waits was over within `S`. Where short and long waits alternate, the
//!   parker soon looks in the short ones and sleeps through the long ones. (Branch predictors do it like this: Yeh and
//!   Patt, MICRO 1991.)
//! - Where all is settled, there is nothing to learn and no thinking about it: on a thread that sleeps long, all that a
//!   wait touches is cold, and thinking costs a microsecond. After a few long waits in a row, the parker sleeps through
//!   one or two without reading the clock, whatever comes; then through twice as many, and so on, up to 32 to 95. And
//!   where looks pay time after time, one more of them teaches nothing.
//! - Those who look for longer than a microsecond or two are counted, and leave one CPU to the threads that they may be
//!   waiting for. Where as many look already, a further look is refused, and counts as one that failed for `S`: of those
//!   who wait, few get to look for long, and the others had better sleep.
//! - A new parker starts where the process as a whole stands, so that parkers that live for a few waits do not pay for
//!   the lesson again and again.
//!
//! A look that was preempted after its first microsecond or two, and so took much longer than it was meant to, counts
//! as failed, even if it found the token: that is how threads on one core hand each other the token. (But for one of a
//! parker whose looks pay time after time. On one core they soon fail.)
//!
//! # What it costs at most
//!
//! Count `S` for a sleep, and the time of looking for a look. Let a wait be *short* if it ends within `S`, else *long*.
//!
//! 1. **Against always sleeping: at most 2 and a constant, for every sequence of waits.** With credit, a look that fails
//!    spends what those that paid have saved against a sleep, or an advance: up to `S` comes with a look that pays where
//!    there was less, and up to `S` more is spent by the last that fails. So, at worst, a hint, a look that pays and two
//!    that fail take turns, which is `6 S` in four waits; or a hint and a look that fails, `3 S` in two. Trials add a
//!    sixteenth of what is slept, and the first one.
//! 2. **Long waits only: nothing once warmed up.** No hint is true, and without one there is no look. What is left of
//!    hints and credit from before are looks of `4 S` for each history, and a trial.
//! 3. **Against always looking: at most 2 and a constant, on average over the draws**, for every sequence of waits that
//!    was fixed before them, and looks that are not refused. While there is credit, every wait is looked at, so a short
//!    one costs what always looking pays, and a long one at most `2 S`, which that pays too. A look may have been
//!    shortened, and miss a short wait for up to `2 S`; but that doubles it again, so each miss has its own long wait
//!    before, at which it saved. While there is none, a wait that is looked at costs what always looking pays for it, and
//!    one that is slept through costs `17/16 S`, with what it saves for trials. Let a share `q` of those be long. If
//!    `q >= 1/3`, always looking pays `2 q S >= 2/3 S` for each. If not, a look fails with probability
//!    `q / (1 - q) <= 1/2` at most, as each long wait is the next one, or the one after that, of one short wait each. So
//!    there are `1 + 2 (1/2) + ... + 2^5 (1/2)^5 + 2^5 (1/2)^5 = 7` short waits on average, and at most as many again
//!    between hint and look, before a look pays, and the credit that it starts to build has the better odds. This
//!    happens anew each time credit is exhausted, which takes long waits, of which always looking pays `2 S` for each;
//!    and it takes 7 where a third of the waits that are slept through are long, for which that pays as well. (Where the
//!    CPU is not known, 14 in place of 7.)
//!
//! So much for a single history. Now for all four: the history that a wait follows on depends on the waits before it,
//! not on what the parker did in them (but for those slept through without a thought: where short waits come, there are
//! none). So the sequence falls into four, always looking pays the sum of what it pays in each, and so do we: the factor
//! stays, and the constant is four times that of one.
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

use crate::sync;
use std::cell::Cell;
use std::time::Duration;

/// The most and the least that `S`, what one block-and-wake costs, is taken for, in nanoseconds.
///
/// A thread that is asleep on an idle core runs 5 to 50 µs after the wake, and one on a busy core after 2 to 5. The
/// rest is processor time: 5 to 15 µs for the sleeper and 1 to 3 for the waker.
const MAX_COST: u16 = 60_000;
const MIN_COST: u16 = 12_000;

/// No token that takes longer is a hint, or looked for longer but in a trial.
pub(crate) const LONGEST_LOOK: u32 = MAX_COST as u32;

/// What the delay of a wake-up is taken for until some were seen. Too much costs little, as only hints lead to looks;
/// too little, and two threads that put each other to sleep take no hint.
pub(crate) const FIRST_WAKE_UP: u16 = 20_000;

/// A sleeper whose token comes sooner than this may not have been asleep yet: the delay says nothing of wake-ups.
const ASLEEP: u32 = 3_000;

/// The shortest that looks become while there is credit.
const MIN_REACH: u16 = 1_000;

/// How much credit can be saved up, in units of `S`: what a change for the worse can cost before the parker stops
/// looking.
const MAX_CREDIT: u32 = 3;

/// The highest doubt. Where nothing says which CPU a token came from, hints lie more often, as all do on one core.
const MAX_DOUBT: u8 = if sync::KNOWS_CPUS { 5 } else { 12 };

/// How long the looks of a trial may be, all together, in nanoseconds: a few times what a hypervisor needs to let two
/// CPUs run at the same time that it had put on one.
const TRIAL: u32 = 500_000;

/// After so many looks that paid, a trial is over as well: enough for each history to have its turn.
const TRIAL_SUCCESSES: u32 = 16;

/// From this doubt on, a failure leads to a trial. Sooner, it costs those whose looks often fail and often pay.
const TRIAL_DOUBT: u8 = 3;

/// One part in so many of what is slept may go into trials: each sleep saves as much of `S`, up to a whole trial.
const SLEEP_TO_TRIALS: u32 = 16;

/// A token that came from another CPU so soon after the sleep had begun would have been found, beyond doubt but for one
/// half.
const AT_ONCE: u32 = 1_000;
const AT_ONCE_DOUBT: u8 = if sync::KNOWS_CPUS { 1 } else { MAX_DOUBT };

/// The highest ease: who has seen none but long waits for long rests as well.
const MAX_EASE: u8 = 6;

/// How many waits back a history goes.
const HISTORY: u32 = 2;

const HISTORIES: usize = 1 << HISTORY;

/// How sure a parker is that there is nothing to look for, or the process as a whole. A new process is not sure at all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Levels {
    /// How little a hint is believed, for each history.
    doubts: [u8; HISTORIES],
    /// For how long all waits have been long.
    ease: u8,
}

impl Levels {
    /// From four bits for each doubt, the first one lowest, and four for the ease.
    pub(crate) fn from_bits(bits: u32) -> Self {
        let level = |number: usize| (bits >> (4 * number) & 15) as u8;
        Self { doubts: [0, 1, 2, 3].map(|history| level(history).min(MAX_DOUBT)), ease: level(HISTORIES).min(MAX_EASE) }
    }

    pub(crate) fn to_bits(self) -> u32 {
        self.doubts.iter().rfold(self.ease.into(), |bits, doubt| bits * 16 + u32::from(*doubt))
    }
}

/// One step from one level to another.
fn step(from: u8, to: u8) -> u8 {
    if from < to {
        from + 1
    } else {
        from - u8::from(from > to)
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
    /// for 12 µs at least and 60 at most. Only where many looks have just missed the token, one in many lasts for up to
    /// half a millisecond. So, counted like that, waits cost at most twice what sleeping at once would. It begins where
    /// a sleep was over within that time, by a token from another CPU, and where all waits are longer, it does not look.
    /// However many parkers there are, those that look for more than a moment leave one CPU free. The default.
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
    /// Whether looks pay time after time.
    eager: Cell<bool>,
    /// A bit for each of the latest waits, the last one lowest: whether it was over within `S`.
    history: Cell<u8>,
    /// For how long all waits have been long.
    ease: Cell<u8>,
    /// For how long to look in the next waits, whatever their history, before the trial is over.
    trial: Cell<u32>,
    /// What is saved for the next trial.
    savings: Cell<u32>,
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
    /// How little a hint is believed.
    doubt: u8,
    /// After a hint that was believed: how many waits to sleep through before the look that it leads to.
    hint: Option<u8>,
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
    /// It slept, and the token came from the CPU that it had left: looking would have been in the way.
    GaveWay,
    /// It slept for this long, until time was up.
    TimedOut(u32),
}

impl Learner {
    /// Starts where the process stands, with draws that differ from parker to parker.
    pub(crate) fn new(spin: Spin, prior: Levels, wake_up: u16, seed: u32) -> Self {
        let lesson = |doubt| Lesson { doubt, hint: None, reach: MAX_COST, credit: 0 };
        let learner = Self {
            spin,
            calm: Cell::new(0),
            eager: Cell::new(false),
            history: Cell::new(0),
            ease: Cell::new(prior.ease),
            trial: Cell::new(0),
            // Where hints lie, a parker that lives for a few waits has no time for it.
            savings: Cell::new(if prior.doubts.iter().all(|doubt| *doubt + 1 < TRIAL_DOUBT) { TRIAL } else { 0 }),
            wake_up: Cell::new(wake_up),
            random: Cell::new(seed),
            lessons: Cell::new(prior.doubts.map(lesson)),
        };
        if learner.learns() {
            // Where those before it were calm, it is too. For an even draw: or else of parkers that live for a few waits,
            // none would ever learn.
            learner.calm.set(learner.draw(1 << prior.ease));
        }
        learner
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

    /// Moves the prior one step in the direction of what this parker knows of the present wait.
    pub(crate) fn teach(&self, mut prior: Levels) -> Levels {
        let doubt = &mut prior.doubts[usize::from(self.history.get())];
        *doubt = step(*doubt, self.lesson().get().doubt);
        prior.ease = step(prior.ease, self.ease.get());
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
        let look = lesson.reach.min(self.cost()).into();
        if lesson.credit > 0 {
            return look;
        }
        if self.trial.get() > 0 {
            return self.trial.get();
        }
        match lesson.hint {
            Some(0) => look,
            Some(more) => {
                lesson.hint = Some(more - 1);
                self.lesson().set(lesson);
                0
            }
            None => 0,
        }
    }

    /// Learns from a look that took this long, and whether it found the token.
    pub(crate) fn looked(&self, took: u32, found: bool) {
        if !self.learns() {
            return;
        }
        self.eager.set(false);
        let cost = u32::from(self.cost());
        let mut lesson = self.lesson().get();
        // One that took longer would have been a cheaper sleep. Perhaps it was preempted, by the thread that gave the
        // token: that was luck, not looking.
        if found && took <= cost {
            self.ease.set(0);
            self.trial.set(self.trial.get().saturating_sub(TRIAL / TRIAL_SUCCESSES));
            lesson.doubt = 0;
            lesson.hint = None;
            // An advance of `S`, so that one failure does not end what has just begun.
            lesson.credit = (lesson.credit.max(cost) + cost - took).min(MAX_CREDIT * cost);
            lesson.reach = u32::from(lesson.reach).max(took * 2 + u32::from(MIN_REACH)).min(cost) as u16;
        } else if lesson.credit > took {
            lesson.credit -= took;
        } else if lesson.credit == 0 && self.trial.get() > 0 {
            // While it finds tokens, however late, it goes on: those who give them may be on their way.
            self.trial.set(if found { self.trial.get().saturating_sub(took) } else { 0 });
        } else {
            let doubt = (lesson.doubt + u8::from(lesson.hint.is_some())).min(MAX_DOUBT);
            lesson = Lesson { doubt, hint: None, reach: MAX_COST, credit: 0 };
        }
        self.lesson().set(lesson);
    }

    /// Learns that the deadline came before the end of a look of so long: nothing, but that it spent its length.
    pub(crate) fn was_cut_short(&self, took: u32) {
        let lesson = self.lesson().get();
        self.lesson().set(Lesson { credit: lesson.credit.saturating_sub(took), ..lesson });
        self.trial.set(self.trial.get().saturating_sub(took));
        self.eager.set(false);
    }

    /// Learns that too many look already: the same as a look that failed for `S`, but for the time it would have taken.
    pub(crate) fn was_refused(&self) {
        self.looked(self.cost().into(), false);
    }

    /// Learns from the end of a wait: how long it looked, if it did, and how it went on.
    ///
    /// Returns whether that is news for the process.
    pub(crate) fn waited(&self, looked: Option<u32>, sleep: Sleep) -> bool {
        if !self.learns() {
            return false;
        }
        let cost = self.cost();
        let slept = match sleep {
            Sleep::Spared => 0,
            Sleep::Took(slept) | Sleep::TimedOut(slept) => slept,
            Sleep::GaveWay => u32::MAX,
        };
        let soon = looked.unwrap_or(0).saturating_add(slept) <= cost.into();
        if soon && matches!(sleep, Sleep::TimedOut(_)) {
            // Who knows how long it would have been.
            return false;
        }
        let lesson = self.lesson().get();
        let is_novice = lesson.hint.is_none() && lesson.credit == 0 && self.trial.get() == 0;
        if !soon && looked.is_none() && self.history.get() == 0 && is_novice {
            // As most waits of those who sleep long. There is no more to learn from it.
            let ease = self.ease.get();
            self.calm_down(1 << ease);
            self.ease.set((ease + 1).min(MAX_EASE));
            return ease < MAX_EASE;
        }
        if soon {
            self.ease.set(0);
        }
        if slept > cost.into() {
            // A trial is for near misses.
            self.trial.set(0);
        } else if looked.is_some() && matches!(sleep, Sleep::Took(_)) {
            let fails_often = lesson.doubt >= TRIAL_DOUBT && lesson.credit == 0;
            if fails_often && self.savings.get() == TRIAL {
                self.trial.set(self.savings.take());
            }
        }
        if sleep != Sleep::Spared {
            self.savings.set((self.savings.get() + u32::from(cost) / SLEEP_TO_TRIALS).min(TRIAL));
            self.slept(looked.is_some(), soon, slept <= AT_ONCE);
        }
        self.history.set((self.history.get() * 2 + u8::from(soon)) % HISTORIES as u8);
        let only_soon = self.history.get() == HISTORIES as u8 - 1;
        let is_rich = self.lesson().get().credit >= (MAX_CREDIT - 1) * u32::from(cost);
        self.eager.set(sleep == Sleep::Spared && only_soon && is_rich);
        false
    }

    #[cfg(all(test, not(any(loom, shuttle))))]
    pub(crate) fn has_seen_a_short_wait(&self) -> bool {
        self.history.get() > 0
    }

    #[cfg(all(test, not(any(loom, shuttle))))]
    pub(crate) fn has_seen_a_wake_up(&self) -> bool {
        self.wake_up.get() != FIRST_WAKE_UP
    }

    /// Sleeps at once for a while: there is no other CPU, so nothing to look for or to learn.
    pub(crate) fn rest(&self) {
        self.calm.set(1 << MAX_EASE);
    }

    /// Sleeps through so many waits, or half as many more or less, without a thought.
    fn calm_down(&self, waits: u16) {
        self.calm.set(waits / 2 + self.draw(waits));
    }

    /// Learns from a wake-up, and from what is known in the process, how long wake-ups take; returns it if it is news.
    ///
    /// Of all in the process, as some threads may always find their core busy. That is not what a wake-up costs, so it
    /// is a value that a third of all are below; and none moves it by more than a step, however long or short it was.
    pub(crate) fn woke_up(&self, known: u16, came: u32, delay: u32) -> Option<u16> {
        let delay = u16::try_from(delay).unwrap_or(u16::MAX);
        let wake_up = if came < ASLEEP {
            known
        } else if delay < known {
            delay.max(known - known / 8)
        } else {
            delay.min(known.saturating_add(known / 16 + 1))
        };
        self.wake_up.set(wake_up);
        // A little more or less is not worth the cache line that all share.
        (wake_up.abs_diff(known) > known / 64).then_some(wake_up)
    }

    fn slept(&self, looked: bool, soon: bool, at_once: bool) {
        let mut lesson = self.lesson().get();
        if looked && lesson.credit > 0 {
            // Further if it was close; else less far, down to what pays.
            let reach = if soon { lesson.reach.saturating_mul(2) } else { lesson.reach - lesson.reach / 4 };
            lesson.reach = reach.clamp(MIN_REACH, self.cost());
        }
        let doubt = if at_once { lesson.doubt.min(AT_ONCE_DOUBT) } else { lesson.doubt };
        let is_hint = soon && !looked && lesson.hint.is_none() && lesson.credit == 0;
        if is_hint && self.draw(1 << doubt) == 0 {
            // At the next wait or the one after that, at random: else a pattern of waits could lead each look to a long
            // one.
            lesson.hint = Some(self.draw(2) as u8);
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

    /// What wake-ups take here, and what a sleep costs then.
    const WAKE_UP: u16 = 10_000;
    const COST: u32 = 20_000;
    const S: u64 = COST as u64;

    fn newborn(prior: Levels, seed: u32) -> Learner {
        Learner::new(Spin::adaptive(), prior, WAKE_UP, seed)
    }

    fn adult(doubt: u8, ease: u8, seed: u32) -> Learner {
        newborn(Levels { doubts: [doubt; HISTORIES], ease }, seed)
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
            // Who does not look does not find, however short the wait is.
            let found = budget > 0 && wait <= budget;
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
        fn at_most_twice_the_best_choice_in_hindsight(pattern in pattern(), seed: u32, doubt in 0..=MAX_DOUBT, ease in 0..=MAX_EASE) {
            let learner = adult(doubt, ease, seed);
            let waits = pattern.iter().flat_map(|&(wait, times)| std::iter::repeat(wait).take(times));
            let rounds = 200_000 / waits.clone().count() + 1;
            let costs = play(&learner, std::iter::repeat(waits).take(rounds).flatten());
            let warm_up = (HISTORIES as u64 * S) << (MAX_DOUBT + 2);
            prop_assert!(costs.ours <= 2 * costs.sleeping, "{costs:?}");
            prop_assert!(costs.ours <= 2 * costs.looking + warm_up, "{costs:?}");
        }

        #[test]
        fn long_waits_cost_no_more_than_sleeping(waits in prop::collection::vec(COST + 1..u32::MAX / 2, 1..100), seed: u32, doubt in 0..=MAX_DOUBT, ease in 0..=MAX_EASE) {
            let costs = play(&adult(doubt, ease, seed), waits.iter().copied().cycle().take(20_000));
            prop_assert_eq!(costs.ours, costs.sleeping);
        }
    }

    #[test]
    fn a_parker_that_was_idle_notices_a_burst() {
        for seed in 0..100 {
            let learner = adult(0, 0, seed);
            play(&learner, std::iter::repeat(5_000_000).take(10_000));
            let burst = play(&learner, std::iter::repeat(1_000).take(1_000));
            assert!(burst.ours < burst.looking + 100 * S, "{burst:?}");
        }
    }

    #[test]
    fn a_young_parker_notices_a_burst_sooner_the_younger_it_is() {
        for seed in 0..100 {
            for long_waits in 0..10 {
                let learner = adult(0, 0, seed << 25);
                play(&learner, std::iter::repeat(5_000_000).take(long_waits));
                let short = play(&learner, std::iter::repeat(1_000).take(1_000));
                assert!(short.ours <= short.looking + (5 + 2 * long_waits as u64) * S, "{long_waits}: {short:?}");
            }
        }
    }

    #[test]
    fn waits_that_alternate_are_told_apart() {
        for pattern in [&[2_000, 5_000_000][..], &[5_000, 5_000, 1_000_000], &[1_000, 300_000, 300_000]] {
            for seed in 0..100 {
                let learner = adult(0, 0, seed);
                play(&learner, std::iter::repeat(5_000_000).take(10_000));
                play(&learner, pattern.iter().copied().cycle().take(300));
                let costs = play(&learner, pattern.iter().copied().cycle().take(30_000));
                let best: u64 = pattern.iter().map(|wait| S.min((*wait).into())).sum();
                let best = best * 30_000 / pattern.len() as u64;
                assert!(costs.ours * 100 <= best * 102, "{costs:?}, the best is {best}");
            }
        }
    }

    const NOVICE: Lesson = Lesson { doubt: 0, hint: None, reach: MAX_COST, credit: 0 };

    const SOON: Sleep = Sleep::Took(20_000);
    const LONG: Sleep = Sleep::Took(1_000_000);

    fn adaptive(history: u8, lesson: Lesson) -> Learner {
        let learner = newborn(Levels::default(), 0);
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
    fn outcomes<R: Ord>(draw: impl Fn(&Learner) -> R) -> std::collections::BTreeSet<R> {
        let draws = (0..u32::MAX).step_by(1 << 22).map(|seed| {
            let learner = adaptive(0, NOVICE);
            learner.random.set(seed);
            draw(&learner)
        });
        draws.collect()
    }

    #[test]
    fn a_look_that_finds_the_token_earns_credit_and_clears_all_doubt() {
        let before = Lesson { doubt: 2, hint: Some(0), reach: 5_000, ..NOVICE };
        let found = after(before, |learner| {
            learner.ease.set(3);
            learner.looked(4_000, true);
            assert_eq!(learner.ease.get(), 0);
        });
        assert_eq!(found, Lesson { reach: 9_000, credit: 36_000, ..NOVICE });
        let found = after(found, |learner| learner.looked(0, true));
        assert_eq!(found, Lesson { reach: 9_000, credit: 56_000, ..NOVICE });
        let found = after(found, |learner| learner.looked(20_000, true));
        assert_eq!(found, Lesson { reach: 20_000, credit: 56_000, ..NOVICE });
        let found = after(found, |learner| learner.looked(0, true));
        assert_eq!(found, Lesson { reach: 20_000, credit: 60_000, ..NOVICE });
    }

    #[test]
    fn a_look_that_fails_spends_credit() {
        let rich = Lesson { doubt: 3, reach: 5_000, credit: 9_000, ..NOVICE };
        let failed = after(rich, |learner| learner.looked(5_000, false));
        assert_eq!(failed, Lesson { credit: 4_000, ..rich });
        let poor = Lesson { doubt: 3, ..NOVICE };
        // The same for one that was preempted, if it found the token or not.
        assert_eq!(after(rich, |learner| learner.looked(20_001, true)), poor);
        for credit in [0, 5_000] {
            assert_eq!(after(Lesson { credit, ..rich }, |learner| learner.looked(5_000, false)), poor);
        }
    }

    #[test]
    fn a_hint_that_led_astray_adds_to_the_doubt() {
        for (doubt, more) in [(3, 4), (MAX_DOUBT, MAX_DOUBT)] {
            let hinted = Lesson { doubt, hint: Some(0), ..NOVICE };
            let failed = after(hinted, |learner| learner.looked(20_000, false));
            assert_eq!(failed, Lesson { doubt: more, ..NOVICE });
        }
    }

    #[test]
    fn a_near_miss_leads_to_a_trial() {
        let near_miss = |doubt| {
            let learner = adaptive(3, Lesson { doubt, hint: Some(0), ..NOVICE });
            learner.looked(20_000, false);
            learner.waited(Some(20_000), SOON);
            learner
        };
        let learner = near_miss(2);
        // The wait is not over within `S`: the next one has another history.
        assert_eq!((learner.history.get(), learner.next_look()), (2, 500_000));
        // Found, but late.
        learner.looked(440_000, true);
        learner.waited(Some(440_000), Sleep::Spared);
        assert_eq!((learner.history.get(), learner.next_look()), (0, 60_000));
        learner.looked(20_001, true);
        assert_eq!(learner.next_look(), 39_999);
        learner.looked(40_000, true);
        assert_eq!(learner.next_look(), 0);
        assert_eq!(learner.lessons().iter().map(|lesson| lesson.get().doubt).sum::<u8>(), 3);

        let ends = |learn: fn(&Learner)| {
            let learner = near_miss(2);
            learn(&learner);
            learner.trial.get() == 0
        };
        assert!(ends(|learner| learner.looked(500_000, false)));
        assert!(ends(|learner| (0..16).for_each(|_| learner.looked(20_000, true))));
        assert!(!ends(|learner| (0..15).for_each(|_| learner.looked(20_000, true))));
        assert!(ends(|learner| _ = learner.waited(Some(100_000), Sleep::Took(20_001))));
        assert!(ends(|learner| _ = learner.waited(Some(100_000), Sleep::GaveWay)));
        assert!(!ends(|learner| _ = learner.waited(Some(100_000), SOON)));

        let begins = |doubt, savings| {
            let learner = adaptive(3, Lesson { doubt, hint: Some(0), ..NOVICE });
            learner.savings.set(savings);
            learner.looked(20_000, false);
            assert_eq!(learner.trial.get(), 0);
            learner.waited(Some(20_000), SOON);
            let began = learner.trial.get() > 0;
            // The sleep has saved some, too.
            assert_eq!((learner.trial.get(), learner.savings.get()), if began { (TRIAL, 1_250) } else { (0, TRIAL) });
            began
        };
        let all = |savings| [0, 1, 2, 3, MAX_DOUBT].map(|doubt| begins(doubt, savings));
        assert_eq!(all(500_000), [false, false, true, true, true]);
        assert_eq!(all(499_999), [false; 5]);
        let savings = |doubts, sleeps| {
            let learner = newborn(Levels { doubts, ease: 0 }, 0);
            (0..sleeps).for_each(|_| _ = learner.waited(None, SOON));
            learner.savings.get()
        };
        assert_eq!(savings([1; 4], 0), 500_000);
        assert_eq!(
            [0, 1, 399, 400, 401].map(|sleeps| savings([0, 2, 0, 0], sleeps)),
            [0, 1_250, 498_750, 500_000, 500_000]
        );
        // Nor is there one after other ends of the wait, without a look, or with credit left.
        for (credit, looked, sleep) in [
            (0, Some(20_000), LONG),
            (0, Some(20_000), Sleep::GaveWay),
            (0, Some(20_000), Sleep::Spared),
            (0, None, SOON),
            (1, Some(20_000), SOON),
        ] {
            let learner = adaptive(3, Lesson { doubt: 3, credit, ..NOVICE });
            learner.waited(looked, sleep);
            assert_eq!(learner.trial.get(), 0, "{sleep:?}");
        }
        // Who has credit looks for as long as that says.
        let learner = near_miss(2);
        learner.lesson().set(Lesson { credit: 5_000, reach: 4_000, ..NOVICE });
        assert_eq!(learner.next_look(), 4_000);
        learner.looked(4_000, false);
        assert_eq!((learner.lesson().get().credit, learner.trial.get()), (1_000, 500_000));
        learner.looked(4_000, false);
        assert_eq!((learner.lesson().get().credit, learner.trial.get()), (0, 500_000));
    }

    #[test]
    fn a_look_that_was_cut_short_spends_its_length() {
        let hinted = Lesson { doubt: 2, hint: Some(0), credit: 9_000, ..NOVICE };
        let cut = after(hinted, |learner| {
            learner.trial.set(10_000);
            learner.eager.set(true);
            learner.was_cut_short(5_000);
            assert_eq!((learner.trial.get(), learner.is_eager()), (5_000, false));
        });
        assert_eq!(cut, Lesson { credit: 4_000, ..hinted });
        assert_eq!(after(cut, |learner| learner.was_cut_short(5_000)).credit, 0);
    }

    #[test]
    fn who_has_credit_or_a_trial_does_not_calm_down() {
        for (credit, trial) in [(1, 0), (0, 1)] {
            let learner = adaptive(0, Lesson { credit, ..NOVICE });
            learner.ease.set(6);
            learner.trial.set(trial);
            assert!(!learner.waited(None, LONG));
            assert_eq!((learner.calm.get(), learner.trial.get()), (0, 0));
            assert_eq!(after(Lesson { credit: 1, ..NOVICE }, |learner| learner.waited(None, SOON)).hint, None);
        }
    }

    #[test]
    fn a_token_from_the_cpu_that_was_left_is_no_hint() {
        let learner = adaptive(3, NOVICE);
        learner.waited(None, Sleep::GaveWay);
        assert_eq!((learner.history.get(), learner.lessons()[3].get()), (2, NOVICE));
        learner.waited(None, Sleep::GaveWay);
        assert!(learner.waited(None, Sleep::GaveWay));
        assert_eq!(learner.ease.get(), 1);
    }

    #[test]
    fn who_has_neither_credit_nor_a_hint_does_not_look() {
        let looks = |lesson| {
            let learner = adaptive(0, lesson);
            [(); 4].map(|()| learner.next_look())
        };
        assert_eq!(looks(NOVICE), [0; 4]);
        assert_eq!(looks(Lesson { credit: 1, ..NOVICE }), [20_000; 4]);
        assert_eq!(looks(Lesson { credit: 1, reach: 7_000, ..NOVICE }), [7_000; 4]);
        assert_eq!(looks(Lesson { hint: Some(2), reach: 7_000, ..NOVICE }), [0, 0, 7_000, 7_000]);
        let learner = adaptive(0, Lesson { hint: Some(0), ..NOVICE });
        learner.wake_up.set(8_000);
        assert_eq!(learner.next_look(), 16_000);
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
                for &(looked, sleep) in &waits {
                    learner.waited(looked, sleep);
                }
                assert_eq!(learner.history.get(), history, "{waits:?}");
            }
        }
    }

    #[test]
    fn time_that_was_up_soon_says_nothing() {
        let lesson = Lesson { reach: 5_000, credit: 9_000, ..NOVICE };
        for looked in [None, Some(5_000)] {
            let learner = adaptive(3, lesson);
            assert!(!learner.waited(looked, Sleep::TimedOut(15_000)));
            assert_eq!((learner.history.get(), learner.lesson().get()), (3, lesson));
        }
    }

    /// For how many waits one may calm down after a wait.
    fn calms(history: u8, lesson: Lesson, next: Lesson, ease: u8, sleep: Sleep) -> std::collections::BTreeSet<u16> {
        outcomes(|learner| {
            learner.lessons().iter().for_each(|lesson| lesson.set(next));
            learner.history.set(history);
            learner.lesson().set(lesson);
            learner.ease.set(ease);
            learner.waited(None, sleep);
            learner.calm.get()
        })
    }

    #[test]
    fn parkers_calm_down_while_all_waits_are_long() {
        for (ease, calm) in [(0, 0..1), (1, 1..3), (2, 2..6), (3, 4..12), (4, 8..24), (5, 16..48), (6, 32..96)] {
            assert_eq!(calms(0, NOVICE, NOVICE, ease, LONG), calm.collect());
        }
        let hinted = Lesson { hint: Some(1), ..NOVICE };
        for (history, lesson, sleep) in [(1, NOVICE, LONG), (2, NOVICE, LONG), (0, hinted, LONG), (0, NOVICE, SOON)] {
            assert_eq!(calms(history, lesson, NOVICE, 6, sleep), [0].into());
        }

        let learner = adaptive(0, NOVICE);
        let news = [(); 8].map(|()| learner.waited(None, LONG));
        assert_eq!(news, [true, true, true, true, true, true, false, false]);
        assert_eq!(learner.ease.get(), 6);
        learner.waited(Some(1), LONG);
        assert_eq!(learner.ease.get(), 6);
        learner.waited(None, SOON);
        assert_eq!(learner.ease.get(), 0);
    }

    #[test]
    fn who_has_no_other_cpu_rests() {
        let learner = adaptive(0, NOVICE);
        learner.rest();
        assert_eq!((0..100).take_while(|_| learner.is_calm()).count(), 64);
        assert!(fixed(Spin::off()).is_calm());
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
        let hinted = Lesson { doubt: 2, hint: Some(0), ..NOVICE };
        assert_eq!(refused(hinted), Lesson { doubt: 3, ..NOVICE });
    }

    #[test]
    fn what_a_wake_up_takes_says_what_a_sleep_costs() {
        let learner = adaptive(0, NOVICE);
        for (known, delay, wake_up) in
            [(16_000, 2_000, 14_000), (16_000, 15_000, 15_000), (16_000, 17_000, 17_000), (16_000, u32::MAX, 17_001)]
        {
            assert_eq!(learner.woke_up(known, 3_000, delay), Some(wake_up));
            assert_eq!(learner.wake_up.get(), wake_up);
            // Who knows whether that one was asleep.
            assert_eq!(learner.woke_up(known, 2_999, delay), None);
            assert_eq!(learner.wake_up.get(), known);
        }
        for (known, delay, wake_up) in [(9_000, 9_000, 9_000), (640, 630, 630), (640, 650, 650), (0, 0, 0)] {
            assert_eq!(learner.woke_up(known, 3_000, delay), None);
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
        let hints = |doubt, hint, looked, sleep| {
            outcomes(move |learner| {
                learner.history.set(3);
                let cell = learner.lesson();
                cell.set(Lesson { doubt, hint, ..NOVICE });
                learner.waited(looked, sleep);
                let lesson = cell.get();
                assert_eq!(lesson, Lesson { doubt, hint: lesson.hint, ..NOVICE });
                lesson.hint
            })
        };
        assert_eq!(hints(0, None, None, SOON), [Some(0), Some(1)].into());
        assert_eq!(hints(1, None, None, SOON), [None, Some(0), Some(1)].into());
        assert_eq!(hints(0, Some(7), None, SOON), [Some(7)].into());
        assert_eq!(hints(0, None, Some(1), SOON), [None].into());
        assert_eq!(hints(0, None, None, Sleep::Took(20_001)), [None].into());

        let believed = |doubt, came| {
            let learner = adaptive(3, NOVICE);
            let believed = |_: &u32| {
                learner.history.set(3);
                learner.lesson().set(Lesson { doubt, ..NOVICE });
                learner.waited(None, Sleep::Took(came));
                learner.lessons()[3].get().hint.is_some()
            };
            (0..100_000).filter(believed).count()
        };
        for (doubt, came, least, most) in [
            (2, 20_000, 24_000, 26_000),
            (5, 1_001, 2_900, 3_350),
            (0, 1_000, 100_000, 100_001),
            (1, 1_000, 49_000, 51_000),
            (5, 1_000, 49_000, 51_000),
        ] {
            let count = believed(doubt, came);
            assert!((least..most).contains(&count), "{doubt}, {came} ns: {count}");
        }
    }

    /// Between two threads, of which each puts the other one to sleep or finds it awake. On some virtual machines, a look
    /// delays the wake-up that it waits for: by up to a time slice of the hypervisor, which had put both CPUs on one.
    #[test]
    fn two_that_put_each_other_to_sleep_find_out() {
        for (wake_up, delay) in
            [(5_000, 0), (20_000, 0), (40_000, 0), (55_000, 0), (25_000, 100_000), (40_000, 100_000)]
        {
            for (doubt, ease, by) in [
                (0, 0, if delay > 0 { 2_000 } else { 60 }),
                (0, MAX_EASE, 4_000),
                (MAX_DOUBT, 0, 6_000),
                (MAX_DOUBT, MAX_EASE, 8_000),
            ] {
                for seed in 0..100 {
                    let pair = [seed, !seed].map(|seed| (adult(doubt, ease, seed), Cell::new(true)));
                    pair.iter().for_each(|(learner, _)| learner.wake_up.set(FIRST_WAKE_UP));
                    let mut known = FIRST_WAKE_UP;
                    let mut last_sleep = 0;
                    for turn in 0..2 * by {
                        let (learner, asleep) = &pair[turn % 2];
                        let calm = learner.is_calm();
                        let budget = if calm { 0 } else { learner.next_look() };
                        let wait = 200 + if pair[1 - turn % 2].1.get() { wake_up + budget.min(delay) } else { 0 };
                        let found = budget > 0 && wait <= budget;
                        asleep.set(!found);
                        let looked = (budget > 0).then_some(wait.min(budget));
                        if let Some(look) = looked {
                            learner.looked(look, found);
                        }
                        if !calm {
                            let slept = wait - looked.unwrap_or(0);
                            if !found && slept <= LONGEST_LOOK {
                                known = learner.woke_up(known, slept, wake_up).unwrap_or(known);
                            }
                            learner.waited(looked, if found { Sleep::Spared } else { Sleep::Took(slept) });
                        }
                        last_sleep = if found { last_sleep } else { turn };
                    }
                    assert!(last_sleep < by, "{wake_up} ns, doubt {doubt}, ease {ease}, seed {seed}: {last_sleep}");
                }
            }
        }
    }

    #[test]
    fn a_new_parker_starts_where_the_process_stands_and_teaches_it() {
        let prior = Levels { doubts: [1, 2, 3, 12], ease: 4 };
        let learner = Learner::new(Spin::adaptive(), prior, 25_000, 17);
        assert_eq!([0, 1, 2, 3].map(|history| learner.lessons()[history].get().doubt), prior.doubts);
        assert_eq!((learner.ease.get(), learner.cost()), (4, 50_000));
        for (ease, calm) in [(0, 0..1), (1, 0..2), (4, 0..16), (6, 0..64)] {
            let prior = Levels { ease, ..prior };
            assert_eq!(outcomes(|learner| newborn(prior, learner.random.get()).calm.get()), calm.collect());
        }

        let learner = adaptive(2, NOVICE);
        learner.ease.set(3);
        assert_eq!(learner.teach(prior), Levels { doubts: [1, 2, 2, 12], ease: 3 });
        assert_eq!(learner.teach(Levels::default()), Levels { doubts: [0; 4], ease: 1 });
    }

    fn fixed(spin: Spin) -> Learner {
        Learner::new(spin, Levels { ease: MAX_EASE, ..Levels::default() }, WAKE_UP, 0)
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
            let learner = fixed(spin);
            assert!(!learner.learns() && !learner.learns_from_success());
            assert_eq!(learner.calm.get(), 0);
            for found in [true, false] {
                learner.looked(1, found);
                assert!(!learner.waited(Some(1), Sleep::Took(1)));
                assert_eq!(learner.history.get(), 0);
                assert_eq!(learner.next_look(), nanos);
            }
        }
    }

    #[test]
    fn levels_survive_their_bits() {
        for ease in 0..=MAX_EASE {
            for doubt in 0..=MAX_DOUBT {
                let levels = Levels { doubts: [doubt, 0, 3, MAX_DOUBT - doubt], ease };
                assert_eq!(Levels::from_bits(levels.to_bits()), levels);
            }
        }
        let most = Levels { doubts: [MAX_DOUBT; HISTORIES], ease: MAX_EASE };
        assert_eq!(Levels::from_bits(u32::MAX), most);
    }

    #[test]
    fn a_step_goes_one_further() {
        assert_eq!([0, 4, 5, 6, 12].map(|to| step(5, to)), [4, 4, 5, 6, 6]);
    }
}
