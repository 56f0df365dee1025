//! The scenarios, their rows and their goals.

use crate::load::*;
use crate::server::Server;
use crate::{own, peers};
use atomic_parker_benches::rows::{number, one, peers as best_peer, row, Goal, Heading, Kind};
use atomic_parker_benches::runner::{in_turn, Scenario, Turn};
use std::time::Duration;

type Entrant = (&'static str, Kind, fn() -> Server);

const HAND_OVER_AFTER: Duration = Duration::from_millis(1);
/// A ping is late by `HAND_OVER_AFTER` and another millisecond at most.
const PING: Goal = number(2.0);

const OURS: Entrant = ("ours", Kind::Ours, || own::start(HAND_OVER_AFTER, false));
const NEVER: Entrant = ("never", Kind::Ours, || own::start(Duration::MAX, false));
const BLOCKS_ON: Entrant = ("ours, with block_on", Kind::Ours, || own::start(HAND_OVER_AFTER, true));
const TOKIO: Entrant = ("tokio", Kind::Peer, || peers::tokio(|builder| builder));
#[cfg(tokio_unstable)]
const EAGER: Entrant = ("tokio, eager", Kind::Peer, || peers::tokio(|builder| builder.enable_eager_driver_handoff()));
const ASYNC_IO: Entrant = ("async-io", Kind::Peer, peers::async_io);

const ALL: &[Entrant] = &[
    OURS,
    NEVER,
    TOKIO,
    #[cfg(tokio_unstable)]
    EAGER,
    ASYNC_IO,
];

/// A server of each kind, started for each slice.
fn servers(
    name: &str,
    entrants: &'static [Entrant],
    slices: usize,
    rows: Vec<Heading>,
    slice: impl Fn(&Server) -> Vec<f64> + Copy + 'static,
) -> Scenario {
    let turn = move |&(name, kind, start): &Entrant| Turn { name, kind, slice: Box::new(move || slice(&start())) };
    Scenario {
        name: name.into(),
        rows: rows.into_iter().map(|row| Heading { name: format!("{name}: {}", row.name), ..row }).collect(),
        entrants: entrants.iter().map(|&(name, kind, _)| (name, kind)).collect(),
        slices,
        start: Box::new(move || in_turn(entrants.iter().map(turn).collect())),
    }
}

pub fn scenarios() -> Vec<Scenario> {
    let short = Duration::from_millis(200);
    let long = Duration::from_secs(1);
    vec![
        servers(
            "one client",
            ALL,
            24,
            vec![
                row("a trip", MICROS_A_TRIP, &[one("never", 1.05), one("tokio, eager", 1.0), one("tokio", 1.05)])
                    .unit("µs")
                    .in_chart(),
                row("CPU a trip", CPU_MICROS_A_TRIP, &[one("never", 1.05)]).unit("µs").in_chart(),
                row("wakes of other threads a trip", WAKES_A_TRIP, &[number(0.02)]).unit(""),
                row("sleeps of other threads a trip", SLEEPS_A_TRIP, &[]).unit(""),
            ],
            move |server| clients(server, &[Clients::FlatOut(1)], short),
        ),
        servers(
            "ping beside a task that blocks",
            ALL,
            12,
            vec![
                row("p50", PING_MILLIS, &[one("tokio", 1.2)]).unit("ms"),
                row("p99", PING_P99_MILLIS, &[PING]).unit("ms").in_chart(),
            ],
            move |server| clients(server, &[Clients::Ping, Clients::Blocker], long),
        ),
        servers(
            "one client and a ping beside a task that blocks",
            ALL,
            12,
            vec![
                row("a trip", MICROS_A_TRIP, &[one("tokio", 1.0)]).unit("µs").in_chart(),
                row("p99 of the ping", PING_P99_MILLIS, &[PING]).unit("ms").in_chart(),
            ],
            move |server| clients(server, &[Clients::FlatOut(1), Clients::Ping, Clients::Blocker], long),
        ),
        servers(
            "a ping alone",
            ALL,
            12,
            vec![
                row("switches", SWITCHES_A_PING, &[one("tokio, eager", 1.0)]).unit(""),
                row("CPU", CPU_MICROS_A_PING, &[one("tokio, eager", 1.0)]).unit("µs").in_chart(),
            ],
            move |server| clients(server, &[Clients::Ping], long),
        ),
        servers(
            "one client, another thread in block_on",
            &[OURS, BLOCKS_ON],
            48,
            vec![row("a trip", MICROS_A_TRIP, &[one("ours", 1.05).of("ours, with block_on")]).unit("µs").in_chart()],
            move |server| clients(server, &[Clients::FlatOut(1)], short),
        ),
        servers(
            "50 clients and a ping",
            ALL,
            12,
            vec![
                row("a trip", MICROS_A_TRIP, &[best_peer(1.11)]).unit("µs").in_chart(),
                row("p99 of the ping", PING_P99_MILLIS, &[one("tokio", 0.33)]).unit("ms").in_chart(),
                row("CPU a trip", CPU_MICROS_A_TRIP, &[]).unit("µs"),
                row("p99 of all trips", TRIP_P99_MILLIS, &[one("tokio", 0.33)]).unit("ms"),
            ],
            move |server| clients(server, &[Clients::FlatOut(50), Clients::Ping], long),
        ),
        servers(
            "10,000 timers within 2 s",
            ALL,
            6,
            vec![
                row("late, p50", LATE_MILLIS, &[one("tokio", 1.0)]).unit("ms").in_chart(),
                row("late, p99", LATE_P99_MILLIS, &[one("tokio", 1.0)]).unit("ms"),
                row("switches a timer", SWITCHES_A_TIMER, &[number(1.0)]).unit(""),
                row("CPU a timer", CPU_MICROS_A_TIMER, &[one("tokio", 1.5)]).unit("µs").in_chart(),
            ],
            |server| timers(server, 10_000),
        ),
        servers("idle for 2 s", ALL, 6, vec![row("switches", 0, &[number(0.0)]).unit("")], idle),
    ]
}
