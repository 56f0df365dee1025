//! Random work on one parker, with a fixed number of steps. `examples/soak.rs` repeats it for a given time.

use crate::support::{home, random, stumble, threads, until, Slow};
use atomic_parker::{AtomicParker, ParkState};
use std::ops::AddAssign;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Counts of the calls, by result.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Tokens newly set.
    pub set: u64,
    /// Unparks that found the token set.
    pub coalesced: u64,
    /// Tokens taken by a park of any kind.
    pub taken: u64,
    /// Tokens that were set at the end of a round, after all threads had ended.
    pub left: u64,
    /// Parks that timed out.
    pub timed_out: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.set += other.set;
        self.coalesced += other.coalesced;
        self.taken += other.taken;
        self.left += other.left;
        self.timed_out += other.timed_out;
    }
}

/// One step of a parking thread. Returns whether it took a token, or `None` for a `try_park` that found none.
type Step<W> = fn(&AtomicParker<W>) -> Option<bool>;

/// `parkers` threads do `steps` each, and two others unpark until they have ended. Then `set` = `taken` + `left`.
fn account<W: Slow>(parkers: usize, steps: u32, step: Step<W>) -> Tally {
    let parker = Arc::new(AtomicParker::with_wait(W::default()));
    let at_work = Arc::new(AtomicUsize::new(parkers));

    let unparking = threads(2, {
        let (parker, at_work) = (parker.clone(), at_work.clone());
        move |_| {
            let mut tally = Tally::default();
            while at_work.load(Relaxed) > 0 {
                match parker.unpark() {
                    true => tally.set += 1,
                    false => tally.coalesced += 1,
                }
                stumble();
            }
            tally
        }
    });
    let parking = threads(parkers, {
        let parker = parker.clone();
        move |_| {
            let mut tally = Tally::default();
            for _ in 0..steps {
                match step(&parker) {
                    Some(true) => tally.taken += 1,
                    Some(false) => tally.timed_out += 1,
                    None => {}
                }
            }
            at_work.fetch_sub(1, Relaxed);
            tally
        }
    });

    let mut sum = Tally::default();
    parking.chain(unparking).map(home).for_each(|tally| sum += tally);
    sum.left = parker.try_park().into();
    assert_eq!(sum.set, sum.taken + sum.left, "tokens set, and tokens taken or left: {sum:?}");
    assert_eq!(parker.state(), ParkState::Empty, "no thread sleeps any more");
    sum
}

/// Random calls of `park`, `try_park`, `park_timeout` and `park_deadline`.
pub fn mixed<W: Slow>(steps: u32) -> Tally {
    account::<W>(4, steps, |parker| {
        let timeout = Duration::from_micros(random(150).into());
        match random(8) {
            0 | 1 => {
                parker.park();
                Some(true)
            }
            2 => parker.try_park().then_some(true),
            3 => Some(on_time(timeout, |deadline| parker.park_deadline(deadline))),
            _ => Some(on_time(timeout, |_| parker.park_timeout(timeout))),
        }
    })
}

/// Parks until a deadline, and returns whether it took a token. Panics if it timed out early.
fn on_time(timeout: Duration, park: impl FnOnce(Instant) -> bool) -> bool {
    let deadline = Instant::now() + timeout;
    let taken = park(deadline);
    assert!(taken || Instant::now() >= deadline, "false before the deadline");
    taken
}

/// Random calls of `park` and `try_park`: a lost sleeper never returns.
pub fn thieves<W: Slow>(steps: u32) -> Tally {
    account::<W>(4, steps, |parker| {
        if random(2) == 0 {
            (0..random(50)).any(|_| parker.try_park()).then_some(true)
        } else {
            parker.park();
            Some(true)
        }
    })
}

/// In each round, `sleepers` threads park once and get as many tokens. Each token must release exactly one thread.
pub fn one_each<W: Slow>(sleepers: usize, rounds: u32) -> Tally {
    let parker = Arc::new(AtomicParker::with_wait(W::default()));
    let mut tally = Tally::default();
    for _ in 0..rounds {
        let released = Arc::new(AtomicUsize::new(0));
        let parking = threads(sleepers, {
            let (parker, released) = (parker.clone(), released.clone());
            move |_| {
                parker.park();
                released.fetch_add(1, Relaxed);
            }
        });
        for token in 1..=sleepers {
            assert!(parker.unpark(), "the released sleeper took the token before");
            until(|| released.load(Relaxed) >= token);
            assert_eq!(released.load(Relaxed), token, "one token released more than one sleeper");
            tally.set += 1;
        }
        parking.for_each(home);
        tally.taken += sleepers as u64;
        assert_eq!(parker.state(), ParkState::Empty);
    }
    tally
}

/// In each round two threads park once. A third thread sets tokens and takes them back until both have returned. A
/// woken sleeper that finds no token must not cost the other one its wake.
pub fn stolen<W: Slow>(rounds: u32) -> Tally {
    let parker = Arc::new(AtomicParker::with_wait(W::default()));
    let begun = Arc::new(AtomicUsize::new(0));
    let released = Arc::new(AtomicUsize::new(0));
    let sleepers = threads(2, {
        let (parker, begun, released) = (parker.clone(), begun.clone(), released.clone());
        move |_| {
            for round in 1..=rounds as usize {
                until(|| begun.load(Relaxed) >= round);
                parker.park();
                released.fetch_add(1, Relaxed);
            }
        }
    });

    let mut tally = Tally::default();
    for round in 1..=rounds as usize {
        begun.store(round, Relaxed);
        let before = tally.taken;
        until(|| {
            for _ in 0..random(8) {
                match parker.unpark() {
                    true => tally.set += 1,
                    false => tally.coalesced += 1,
                }
                tally.taken += u64::from(tally.taken < before + 100 && parker.try_park());
            }
            released.load(Relaxed) == 2 * round
        });
        tally.taken += 2 + u64::from(parker.try_park());
        assert_eq!(tally.set, tally.taken, "tokens set, and tokens taken");
    }
    sleepers.for_each(home);
    assert_eq!(parker.state(), ParkState::Empty, "no thread sleeps any more");
    tally
}
