//! Crates beside the same crates on this one, in turn. Options: see `benches/src/runner.rs`.
//!
//! Each entrant of a scenario has one pool at a time, or starts a server for each slice. Only calls are timed, and not the pauses between
//! them. The processor time is that of the whole process, but for what the calling thread uses to pause. Servers: see the bench net.

#[path = "../../../benches/net/load.rs"]
mod load;
mod rayon;
#[path = "../../../benches/net/server.rs"]
mod server;
mod tokio;

use atomic_parker_benches::rows::{one, row, Goal, Heading, Kind};
use atomic_parker_benches::runner::{start_all, started_again, Scenario, Turn};
use atomic_parker_benches::usage::{during, process, thread, Usage};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const ORIGINAL: &str = "original";

/// The values of a slice.
const TIME: usize = 0;
const CPU: usize = 1;
const SWITCHES: usize = 2;

/// Measures a slice.
struct Watch {
    time: Duration,
    paused: Usage,
}

impl Watch {
    /// Times a call.
    fn time<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let result = call();
        self.time += begin.elapsed();
        result
    }

    /// Lets some time pass, in which the workers fall asleep.
    fn pause(&mut self, pause: Duration) {
        if !pause.is_zero() {
            self.paused = self.paused + during(thread, || std::thread::sleep(pause)).1;
        }
    }

    /// What a slice costs for each of `calls`: microseconds, microseconds of processor time, and context switches.
    fn slice(calls: usize, run: impl FnOnce(&mut Self)) -> Vec<f64> {
        let mut watch = Self { time: Duration::ZERO, paused: Usage::NONE };
        let ((), used) = during(process, || run(&mut watch));
        let used = used - watch.paused;
        let all = [watch.time.as_nanos() as f64 / 1e3, used.cpu / 1e3, used.voluntary_switches];
        all.map(|value| value / calls as f64).into()
    }
}

fn goal(at_most: f64) -> Goal {
    one(ORIGINAL, at_most)
}

/// The rows of the three values of [`Watch::slice`].
fn rows(name: &str, goals: [Option<Goal>; 3]) -> Vec<Heading> {
    let values = [("time", TIME, "µs"), ("CPU", CPU, "µs"), ("switches", SWITCHES, "")];
    let heading = |((what, value, unit), goal): (_, Option<Goal>)| {
        row(format!("{name}: {what}"), value, goal.as_slice()).unit(unit)
    };
    values.into_iter().zip(goals).map(heading).collect()
}

/// The two start again after so many slices.
const SLICES_A_START: usize = 5;

/// `start`: this crate's version, or the original; returns what runs a slice on it.
fn scenario(
    name: String,
    rows: Vec<Heading>,
    start: impl Fn(bool) -> Box<dyn FnMut() -> Vec<f64>> + Copy + 'static,
) -> Scenario {
    const ENTRANTS: [(&str, Kind); 2] = [("ours", Kind::Ours), (ORIGINAL, Kind::Peer)];
    let start = move |random: &mut fastrand::Rng| {
        start_all(ENTRANTS.len(), random, |number| {
            let (entrant, kind) = ENTRANTS[number];
            Turn { name: entrant, kind, slice: start(entrant != ORIGINAL) }
        })
    };
    let start = Box::new(move || started_again(SLICES_A_START, start));
    Scenario { name, rows, entrants: ENTRANTS.into(), slices: 40, start }
}

fn main() -> ExitCode {
    let scenarios = rayon::scenarios().into_iter().chain(tokio::scenarios()).collect();
    atomic_parker_benches::runner::main("adopted", scenarios)
}
