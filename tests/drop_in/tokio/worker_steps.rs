//! The steps of a worker that have to do with sleep, and what a scheduler announces. In the place of the methods of `worker.rs` with
//! the same names.

use super::{with_current, Context, Core, Handle};

/// On the thread that polls, while its worker sleeps: announces what the poll has put into that worker's queue.
pub(in crate::runtime::scheduler::multi_thread) fn announce_events() {
    with_current(|context| {
        let Some(context) = context else { return };
        context.defer.wake(); // a waker that the poll has called may poll a task at once, which yields
        let tasks = match &*context.core.borrow() {
            // A worker that is awake announces what it schedules.
            Some(core) if core.park.is_none() => core.tasks(),
            _ => return,
        };
        // This worker looks before it polls again, also into the slot that no other worker looks at.
        context.worker.handle.announce(tasks);
    });
}

impl Context {
    /// Sleeps if there is no work.
    pub(super) fn park(&self, mut core: Box<Core>) -> Box<Core> {
        let shared = &self.worker.handle.shared;
        if let Some(before_park) = &shared.config.before_park {
            before_park();
        }
        if core.about_to_sleep() && !self.worker.handle.has_work() {
            core.stats.about_to_park();
            core.stats.submit(&shared.worker_metrics[self.worker.index]);
            let park = core.park.take().expect("a worker sleeps once at a time");
            *self.core.borrow_mut() = Some(core);
            park.sleep();
            core = self.core.borrow_mut().take().expect("the core was put there above");
            core.park = Some(park);
            core.stats.unparked();
            core.maintenance(&self.worker);
        }
        if let Some(after_unpark) = &shared.config.after_unpark {
            after_unpark();
        }
        core
    }

    /// Polls the driver without waiting, and schedules the tasks that have yielded.
    pub(super) fn park_yield(&self, core: Box<Core>) -> Box<Core> {
        *self.core.borrow_mut() = Some(core);
        self.worker.handle.shared.idle.poll_now();
        self.defer.wake();
        let core = self.core.borrow_mut().take().expect("the core was put there above");
        if core.is_searching && core.lifo_slot.is_some() {
            // The worker takes this task first, so another one must look for what it was woken for.
            self.worker.handle.announce(1);
        }
        core
    }
}

impl Core {
    /// How many tasks only this worker has.
    fn tasks(&self) -> usize {
        usize::from(self.lifo_slot.is_some()) + self.run_queue.len()
    }

    fn about_to_sleep(&mut self) -> bool {
        if self.has_tasks() || self.is_traced {
            return false;
        }
        self.is_searching = true;
        self.park.as_ref().is_some_and(|park| park.about_to_sleep())
    }

    /// The worker is about to run a task.
    pub(super) fn found_work(&mut self) {
        if std::mem::take(&mut self.is_searching) {
            self.park.iter().for_each(|park| park.found_work());
        }
    }
}

impl Handle {
    /// Tasks were made visible to all workers. More than two of them are as many as a search can owe.
    pub(super) fn announce(&self, tasks: usize) {
        (0..tasks.min(3)).for_each(|_| self.shared.idle.announce());
    }

    pub(super) fn notify_parked_local(&self) {
        self.announce(1);
    }

    pub(super) fn notify_parked_remote(&self) {
        self.announce(1);
    }

    /// Whether a queue has a task at this moment.
    fn has_work(&self) -> bool {
        !self.shared.inject.is_empty() || self.shared.remotes.iter().any(|remote| !remote.steal.is_empty())
    }

    pub(in crate::runtime::scheduler::multi_thread) fn close(&self) {
        if self.shared.inject.close() {
            self.shared.idle.close();
        }
    }
}
