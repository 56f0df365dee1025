//! Spinning before sleeping, observed by the calls of `Wait::wait`. `src/spin/policy_tests.rs` tests the policy.

use crate::support::{home, until, Counting};
use atomic_parker::wait::Condvar;
use atomic_parker::{ParkState, Parker, Spin, Unparker};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{mpsc, Arc, OnceLock};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);

/// With one CPU no parker spins, so these tests are skipped.
pub fn can_spin() -> bool {
    let can = thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1);
    if !can {
        eprintln!("not tested: needs two CPUs");
    }
    can
}

#[test]
fn a_spin_that_finds_the_token_avoids_the_sleep() {
    if !can_spin() {
        return;
    }
    type Park = fn(&Parker<Counting>);
    let parks: [Park; 3] = [
        |parker| parker.park(),
        |parker| assert!(parker.park_timeout(HOUR)),
        |parker| assert!(parker.park_deadline(Instant::now() + HOUR)),
    ];
    for park in parks {
        let (wait, counts) = Counting::new();
        let parker = Parker::with_wait(wait).with_spin(Spin::bounded(Duration::MAX));
        let unparker = parker.unparker();
        let about_to_park = Arc::new(AtomicBool::new(false));
        let other = {
            let about_to_park = about_to_park.clone();
            thread::spawn(move || {
                for _ in 0..100 {
                    until(|| about_to_park.swap(false, SeqCst));
                    unparker.unpark();
                }
            })
        };
        for _ in 0..100 {
            about_to_park.store(true, SeqCst);
            park(&parker);
        }
        home(other);
        assert_eq!(counts.waits(), 0);
    }
}

#[test]
fn a_spin_that_fails_ends_in_a_sleep() {
    for spin in [Spin::off(), Spin::bounded(Duration::from_nanos(1)), Spin::adaptive()] {
        for timeout in [HOUR, Duration::MAX] {
            let (wait, counts) = Counting::<Condvar>::new();
            let parker = Parker::with_wait(wait).with_spin(spin);
            let unparker = parker.unparker();
            let sleeper = thread::spawn(move || (0..100).for_each(|_| assert!(parker.park_timeout(timeout))));
            for number in 1..=100 {
                until(|| counts.waits() >= number);
                unparker.unpark();
            }
            home(sleeper);
        }
    }
}

#[test]
fn no_spin_goes_past_the_deadline() {
    if !can_spin() {
        return;
    }
    // Repeated: if this thread stalls, the token may come before the park checks the deadline, and then it wins.
    until(|| {
        let parker = Parker::new().with_spin(Spin::bounded(Duration::MAX));
        let unparker = parker.unparker();
        let deadline = Instant::now() + Duration::from_millis(5);
        let other = thread::spawn(move || {
            until(|| Instant::now() > deadline + Duration::from_millis(50));
            unparker.unpark();
        });
        let took = parker.park_deadline(deadline);
        assert!(took || Instant::now() >= deadline);
        home(other);
        !took
    });
}

const BATCH: usize = 1_000;

pub type Unpark = Box<dyn Fn() + Send>;
pub type Way = fn(Unparker<Counting>) -> Unpark;

/// The ways to wake a parker.
const WAYS: [Way; 3] = [
    |unparker| Box::new(move || assert!(unparker.unpark())),
    |unparker| Box::new(move || assert_ne!(unparker.notify(), ParkState::Notified)),
    |unparker| {
        let waker = Waker::from(unparker);
        Box::new(move || waker.wake_by_ref())
    },
];

/// Pins the calling thread to a CPU: under load, a system may put both threads on one CPU, where they do not spin.
fn pin(number: usize) {
    // Read once, as a thread that a pinned thread starts inherits the one CPU.
    static CORES: OnceLock<Vec<core_affinity::CoreId>> = OnceLock::new();
    if let Some(core) = CORES.get_or_init(|| core_affinity::get_core_ids().unwrap_or_default()).get(number) {
        core_affinity::set_for_current(*core);
    }
}

/// Two threads that hand over at once, in batches, on two CPUs, until `enough`, for at most 1,000 batches. Returns the
/// number of calls of `Wait::wait` for each batch.
pub fn hand_over(
    spin: Option<Spin>,
    way: Way,
    before: fn(&Parker<Counting>),
    enough: fn(&[usize]) -> bool,
) -> Vec<usize> {
    home(thread::spawn(move || hand_over_from_here(spin, way, before, enough)))
}

fn hand_over_from_here(
    spin: Option<Spin>,
    way: Way,
    before: fn(&Parker<Counting>),
    enough: fn(&[usize]) -> bool,
) -> Vec<usize> {
    pin(0);
    let (wait, counts) = Counting::<Condvar>::new();
    let (other_wait, other_counts) = Counting::<Condvar>::new();
    let make = move |wait| match spin {
        Some(spin) => Parker::with_wait(wait).with_spin(spin),
        None => Parker::with_wait(wait),
    };
    let parker = make(wait);
    let wake = way(parker.unparker());
    let (sender, receiver) = mpsc::channel();
    let over = Arc::new(AtomicBool::new(false));
    let is_over = over.clone();
    let other = thread::spawn(move || {
        pin(1);
        let parker = make(other_wait);
        before(&parker);
        sender.send(way(parker.unparker())).unwrap();
        loop {
            parker.park();
            if is_over.load(SeqCst) {
                return;
            }
            wake();
        }
    });
    let wake_other = receiver.recv().unwrap();
    before(&parker);
    let mut batches = Vec::new();
    while batches.len() < 1_000 && !enough(&batches) {
        let waits = counts.waits() + other_counts.waits();
        for _ in 0..BATCH {
            wake_other();
            parker.park();
        }
        batches.push(counts.waits() + other_counts.waits() - waits);
    }
    over.store(true, SeqCst);
    wake_other();
    home(other);
    batches
}

/// Whether spinning found nearly all tokens of the last batch. Other tests run at the same time.
pub fn spins(batches: &[usize]) -> bool {
    batches.last().is_some_and(|waits| *waits < 2 * BATCH / 10)
}

#[test]
fn a_pair_that_hands_over_at_once_stops_sleeping() {
    if !can_spin() {
        return;
    }
    for way in WAYS {
        for spin in [None, Some(Spin::adaptive()), Some(Spin::adaptive_up_to(Duration::from_micros(50)))] {
            let batches = hand_over(spin, way, |_| {}, spins);
            assert!(spins(&batches), "{batches:?}");
        }
    }
}

#[test]
fn a_pair_with_spin_off_sleeps_each_time() {
    if !can_spin() {
        return;
    }
    // At least one of the two sleeps in each round trip.
    let batches = hand_over(Some(Spin::off()), WAYS[0], |_| {}, |batches| batches.len() == 20);
    assert!(!batches.iter().any(|waits| *waits < BATCH), "{batches:?}");
}

#[test]
fn a_parker_of_long_waits_learns_to_spin_again() {
    if !can_spin() {
        return;
    }
    fn long_waits(parker: &Parker<Counting>) {
        for _ in 0..50 {
            assert!(!parker.park_timeout(Duration::from_micros(200)));
        }
    }
    let batches = hand_over(Some(Spin::adaptive()), WAYS[0], long_waits, spins);
    assert!(spins(&batches), "{batches:?}");
}
