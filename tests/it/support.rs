//! Shared by the tests: waiting for events, and slow paths that misbehave in every way that the contract allows.
//!
//! `examples/soak.rs` includes this file too, so it does not use the test harness.

use atomic_parker::wait::{self, Key, Sleeper, Wait};
use atomic_parker::{AtomicParker, Parker, Unparker};
use std::cell::Cell;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A slow path that the suite can run on.
pub trait Slow: Wait + Default + Send + Sync + UnwindSafe + RefUnwindSafe + 'static {}

impl<W: Wait + Default + Send + Sync + UnwindSafe + RefUnwindSafe + 'static> Slow for W {}

/// The time after which `until` panics. Only a broken parker or a stopped machine takes so long.
const LOST: Duration = Duration::from_secs(180);

/// Waits until `event` returns true. Panics after `LOST`.
#[track_caller]
pub fn until(mut event: impl FnMut() -> bool) {
    let start = Instant::now();
    while !event() {
        assert!(start.elapsed() < LOST, "the awaited event does not come: a thread is lost");
        thread::yield_now();
    }
}

/// Joins a thread. Panics if the thread panicked, or does not end within `LOST`.
#[track_caller]
pub fn home<T>(thread: JoinHandle<T>) -> T {
    until(|| thread.is_finished());
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Starts `count` threads, and passes each its number.
pub fn threads<T: Send + 'static>(
    count: usize,
    body: impl Fn(usize) -> T + Send + Sync + 'static,
) -> impl Iterator<Item = JoinHandle<T>> {
    let body = Arc::new(body);
    let threads: Vec<_> = (0..count)
        .map(|number| {
            let body = Arc::clone(&body);
            thread::spawn(move || body(number))
        })
        .collect();
    threads.into_iter()
}

/// The number of rounds for a test: `usual`, times `ATOMIC_PARKER_STRESS`, and fewer under Miri.
pub fn rounds(usual: u32) -> u32 {
    let usual = if cfg!(miri) { f64::from(usual) / 100.0 } else { f64::from(usual) };
    let factor = std::env::var("ATOMIC_PARKER_STRESS").map_or(1.0, |factor| {
        factor.parse().unwrap_or_else(|_| panic!("ATOMIC_PARKER_STRESS is a factor such as 0.1, not {factor:?}"))
    });
    (usual * factor).ceil().max(1.0) as u32
}

/// An `Instant` close to the last one that the system can represent.
pub fn end_of_time() -> Instant {
    let mut end = Instant::now();
    let mut step = Duration::MAX;
    while step > Duration::from_secs(1) {
        match end.checked_add(step) {
            Some(later) => end = later,
            None => step /= 2,
        }
    }
    end
}

/// A pair on a default slow path.
pub fn pair<W: Slow>() -> (Parker<W>, Unparker<W>) {
    let parker = Parker::with_wait(W::default());
    let unparker = parker.unparker();
    (parker, unparker)
}

/// A random number below `bound`. Each thread has its own generator.
pub fn random(bound: u32) -> u32 {
    static SEED: AtomicUsize = AtomicUsize::new(1);
    // No destructor, so that it works in the destructors of other thread-locals.
    thread_local!(static STATE: Cell<u64> = const { Cell::new(0) });
    STATE.with(|state| {
        let mut next = match state.get() {
            0 => (SEED.fetch_add(1, Relaxed) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15),
            known => known,
        };
        next ^= next << 13;
        next ^= next >> 7;
        next ^= next << 17;
        state.set(next);
        (((next >> 32) * u64::from(bound)) >> 32) as u32
    })
}

/// Sleeps, yields, spins or does nothing, at random.
pub fn stumble() {
    match random(16) {
        0 => thread::sleep(Duration::from_micros(random(100).into())),
        1..=3 => thread::yield_now(),
        4..=7 => (0..random(200)).for_each(|_| std::hint::spin_loop()),
        _ => {}
    }
}

/// Injects faults: delays around each step, returns without a sleep, and early returns.
#[derive(Default)]
pub struct Faulty<W> {
    inner: W,
}

impl<W: Wait> Wait for Faulty<W> {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        stumble();
        match random(8) {
            0 | 1 => {}
            2 => {
                let nap = Duration::from_micros(random(100).into());
                thread::sleep(sleeper.timeout().map_or(nap, |left| left.min(nap)));
            }
            _ => self.inner.wait(sleeper),
        }
        stumble();
    }

    fn wake(&self, key: Key<'_>) {
        stumble();
        self.inner.wake(key);
        stumble();
    }
}

/// As a user's event loop: a wake stays set until a sleep consumes it. It does not count its sleepers, so it never
/// calls `leave`. It does not check the state before it sleeps.
#[derive(Default)]
pub struct Sticky {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Wait for Sticky {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        let woken = self.woken.lock().unwrap();
        let mut woken = match sleeper.timeout() {
            Some(left) => self.changed.wait_timeout_while(woken, left, |woken| !*woken).unwrap().0,
            None => self.changed.wait_while(woken, |woken| !*woken).unwrap(),
        };
        *woken = false;
    }

    fn wake(&self, _: Key<'_>) {
        *self.woken.lock().unwrap() = true;
        self.changed.notify_one();
    }
}

/// Sleeps for at most 200 µs: always returns early, and needs no wake.
#[derive(Default)]
pub struct Nap;

impl Wait for Nap {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        let nap = Duration::from_micros(200);
        thread::sleep(sleeper.timeout().map_or(nap, |left| left.min(nap)));
    }

    fn wake(&self, _: Key<'_>) {}
}

/// The calls of a [`Counting`] slow path.
#[derive(Default)]
pub struct Counts {
    waits: AtomicUsize,
    inside: AtomicUsize,
    wakes: AtomicUsize,
}

impl Counts {
    pub fn waits(&self) -> usize {
        self.waits.load(SeqCst)
    }

    pub fn wakes(&self) -> usize {
        self.wakes.load(SeqCst)
    }

    /// The number of threads that are inside `wait` now.
    pub fn inside(&self) -> usize {
        self.inside.load(SeqCst)
    }
}

/// Counts the calls of a slow path.
pub struct Counting<W = wait::Condvar> {
    inner: W,
    counts: Arc<Counts>,
}

impl<W: Slow> Counting<W> {
    pub fn new() -> (Self, Arc<Counts>) {
        let counts = Arc::<Counts>::default();
        (Self { inner: W::default(), counts: counts.clone() }, counts)
    }

    pub fn shared() -> (Arc<AtomicParker<Self>>, Arc<Counts>) {
        let (wait, counts) = Self::new();
        (Arc::new(AtomicParker::with_wait(wait)), counts)
    }
}

impl<W: Wait> Wait for Counting<W> {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        self.counts.waits.fetch_add(1, SeqCst);
        self.counts.inside.fetch_add(1, SeqCst);
        self.inner.wait(sleeper);
        self.counts.inside.fetch_sub(1, SeqCst);
    }

    fn wake(&self, key: Key<'_>) {
        self.counts.wakes.fetch_add(1, SeqCst);
        self.inner.wake(key);
    }
}
