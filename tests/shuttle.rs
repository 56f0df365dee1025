#![cfg(all(shuttle, feature = "shuttle"))]
//! Random and PCT schedules over scenarios that are too long for `tests/loom.rs`.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" cargo test --release --features shuttle,futex,parking_lot --test shuttle
//! ```
//!
//! The number of schedules is fixed, and each run draws new ones.
//! A failure prints its schedule, for `shuttle::replay`. Shuttle does not model weak memory: `tests/loom.rs` checks the orderings.

#[path = "models/slow.rs"]
mod slow;

use atomic_parker::model::advance_clock;
use atomic_parker::wait::{Condvar, Futex, Key, ParkingLot, Sleeper, Wait};
use atomic_parker::{AtomicParker, ParkState, Parker, Unparker};
use shuttle::rand::{thread_rng, Rng};
use shuttle::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use shuttle::thread;
use slow::Slow;
use std::sync::Arc;
use std::time::Duration;

const SCHEDULES: usize = 10_000;
/// How many preemptions PCT places.
const DEPTH: usize = 4;
const SECOND: Duration = Duration::from_secs(1);

/// Wakes are sticky, as in an event loop. It sometimes returns spuriously, and does not count its sleepers.
#[derive(Default)]
struct Sticky {
    woken: shuttle::sync::Mutex<bool>,
    changed: shuttle::sync::Condvar,
}

impl Wait for Sticky {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        if sleeper.deadline().is_some() || thread_rng().gen_ratio(1, 4) {
            return thread::yield_now();
        }
        let mut woken = self.woken.lock().unwrap();
        while !*woken {
            woken = self.changed.wait(woken).unwrap();
        }
        *woken = false;
    }

    fn wake(&self, _: Key<'_>) {
        *self.woken.lock().unwrap() = true;
        self.changed.notify_one();
    }
}

/// A slow path with delays around each step, and spurious returns.
#[derive(Default)]
struct Faulty<W>(W);

impl<W: Wait> Wait for Faulty<W> {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        thread::yield_now();
        if thread_rng().gen_ratio(3, 4) {
            self.0.wait(sleeper);
        }
        thread::yield_now();
    }

    fn wake(&self, key: Key<'_>) {
        thread::yield_now();
        self.0.wake(key);
        thread::yield_now();
    }
}

type FaultyCondvar = Faulty<Condvar>;
type FaultyFutex = Faulty<Futex>;
type FaultyParkingLot = Faulty<ParkingLot>;

macro_rules! check {
    ($($scenario:ident on $($slow:ident),+;)+) => {$(
        #[allow(non_snake_case)]
        mod $scenario {
            mod random {$(
                #[test]
                fn $slow() {
                    shuttle::check_random(super::super::$scenario::<super::super::$slow>, super::super::SCHEDULES);
                }
            )+}

            mod pct {$(
                #[test]
                fn $slow() {
                    let (schedules, depth) = (super::super::SCHEDULES, super::super::DEPTH);
                    shuttle::check_pct(super::super::$scenario::<super::super::$slow>, schedules, depth);
                }
            )+}
        }
    )+};
}

check! {
    ring on Condvar, Futex, ParkingLot, Sticky, FaultyCondvar, FaultyFutex, FaultyParkingLot;
    every_unpark_is_seen on Condvar, Futex, ParkingLot, Sticky, FaultyCondvar, FaultyFutex, FaultyParkingLot;
    tokens_add_up on Condvar, Futex, ParkingLot, Sticky, FaultyCondvar, FaultyFutex, FaultyParkingLot;
    one_token_for_many_sleepers on Condvar, Futex, ParkingLot, Sticky, FaultyCondvar, FaultyFutex, FaultyParkingLot;
    some_sleepers_time_out on Condvar, Futex, ParkingLot, FaultyCondvar, FaultyFutex, FaultyParkingLot;
    nothing_is_left_of_timeouts on Condvar, Futex, ParkingLot, FaultyCondvar, FaultyFutex, FaultyParkingLot;
}

/// One token goes around a ring of four parkers, several times.
fn ring<W: Slow>() {
    const ROUNDS: usize = 5;
    let parkers = [(); 4].map(|()| Parker::with_wait(W::default()));
    let unparkers: Vec<Unparker<W>> = parkers.iter().map(Parker::unparker).collect();
    let hops = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..)
        .zip(parkers)
        .map(|(place, parker)| {
            let next = unparkers[(place + 1) % 4].clone();
            let hops = hops.clone();
            thread::spawn(move || {
                for round in 0..ROUNDS {
                    parker.park();
                    assert_eq!(hops.fetch_add(1, Relaxed), 4 * round + place);
                    assert!(next.unpark());
                }
                parker
            })
        })
        .collect();
    assert!(unparkers[0].unpark());
    let parkers: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    // The token is back at the first parker.
    assert!(parkers[0].try_park());
    assert!(parkers.iter().all(|parker| parker.state() == ParkState::Empty));
}

/// Several threads count and unpark. A thread that parks until all have counted does not sleep for ever.
fn every_unpark_is_seen<W: Slow>() {
    const UNPARKERS: usize = 4;
    const TIMES: usize = 5;
    let parker = Parker::with_wait(W::default());
    let count = Arc::new(AtomicUsize::new(0));
    let threads = [(); UNPARKERS].map(|()| {
        let (unparker, count) = (parker.unparker(), count.clone());
        thread::spawn(move || {
            for _ in 0..TIMES {
                count.fetch_add(1, Relaxed);
                unparker.unpark();
            }
        })
    });
    while count.load(Relaxed) < UNPARKERS * TIMES {
        parker.park();
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    parker.try_park();
    assert_eq!(parker.state(), ParkState::Empty);
}

/// Several threads park, try and time out on one parker: tokens newly set = tokens taken + the token left.
fn tokens_add_up<W: Slow>() {
    const SLEEPERS: usize = 3;
    const TIMES: usize = 4;
    let parker = Arc::new(AtomicParker::with_wait(W::default()));
    let (set, taken, at_home) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let counts = Arc::new((set, taken, at_home));
    let sleepers = [(); SLEEPERS].map(|()| {
        let (parker, counts) = (parker.clone(), counts.clone());
        thread::spawn(move || {
            for _ in 0..TIMES {
                let took = match thread_rng().gen_range(0..3) {
                    0 => parker.try_park(),
                    1 => parker.park_timeout(SECOND),
                    _ => {
                        parker.park();
                        true
                    }
                };
                counts.1.fetch_add(usize::from(took), Relaxed);
            }
            counts.2.fetch_add(1, Relaxed);
        })
    });
    let clock = thread::spawn(advance_clock);
    // Until all sleepers have returned, so that none is lost.
    let unparkers = [(); 2].map(|()| {
        let (parker, counts) = (parker.clone(), counts.clone());
        thread::spawn(move || {
            while counts.2.load(Relaxed) < SLEEPERS {
                counts.0.fetch_add(usize::from(parker.unpark()), Relaxed);
                thread::yield_now();
            }
        })
    });
    sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
    unparkers.into_iter().for_each(|unparker| unparker.join().unwrap());
    clock.join().unwrap();
    let left = usize::from(parker.try_park());
    assert_eq!(counts.0.load(Relaxed), counts.1.load(Relaxed) + left);
    assert_eq!(parker.state(), ParkState::Empty);
}

/// Four sleepers and a thief pass one token on: it is never taken twice, and no sleeper is lost.
fn one_token_for_many_sleepers<W: Slow>() {
    let parker = Arc::new(AtomicParker::with_wait(W::default()));
    let sleepers = [(); 4].map(|()| {
        let parker = parker.clone();
        thread::spawn(move || {
            for _ in 0..2 {
                parker.park();
                assert!(parker.unpark());
            }
        })
    });
    let thief = {
        let parker = parker.clone();
        thread::spawn(move || {
            for _ in 0..4 {
                if parker.try_park() {
                    assert!(parker.unpark());
                }
                thread::yield_now();
            }
        })
    };
    assert!(parker.unpark());
    sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
    thief.join().unwrap();
    assert!(parker.try_park());
    assert_eq!(parker.state(), ParkState::Empty);
}

/// Two of four sleepers leave at their deadline. The other two get the one token, one after the other.
fn some_sleepers_time_out<W: Slow>() {
    let parker = Arc::new(AtomicParker::with_wait(W::default()));
    let sleepers = [true, false, true, false].map(|leaves| {
        let parker = parker.clone();
        thread::spawn(move || {
            let took = if leaves {
                parker.park_timeout(SECOND)
            } else {
                parker.park();
                true
            };
            assert!(!took || parker.unpark());
        })
    });
    let clock = thread::spawn(advance_clock);
    assert!(parker.unpark());
    sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
    clock.join().unwrap();
    assert!(parker.try_park());
    assert_eq!(parker.state(), ParkState::Empty);
}

/// The last sleeper that leaves clears PARKED.
fn nothing_is_left_of_timeouts<W: Slow>() {
    let parker = Arc::new(AtomicParker::with_wait(W::default()));
    let sleepers = [(); 4].map(|()| {
        let parker = parker.clone();
        thread::spawn(move || assert!(!parker.park_timeout(SECOND)))
    });
    advance_clock();
    sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
    assert_eq!(parker.state(), ParkState::Empty);
}
