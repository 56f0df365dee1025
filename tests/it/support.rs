//! What the tests share: waiting for events, and slow paths that are wrong in every way the contract allows.
//!
//! `examples/soak.rs` includes this file too, so it knows nothing of the test harness.

use atomic_parker::wait::{self, Key, Sleeper, Wait};
use atomic_parker::{AtomicParker, Parker, Unparker};
use std::cell::Cell;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A slow path that the suite can be stamped out for.
pub trait Slow: Wait + Default + Send + Sync + UnwindSafe + RefUnwindSafe + 'static {}

impl<W: Wait + Default + Send + Sync + UnwindSafe + RefUnwindSafe + 'static> Slow for W {}

/// How long an event may take before a test calls it lost. Only a broken parker, or a stopped machine, gets there.
const LOST: Duration = Duration::from_secs(180);

/// Waits until an event is seen; panics if it never comes.
#[track_caller]
pub fn until(mut event: impl FnMut() -> bool) {
    let start = Instant::now();
    while !event() {
        assert!(start.elapsed() < LOST, "what the test waits for does not come: a thread is lost");
        thread::yield_now();
    }
}

/// Waits until a thread comes home; panics if it never does, or if it panicked.
#[track_caller]
pub fn home<T>(thread: JoinHandle<T>) -> T {
    until(|| thread.is_finished());
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Starts `count` threads, each of which knows its number.
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

/// How many rounds to do where a test usually does `usual`: fewer under Miri, more or fewer by `ATOMIC_PARKER_STRESS`.
pub fn rounds(usual: u32) -> u32 {
    let usual = if cfg!(miri) { f64::from(usual) / 100.0 } else { f64::from(usual) };
    let factor = std::env::var("ATOMIC_PARKER_STRESS").map_or(1.0, |factor| {
        factor.parse().unwrap_or_else(|_| panic!("ATOMIC_PARKER_STRESS is a factor such as 0.1, not {factor:?}"))
    });
    (usual * factor).ceil().max(1.0) as u32
}

/// The last point in time that the clock of this machine can express, or close to it.
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

/// A number below `bound`, by a generator that each thread has for itself.
pub fn random(bound: u32) -> u32 {
    static SEED: AtomicUsize = AtomicUsize::new(1);
    // Without a destructor, so that it works in the destructors of other thread-locals.
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

/// Loses time, or does not.
pub fn stumble() {
    match random(16) {
        0 => thread::sleep(Duration::from_micros(random(100).into())),
        1..=3 => thread::yield_now(),
        4..=7 => (0..random(200)).for_each(|_| std::hint::spin_loop()),
        _ => {}
    }
}

/// Injects faults: delays around each step, returns without any sleep, early returns of which nobody is told.
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

/// As a user's event loop would do it: a wake sticks until a sleep has used it up. Knows nothing of other sleepers, so
/// it never leaves, and never looks whether it should sleep at all.
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

/// Sleeps for a moment at most, whatever it is told: returns early, again and again, and needs no wake.
#[derive(Default)]
pub struct Nap;

impl Wait for Nap {
    fn wait(&self, sleeper: &Sleeper<'_>) {
        let nap = Duration::from_micros(200);
        thread::sleep(sleeper.timeout().map_or(nap, |left| left.min(nap)));
    }

    fn wake(&self, _: Key<'_>) {}
}

/// What a [`Counting`] slow path has seen.
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

    /// How many threads are inside `wait` at this moment.
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
