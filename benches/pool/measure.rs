//! The measurements of a pool, one slice each.

use crate::pools::{Pool, Task};
use atomic_parker::{pair, Unparker};
use atomic_parker_benches::stats::median;
use atomic_parker_benches::usage::{process, Usage};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// Uses `nanos` of processor time. It counts steps, as a clock also runs while the thread is preempted.
pub fn work(nanos: u64) {
    static STEPS_A_MICROSECOND: OnceLock<u64> = OnceLock::new();
    fn steps(count: u64) {
        (0..count).for_each(|step| _ = black_box(step));
    }
    let a_microsecond = *STEPS_A_MICROSECOND.get_or_init(|| {
        let times = (0..20).map(|_| {
            let start = Instant::now();
            steps(200_000);
            start.elapsed().as_nanos() as u64
        });
        200_000 * 1_000 / times.min().unwrap().max(1)
    });
    steps(nanos * a_microsecond / 1_000);
}

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

/// Pushes `count` tasks and waits until all have run: the nanoseconds from the first push to the end of the last task.
fn run_all(pool: &dyn Pool, count: usize, run: impl Fn() + Clone + Send + 'static) -> f64 {
    let (parker, waiting) = pair();
    let countdown =
        Countdown { left: AtomicUsize::new(count), begin: Instant::now(), ended: AtomicU64::new(0), waiting };
    let countdown = Arc::new(countdown);
    let task = |_| -> Task {
        let (countdown, run) = (countdown.clone(), run.clone());
        Box::new(move || {
            run();
            countdown.done();
        })
    };
    let tasks: Vec<Task> = (0..count).map(task).collect();
    let start = countdown.begin.elapsed().as_nanos() as f64;
    pool.push_all(tasks);
    parker.park();
    countdown.ended.load(Ordering::Relaxed) as f64 - start
}

/// Tasks that are pushed as fast as possible: the nanoseconds per task.
pub fn flood(pool: &dyn Pool, count: usize, nanos: u64) -> Vec<f64> {
    vec![run_all(pool, count, move || work(nanos)) / count as f64]
}

/// Bursts of tasks of 5 µs, a millisecond apart: the median of the nanoseconds per task.
pub fn bursts(pool: &dyn Pool, size: usize, count: usize) -> Vec<f64> {
    let burst = |_| {
        thread::sleep(Duration::from_millis(1));
        run_all(pool, size, || work(5_000)) / size as f64
    };
    vec![median(&(0..count).map(burst).collect::<Vec<_>>())]
}

/// One task for each worker. Each task ends only when all have begun: the median of the nanoseconds until all have run.
pub fn meetings(pool: &dyn Pool, size: usize, count: usize) -> Vec<f64> {
    let meeting = |_| {
        thread::sleep(Duration::from_millis(1));
        let all = Arc::new(Barrier::new(size));
        run_all(pool, size, move || _ = all.wait())
    };
    vec![median(&(0..count).map(meeting).collect::<Vec<_>>())]
}

/// One task after the other, with a pause that the pusher sleeps through.
///
/// Returns the median of the nanoseconds from push to start, and the processor time and the voluntary context switches
/// per task. These are of the whole process, so one switch is the pusher's.
pub fn trickle(pool: &dyn Pool, pause: Duration, count: usize) -> Vec<f64> {
    let latencies = Arc::new(Mutex::new(Vec::with_capacity(count)));
    let before = process();
    for _ in 0..count {
        thread::sleep(pause);
        let latencies = latencies.clone();
        let pushed = Instant::now();
        pool.push(Box::new(move || {
            let latency = pushed.elapsed().as_nanos() as f64;
            latencies.lock().unwrap().push(latency);
        }));
    }
    thread::sleep(pause);
    let (cpu, switches) = match (before, process()) {
        (Some(before), Some(after)) => {
            let each = |what: fn(&Usage) -> f64| (what(&after) - what(&before)) / count as f64;
            (each(|usage| usage.cpu), each(|usage| usage.voluntary_switches))
        }
        _ => (f64::NAN, f64::NAN),
    };
    let latencies = latencies.lock().unwrap();
    vec![median(&latencies), cpu, switches]
}
