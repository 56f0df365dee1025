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

use super::{Kind, Spin};
use crate::sync;
use std::cell::Cell;

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
#[path = "policy_tests.rs"]
mod tests;
