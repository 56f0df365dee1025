//! The protocols of [`OwnPool`](crate::own::OwnPool): the idle set, and two that are often written by hand.

use crate::own::Protocol;
use crate::pools::Task;
use atomic_parker::{idle, ParkState, Parker, Unparker};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

#[derive(Clone)]
pub struct IdleSet(idle::Idle);

impl Protocol for IdleSet {
    type Worker = idle::Worker;

    fn new(workers: usize) -> (Self, Vec<Self::Worker>) {
        let (idle, workers) = idle::Idle::new(workers);
        (Self(idle), workers)
    }

    fn wake_one(&self) {
        let _ = self.0.wake_one();
    }

    fn wake(&self, tasks: usize) {
        self.0.wake(tasks);
    }

    fn next(worker: &Self::Worker, find: impl FnMut() -> Option<Task>) -> Option<Task> {
        worker.next(find)
    }

    fn close(&self) {
        self.0.close();
    }
}

/// Notifies one worker after the other, until one was asleep.
#[derive(Clone)]
pub struct NotifyInTurn(Arc<(Vec<Unparker>, AtomicBool)>);

impl Protocol for NotifyInTurn {
    type Worker = (Parker, Self);

    fn new(workers: usize) -> (Self, Vec<Self::Worker>) {
        let parkers: Vec<Parker> = (0..workers).map(|_| Parker::new()).collect();
        let unparkers = parkers.iter().map(Parker::unparker).collect();
        let protocol = Self(Arc::new((unparkers, AtomicBool::new(false))));
        let workers = parkers.into_iter().map(|parker| (parker, protocol.clone())).collect();
        (protocol, workers)
    }

    fn wake_one(&self) {
        // A worker that is awake keeps the token, and so searches once more before it sleeps.
        let _ = self.0 .0.iter().any(|unparker| unparker.notify() == ParkState::Parked);
    }

    fn wake(&self, tasks: usize) {
        (0..tasks).for_each(|_| self.wake_one());
    }

    fn next((parker, protocol): &Self::Worker, mut find: impl FnMut() -> Option<Task>) -> Option<Task> {
        loop {
            if let Some(task) = find() {
                return Some(task);
            }
            if protocol.0 .1.load(Ordering::Acquire) {
                return None;
            }
            parker.park();
        }
    }

    fn close(&self) {
        self.0 .1.store(true, Ordering::Release);
        self.0 .0.iter().for_each(|unparker| _ = unparker.unpark());
    }
}

/// A mutex with the number of sleeping workers, and a condition variable.
#[derive(Clone)]
pub struct Counted(Arc<(Mutex<Count>, Condvar)>);

#[derive(Default)]
pub struct Count {
    asleep: usize,
    /// The number of wake-ups that no worker has received yet.
    sent: usize,
    closed: bool,
}

impl Protocol for Counted {
    type Worker = Self;

    fn new(workers: usize) -> (Self, Vec<Self::Worker>) {
        let protocol = Self(Arc::default());
        (protocol.clone(), vec![protocol; workers])
    }

    fn wake_one(&self) {
        self.wake(1);
    }

    fn wake(&self, tasks: usize) {
        let mut count = self.0 .0.lock().unwrap();
        let more = tasks.min(count.asleep - count.sent);
        count.sent += more;
        drop(count);
        (0..more).for_each(|_| self.0 .1.notify_one());
    }

    fn next(worker: &Self::Worker, mut find: impl FnMut() -> Option<Task>) -> Option<Task> {
        loop {
            if let Some(task) = find() {
                return Some(task);
            }
            // Counted before the last look: a pusher that comes after that look finds a sleeping worker.
            worker.0 .0.lock().unwrap().asleep += 1;
            let found = find();
            let mut count = worker.0 .0.lock().unwrap();
            while found.is_none() && count.sent == 0 && !count.closed {
                count = worker.0 .1.wait(count).unwrap();
            }
            count.asleep -= 1;
            count.sent = match found {
                None => count.sent.saturating_sub(1),
                // A wake-up for this worker must not remain.
                Some(_) => count.sent.min(count.asleep),
            };
            if found.is_some() || count.closed {
                return found;
            }
        }
    }

    fn close(&self) {
        self.0 .0.lock().unwrap().closed = true;
        self.0 .1.notify_all();
    }
}
