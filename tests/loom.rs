#![cfg(all(loom, feature = "loom"))]
//! Every interleaving of small scenarios, on every slow path that can run them.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release --features loom,futex,parking_lot --test loom
//! ```
//!
//! Needs Linux, because of `Futex`.
//!
//! Each model prints the number of interleavings, and whether these are all that loom can distinguish (`complete`) or
//! only the ones with a limited number of preemptions. `tests/weaken.sh` shows that the models can fail.
//!
//! # What loom can't see
//!
//! - A failed read-modify-write that reads a stale value, which C11 allows: in loom it reads the newest value. So all
//!   models run a second time with `--cfg atomic_parker_stale`, where `take` and `take_or_park` begin with a relaxed
//!   load, and may return by its value.
//! - Load buffering, and a load that reads from a store which comes later in the same execution.
//! - `SeqCst`: loom treats it as `AcqRel`, and has the total order only for fences. Nothing in these models uses it.
//! - The real slow paths below the facade: futexes and the hash table of `parking_lot_core` (a queue under one lock
//!   stands for both), real time (the clock stands still until `advance_clock`), poisoned locks.
//! - The choice of a condition variable: here it wakes the longest sleeper or one with a deadline, in reality any.
//! - The counts of `std::sync::Arc`: they are assumed to be correct, and order nothing here.
//! - Spinning: a parker of a model sleeps at once, so that no execution depends on earlier ones.

#[macro_use]
#[path = "models/explore.rs"]
mod explore;
#[path = "models/slow.rs"]
mod slow;

use atomic_parker::model::{advance_clock, now};
use atomic_parker::wait::{Condvar, Futex, Key, ParkingLot, Sleeper, Wait};
use atomic_parker::{block_on, AtomicParker, ParkState, Parker, Unparker};
use explore::explore;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;
use slow::Slow;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Wakes are sticky, as in an event loop. It neither checks the state nor counts its sleepers.
struct Sticky(Arc<EventLoop>);

struct EventLoop {
    woken: loom::sync::Mutex<bool>,
    changed: loom::sync::Condvar,
}

loom::lazy_static! {
    // The event loops that must notice a deadline. The mutex is std's, and orders nothing.
    static ref EVENT_LOOPS: std::sync::Mutex<Vec<Arc<EventLoop>>> = Default::default();
}

impl Default for Sticky {
    fn default() -> Self {
        let woken = loom::sync::Mutex::new(false);
        let event_loop = Arc::new(EventLoop { woken, changed: loom::sync::Condvar::new() });
        EVENT_LOOPS.lock().unwrap().push(event_loop.clone());
        Sticky(event_loop)
    }
}

impl Wait for Sticky {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        let mut woken = self.0.woken.lock().unwrap();
        while !*woken && sleeper.timeout() != Some(Duration::ZERO) {
            woken = self.0.changed.wait(woken).unwrap();
        }
        *woken = false;
    }

    fn wake(&self, _: Key<'_>) {
        *self.0.woken.lock().unwrap() = true;
        self.0.changed.notify_one();
    }
}

/// Lets all deadlines pass.
fn pass_deadlines() {
    advance_clock();
    let event_loops = EVENT_LOOPS.lock().unwrap().clone();
    for event_loop in event_loops {
        // With the lock, each thread that read the clock before is asleep now.
        drop(event_loop.woken.lock().unwrap());
        event_loop.changed.notify_all();
    }
}

/// As `Sticky`, with two spurious returns: the first at once, the second after other threads have run.
///
/// Without an end to them, two sleepers could return in turn for ever.
#[derive(Default)]
struct Spurious {
    returns: std::sync::atomic::AtomicUsize,
    then: Sticky,
}

impl Wait for Spurious {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        match self.returns.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => {}
            1 => thread::yield_now(),
            _ => self.then.wait(sleeper),
        }
    }

    fn wake(&self, key: Key<'_>) {
        self.then.wake(key);
    }
}

/// Panics at the end of the first wait.
#[derive(Default)]
struct PanicOnce<W> {
    wait: W,
    panicked: std::sync::atomic::AtomicBool,
}

impl<W: Wait> Wait for PanicOnce<W> {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        self.wait.wait(sleeper);
        if !self.panicked.swap(true, std::sync::atomic::Ordering::Relaxed) {
            resume_unwind(Box::new("the slow path panics"));
        }
    }

    fn wake(&self, key: Key<'_>) {
        self.wait.wake(key);
    }
}

/// Panics once, in a `wake` by which a park passes a wake on to another sleeper.
#[derive(Default)]
struct PanicInWake<W> {
    wait: W,
    parks: std::sync::Mutex<Option<thread::ThreadId>>,
}

impl<W: Wait> Wait for PanicInWake<W> {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        *self.parks.lock().unwrap() = Some(thread::current().id());
        self.wait.wait(sleeper);
    }

    fn wake(&self, key: Key<'_>) {
        self.wait.wake(key);
        let mut parks = self.parks.lock().unwrap();
        if *parks == Some(thread::current().id()) {
            *parks = None;
            drop(parks);
            resume_unwind(Box::new("the wake panics"));
        }
    }
}

/// The slow path of another parker.
struct OfAnother<W>(Arc<AtomicParker<W>>);

impl<W: Wait> Wait for OfAnother<W> {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        self.0.slow_path().wait(sleeper);
    }

    fn wake(&self, key: Key<'_>) {
        self.0.slow_path().wake(key);
    }
}

check! {
    one_unpark on Condvar, Futex, ParkingLot, Spurious, Sticky;
    one_wake_by_waker on Condvar, Futex, ParkingLot;
    each_of_several_unparks on Condvar <= 4, Futex <= 3, ParkingLot <= 4, Spurious <= 4, Sticky <= 4;
    coalesced_unpark on Condvar, Futex <= 4, ParkingLot, Spurious, Sticky;
    two_unparkers on Condvar <= 3, Futex <= 3, ParkingLot <= 3, Spurious <= 3, Sticky <= 3;
    three_unparkers on Condvar <= 2, Futex <= 2, ParkingLot <= 2, Spurious <= 2, Sticky <= 2;
    token_against_sleep on Condvar, Futex, ParkingLot, Spurious, Sticky;
    two_sleepers on Condvar <= 3, Futex <= 3, ParkingLot <= 3, Spurious <= 3, Sticky <= 3;
    two_tokens_for_two_sleepers on Condvar <= 3, Futex <= 2, ParkingLot <= 3, Spurious <= 3, Sticky <= 3;
    thief on Condvar <= 4, Futex <= 4, ParkingLot <= 4, Spurious <= 4, Sticky <= 4;
    thief_among_two_sleepers on Condvar <= 3, Futex <= 2, ParkingLot <= 3, Spurious <= 3, Sticky <= 3;
    no_early_timeout on Condvar, Futex, ParkingLot, Spurious, Sticky;
    timeout_against_unpark on Condvar <= 3, Futex <= 3, ParkingLot <= 3, Spurious <= 3, Sticky <= 3;
    one_sleeper_leaves on Condvar <= 3, Futex <= 2, ParkingLot <= 3, Spurious <= 3, Sticky <= 3;
    both_time_out on Condvar <= 3, Futex <= 2, ParkingLot <= 3, Spurious <= 3, Sticky <= 3;
    owner_dropped on Condvar, Futex, ParkingLot, Spurious, Sticky;
    panicking_wait on Condvar, Futex, ParkingLot, Spurious, Sticky;
    panicking_wake on Spurious, Sticky;
    two_parkers_share on Condvar <= 3, Futex <= 3, ParkingLot <= 3;
    a_parker_shares_its_own on Condvar <= 3, Futex <= 3, ParkingLot <= 3;
    panicking_wait_of_one_sleeper on Spurious <= 4, Sticky <= 4;
}

fn pair<W: Slow>() -> (Parker<W>, Unparker<W>) {
    let parker = Parker::with_wait(W::default());
    let unparker = parker.unparker();
    (parker, unparker)
}

fn shared<W: Slow>() -> Arc<AtomicParker<W>> {
    Arc::new(AtomicParker::with_wait(W::default()))
}

/// Relaxed data: only the parker under test can publish it.
#[derive(Clone)]
struct Fact(Arc<AtomicUsize>);

impl Fact {
    fn new() -> Self {
        Fact(Arc::new(AtomicUsize::new(0)))
    }

    fn set(&self, value: usize) {
        self.0.store(value, Relaxed);
    }

    fn get(&self) -> usize {
        self.0.load(Relaxed)
    }
}

/// A thread that sets the fact, and then a new token.
fn publish(fact: &Fact, unpark: impl FnOnce() -> bool + 'static) -> thread::JoinHandle<()> {
    let fact = fact.clone();
    thread::spawn(move || {
        fact.set(1);
        assert!(unpark());
    })
}

/// Two threads on one parker.
fn two_threads<W: Slow>(
    parker: &Arc<AtomicParker<W>>,
    park: impl Fn(&AtomicParker<W>) + Clone + 'static,
) -> [thread::JoinHandle<()>; 2] {
    [(); 2].map(|()| {
        let (parker, park) = (parker.clone(), park.clone());
        thread::spawn(move || park(&parker))
    })
}

fn join<const THREADS: usize>(threads: [thread::JoinHandle<()>; THREADS]) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// The `unpark` happens before the park that takes its token returns.
fn one_unpark<W: Slow>() {
    let (parker, unparker) = pair::<W>();
    let fact = Fact::new();
    let other = publish(&fact, move || unparker.unpark());
    parker.park();
    assert_eq!(fact.get(), 1);
    other.join().unwrap();
    assert_eq!(parker.state(), ParkState::Empty);
}

/// The same with a `Waker`.
fn one_wake_by_waker<W: Slow>() {
    let (parker, unparker) = pair::<W>();
    let fact = Fact::new();
    let waker = Waker::from(unparker);
    let other = publish(&fact, move || {
        waker.wake();
        true
    });
    parker.park();
    assert_eq!(fact.get(), 1);
    other.join().unwrap();
}

/// The second token publishes too.
fn each_of_several_unparks<W: Slow>() {
    let (parker, unparker) = pair::<W>();
    let (reply_parker, reply) = pair::<W>();
    let fact = Fact::new();
    let other = {
        let fact = fact.clone();
        thread::spawn(move || {
            fact.set(1);
            assert!(unparker.unpark());
            reply_parker.park();
            fact.set(2);
            assert!(unparker.unpark());
        })
    };
    parker.park();
    assert_eq!(fact.get(), 1);
    assert!(reply.unpark());
    parker.park();
    assert_eq!(fact.get(), 2);
    other.join().unwrap();
    assert_eq!(parker.state(), ParkState::Empty);
}

/// An `unpark` that finds the token set publishes too, if the park takes that token.
fn coalesced_unpark<W: Slow>() {
    let (parker, unparker) = pair::<W>();
    let (first, second) = (Fact::new(), Fact::new());
    let other = {
        let (first, second) = (first.clone(), second.clone());
        thread::spawn(move || {
            first.set(1);
            assert!(unparker.unpark());
            second.set(1);
            unparker.unpark()
        })
    };
    parker.park();
    let seen = (first.get(), second.get());
    let second_is_new = other.join().unwrap();
    // The second unpark either set a new token, which is still set, or joined the token that was taken.
    assert_eq!(parker.try_park(), second_is_new);
    assert_eq!(seen.0, 1);
    assert!(second_is_new || seen.1 == 1);
}

/// If two unparks made one token, both are published, in either order.
fn two_unparkers<W: Slow>() {
    several_unparkers::<W, 2>();
}

fn three_unparkers<W: Slow>() {
    several_unparkers::<W, 3>();
}

fn several_unparkers<W: Slow, const N: usize>() {
    let (parker, unparker) = pair::<W>();
    let facts = [(); N].map(|()| Fact::new());
    let others = facts.clone().map(|fact| {
        let unparker = unparker.clone();
        thread::spawn(move || {
            fact.set(1);
            unparker.unpark()
        })
    });
    parker.park();
    let seen = facts.map(|fact| fact.get()).iter().sum::<usize>();
    let new = others.map(|other| other.join().unwrap()).iter().filter(|&&new| new).count();
    let left = parker.try_park();
    // Between two parks, any number of unparks makes one token.
    assert_eq!(new, 1 + usize::from(left));
    assert!(if left { seen >= 1 } else { seen == N });
    assert_eq!(parker.state(), ParkState::Empty);
}

/// The token is set before, while or after the thread goes to sleep, and is taken once.
fn token_against_sleep<W: Slow>() {
    let parker = shared::<W>();
    let other = {
        let parker = parker.clone();
        thread::spawn(move || parker.notify())
    };
    parker.park();
    assert_ne!(other.join().unwrap(), ParkState::Notified);
    assert_eq!(parker.state(), ParkState::Empty);
    assert!(!parker.try_park());
}

/// The first sleeper passes the token on: each token releases exactly one sleeper, and none is lost.
fn two_sleepers<W: Slow>() {
    let parker = shared::<W>();
    let fact = Fact::new();
    let seen = fact.clone();
    let sleepers = two_threads(&parker, move |parker| {
        parker.park();
        assert_eq!(seen.get(), 1);
        // Finds the token set only if a token was taken twice.
        assert!(parker.unpark());
    });
    fact.set(1);
    assert!(parker.unpark());
    join(sleepers);
    assert!(parker.try_park());
    assert_eq!(parker.state(), ParkState::Empty);
}

/// Two tokens, the second as soon as the first is taken, release two sleepers, and the state ends as EMPTY.
fn two_tokens_for_two_sleepers<W: Slow>() {
    let parker = shared::<W>();
    let sleepers = two_threads(&parker, AtomicParker::park);
    assert!(parker.unpark());
    while !parker.unpark() {
        thread::yield_now();
    }
    join(sleepers);
    assert_eq!(parker.state(), ParkState::Empty);
}

/// Either a thief, which calls `try_park`, takes the token, or the sleeper does.
fn thief<W: Slow>() {
    let parker = shared::<W>();
    let fact = Fact::new();
    let sleeper = {
        let (parker, fact) = (parker.clone(), fact.clone());
        thread::spawn(move || {
            parker.park();
            assert_eq!(fact.get(), 1);
        })
    };
    let unparks = parker.clone();
    let unparker = publish(&fact, move || unparks.unpark());
    if parker.try_park() {
        assert_eq!(fact.get(), 1);
        assert!(parker.unpark());
    }
    join([sleeper, unparker]);
    assert_eq!(parker.state(), ParkState::Empty);
}

/// A thief takes a token and sets it again: no sleeper is lost.
fn thief_among_two_sleepers<W: Slow>() {
    let parker = shared::<W>();
    let sleepers = two_threads(&parker, |parker| {
        parker.park();
        assert!(parker.unpark());
    });
    assert!(parker.unpark());
    if parker.try_park() {
        assert!(parker.unpark());
    }
    join(sleepers);
    assert!(parker.try_park());
    assert_eq!(parker.state(), ParkState::Empty);
}

/// An early return of the slow path is no timeout: the clock stands still.
fn no_early_timeout<W: Slow>() {
    let (parker, unparker) = pair::<W>();
    let other = thread::spawn(move || assert!(unparker.unpark()));
    assert!(parker.park_timeout(SECOND));
    other.join().unwrap();
    assert_eq!(parker.state(), ParkState::Empty);
}

/// The token is taken before the deadline or is still set after it, and is published in both cases.
fn timeout_against_unpark<W: Slow>() {
    let parker = shared::<W>();
    let fact = Fact::new();
    let unparks = parker.clone();
    let unparker = publish(&fact, move || unparks.unpark());
    let clock = thread::spawn(pass_deadlines);
    let took = parker.park_timeout(SECOND);
    assert!(!took || fact.get() == 1);
    join([unparker, clock]);
    assert_ne!(parker.try_park(), took);
    assert_eq!(parker.state(), ParkState::Empty);
}

/// One sleeper leaves at its deadline, and may have received the wake. The other one still gets the token.
fn one_sleeper_leaves<W: Slow>() {
    let parker = shared::<W>();
    let leaves = {
        let parker = parker.clone();
        thread::spawn(move || {
            if parker.park_timeout(SECOND) {
                assert!(parker.unpark());
            }
        })
    };
    let stays = {
        let parker = parker.clone();
        thread::spawn(move || parker.park())
    };
    let clock = thread::spawn(pass_deadlines);
    assert!(parker.unpark());
    join([leaves, stays]);
    clock.join().unwrap();
    assert_eq!(parker.state(), ParkState::Empty);
}

/// The last sleeper that leaves clears PARKED, so that a later unpark calls no wake.
fn both_time_out<W: Slow>() {
    let parker = shared::<W>();
    let sleepers = two_threads(&parker, |parker| assert!(!parker.park_timeout(SECOND)));
    pass_deadlines();
    join(sleepers);
    assert_eq!(parker.state(), ParkState::Empty);
}

/// A slow path that records its drop.
struct Mortal<W> {
    wait: W,
    // std's, as loom does not see the ordering by the count of std's `Arc`, and would report a false error.
    dead: Arc<std::sync::atomic::AtomicBool>,
}

impl<W: Wait> Wait for Mortal<W> {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        self.wait.wait(sleeper);
    }

    fn wake(&self, key: Key<'_>) {
        let dead = self.dead.clone();
        assert!(!dead.load(std::sync::atomic::Ordering::Relaxed));
        self.wait.wake(key);
        assert!(!dead.load(std::sync::atomic::Ordering::Relaxed));
    }
}

impl<W> Drop for Mortal<W> {
    fn drop(&mut self) {
        assert!(!self.dead.swap(true, std::sync::atomic::Ordering::Relaxed));
    }
}

/// The owner takes the token and drops the parker, while the `unpark` has yet to call `wake`.
fn owner_dropped<W: Slow>() {
    let dead = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let parker = Parker::with_wait(Mortal { wait: W::default(), dead: dead.clone() });
    let unparker = parker.unparker();
    let fact = Fact::new();
    let other = publish(&fact, move || unparker.unpark());
    parker.park();
    drop(parker);
    assert_eq!(fact.get(), 1);
    other.join().unwrap();
    assert!(dead.load(std::sync::atomic::Ordering::Relaxed));
}

/// After a panic of the slow path no token is lost, even if `leave` had taken it, and PARKED is cleared.
fn panicking_wait<W: Slow>() {
    let (parker, unparker) = pair::<PanicOnce<W>>();
    let fact = Fact::new();
    let other = publish(&fact, move || unparker.unpark());
    if catch_unwind(AssertUnwindSafe(|| parker.park())).is_err() {
        assert_ne!(parker.state(), ParkState::Parked);
        parker.park();
    }
    assert_eq!(fact.get(), 1);
    other.join().unwrap();
    assert_eq!(parker.state(), ParkState::Empty);
}

/// A park that panics while it passes a wake on puts its token back.
fn panicking_wake<W: Slow>() {
    let parker = shared::<PanicInWake<W>>();
    let fact = Fact::new();
    let unparks = parker.clone();
    let other = publish(&fact, move || unparks.unpark());
    if catch_unwind(AssertUnwindSafe(|| parker.park())).is_err() {
        assert!(parker.try_park());
    }
    assert_eq!(fact.get(), 1);
    other.join().unwrap();
    assert_eq!(parker.state(), ParkState::Empty);
}

/// A sleeper with a slow path that panics passes on the wake that it may have received.
fn panicking_wait_of_one_sleeper<W: Slow>() {
    let parker = shared::<PanicOnce<W>>();
    let sleepers = two_threads(&parker, |parker| {
        if catch_unwind(AssertUnwindSafe(|| parker.park())).is_ok() {
            assert!(parker.unpark());
        }
    });
    assert!(parker.unpark());
    join(sleepers);
    assert!(parker.try_park());
    assert_eq!(parker.state(), ParkState::Empty);
}

/// Two parkers on one slow path, which neither contains: a wake for one parker reaches its own sleeper.
fn two_parkers_share<W: Slow>() {
    let wait = Arc::new(W::default());
    let [first, second] = [(); 2].map(|()| Parker::with_wait(wait.clone()));
    let (to_first, to_second) = (first.unparker(), second.unparker());
    let sleeper = thread::spawn(move || {
        first.park();
        assert!(to_second.unpark());
    });
    let waker = thread::spawn(move || assert!(to_first.unpark()));
    second.park();
    join([sleeper, waker]);
    assert_eq!(second.state(), ParkState::Empty);
}

/// The same, where the first parker contains the slow path.
fn a_parker_shares_its_own<W: Slow>() {
    let first = shared::<W>();
    let second = Parker::with_wait(OfAnother(first.clone()));
    let to_second = second.unparker();
    let sleeper = {
        let first = first.clone();
        thread::spawn(move || {
            first.park();
            assert!(to_second.unpark());
        })
    };
    let waker = thread::spawn(move || assert!(first.unpark()));
    second.park();
    join([sleeper, waker]);
    assert_eq!(second.state(), ParkState::Empty);
}

/// The model has its own clock, and a park with a deadline of now does not sleep.
#[test]
fn now_is_a_deadline_of_the_model() {
    fn model() {
        let parker = Parker::new();
        assert!(!parker.park_deadline(now()));
        advance_clock();
        assert!(!parker.park_deadline(now()));
        assert!(parker.unpark());
        assert!(parker.park_deadline(now()));
    }
    explore("now_is_a_deadline_of_the_model", None, model);
}

/// A `block_on` within the poll of another `block_on`, each woken once by another thread.
mod nested_block_on {
    use super::*;
    use std::future::poll_fn;
    use std::task::Poll;

    #[derive(Clone, Copy, PartialEq)]
    enum Outer {
        Before,
        First,
        Last,
    }

    /// Both calls end, the outer one in its second poll: neither call takes a wake-up of the other.
    fn model(outer: Outer) {
        let facts = [(); 2].map(|()| Fact::new());
        let (mut polls, mut other) = (0, None);
        block_on(poll_fn(|context| {
            polls += 1;
            if polls == 2 {
                assert_eq!(facts[0].get(), 1, "polled again without a wake-up of its own");
                return Poll::Ready(());
            }
            let wake_outer = {
                let (waker, fact) = (context.waker().clone(), facts[0].clone());
                move || {
                    fact.set(1);
                    waker.wake_by_ref();
                }
            };
            if outer == Outer::Before {
                wake_outer();
            }
            let mut inner_polls = 0;
            block_on(poll_fn(|context| {
                inner_polls += 1;
                if inner_polls == 2 {
                    assert_eq!(facts[1].get(), 1, "polled again without a wake-up of its own");
                    return Poll::Ready(());
                }
                let (waker, fact, wake_outer) = (context.waker().clone(), facts[1].clone(), wake_outer.clone());
                other = Some(thread::spawn(move || {
                    if outer == Outer::First {
                        wake_outer();
                    }
                    fact.set(1);
                    waker.wake();
                    if outer == Outer::Last {
                        wake_outer();
                    }
                }));
                Poll::Pending
            }));
            Poll::Pending
        }));
        other.unwrap().join().unwrap();
    }

    #[test]
    fn woken_before_the_inner_sleep() {
        explore("nested_block_on::woken_before", Some(4), || model(Outer::Before));
    }

    #[test]
    fn woken_during_the_inner_sleep() {
        explore("nested_block_on::woken_first", Some(4), || model(Outer::First));
    }

    #[test]
    fn woken_after_the_inner_sleep() {
        explore("nested_block_on::woken_last", Some(4), || model(Outer::Last));
    }
}
