//! The suite that runs on every slow path. `main.rs` instantiates it. A test that is missing there is dead code, which
//! clippy reports.

use crate::support::{end_of_time, home, pair, rounds, threads, until, Counting, Slow};
use atomic_parker::wait::Wait;
use atomic_parker::{AtomicParker, ParkState, Parker, Unparker};
use std::any::Any;
use std::cell::{RefCell, UnsafeCell};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

const MOMENT: Duration = Duration::from_millis(2);

fn shared<W: Slow>() -> Arc<AtomicParker<W>> {
    Arc::new(AtomicParker::with_wait(W::default()))
}

/// Starts `count` threads that call `park` once. Returns them, and the number of calls that have returned.
fn sleepers<W: Wait + Send + Sync + 'static, T: Send + 'static>(
    count: usize,
    parker: &Arc<AtomicParker<W>>,
    park: impl Fn(&AtomicParker<W>) -> T + Send + Sync + 'static,
) -> (impl Iterator<Item = thread::JoinHandle<T>>, Arc<AtomicUsize>) {
    let (parker, back) = (parker.clone(), Arc::new(AtomicUsize::new(0)));
    let counter = back.clone();
    let threads = threads(count, move |_| {
        let result = park(&parker);
        counter.fetch_add(1, SeqCst);
        result
    });
    (threads, back)
}

// The token

pub fn an_unpark_releases_a_sleeper<W: Slow>() {
    let (wait, counts) = Counting::<W>::new();
    let mut parker = Parker::with_wait(wait);
    let unparker = parker.unparker();
    for _ in 0..rounds(50) {
        let sleeper = thread::spawn(move || {
            parker.park();
            parker
        });
        until(|| counts.inside() == 1);
        assert!(unparker.unpark());
        parker = home(sleeper);
        assert!(!parker.try_park());
    }
}

pub fn a_timed_sleeper_is_released_before_its_deadline<W: Slow>() {
    for _ in 0..rounds(20) {
        let parker = shared::<W>();
        let (sleeper, _) = sleepers(1, &parker, |parker| parker.park_timeout(Duration::from_secs(1 << 32)));
        until(|| parker.state() == ParkState::Parked);
        assert!(parker.unpark());
        sleeper.for_each(|sleeper| assert!(home(sleeper)));
        let (sleeper, _) = sleepers(1, &parker, |parker| parker.park_deadline(end_of_time()));
        until(|| parker.state() == ParkState::Parked);
        assert!(parker.unpark());
        sleeper.for_each(|sleeper| assert!(home(sleeper)));
    }
}

pub fn two_threads_hand_the_token_back_and_forth<W: Slow>() {
    let (mine, to_me) = pair::<W>();
    let (other, to_other) = pair::<W>();
    let count = rounds(2_000);
    let echo = thread::spawn(move || {
        for _ in 0..count {
            other.park();
            assert!(to_me.unpark());
        }
    });
    for _ in 0..count {
        assert!(to_other.unpark());
        mine.park();
    }
    home(echo);
    assert!(!mine.try_park());
}

pub fn notify_returns_the_state_before<W: Slow>() {
    let parker = shared::<W>();
    assert_eq!(parker.notify(), ParkState::Empty);
    assert_eq!(parker.notify(), ParkState::Notified);
    parker.park();

    let (sleeper, _) = sleepers(1, &parker, AtomicParker::park);
    until(|| parker.state() == ParkState::Parked);
    assert_eq!(parker.notify(), ParkState::Parked);
    sleeper.for_each(home);
    assert_eq!(parker.notify(), ParkState::Empty, "the sleeper took the token and no thread sleeps");
}

pub fn only_a_sleeper_is_woken<W: Slow>() {
    let (wait, counts) = Counting::<W>::new();
    let parker = Parker::with_wait(wait);
    let unparker = parker.unparker();
    unparker.unpark();
    unparker.unpark();
    parker.park();
    unparker.notify();
    assert!(parker.try_park());
    parker.unpark();
    assert!(parker.park_timeout(Duration::ZERO));
    assert_eq!((counts.waits(), counts.wakes()), (0, 0), "with a token, the slow path is not called");

    let sleeper = thread::spawn(move || {
        parker.park();
        parker
    });
    until(|| counts.inside() == 1);
    assert_eq!(unparker.notify(), ParkState::Parked);
    let parker = home(sleeper);
    assert_eq!(counts.wakes(), 1);
    unparker.unpark();
    parker.park();
    assert_eq!(counts.wakes(), 1, "no thread slept");
}

// Handles

pub fn handles_compare_by_parker<W: Slow>() {
    let (parker, unparker) = pair::<W>();
    let (other_parker, other) = pair::<W>();
    assert!(unparker.will_unpark(&parker) && !unparker.will_unpark(&other_parker));
    assert!(unparker.same_parker(&unparker.clone()) && unparker.same_parker(&parker.unparker()));
    assert!(!unparker.same_parker(&other));
    let hash = |unparker: &Unparker<W>| BuildHasherDefault::<DefaultHasher>::default().hash_one(unparker);
    assert!(hash(&unparker) == hash(&parker.unparker()) && hash(&unparker) != hash(&other));
    unparker.clone().unpark();
    assert!(parker.try_park() && !other_parker.try_park());
    assert_eq!([parker.notify(), parker.notify()], [ParkState::Empty, ParkState::Notified]);
    assert!(!unparker.unpark() && parker.try_park());
}

pub fn an_unparker_outlives_its_parker<W: Slow>() {
    let (wait, counts) = Counting::<W>::new();
    let parker = Parker::with_wait(wait);
    let (unparker, clone) = (parker.unparker(), parker.unparker().clone());
    drop(parker);
    assert!(unparker.unpark());
    assert_eq!(clone.notify(), ParkState::Notified, "each handle keeps the memory alive");
    drop(unparker);
    assert_eq!(Arc::strong_count(&counts), 2);
    drop(clone);
    assert_eq!(Arc::strong_count(&counts), 1, "the last handle frees the slow path");
}

pub fn raw_pointers_keep_the_references<W: Slow>() {
    let (wait, counts) = Counting::<W>::new();
    let parker = Parker::with_wait(wait);
    let raw_unparker = Unparker::into_raw(parker.unparker());
    parker.unpark();
    let raw_parker = Parker::into_raw(parker);
    assert_eq!(Arc::strong_count(&counts), 2, "a raw pointer keeps its reference");

    // SAFETY: Both come from `into_raw` of the same type, and each is used once.
    let (parker, unparker) =
        unsafe { (Parker::<Counting<W>>::from_raw(raw_parker), Unparker::<Counting<W>>::from_raw(raw_unparker)) };
    assert!(unparker.will_unpark(&parker));
    assert!(!unparker.unpark(), "the token was kept");
    parker.park();
    drop(parker);
    assert!(unparker.unpark());
    drop(unparker);
    assert_eq!(Arc::strong_count(&counts), 1, "nothing leaks");
}

pub fn a_waker_unparks<W: Slow>() {
    let (wait, counts) = Counting::<W>::new();
    let parker = Parker::with_wait(wait);
    let waker = Waker::from(parker.unparker());
    let clone = waker.clone();
    assert!(waker.will_wake(&clone));
    assert!(!waker.will_wake(&Waker::from(pair::<W>().1)));
    waker.wake_by_ref();
    waker.wake();
    parker.park();
    assert!(!parker.try_park(), "two wakes before a park make one token");
    clone.wake();
    parker.park();

    let last = Waker::from(parker.unparker());
    drop(parker);
    last.wake_by_ref();
    drop(last);
    assert_eq!(Arc::strong_count(&counts), 1, "wakers count as handles do");

    let parker = shared::<W>();
    let waker = Waker::from(parker.clone());
    waker.wake_by_ref();
    assert!(parker.try_park());
    waker.wake();
    assert!(parker.try_park());
}

// Time

pub fn zero_timeouts_and_past_deadlines_do_not_sleep<W: Slow>() {
    let (parker, counts) = Counting::<W>::shared();
    let past = Instant::now();
    for _ in 0..3 {
        assert!(!parker.park_timeout(Duration::ZERO));
        assert!(!parker.park_deadline(past));
        assert!(!parker.park_deadline(past.checked_sub(Duration::from_secs(1)).unwrap_or(past)));
        parker.unpark();
        assert!(parker.park_timeout(Duration::ZERO), "the token wins");
        parker.unpark();
        assert!(parker.park_deadline(past), "the token wins");
    }
    assert_eq!((counts.waits(), counts.wakes()), (0, 0));
    assert_eq!(parker.state(), ParkState::Empty);
}

pub fn no_timeout_before_the_deadline<W: Slow>() {
    let parker = AtomicParker::with_wait(W::default());
    let (owner, _unparker) = pair::<W>();
    let timeouts = [1, 10, 100, 1_000, 5_000].map(Duration::from_micros);
    for timeout in timeouts.into_iter().cycle().take(rounds(50) as usize) {
        let deadline = Instant::now() + timeout;
        assert!(!parker.park_timeout(timeout));
        assert!(Instant::now() >= deadline);
        let deadline = Instant::now() + timeout;
        assert!(!parker.park_deadline(deadline));
        assert!(Instant::now() >= deadline);
        let deadline = Instant::now() + timeout;
        assert!(!owner.park_timeout(timeout));
        assert!(Instant::now() >= deadline);
        let deadline = Instant::now() + timeout;
        assert!(!owner.park_deadline(deadline));
        assert!(Instant::now() >= deadline);
    }
}

/// crossbeam-rs/crossbeam#953, rust-lang/rust#37440, tokio-rs/tokio#8497: huge durations overflowed.
pub fn huge_timeouts_never_pass<W: Slow>() {
    type Park<W> = fn(&AtomicParker<W>) -> bool;
    let parks: [Park<W>; 4] = [
        |parker| parker.park_timeout(Duration::MAX),
        |parker| parker.park_timeout(Duration::from_secs(u64::MAX)),
        |parker| parker.park_timeout(end_of_time() - Instant::now()),
        |parker| parker.park_deadline(end_of_time()),
    ];
    let parker = shared::<W>();
    for park in parks {
        let (sleeper, back) = sleepers(1, &parker, park);
        until(|| parker.state() == ParkState::Parked);
        assert_eq!(back.load(SeqCst), 0);
        assert!(parker.unpark());
        sleeper.for_each(|sleeper| assert!(home(sleeper)));
        parker.unpark();
        assert!(park(&parker), "with a token, the time is not used");
    }

    let (owner, unparker) = pair::<W>();
    let sleeper = thread::spawn(move || owner.park_timeout(Duration::MAX) && owner.park_deadline(end_of_time()));
    until(|| {
        unparker.unpark();
        sleeper.is_finished()
    });
    assert!(home(sleeper));
}

pub fn after_a_timeout_the_parker_is_empty<W: Slow>() {
    let (parker, counts) = Counting::<W>::shared();
    for _ in 0..5 {
        assert!(!parker.park_timeout(MOMENT));
        assert_eq!(parker.state(), ParkState::Empty);
        let wakes = counts.wakes();
        assert!(parker.unpark());
        assert_eq!(counts.wakes(), wakes, "no thread sleeps: no system call");
        parker.park();
    }
}

pub fn after_several_timeouts_the_parker_is_empty<W: Slow>() {
    let (parker, counts) = Counting::<W>::shared();
    for _ in 0..rounds(20) {
        let (timed, _) = sleepers(4, &parker, |parker| parker.park_timeout(MOMENT));
        timed.for_each(|sleeper| assert!(!home(sleeper), "there was no token"));
        assert_eq!(parker.state(), ParkState::Empty, "the last one to leave cleared it");
        let wakes = counts.wakes();
        assert!(parker.unpark());
        assert_eq!(counts.wakes(), wakes, "no thread sleeps: no system call");
        parker.park();
    }
}

// Several sleepers

/// A sleeper that leaves restores PARKED for the other sleepers, or the next unpark would not wake them.
pub fn a_timeout_of_others_keeps_parked<W: Slow>() {
    let (parker, counts) = Counting::<W>::shared();
    let (staying, _) = sleepers(2, &parker, AtomicParker::park);
    until(|| counts.inside() == 2);
    let (timed, _) = sleepers(2, &parker, |parker| parker.park_timeout(MOMENT));
    timed.for_each(|sleeper| assert!(!home(sleeper)));
    for _ in 0..2 {
        until(|| parker.state() == ParkState::Parked);
        assert_eq!(parker.notify(), ParkState::Parked);
    }
    staying.for_each(home);
    assert_eq!(parker.state(), ParkState::Empty);
}

// Bugs of other parkers

/// rust-lang/rust#53366, #54174, #99587: *every* unpark happens before the park that takes the token, even if the token
/// was already set. x86 hides a missing ordering; Miri, ThreadSanitizer and ARM can show it.
pub fn every_unpark_publishes<W: Slow>() {
    struct Plain(UnsafeCell<u32>);
    // SAFETY: Each is written by one thread before its unpark, and read after the park that takes the token.
    unsafe impl Sync for Plain {}

    for round in 0..rounds(200) {
        let parker = shared::<W>();
        let data: Arc<[Plain; 3]> = Arc::new([0; 3].map(|value| Plain(UnsafeCell::new(value))));
        let unparked = Arc::new(AtomicUsize::new(0));
        let writers = threads(3, {
            let (parker, data, unparked) = (parker.clone(), data.clone(), unparked.clone());
            move |number| {
                // SAFETY: See above.
                unsafe { *data[number].0.get() = round + 1 };
                parker.unpark();
                // Relaxed: it counts the unparks, and must not order anything itself.
                unparked.fetch_add(1, Relaxed);
            }
        });
        until(|| unparked.load(Relaxed) == 3);
        parker.park();
        // SAFETY: See above.
        data.iter().for_each(|plain| assert_eq!(unsafe { *plain.0.get() }, round + 1));
        writers.for_each(home);
    }
}

/// rust-lang/rust#114591: a plain store reset the parker at a timeout, and lost a concurrent unpark.
pub fn a_timeout_loses_no_token<W: Slow>() {
    let (parker, unparker) = pair::<W>();
    let taken = Arc::new(AtomicUsize::new(0));
    let count = rounds(1_000) as usize;
    let sleeper = thread::spawn({
        let taken = taken.clone();
        move || {
            while taken.load(SeqCst) < count {
                let token = parker.park_timeout(Duration::from_micros(20));
                taken.fetch_add(token.into(), SeqCst);
            }
        }
    });
    for token in 1..=count {
        assert!(unparker.unpark());
        until(|| taken.load(SeqCst) == token);
    }
    home(sleeper);
}

/// rust-lang/rust#98498, #55005, crossbeam-rs/crossbeam#146, RUSTSEC-2026-0005: the released sleeper frees the
/// parker while `unpark` still uses it. Miri, valgrind and the sanitizers detect this too.
pub fn the_sleeper_may_drop_the_parker_at_once<W: Slow>() {
    for _ in 0..rounds(300) {
        let (parker, unparker) = pair::<W>();
        let shared = shared::<W>();
        let clone = shared.clone();
        let start = Arc::new(Barrier::new(2));
        let sleeper = thread::spawn({
            let start = start.clone();
            move || {
                start.wait();
                parker.park();
                drop(parker);
                clone.park();
                drop(clone);
            }
        });
        start.wait();
        unparker.unpark();
        drop(unparker);
        shared.unpark();
        drop(shared);
        home(sleeper);
    }
}

/// tokio-rs/tokio#2286, #6416, smol-rs/parking#23, rust-lang/rust#89571: parking panicked when the thread was ending.
pub fn parks_in_a_destructor_of_a_thread_local<W: Slow>() {
    struct AtEnd<W: Slow>(Arc<AtomicParker<W>>);
    impl<W: Slow> Drop for AtEnd<W> {
        fn drop(&mut self) {
            assert!(!AtomicParker::with_wait(W::default()).park_timeout(MOMENT));
            self.0.park();
        }
    }
    thread_local!(static LAST: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) });

    let parker = shared::<W>();
    let thread = thread::spawn({
        let at_end = AtEnd(parker.clone());
        move || {
            LAST.with(|last| *last.borrow_mut() = Some(Box::new(at_end)));
            // The slow path creates its thread-locals after `LAST`, so they are destroyed before it.
            pair::<W>().0.park_timeout(MOMENT)
        }
    });
    until(|| parker.state() == ParkState::Parked);
    assert!(parker.unpark());
    assert!(!home(thread));
    assert_eq!(parker.state(), ParkState::Empty, "the token was taken in the destructor");
}

// Random work

pub fn the_tokens_add_up<W: Slow>() {
    let tally = crate::stress::mixed::<W>(rounds(1_500));
    assert!(tally.taken > 0);
}

pub fn thieves_lose_no_sleeper<W: Slow>() {
    crate::stress::thieves::<W>(rounds(1_500));
}

pub fn a_stolen_token_loses_no_sleeper<W: Slow>() {
    crate::stress::stolen::<W>(rounds(1_000));
}

pub fn each_token_releases_one_in_every_round<W: Slow>() {
    crate::stress::one_each::<W>(4, rounds(60));
}
