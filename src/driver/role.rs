//! The role: which thread of the group polls, and who takes over when it leaves.
//!
//! # Transitions
//!
//! The word is VACANT, or the number of the slow path whose thread holds the role, with WAITING while that thread is within
//! `EventLoop::wait` or about to be.
//!
//! | transition | by | word | under the lock |
//! | --- | --- | --- | --- |
//! | [`look`](Role::look) | a thread about to sleep, or woken in its bed | VACANT to its number, WAITING: it polls. Not if it is the standby before its time, nor for a bare thread beside a sleeping worker, unless it is the standby | joins or leaves the list of sleepers; a standby goes on to count, or stops; one that finds the role held, though often left, becomes the standby if there is none of its rank or a higher one; a worker beside a bare thread that polls interrupts that one |
//! | [`awake`](Role::awake) | the holder, after `wait` | clear WAITING | no lock |
//! | [`again`](Role::again) | the holder, if it has no token after `deliver` | set WAITING; not for a bare thread beside a sleeping worker | |
//! | [`give_up`](Role::give_up) | the holder | to VACANT | sleepers, and no standby: arms one. At once, also beside a standby, if one of them looked while the word was BUSY, or for a bare thread beside a sleeping worker. If it has not polled, the time until which a standby counts is not put off: one that sleeps beyond it is armed again, at once if it has passed |
//! | [`leave`](Role::leave) | a thread that has slept in its bed | no change | leaves the list. The standby, role VACANT: arms another |
//! | [`take_now`](Role::take_now) | a busy thread | VACANT to BUSY | |
//! | [`set_hand_over_after`](Role::set_hand_over_after) | any thread | no change | a standby, or the role VACANT: arms one at once |
//!
//! To *arm* is to choose the sleeper with the highest rank as the standby, and to wake it in its bed. If the role was vacated
//! for the first time in `hand_over_after`, that sleeper takes it at once. Otherwise it counts down: it takes the role when that has
//! been vacant for `hand_over_after`, and stops to count after a period in which the role was held and taken at most once.
//!
//! **Invariant.** While a thread sleeps in its bed, the role is held, or there is a standby: it counts down, by `hand_over_after` at the
//! latest, or a wake is on its way to it. (If `hand_over_after` is `MAX`, only once a thread has gone to sleep since the role was given
//! up, or beside a BUSY holder.) A thread joins the list only if the role is held or there is a standby. A holder that leaves arms a
//! standby if there is none, a standby that leaves arms another or finds the role held, and one stops to count only if the role is
//! held. One that is replaced when another thread goes to its bed leaves that one counting.
//!
//! # Orderings
//!
//! One `SeqCst` fence of the polling thread, between the WAITING of the word and its look at the token and the timers, pairs with one
//! in [`polls`](Role::polls), between the token or the timer and the look at the word. Whichever fence is first: either the
//! polling thread sees the token or the timer, or the other thread sees WAITING and calls the interrupter, which is sticky.
//!
//! All else is Relaxed. The word changes from and to VACANT under the lock, which orders what the lock protects. Whoever reads a stale WAITING
//! interrupts once too often. The token of a bed wakes a thread that has left the role before it could be interrupted.

use crate::sync::atomic::{fence, AtomicUsize, Ordering};
use crate::sync::{deadline_after, has_passed, lock, Mutex};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

const VACANT: usize = 0;
/// The thread that holds the role is within `wait`, or about to be.
const WAITING: usize = 1;
/// Held for a moment by a thread that does not sleep.
const BUSY: usize = 2;

/// Where a thread sleeps that does not poll. Its token means that the thread must look again.
pub(super) trait Bed: Send + Sync {
    fn unpark(&self);
}

/// A slow path of the group, as the role knows it.
#[derive(Clone, Copy)]
pub(super) struct Member {
    /// Even, greater than BUSY, and different from that of all other slow paths.
    pub(super) number: usize,
    /// The place in a set of workers, from 1; zero for a bare parker.
    pub(super) rank: usize,
}

/// What a thread does after a look at the role.
pub(super) enum Turn {
    Poll,
    /// In its bed, until it is woken, or until this time.
    Sleep(Option<Instant>),
}

/// For how long the standby sleeps.
#[derive(Clone, Copy)]
struct Period {
    end: Option<Instant>,
    /// How often the role had been taken when the period began.
    taken: usize,
}

/// A thread that must be woken, once the lock is free.
#[must_use]
pub(super) struct Armed(Option<Arc<dyn Bed>>);

impl Armed {
    /// Returns whether there is one.
    pub(super) fn wake(self) -> bool {
        self.0.map(|bed| bed.unpark()).is_some()
    }
}

pub(super) struct Role {
    word: AtomicUsize,
    group: Mutex<Group>,
}

struct Group {
    hand_over_after: Duration,
    /// The threads in their beds.
    asleep: Vec<Asleep>,
    standby: Option<Standby>,
    /// The rank of the thread that took the role last.
    holder: usize,
    /// When the standby takes the role if it is still vacant. `None` before the role is first given up beside a sleeper.
    due: Option<Instant>,
    /// Whether that time had not come yet when the role was last given up.
    often_left: bool,
    /// How often the role was taken.
    taken: usize,
    /// A thread has gone to its bed that would have polled, if a busy thread did not at that moment.
    missed: bool,
}

struct Asleep {
    member: Member,
    bed: Arc<dyn Bed>,
}

struct Standby {
    bed: usize,
    rank: usize,
    /// It takes the role as soon as it looks.
    at_once: bool,
    /// `None` until it counts down.
    period: Option<Period>,
}

impl Standby {
    fn new(member: Member, bed: &Arc<dyn Bed>, at_once: bool) -> Self {
        Self { bed: address(bed), rank: member.rank, at_once, period: None }
    }

    /// Whether it sleeps for longer than until this time.
    fn counts_beyond(&self, due: Option<Instant>) -> bool {
        self.period.is_some_and(|period| due.is_some_and(|due| period.end.is_none_or(|end| end > due)))
    }
}

fn address(bed: &Arc<dyn Bed>) -> usize {
    Arc::as_ptr(bed).cast::<()>() as usize
}

impl Role {
    pub(super) fn new(hand_over_after: Duration) -> Self {
        let group = Group {
            hand_over_after,
            asleep: Vec::new(),
            standby: None,
            holder: 0,
            due: None,
            often_left: false,
            taken: 0,
            missed: false,
        };
        Self { word: AtomicUsize::new(VACANT), group: Mutex::new(group) }
    }

    /// A standby sleeps until the former time is over, and after `MAX` there is none. So one that looks at once takes its place.
    pub(super) fn set_hand_over_after(&self, time: Duration) -> Armed {
        let mut group = lock(&self.group);
        group.hand_over_after = time;
        group.often_left = false; // by the former time
        match group.standby.is_some() || self.word() == VACANT {
            true => group.arm(true),
            false => Armed(None),
        }
    }

    fn word(&self) -> usize {
        // Relaxed: see the head of this file.
        self.word.load(Ordering::Relaxed)
    }

    fn set(&self, word: usize) {
        // Relaxed: see the head of this file.
        self.word.store(word, Ordering::Relaxed);
    }

    fn take(&self, group: &mut Group, word: usize, rank: usize) {
        group.taken = group.taken.wrapping_add(1);
        group.holder = rank;
        self.set(word);
    }

    /// Whether a thread holds the role: a hint.
    pub(super) fn is_held(&self) -> bool {
        self.word() != VACANT
    }

    /// Whether a thread of this slow path, or of any, waits in the event loop. Called after a token or a timer was set.
    pub(super) fn polls(&self, number: Option<usize>) -> bool {
        fence(Ordering::SeqCst); // between the token or the timer and the word; pairs with that in `before_wait`
        let word = self.word();
        word & WAITING != 0 && number.is_none_or(|number| word == number | WAITING)
    }

    /// The holder's last step before it looks at the token, and then waits in the event loop, which looks at the timers.
    pub(super) fn before_wait(&self) {
        fence(Ordering::SeqCst); // between the word and the token or the timers; pairs with that in `polls`
    }

    /// The holder does not wait in the event loop any more.
    pub(super) fn awake(&self, member: Member) {
        self.set(member.number);
    }

    /// A thread without a token polls or sleeps. `listed`: whether it is in the list of sleepers.
    ///
    /// Calls `interrupt` if the thread is a worker, and a bare thread polls in its place.
    pub(super) fn look(&self, member: Member, bed: &Arc<dyn Bed>, listed: &mut bool, interrupt: impl FnOnce()) -> Turn {
        let mut group = lock(&self.group);
        let word = self.word();
        let standby = group.standby.as_ref().filter(|standby| *listed && standby.bed == address(bed));
        let (is_standby, at_once) = (standby.is_some(), standby.is_some_and(|standby| standby.at_once));
        let is_early = is_standby && !at_once && !has_passed(group.due);
        let gives_way = !is_standby && group.gives_way(member);
        if word == VACANT && !is_early && !gives_way {
            if mem::take(listed) {
                group.remove(bed);
            }
            if is_standby {
                group.standby = None;
            }
            self.take(&mut group, member.number | WAITING, member.rank);
            return Turn::Poll;
        }
        group.missed |= word == BUSY;
        if !mem::replace(listed, true) {
            group.asleep.push(Asleep { member, bed: bed.clone() });
        }
        if is_standby {
            return Turn::Sleep(group.count_down(word == VACANT));
        }
        let mut end = None;
        if word > BUSY && !gives_way && group.lacks_a_standby(member) {
            // No thread has to be woken for it later.
            group.standby = Some(Standby::new(member, bed, false));
            end = group.count_down(false);
        }
        let armed = match word == VACANT && group.standby.is_none() {
            true => group.arm(true),
            false => Armed(None),
        };
        let takes_over = word & WAITING != 0 && member.rank > 0 && group.holder == 0;
        drop(group);
        armed.wake();
        if takes_over {
            interrupt();
        }
        Turn::Sleep(end)
    }

    /// A thread that has slept in its bed stops sleeping.
    pub(super) fn leave(&self, bed: &Arc<dyn Bed>) -> Armed {
        let mut group = lock(&self.group);
        group.remove(bed);
        match group.standby.take_if(|standby| standby.bed == address(bed)) {
            Some(standby) if self.word() == VACANT => group.arm(standby.at_once),
            _ => Armed(None),
        }
    }

    /// The holder has delivered, and has no token; returns whether it polls again.
    pub(super) fn again(&self, member: Member) -> bool {
        // Under the lock: a worker that goes to its bed meanwhile sees WAITING, and interrupts a bare thread.
        let group = lock(&self.group);
        let again = !group.gives_way(member);
        if again {
            self.set(member.number | WAITING);
        }
        again
    }

    /// A busy thread takes the role for a moment, if it is vacant.
    pub(super) fn take_now(&self) -> bool {
        if self.is_held() {
            return false;
        }
        let mut group = lock(&self.group);
        let vacant = self.word() == VACANT;
        if vacant {
            self.take(&mut group, BUSY, usize::MAX);
        }
        vacant
    }

    /// The holder leaves. `polled`: whether it has looked for events.
    pub(super) fn give_up(&self, polled: bool) -> Armed {
        let mut group = lock(&self.group);
        self.set(VACANT);
        let missed = mem::take(&mut group.missed);
        if group.asleep.is_empty() {
            return Armed(None);
        }
        // It was not left lately, so it may be long until the next thread takes it. Always so if it is handed over at once.
        let is_rare = group.due.is_none() || has_passed(group.due);
        let is_wanted = missed || group.gives_way(Member { number: BUSY, rank: group.holder });
        group.often_left = !is_rare;
        let former = group.due.filter(|_| !polled);
        group.due = deadline_after(group.hand_over_after).map(|due| former.map_or(due, |former| due.min(former)));
        // A standby that looked while this holder had the role counts from then.
        let counts_too_long = !polled && group.standby.as_ref().is_some_and(|standby| standby.counts_beyond(group.due));
        if is_wanted || counts_too_long || (group.standby.is_none() && group.due.is_some()) {
            return group.arm(is_rare || is_wanted);
        }
        Armed(None)
    }

    /// The beds of the threads that sleep in this slow path.
    pub(super) fn beds(&self, number: usize) -> Vec<Arc<dyn Bed>> {
        let group = lock(&self.group);
        group.asleep.iter().filter(|asleep| asleep.member.number == number).map(|asleep| asleep.bed.clone()).collect()
    }
}

impl Group {
    /// Whether this is a bare thread, and a worker sleeps that would poll in its place.
    fn gives_way(&self, member: Member) -> bool {
        member.rank == 0 && self.asleep.iter().any(|asleep| asleep.member.rank > 0)
    }

    /// Whether the role is often left, and there is no standby of the same rank or a higher one. The standby should have the highest
    /// rank, as that worker is claimed last.
    fn lacks_a_standby(&self, member: Member) -> bool {
        let is_high = self.standby.as_ref().is_some_and(|standby| standby.rank >= member.rank);
        self.often_left && !is_high && self.due.is_some() && !has_passed(self.due)
    }

    fn remove(&mut self, bed: &Arc<dyn Bed>) {
        if let Some(place) = self.asleep.iter().position(|asleep| address(&asleep.bed) == address(bed)) {
            self.asleep.swap_remove(place);
        }
    }

    /// Makes the sleeper with the highest rank the standby.
    fn arm(&mut self, at_once: bool) -> Armed {
        let highest = self.asleep.iter().max_by_key(|asleep| asleep.member.rank);
        self.standby = highest.map(|asleep| Standby::new(asleep.member, &asleep.bed, at_once));
        Armed(highest.map(|asleep| asleep.bed.clone()))
    }

    /// How long the standby sleeps that does not take the role now; without a limit once it is none any more.
    fn count_down(&mut self, vacant: bool) -> Option<Instant> {
        let taken = self.taken;
        let standby = self.standby.as_mut()?;
        if vacant {
            standby.period = Some(Period { end: self.due, taken });
            return self.due;
        }
        let period = standby.period.filter(|period| !has_passed(period.end));
        let is_quiet = standby.period.is_some_and(|period| taken.wrapping_sub(period.taken) <= 1);
        if standby.at_once || (period.is_none() && is_quiet) {
            self.standby = None;
            return None;
        }
        let begin = || Period { end: deadline_after(self.hand_over_after), taken };
        standby.period.insert(period.unwrap_or_else(begin)).end
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "role_tests.rs"]
mod tests;
