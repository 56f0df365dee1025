//! rayon-core's pool.

use crate::{goal, rows, scenario, Watch};
use atomic_parker_benches::runner::Scenario;
use atomic_parker_benches::work::work;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{mpsc, Arc, OnceLock};
use std::time::Duration;

/// What is done in a slice, so often that it takes some tens of milliseconds.
#[derive(Clone, Copy)]
enum Calls {
    Fib,
    Sum,
    /// Each with so many tasks that take so long, and after a pause, all in microseconds.
    Scopes {
        tasks: usize,
        work: u64,
        pause: u64,
    },
    Spawns,
    EmptySpawns,
    ShortJoins,
}

impl Calls {
    fn count(self) -> usize {
        match self {
            Self::Fib => 10,
            Self::Sum => 10,
            Self::Scopes { pause: 0, .. } => 1_000,
            Self::Scopes { .. } => 50,
            Self::Spawns => 100_000,
            Self::EmptySpawns => 50,
            Self::ShortJoins => 100,
        }
    }
}

fn numbers() -> &'static [u32] {
    static NUMBERS: OnceLock<Vec<u32>> = OnceLock::new();
    NUMBERS.get_or_init(|| (0..10_000_000).collect())
}

trait Pool {
    fn run(&self, calls: Calls, watch: &mut Watch);
}

/// The same code for both crates.
macro_rules! pool {
    ($module:ident, $rayon:ident) => {
        mod $module {
            use super::*;

            pub fn start(threads: usize) -> impl Pool {
                $rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started")
            }

            fn fib(n: u32) -> u64 {
                if n < 2 {
                    return n.into();
                }
                let (one, other) = $rayon::join(|| fib(n - 1), || fib(n - 2));
                one + other
            }

            fn sum(numbers: &[u32]) -> u64 {
                if numbers.len() <= 10_000 {
                    return numbers.iter().map(|&number| u64::from(number)).sum();
                }
                let (left, right) = numbers.split_at(numbers.len() / 2);
                let (left, right) = $rayon::join(|| sum(left), || sum(right));
                left + right
            }

            impl Pool for $rayon::ThreadPool {
                fn run(&self, calls: Calls, watch: &mut Watch) {
                    match calls {
                        Calls::Fib => {
                            watch.time(|| (0..calls.count()).for_each(|_| _ = black_box(self.install(|| fib(27)))))
                        }
                        Calls::Sum => {
                            let numbers = numbers();
                            watch
                                .time(|| (0..calls.count()).for_each(|_| _ = black_box(self.install(|| sum(numbers)))));
                        }
                        Calls::Scopes { tasks, work: micros, pause } => (0..calls.count()).for_each(|_| {
                            let spawn = |scope: &$rayon::Scope<'_>| scope.spawn(move |_| work(micros * 1_000));
                            watch.pause(Duration::from_micros(pause));
                            watch.time(|| self.scope(|scope| (0..tasks).for_each(|_| spawn(scope))));
                        }),
                        Calls::Spawns => watch.time(|| {
                            let left = Arc::new(AtomicUsize::new(calls.count()));
                            let (done, all_done) = mpsc::channel();
                            for _ in 0..calls.count() {
                                let (left, done) = (left.clone(), done.clone());
                                self.spawn(move || {
                                    if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                                        done.send(()).expect("somebody waits for it");
                                    }
                                });
                            }
                            all_done.recv().expect("the last task sends");
                        }),
                        Calls::EmptySpawns => (0..calls.count()).for_each(|_| {
                            watch.time(|| self.spawn(|| ()));
                            watch.pause(Duration::from_millis(1));
                        }),
                        Calls::ShortJoins => self.install(|| {
                            (0..calls.count()).for_each(|_| {
                                watch.pause(Duration::from_micros(300));
                                watch.time(|| $rayon::join(|| work(1_000), || work(1_000)));
                            });
                        }),
                    }
                }
            }
        }
    };
}

pool!(moved, rayon_moved);
pool!(original, rayon_original);

fn pools(name: &str, threads: usize, calls: Calls, time: Option<f64>, cpu: Option<f64>) -> Scenario {
    let name = format!("rayon of {threads}, {name}");
    let rows = rows(&name, [time.map(goal), cpu.map(goal), None]);
    scenario(name, rows, move |is_ours| {
        let pool: Box<dyn Pool> =
            if is_ours { Box::new(moved::start(threads)) } else { Box::new(original::start(threads)) };
        let mut slice = move || Watch::slice(calls.count(), |watch| pool.run(calls, watch));
        slice(); // the start of a pool is not measured
        Box::new(slice)
    })
}

pub fn scenarios() -> Vec<Scenario> {
    let mut all: Vec<_> = [1, 2, 4].map(|threads| pools("fib(27)", threads, Calls::Fib, Some(1.02), None)).into();
    all.push(pools("sum of 10 M", 2, Calls::Sum, Some(1.02), None));
    let scopes = |name, threads, (tasks, work, pause), time, cpu| {
        pools(name, threads, Calls::Scopes { tasks, work, pause }, Some(time), cpu)
    };
    // Without a pause no thread sleeps, and there is no processor time to save.
    all.extend([2, 4].map(|threads| scopes("scope of 8 x 5 µs", threads, (8, 5, 0), 1.02, None)));
    all.extend([2, 4].map(|threads| scopes("scope of 8 x 5 µs after 100 µs", threads, (8, 5, 100), 1.02, Some(0.9))));
    all.push(scopes("scope of 64 x 2 µs after 200 µs", 2, (64, 2, 200), 1.05, Some(1.0)));
    all.push(scopes("scope of 64 x 2 µs after 1 ms", 2, (64, 2, 1_000), 1.05, Some(1.0)));
    all.extend([2, 4].map(|threads| pools("100,000 spawns from outside", threads, Calls::Spawns, Some(1.0), None)));
    all.push(pools("an empty spawn each ms", 8, Calls::EmptySpawns, None, Some(0.3)));
    all.push(pools("join of 1 µs while the others sleep", 2, Calls::ShortJoins, Some(1.3), None));
    all
}
