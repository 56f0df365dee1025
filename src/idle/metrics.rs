//! Counters of each worker, on cache lines of their own.
//!
//! # Orderings
//!
//! Relaxed: a counter orders nothing.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What a worker or a set has done so far: the result of [`Idle::metrics`](super::Idle::metrics) and
/// [`Idle::worker_metrics`](super::Idle::worker_metrics).
///
/// The counters begin anew at zero after `usize::MAX`. The names are those of tokio's `RuntimeMetrics`, where it has them. Only
/// the slow path counts: a worker that finds work at once does not.
///
/// # Examples
///
/// ```
/// let (idle, _workers) = atomic_parker::idle::Idle::new(2);
/// assert_eq!(idle.metrics().park_count, 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Metrics {
    /// How often a worker went to sleep.
    pub park_count: usize,
    /// How often an announcement, or a search that went on, woke a worker or started it. Also the worker that polls an event loop
    /// and is awake then.
    pub wake_count: usize,
    /// How often a worker that was woken looked, and found nothing.
    pub noop_count: usize,
    /// How often a worker left the event loop of a [`Driver`](crate::driver::Driver), and woke another thread to take its place.
    pub hand_over_count: usize,
    /// How often the closure of [`Builder::start`](super::Builder::start) was called, also if the start failed.
    pub thread_start_count: usize,
    /// How many workers of a set that grows have ended, also those from [`Idle::enter`](super::Idle::enter). A start that failed does
    /// not count.
    pub thread_end_count: usize,
}

/// The counters of one place.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) parks: Counter,
    pub(super) wakes: Counter,
    pub(super) noops: Counter,
    pub(super) starts: Counter,
    pub(super) ends: Counter,
}

impl Counters {
    /// Adds them to `metrics`. The driver counts its hand-overs itself.
    pub(super) fn add_to(&self, metrics: &mut Metrics) {
        for (counter, sum) in [
            (&self.parks, &mut metrics.park_count),
            (&self.wakes, &mut metrics.wake_count),
            (&self.noops, &mut metrics.noop_count),
            (&self.starts, &mut metrics.thread_start_count),
            (&self.ends, &mut metrics.thread_end_count),
        ] {
            *sum = sum.wrapping_add(counter.0.load(Ordering::Relaxed));
        }
    }
}

/// Of std, also in models: it is no step of the protocol.
#[derive(Default)]
pub(super) struct Counter(AtomicUsize);

impl Counter {
    pub(super) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
