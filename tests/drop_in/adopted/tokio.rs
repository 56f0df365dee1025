//! tokio's runtime, with four workers.

use crate::server::{sockets, Runtime, Server, WORKERS};
use crate::{goal, load, rows, scenario, Watch, TIME};
use atomic_parker_benches::rows::{number, row, Goal, Heading};
use atomic_parker_benches::runner::Scenario;
use atomic_parker_benches::stats::median;
use load::Clients;
use std::future::Future;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{mpsc, Arc, Mutex};
use std::time::{Duration, Instant};

/// What is done in a slice, so often that it takes some tens of milliseconds.
#[derive(Clone, Copy, PartialEq)]
enum Calls {
    SpawnsFromOutside,
    SpawnsFromAWorker,
    RoundTrips,
    /// Spawns after pauses. The time is that until the task runs.
    SpawnsApart,
}

impl Calls {
    fn count(self) -> usize {
        match self {
            Self::SpawnsFromOutside | Self::SpawnsFromAWorker => 100_000,
            Self::RoundTrips => 1_000,
            Self::SpawnsApart => 200,
        }
    }
}

trait Runs {
    fn run(&self, calls: Calls) -> Vec<f64>;
}

/// The same code for both crates.
macro_rules! runtime {
    ($module:ident, $tokio:ident) => {
        mod $module {
            use super::*;
            use $tokio::io::{AsyncReadExt, AsyncWriteExt};
            use $tokio::runtime::{self, Handle};

            pub fn start() -> runtime::Runtime {
                let mut builder = runtime::Builder::new_multi_thread();
                builder.worker_threads(WORKERS).enable_all().build().expect("threads can be started")
            }

            pub fn serve() -> Server {
                let runtime = start();
                Server::start(runtime.handle().clone(), Box::new(|| [f64::NAN; 2]), || drop(runtime))
            }

            fn spawns(handle: &Handle, count: usize) -> mpsc::Receiver<()> {
                let left = Arc::new(AtomicUsize::new(count));
                let (done, all_done) = mpsc::channel();
                for _ in 0..count {
                    let (left, done) = (left.clone(), done.clone());
                    handle.spawn(async move {
                        if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                            done.send(()).expect("somebody waits for it");
                        }
                    });
                }
                all_done
            }

            impl Runs for runtime::Runtime {
                fn run(&self, calls: Calls) -> Vec<f64> {
                    let count = calls.count();
                    let latencies = Arc::new(Mutex::new(Vec::with_capacity(count)));
                    let mut values = Watch::slice(count, |watch| match calls {
                        Calls::SpawnsFromOutside => {
                            watch.time(|| spawns(self.handle(), count).recv().expect("the last task sends"))
                        }
                        Calls::SpawnsFromAWorker => watch.time(|| {
                            let handle = self.handle().clone();
                            let all_done = self.block_on(self.spawn(async move { spawns(&handle, count) }));
                            all_done.expect("it does not panic").recv().expect("the last task sends");
                        }),
                        Calls::RoundTrips => watch.time(|| {
                            self.block_on(async {
                                for _ in 0..count {
                                    self.spawn(async {}).await.expect("it does not panic");
                                }
                            })
                        }),
                        Calls::SpawnsApart => {
                            for _ in 0..count {
                                watch.pause(Duration::from_micros(100));
                                let (latencies, begin) = (latencies.clone(), Instant::now());
                                self.spawn(async move {
                                    let latency = begin.elapsed().as_nanos() as f64 / 1e3;
                                    latencies.lock().expect("no task panics").push(latency);
                                });
                            }
                            watch.pause(Duration::from_millis(1));
                        }
                    });
                    if calls == Calls::SpawnsApart {
                        values[TIME] = median(&latencies.lock().expect("no task panics"));
                    }
                    values
                }
            }

            impl Runtime for Handle {
                type Listener = $tokio::net::TcpListener;
                type Stream = $tokio::net::TcpStream;

                fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
                    Handle::spawn(self, task);
                }

                fn listen(&self, listener: TcpListener) -> Self::Listener {
                    Self::Listener::from_std(listener).expect("tokio registers it")
                }

                sockets!();

                async fn sleep_until(&self, at: Instant) {
                    $tokio::time::sleep_until(at.into()).await;
                }
            }
        }
    };
}

runtime!(moved, tokio_moved);
runtime!(original, tokio_original);

fn runtimes(name: &str, calls: Calls, goals: [Option<Goal>; 3]) -> Scenario {
    let name = format!("tokio, {name}");
    let rows = rows(&name, goals);
    scenario(name, rows, move |is_ours| {
        let runtime: Box<dyn Runs> = if is_ours { Box::new(moved::start()) } else { Box::new(original::start()) };
        runtime.run(calls); // the start is not measured
        Box::new(move || runtime.run(calls))
    })
}

/// Echo servers, started for each slice.
fn servers(name: &str, clients: &'static [Clients], rows: &[(&str, usize, &'static str, Goal)]) -> Scenario {
    let name = format!("tokio, {name}");
    let heading = |&(what, value, unit, goal): &(&str, _, _, _)| -> Heading {
        row(format!("{name}: {what}"), value, &[goal]).unit(unit)
    };
    let rows = rows.iter().map(heading).collect();
    scenario(name, rows, move |is_ours| {
        let start = if is_ours { moved::serve } else { original::serve };
        Box::new(move || load::clients(&start(), clients, Duration::from_millis(400)))
    })
}

pub fn scenarios() -> Vec<Scenario> {
    let trips = [("a trip", load::MICROS_A_TRIP, "µs", goal(1.0)), ("CPU", load::CPU_MICROS_A_TRIP, "µs", goal(1.0))];
    vec![
        runtimes("100,000 spawns from outside", Calls::SpawnsFromOutside, [Some(goal(1.05)), None, None]),
        runtimes("100,000 spawns from a worker", Calls::SpawnsFromAWorker, [Some(goal(1.0)), None, None]),
        runtimes("block_on to a task and back", Calls::RoundTrips, [None, None, Some(goal(0.6))]),
        runtimes("a task each 100 µs", Calls::SpawnsApart, [Some(goal(0.7)), Some(goal(0.75)), None]),
        servers("echo, one client", &[Clients::FlatOut(1)], &trips),
        servers("echo, 50 clients", &[Clients::FlatOut(50)], &trips),
        servers(
            "a client beside a task that blocks 40 ms",
            &[Clients::Ping, Clients::Blocker],
            &[("p99", load::PING_P99_MILLIS, "ms", number(3.0))],
        ),
    ]
}
