//! When the workers of a pool sleep, and who wakes them: in the place of rayon-core's folder `sleep/`.

use crate::job::JobRef;
use crate::latch::CoreLatch;
use crate::sync::Mutex;
use atomic_parker::idle::{Idle, Worker};
use crossbeam_utils::CachePadded;
use std::thread;

/// The pool's public limit. A set of this crate may have more, where a word has 64 bits.
pub(crate) const THREADS_MAX: usize = if Idle::MAX_WORKERS < 0xffff { Idle::MAX_WORKERS } else { 0xffff };

/// So often a worker looks, and lets other threads run, before it sleeps: a wake costs more than these looks.
const LOOKS: u32 = 24;

pub(super) struct Sleep {
    idle: Idle,
    /// Each locked by its own thread only, as the pool is shared and a `Worker` is not `Sync`.
    workers: Box<[CachePadded<Mutex<Worker>>]>,
}

/// A worker that looks for work.
pub(super) struct IdleState {
    index: usize,
    looks: u32,
}

impl Sleep {
    pub(super) fn new(threads: usize) -> Self {
        let (idle, workers) = Idle::new(threads);
        let workers = workers.into_iter().map(|worker| CachePadded::new(Mutex::new(worker)));
        Self { idle, workers: workers.collect() }
    }

    #[inline]
    pub(super) fn start_looking(&self, index: usize) -> IdleState {
        IdleState { index, looks: 0 }
    }

    /// Sleeps after enough looks. Returns a job, or `None` if the caller must look at the latch and for work again.
    #[inline]
    pub(super) fn no_work_found(
        &self,
        state: &mut IdleState,
        latch: &CoreLatch,
        find: impl FnMut() -> Option<JobRef>,
    ) -> Option<JobRef> {
        if state.looks < LOOKS {
            state.looks += 1;
            thread::yield_now();
            return None;
        }
        state.looks = 0;
        self.sleep(state.index, latch, find)
    }

    #[cold]
    fn sleep(&self, index: usize, latch: &CoreLatch, mut find: impl FnMut() -> Option<JobRef>) -> Option<JobRef> {
        // From now on, whoever sets the latch wakes this worker.
        if !(latch.get_sleepy() && latch.fall_asleep()) {
            return None;
        }
        let worker = self.workers[index].lock().unwrap();
        let job = worker.wait_for(|| if latch.probe() { Some(None) } else { find().map(Some) });
        latch.wake_up();
        job
    }

    /// The latch that this worker waits for is set, or it has a job of its own.
    pub(super) fn notify_worker_latch_is_set(&self, index: usize) {
        self.idle.wake_worker(index);
    }

    /// A job was pushed from outside the pool.
    #[inline]
    pub(super) fn new_injected_job(&self) {
        self.idle.wake_one();
    }

    /// A job was pushed by a worker to its own queue.
    #[inline]
    pub(super) fn new_internal_job(&self) {
        self.idle.wake_one();
    }
}
