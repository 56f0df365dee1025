//! How a worker sleeps: in the driver, or beside it. In the place of `scheduler/multi_thread/park.rs`.

use super::idle::Owner;
use super::worker;
use crate::loom::sync::Arc;
use crate::runtime::driver;
use crate::util::TryLock;
use atomic_parker::driver::{DriverOr, EventLoop};
use atomic_parker::idle::Steps;
use std::sync::Weak;
use std::time::Instant;

/// The resource driver. Only one thread at a time is in it, so the lock is always free.
type Resources = Arc<TryLock<driver::Driver>>;

/// The sleep of one worker. It moves with the worker's core from thread to thread.
pub(crate) struct Parker {
    steps: Steps<DriverOr<Events>>,
    resources: Resources,
}

impl Parker {
    pub(super) fn new(steps: Steps<DriverOr<Events>>, resources: Resources) -> Self {
        Self { steps, resources }
    }

    /// Whether the worker may sleep after one more look.
    pub(super) fn about_to_sleep(&self) -> bool {
        self.steps.about_to_sleep()
    }

    pub(super) fn sleep(&self) {
        self.steps.sleep(None);
    }

    /// The worker is about to run a task.
    pub(super) fn found_work(&self) {
        self.steps.found_work();
    }

    pub(super) fn shutdown(&mut self, handle: &driver::Handle) {
        if let Some(mut driver) = self.resources.try_lock() {
            driver.shutdown(handle);
        }
    }
}

/// The resource driver as an event loop of this crate.
pub(super) struct Events {
    resources: Resources,
    owner: Owner,
}

impl Events {
    pub(super) fn new(resources: Resources, owner: Owner) -> Self {
        Self { resources, owner }
    }
}

impl EventLoop for Events {
    /// Waits, and puts the tasks of the events into the queue of this thread's worker.
    fn wait(&mut self, until: Option<Instant>) {
        let Some(handle) = self.owner.get().and_then(Weak::upgrade) else { return };
        let Some(mut driver) = self.resources.try_lock() else { return };
        match until {
            Some(until) => driver.park_timeout(&handle.driver, until.saturating_duration_since(Instant::now())),
            None => driver.park(&handle.driver),
        }
    }

    fn deliver(&mut self) {
        worker::announce_events();
    }
}
