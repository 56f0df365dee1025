//! Which worker is woken for a task: the idle set of this crate. In the place of `scheduler/multi_thread/idle.rs`.

use super::park::{Events, Parker};
use super::Handle;
use crate::loom::sync::Arc;
use crate::runtime::driver;
use crate::util::TryLock;
use atomic_parker::driver::{Driver, DriverOr};
use atomic_parker::idle;
use std::sync::{OnceLock, Weak};
use std::time::Duration;

/// The scheduler that the set belongs to. Weak, as the scheduler holds the set.
pub(super) type Owner = Arc<OnceLock<Weak<Handle>>>;

pub(super) struct Idle {
    set: idle::Idle<DriverOr<Events>>,
    driver: Driver<Events>,
    owner: Owner,
}

impl Idle {
    /// The set, and the parker of each worker. `eager`: a worker that has polled hands the driver over before it runs a task.
    pub(super) fn new(workers: usize, driver: driver::Driver, eager: bool) -> (Self, Vec<Parker>) {
        let owner = Owner::default();
        let resources = Arc::new(TryLock::new(driver));
        let interrupted = owner.clone();
        let mut driver = Driver::new(Events::new(resources.clone(), owner.clone()), move || {
            if let Some(handle) = interrupted.get().and_then(Weak::upgrade) {
                handle.driver.unpark();
            }
        });
        if eager {
            driver = driver.hand_over_after(Duration::ZERO);
        }
        let (set, workers) = idle::Idle::with_driver(workers, &driver);
        let parkers = workers.into_iter().map(|worker| Parker::new(worker.into_steps(), resources.clone())).collect();
        (Self { set, driver, owner }, parkers)
    }

    pub(super) fn belongs_to(&self, handle: &Arc<Handle>) {
        let _ = self.owner.set(Arc::downgrade(handle));
    }

    /// A task was made visible to all workers.
    pub(super) fn announce(&self) {
        self.set.wake_one();
    }

    pub(super) fn close(&self) {
        self.set.close();
    }

    /// For a worker with tasks.
    pub(super) fn poll_now(&self) {
        self.driver.poll_now();
    }
}
