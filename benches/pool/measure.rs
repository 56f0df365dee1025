//! The measurements of a pool, one slice each.

use crate::pools::{Pool, Task};
use atomic_parker::{pair, Parker, Unparker};
use atomic_parker_benches::stats::median;
use atomic_parker_benches::usage::{during, process};
use atomic_parker_benches::work::work;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Sender};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Counts tasks down. The last task stores the time, and wakes the waiting thread.
struct Countdown {
    left: AtomicUsize,
    begin: Instant,
    ended: AtomicU64,
    waiting: Unparker,
}

impl Countdown {
    fn done(&self) {
        // Release and acquire: all other tasks happen before the last one ends.
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.ended.store(self.begin.elapsed().as_nanos() as u64, Ordering::Relaxed);
            self.waiting.unpark();
        }
    }
}

/// Tasks that are ready to be pushed.
struct Tasks {
    tasks: Vec<Task>,
    countdown: Arc<Countdown>,
    parker: Parker,
}

impl Tasks {
    fn new<F: FnOnce() + Send + 'static>(runs: impl ExactSizeIterator<Item = F>) -> Self {
        let (parker, waiting) = pair();
        let left = AtomicUsize::new(runs.len());
        let countdown = Arc::new(Countdown { left, begin: Instant::now(), ended: AtomicU64::new(0), waiting });
        let task = |run: F| -> Task {
            let countdown = countdown.clone();
            Box::new(move || {
                run();
                countdown.done();
            })
        };
        Self { tasks: runs.map(task).collect(), countdown, parker }
    }

    /// Pushes all and waits until they have run: the nanoseconds from the first push to the end of the last task.
    fn run(self, pool: &dyn Pool) -> f64 {
        let start = self.countdown.begin.elapsed().as_nanos() as f64;
        pool.push_all(self.tasks);
        self.parker.park();
        self.countdown.ended.load(Ordering::Relaxed) as f64 - start
    }
}

/// The processor time and the voluntary context switches of the whole process during `run`, with what the workers do
/// until they sleep.
fn used(run: impl FnOnce()) -> (f64, f64) {
    let ((), used) = during(process, || {
        run();
        thread::sleep(Duration::from_millis(1));
    });
    (used.cpu, used.voluntary_switches)
}

/// Tasks that are pushed as fast as possible: the nanoseconds and the processor time per task.
pub fn flood(pool: &dyn Pool, count: usize, nanos: u64) -> Vec<f64> {
    let tasks = Tasks::new((0..count).map(|_| move || work(nanos)));
    let mut time = 0.0;
    let (cpu, _) = used(|| time = tasks.run(pool));
    vec![time / count as f64, cpu / count as f64]
}

/// `count` times, a millisecond apart: the median of the nanoseconds, divided by `size`, and the processor time for
/// each of the `size` tasks.
fn apart(size: usize, count: usize, run: impl Fn() -> f64) -> Vec<f64> {
    let mut times = Vec::new();
    let (cpu, _) = used(|| {
        times.extend((0..count).map(|_| {
            thread::sleep(Duration::from_millis(1));
            run()
        }))
    });
    vec![median(&times) / size as f64, cpu / (count * size) as f64]
}

/// Bursts of tasks of 5 µs: the nanoseconds and the processor time per task.
pub fn bursts(pool: &dyn Pool, size: usize, count: usize) -> Vec<f64> {
    apart(size, count, || Tasks::new((0..size).map(|_| || work(5_000))).run(pool))
}

/// One task for each worker. Each task ends only when all have begun: the nanoseconds until all have run.
pub fn meetings(pool: &dyn Pool, size: usize, count: usize) -> Vec<f64> {
    apart(1, count, || {
        let all = Arc::new(Barrier::new(size));
        Tasks::new(vec![all; size].into_iter().map(|all| move || _ = all.wait())).run(pool)
    })
}

/// One task for each worker. Each task ends only when the one that was pushed after it has ended: the nanoseconds until
/// all have run.
pub fn chains(pool: &dyn Pool, size: usize, count: usize) -> Vec<f64> {
    apart(1, count, || {
        let mut last: Option<Sender<()>> = None;
        let tasks = (0..size).map(|_| {
            let (end, next) = channel();
            let ours = last.replace(end);
            move || {
                // Fails once the next task, which sends nothing, has ended.
                _ = next.recv();
                drop(ours);
            }
        });
        let tasks: Vec<_> = tasks.collect();
        drop(last);
        Tasks::new(tasks.into_iter()).run(pool)
    })
}

/// One task after the other, with a pause that the pusher sleeps through.
///
/// Returns the median of the nanoseconds from push to start, and the processor time and the voluntary context switches
/// per task. These are of the whole process, so one switch is the pusher's.
pub fn trickle(pool: &dyn Pool, pause: Duration, count: usize) -> Vec<f64> {
    let latencies = Arc::new(Mutex::new(Vec::with_capacity(count)));
    let (cpu, switches) = used(|| {
        for _ in 0..count {
            thread::sleep(pause);
            let latencies = latencies.clone();
            let pushed = Instant::now();
            pool.push(Box::new(move || {
                let latency = pushed.elapsed().as_nanos() as f64;
                latencies.lock().unwrap().push(latency);
            }));
        }
    });
    let latencies = latencies.lock().unwrap();
    vec![median(&latencies), cpu / count as f64, switches / count as f64]
}
