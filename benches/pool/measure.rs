//! What is measured of a pool, each in one slice.

use crate::pools::{Pool, Task};
use atomic_parker::{pair, Unparker};
use atomic_parker_benches::stats::median;
use atomic_parker_benches::usage::{process, Usage};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// Work of so many nanoseconds of processor time. It counts steps, as a clock would go on while the thread is preempted.
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

/// Counts tasks down. The last one says when that was, and wakes the thread that waits.
struct Countdown {
    left: AtomicUsize,
    begin: Instant,
    ended: AtomicU64,
    waiting: Unparker,
}

impl Countdown {
    fn done(&self) {
        // Release and acquire: the last one has seen all that the others did.
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.ended.store(self.begin.elapsed().as_nanos() as u64, Ordering::Relaxed);
            self.waiting.unpark();
        }
    }
}

/// Pushes so many tasks and waits until all have run: the nanoseconds from the first push to the end of the last task.
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

/// Tasks pushed as fast as possible: nanoseconds a task.
pub fn flood(pool: &dyn Pool, count: usize, nanos: u64) -> Vec<f64> {
    vec![run_all(pool, count, move || work(nanos)) / count as f64]
}

/// So many tasks of 5 µs at once, a millisecond apart: the median of the nanoseconds a task.
pub fn bursts(pool: &dyn Pool, size: usize, count: usize) -> Vec<f64> {
    let burst = |_| {
        thread::sleep(Duration::from_millis(1));
        run_all(pool, size, || work(5_000)) / size as f64
    };
    vec![median(&(0..count).map(burst).collect::<Vec<_>>())]
}

/// Tasks of which each ends only when all have begun, as many as there are workers: the median of the nanoseconds until
/// all have run.
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
/// Returns the median of the nanoseconds from push to start, the processor time a task, and the voluntary context switches
/// a task: of the whole process, so one of them is the pusher's.
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
