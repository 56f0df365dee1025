//! Slow paths that a user could write, and that misbehave: they return early, panic, or are slow.

use crate::support::{home, pair, until, Nap, Slow, Sticky};
use atomic_parker::wait::{self, Key, Sleeper, Wait};
use atomic_parker::{AtomicParker, ParkState, Parker, Unparker};
use std::cell::Cell;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::marker::PhantomData;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// `parking`'s timed wait treated an early return of the condition variable as a timeout.
#[test]
fn an_early_return_of_wait_is_no_timeout() {
    /// Always returns at once, and counts.
    #[derive(Default)]
    struct AtOnce(Arc<Counter>);
    type Counter = std::sync::atomic::AtomicUsize;

    impl Wait for AtOnce {
        fn wait(&self, _: &Sleeper<'_>) {
            self.0.fetch_add(1, SeqCst);
            thread::yield_now();
        }

        fn wake(&self, _: Key<'_>) {}
    }

    let returned = Arc::<Counter>::default();
    let parker = Parker::with_wait(AtOnce(returned.clone()));
    let timeout = Duration::from_millis(20);
    // Repeated until `wait` returned early several times within one park: a stall can prevent that.
    until(|| {
        let (before, deadline) = (returned.load(SeqCst), Instant::now() + timeout);
        assert!(!parker.park_timeout(timeout));
        assert!(Instant::now() >= deadline, "false before the deadline");
        returned.load(SeqCst) > before + 10
    });

    let unparker = parker.unparker();
    let before = returned.load(SeqCst);
    let sleeper = thread::spawn(move || parker.park());
    until(|| returned.load(SeqCst) > before + 100);
    assert!(!sleeper.is_finished(), "back without a token");
    unparker.unpark();
    home(sleeper);
}

#[test]
fn a_token_that_comes_with_the_deadline_wins() {
    /// Calls `unpark` after the deadline has passed, and then returns.
    #[derive(Default)]
    struct TooLate<W>(W, Arc<OnceLock<Arc<dyn Fn() + Send + Sync>>>);

    impl<W: Wait> Wait for TooLate<W> {
        fn wait(&self, sleeper: &Sleeper<'_>) {
            // Until the deadline has passed. `Condvar` has called `leave` by then, and `Nap` has not.
            until(|| {
                self.0.wait(sleeper);
                sleeper.timeout() == Some(Duration::ZERO)
            });
            self.1.get().unwrap()();
        }

        fn wake(&self, key: Key<'_>) {
            self.0.wake(key);
        }
    }

    fn check<W: Slow>() {
        let late = Arc::new(OnceLock::new());
        let parker = Arc::new(AtomicParker::with_wait(TooLate(W::default(), late.clone())));
        let weak = Arc::downgrade(&parker);
        let unpark = move || assert!(weak.upgrade().unwrap().unpark());
        assert!(late.set(Arc::new(unpark)).is_ok());
        for _ in 0..3 {
            // Repeated if a stall let the deadline pass before the sleep: then no token was set.
            let taken = |taken: bool| {
                assert_eq!(parker.state(), ParkState::Empty, "a token was set and not taken");
                taken
            };
            until(|| taken(parker.park_timeout(Duration::from_millis(2))));
            until(|| taken(parker.park_deadline(Instant::now() + Duration::from_millis(2))));
        }
    }
    check::<wait::Condvar>();
    check::<Nap>();
    #[cfg(all(feature = "futex", target_os = "linux"))]
    check::<wait::Futex>();
    #[cfg(feature = "parking_lot")]
    check::<wait::ParkingLot>();
}

/// `Condvar` takes the token in `leave`, and leaves the state parked for the other sleeper.
#[test]
fn a_wait_that_sleeps_on_while_parked_takes_one_token() {
    #[derive(Default)]
    struct SleepsOn<W>(W);

    impl<W: Wait> Wait for SleepsOn<W> {
        fn wait(&self, sleeper: &Sleeper<'_>) {
            while sleeper.still_parked() {
                self.0.wait(sleeper);
            }
        }

        fn wake(&self, key: Key<'_>) {
            self.0.wake(key);
        }
    }

    fn check<W: Slow>() {
        let parker = Arc::new(AtomicParker::with_wait(SleepsOn(W::default())));
        for _ in 0..100 {
            let sleepers = [(); 2].map(|()| {
                let parker = parker.clone();
                thread::spawn(move || parker.park())
            });
            for tokens in 1..=2 {
                parker.unpark();
                until(|| sleepers.iter().filter(|sleeper| sleeper.is_finished()).count() == tokens);
            }
            sleepers.into_iter().for_each(home);
        }
    }
    check::<wait::Condvar>();
    #[cfg(all(feature = "futex", target_os = "linux"))]
    check::<wait::Futex>();
    #[cfg(feature = "parking_lot")]
    check::<wait::ParkingLot>();
}

/// Where a [`Panicky`] slow path panics next, on this thread.
#[derive(Clone, Copy, PartialEq)]
enum Panic {
    BeforeWait,
    AfterWait,
    Wake,
}

thread_local!(static ARMED: Cell<Option<Panic>> = const { Cell::new(None) });

fn panic_if_armed(place: Panic) {
    ARMED.with(|armed| {
        if armed.get() == Some(place) {
            armed.set(None);
            // Prints no message.
            std::panic::resume_unwind(Box::new("as armed"));
        }
    });
}

#[derive(Default)]
struct Panicky<W>(W);

impl<W: Wait> Wait for Panicky<W> {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        panic_if_armed(Panic::BeforeWait);
        self.0.wait(sleeper);
        panic_if_armed(Panic::AfterWait);
    }

    fn wake(&self, key: Key<'_>) {
        panic_if_armed(Panic::Wake);
        self.0.wake(key);
    }
}

/// Runs `park` with a slow path that panics. Returns whether it panicked.
fn panics<T>(place: Panic, park: impl FnOnce() -> T) -> bool {
    ARMED.with(|armed| armed.set(Some(place)));
    let panicked = catch_unwind(AssertUnwindSafe(park)).is_err();
    ARMED.with(|armed| armed.set(None));
    panicked
}

fn usable_after_a_panic_in_wait<W: Slow>() {
    let (parker, unparker) = pair::<Panicky<W>>();
    for _ in 0..3 {
        assert!(panics(Panic::BeforeWait, || parker.park()));
        assert_eq!(parker.state(), ParkState::Empty, "no thread sleeps");
        // Repeated if a stall let the deadline pass before the sleep.
        until(|| panics(Panic::AfterWait, || parker.park_timeout(Duration::from_millis(1))));
        assert_eq!(parker.state(), ParkState::Empty, "no thread sleeps");
        assert!(!parker.park_timeout(Duration::from_millis(1)));
        assert_eq!(unparker.notify(), ParkState::Empty);
        parker.park();
    }
}

/// The token was set during the sleep, and then the slow path panicked: no park has taken the token.
fn a_panic_in_wait_keeps_the_token<W: Slow>() {
    let (mut parker, unparker) = pair::<Panicky<W>>();
    for _ in 0..10 {
        let sleeper = thread::spawn(move || {
            assert!(panics(Panic::AfterWait, || parker.park()));
            parker
        });
        until(|| format!("{unparker:?}").contains("Parked") || sleeper.is_finished());
        unparker.unpark();
        parker = home(sleeper);
        assert!(parker.try_park(), "the token is gone, and no park returned with it");
        assert!(!parker.try_park());
    }
}

fn a_panic_in_wait_loses_no_other_sleeper<W: Slow>() {
    for place in [Panic::BeforeWait, Panic::AfterWait] {
        let parker = Arc::new(AtomicParker::with_wait(Panicky::<W>::default()));
        let patient = thread::spawn({
            let parker = parker.clone();
            move || parker.park()
        });
        until(|| parker.state() == ParkState::Parked);
        let unlucky = thread::spawn({
            let parker = parker.clone();
            // Repeated if a stall let the deadline pass before the sleep.
            move || until(|| panics(place, || parker.park_timeout(Duration::from_millis(2))))
        });
        home(unlucky);
        // The panic cleared PARKED and woke the other sleeper, which restores PARKED.
        until(|| parker.state() == ParkState::Parked);
        assert_eq!(parker.notify(), ParkState::Parked);
        home(patient);
        assert_eq!(parker.state(), ParkState::Empty);
    }
}

/// The token may wake the sleeper that panics. Then the other sleeper must get it.
fn a_panic_in_wait_passes_the_token_on<W: Slow>() {
    for _ in 0..20 {
        let parker = Arc::new(AtomicParker::with_wait(Panicky::<W>::default()));
        let patient = thread::spawn({
            let parker = parker.clone();
            move || parker.park()
        });
        let unlucky = thread::spawn({
            let parker = parker.clone();
            move || {
                let mut taken = false;
                panics(Panic::AfterWait, || taken = parker.park_timeout(Duration::from_millis(2)));
                taken
            }
        });
        until(|| parker.state() == ParkState::Parked);
        assert!(parker.unpark());
        if home(unlucky) {
            // It took the token before it slept, so it did not panic.
            parker.unpark();
        }
        home(patient);
    }
}

/// A panic in `wake` reaches the caller of `unpark`. The token is set before, and the sleeper finds it at its deadline.
fn a_panic_in_wake_loses_no_token<W: Slow>() {
    let parker = Arc::new(AtomicParker::with_wait(Panicky::<W>::default()));
    let sleeper = thread::spawn({
        let parker = parker.clone();
        move || parker.park_timeout(Duration::from_millis(50))
    });
    // If the sleep ends before the unpark, `wake` is not called and nothing panics.
    until(|| parker.state() == ParkState::Parked || sleeper.is_finished());
    panics(Panic::Wake, || parker.unpark());
    let taken = home(sleeper);
    assert!(taken != parker.try_park(), "the token is either taken or still set");
    assert_eq!(parker.unpark() as usize + usize::from(parker.park_timeout(Duration::ZERO)), 2, "usable");
}

macro_rules! panics_on {
    ($($(#[$meta:meta])* $module:ident: $wait:ty;)*) => {$(
        $(#[$meta])*
        mod $module {
            panics_on! {
                @tests $wait,
                usable_after_a_panic_in_wait,
                a_panic_in_wait_keeps_the_token,
                a_panic_in_wait_loses_no_other_sleeper,
                a_panic_in_wait_passes_the_token_on,
                a_panic_in_wake_loses_no_token,
            }
        }
    )*};
    (@tests $wait:ty, $($test:ident,)*) => {$(
        #[test]
        fn $test() {
            super::$test::<$wait>();
        }
    )*};
}

panics_on! {
    condvar: atomic_parker::wait::Condvar;
    #[cfg(all(feature = "futex", target_os = "linux"))]
    futex: atomic_parker::wait::Futex;
    #[cfg(feature = "parking_lot")]
    parking_lot: atomic_parker::wait::ParkingLot;
    sticky: crate::support::Sticky;
    nap: crate::support::Nap;
}

/// As `the_sleeper_may_drop_the_parker_at_once`, with a fixed order of events: the sleeper drops the parker while the
/// waker is inside `wake`. See rust-lang/rust#98498.
#[test]
fn the_handle_keeps_the_parker_alive_until_unpark_returns() {
    #[derive(Default)]
    struct Events {
        parker_dropped: AtomicBool,
        freed: AtomicBool,
    }

    struct Slowly(wait::Condvar, Arc<Events>);

    impl Wait for Slowly {
        fn wait(&self, sleeper: &Sleeper<'_>) {
            self.0.wait(sleeper);
        }

        fn wake(&self, key: Key<'_>) {
            self.0.wake(key);
            until(|| self.1.parker_dropped.load(SeqCst));
            assert!(!self.1.freed.load(SeqCst), "freed while the waker uses it");
            self.0.wake(key);
        }
    }

    impl Drop for Slowly {
        fn drop(&mut self) {
            self.1.freed.store(true, SeqCst);
        }
    }

    let events = Arc::<Events>::default();
    let parker = Parker::with_wait(Slowly(wait::Condvar::new(), events.clone()));
    let unparker: Unparker<Slowly> = parker.unparker();
    let sleeper = thread::spawn({
        let events = events.clone();
        move || {
            parker.park();
            drop(parker);
            events.parker_dropped.store(true, SeqCst);
        }
    });
    until(|| format!("{unparker:?}").contains("Parked"));
    assert_eq!(unparker.notify(), ParkState::Parked);
    home(sleeper);
    assert!(!events.freed.load(SeqCst));
    drop(unparker);
    assert!(events.freed.load(SeqCst));
}

/// A slow path of several parkers gets a key: always the same for one parker, and a different one for each parker.
#[test]
fn a_key_stands_for_one_parker() {
    #[derive(Default)]
    struct Keys {
        inner: Sticky,
        slept: OnceLock<usize>,
        woken: OnceLock<usize>,
    }

    impl Wait for &'static Keys {
        fn wait(&self, sleeper: &Sleeper<'_>) {
            assert!(sleeper.deadline().is_none() && sleeper.timeout().is_none());
            let _ = self.slept.set(sleeper.key().address());
            self.inner.wait(sleeper);
        }

        fn wake(&self, key: Key<'_>) {
            let _ = self.woken.set(key.address());
            self.inner.wake(key);
        }
    }

    static KEYS: [OnceLock<Keys>; 2] = [const { OnceLock::new() }; 2];
    let addresses = KEYS.each_ref().map(|keys| {
        let keys = keys.get_or_init(Keys::default);
        let parker = Arc::new(AtomicParker::with_wait(keys));
        let sleeper = thread::spawn({
            let parker = parker.clone();
            move || parker.park()
        });
        until(|| keys.slept.get().is_some());
        parker.unpark();
        home(sleeper);
        assert_eq!(keys.slept.get(), keys.woken.get());
        let bytes = Arc::as_ptr(&parker) as usize..Arc::as_ptr(&parker) as usize + std::mem::size_of_val(&*parker);
        assert!(bytes.contains(keys.slept.get().unwrap()), "the key is an address inside the parker");
        (*keys.slept.get().unwrap(), parker)
    });
    assert_ne!(addresses[0].0, addresses[1].0);
}

/// A wake for one of two parkers on a shared slow path must not end with a sleeper of the other.
fn share<V: Wait + Send + Sync + 'static, W: Wait + Send + Sync + 'static>(
    first: &Arc<AtomicParker<V>>,
    second: &Arc<AtomicParker<W>>,
) {
    fn sleep<W: Wait + Send + Sync + 'static>(parker: &Arc<AtomicParker<W>>) -> thread::JoinHandle<()> {
        let sleeper = parker.clone();
        let thread = thread::spawn(move || sleeper.park());
        until(|| parker.state() == ParkState::Parked);
        thread
    }
    // The one that slept last is woken first: others are woken in the order in which they fell asleep.
    for _ in 0..50 {
        let sleepers = [sleep(first), sleep(second)];
        second.unpark();
        until(|| sleepers[1].is_finished());
        first.unpark();
        sleepers.into_iter().for_each(home);

        let sleepers = [sleep(second), sleep(first)];
        first.unpark();
        until(|| sleepers[1].is_finished());
        second.unpark();
        sleepers.into_iter().for_each(home);
    }
}

/// Without a size, so its address says nothing.
struct Static<W: 'static>(PhantomData<W>);

trait HasStatic: Slow {
    fn get() -> &'static Self;
}

impl<W: HasStatic> Wait for Static<W> {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        W::get().wait(sleeper);
    }

    fn wake(&self, key: Key<'_>) {
        W::get().wake(key);
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

fn two_parkers_share<W: HasStatic>() {
    fn both<W: Wait + Send + Sync + 'static>(new: impl Fn() -> W) {
        let [first, second] = [(); 2].map(|()| Arc::new(AtomicParker::with_wait(new())));
        share(&first, &second);
    }
    let arc = Arc::new(W::default());
    both(|| arc.clone());
    both(|| Box::new(arc.clone()));
    both(W::get);
    both(|| Static(PhantomData::<W>));
    let first = Arc::new(AtomicParker::with_wait(W::default()));
    let second = Arc::new(AtomicParker::with_wait(OfAnother(first.clone())));
    share(&first, &second);
}

macro_rules! two_parkers_share {
    ($($(#[$meta:meta])* $test:ident: $wait:ident;)*) => {$(
        $(#[$meta])*
        impl HasStatic for wait::$wait {
            fn get() -> &'static Self {
                static WAIT: LazyLock<wait::$wait> = LazyLock::new(Default::default);
                &WAIT
            }
        }

        $(#[$meta])*
        #[test]
        fn $test() {
            two_parkers_share::<wait::$wait>();
        }
    )*};
}

two_parkers_share! {
    two_parkers_share_a_condvar: Condvar;
    #[cfg(all(feature = "futex", target_os = "linux"))]
    two_parkers_share_a_futex: Futex;
    #[cfg(feature = "parking_lot")]
    two_parkers_share_a_parking_lot: ParkingLot;
}

#[test]
fn keys_tell_parkers_apart() {
    struct Outer;
    struct Inner<'a>(Key<'a>);

    impl Wait for Outer {
        fn wait(&self, sleeper: &Sleeper<'_>) {
            let key = sleeper.key();
            assert!(key == sleeper.key() && hash(key) == hash(sleeper.key()));
            assert!(format!("{key:?}").starts_with("Key(0x"));
            assert_eq!(format!("{sleeper:?}"), "Sleeper { state: Parked, deadline: None }");
            AtomicParker::with_wait(Inner(key)).park();
        }

        fn wake(&self, _: Key<'_>) {}
    }

    impl Wait for Inner<'_> {
        fn wait(&self, sleeper: &Sleeper<'_>) {
            assert!(self.0 != sleeper.key() && hash(self.0) != hash(sleeper.key()));
            std::panic::resume_unwind(Box::new("all hold"));
        }

        fn wake(&self, _: Key<'_>) {}
    }

    fn hash(key: Key<'_>) -> u64 {
        BuildHasherDefault::<DefaultHasher>::default().hash_one(key)
    }

    let panic = catch_unwind(|| AtomicParker::with_wait(Outer).park()).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"all hold"));
}
