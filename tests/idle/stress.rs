//! Tasks that wait for each other, on workers that time out, panic, are dropped and enter again. A lost wake makes the
//! test hang. A task that runs twice makes a barrier wait for one more thread.

use crate::support::Queue;
use crate::watchdog::watch;
use atomic_parker::idle::{Idle, Next, Worker};
use atomic_parker::wait::{Condvar, Wait};
use atomic_parker::Parker;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::{mpsc, Arc, Barrier};
use std::thread;
use std::time::Duration;

/// Each group of tasks has one barrier.
const GROUPS: usize = 600;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// Runs tasks until the set is closed. Returns their number.
fn work<W: Wait>(mut worker: Worker<W>, queue: &Queue<Arc<Barrier>>, done: &mpsc::Sender<()>) -> usize {
    let mut random = Random(worker.index() as u64 + 1);
    let mut ran = 0;
    loop {
        let fatal = (random.below(3) == 0).then(|| random.below(4));
        let timeout = Duration::from_micros(random.below(300) as u64);
        let mut look = 0;
        let find = || {
            if fatal == Some(look) {
                resume_unwind(Box::new("find panics"));
            }
            look += 1;
            queue.pop()
        };
        let next = || match timeout.as_micros() % 2 {
            0 => worker.next(find).map_or(Next::Closed, Next::Work),
            _ => worker.next_timeout(timeout, find),
        };
        match catch_unwind(AssertUnwindSafe(next)) {
            Ok(Next::Work(barrier)) => {
                barrier.wait();
                ran += 1;
                done.send(()).unwrap();
            }
            Ok(Next::Closed) => return ran,
            Ok(Next::TimedOut) | Err(_) => {
                let idle = worker.idle().clone();
                drop(worker);
                // Each thread that drops a worker takes one place again.
                worker = idle.enter().expect("a place is vacant");
            }
        }
    }
}

fn stress<W: Wait + Send + Sync + 'static>(new: impl Fn() -> W) {
    for workers in [1, 2, 3, 8, 65, 140] {
        let (idle, all) = Idle::with_parkers((0..workers).map(|_| Parker::with_wait(new())));
        let queue = Queue::new();
        let (sender, done) = mpsc::channel();
        let start = |worker| {
            let (queue, sender) = (queue.clone(), sender.clone());
            thread::spawn(move || work(worker, &queue, &sender))
        };
        let threads: Vec<_> = all.into_iter().map(start).collect();
        let mut random = Random(workers as u64);
        let mut pushed = 0;
        for group in 0..GROUPS {
            if group % 100 == 0 {
                watch(idle.clone());
            }
            let tasks = 1 + random.below(workers.min(16));
            let barrier = Arc::new(Barrier::new(tasks));
            let announcement = random.below(3);
            for _ in 0..tasks {
                queue.push(barrier.clone());
                match announcement {
                    0 => _ = idle.wake_one(),
                    1 => _ = idle.wake_worker(random.below(workers)),
                    _ => {}
                }
            }
            if announcement == 2 {
                assert!(idle.wake(tasks) <= tasks);
            }
            (0..tasks).for_each(|_| done.recv().unwrap());
            pushed += tasks;
        }
        idle.close();
        let ran: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(ran, pushed);
        assert_eq!((idle.asleep(), idle.workers()), (0, 0));
    }
}

#[test]
fn no_wake_is_lost_on_condvar() {
    stress(Condvar::new);
}

#[test]
#[cfg(all(feature = "futex", any(target_os = "linux", target_os = "android")))]
fn no_wake_is_lost_on_futex() {
    stress(atomic_parker::wait::Futex::new);
}

#[test]
#[cfg(feature = "parking_lot")]
fn no_wake_is_lost_on_parking_lot() {
    stress(|| atomic_parker::wait::ParkingLot);
}
