//! Pools of threads for calls that block: the example of this crate, and the crate `blocking`.
//!
//! Both start a thread if none is free for a task, at most 500. Here they live as long as their scenario: our threads end when
//! they were idle for half a second, those of `blocking` stay.

#[path = "../../examples/blocking/pool.rs"]
mod example;

use crate::measure::{bursts, trickle};
use crate::pools::{Pool, Task};
use atomic_parker_benches::rows::{peers, row, Kind};
use atomic_parker_benches::runner::{in_turn, Scenario, Turn};
use std::time::Duration;

struct Example(Option<example::Pool>);

impl Pool for Example {
    fn push(&self, task: Task) {
        if let Some(pool) = &self.0 {
            pool.push(task);
        }
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        self.0.take().map(example::Pool::end);
    }
}

struct Blocking;

impl Pool for Blocking {
    fn push(&self, task: Task) {
        blocking::unblock(task).detach();
    }
}

fn scenario(name: &str, time: &str, slice: fn(&dyn Pool) -> Vec<f64>) -> Scenario {
    let rows = [(time, 0), ("CPU a task", 1)];
    let start = move || {
        let ours: Box<dyn Pool> = Box::new(Example(Some(example::Pool::new(500, Duration::from_millis(500)))));
        let turn = |(name, kind, pool): (_, _, Box<dyn Pool>)| {
            slice(&*pool); // the start of the threads is not measured
            Turn { name, kind, slice: Box::new(move || slice(&*pool)) }
        };
        in_turn([("ours", Kind::Ours, ours), ("blocking", Kind::Peer, Box::new(Blocking))].map(turn).into())
    };
    Scenario {
        name: format!("blocking: {name}"),
        rows: rows
            .map(|(what, value)| row(format!("blocking calls, {name}: {what}"), value, &[peers(1.0)]).in_chart())
            .into(),
        entrants: vec![("ours", Kind::Ours), ("blocking", Kind::Peer)],
        slices: 80,
        start: Box::new(start),
    }
}

pub fn scenarios() -> [Scenario; 3] {
    [
        scenario("a task each 100 µs", "latency", |pool| trickle(pool, Duration::from_micros(100), 200)),
        scenario("a task each 1 ms", "latency", |pool| trickle(pool, Duration::from_millis(1), 50)),
        scenario("burst of 64 tasks of 5 µs", "a task", |pool| bursts(pool, 64, 20)),
    ]
}
