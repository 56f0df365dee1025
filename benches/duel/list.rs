//! The scenarios, their rows and their goals.

use crate::crowd::{fan_out, ring};
use crate::hand_over::{
    beside_busy_threads, load, round_trip, round_trip_after_far_waits, round_trip_in_bursts, token,
};
use crate::parks::{Erased, Gaps, Parks, CPU, CPU_OF_BOTH, LATENCY};
use atomic_parker_benches::block_on::{over_signal, BlockOn};
use atomic_parker_benches::contenders::{Contender, OursUpTo50, Timed};
use atomic_parker_benches::place::Place;
use atomic_parker_benches::rows::{floor, peers, row, Goal, Heading, Kind};
use atomic_parker_benches::runner::{in_turn, Scenario, Slice, Turn};
use atomic_parker_benches::{for_each_block_on, for_each_contender};
use std::time::Duration;

/// One turn for each contender, from an expression with its type.
macro_rules! turns {
    ($with_floor:expr, $C:ident => $slice:expr) => {{
        let mut turns: Vec<Turn> = Vec::new();
        for_each_contender!($C => if $C::KIND != Kind::Floor || $with_floor {
            turns.push(Turn { name: $C::NAME, kind: $C::KIND, slice: $slice });
        });
        turns
    }};
}
pub fn scenarios() -> Vec<Scenario> {
    let mut all = vec![each_in_turn(
        "token",
        vec![row("unpark + park, token there", 0, &[peers(1.02), floor(1.05)]).in_chart()],
        48,
        || turns!(true, C => Box::new(|| vec![token::<C>()])),
    )];
    for place in Place::all() {
        match place {
            Place::TwoCores(_) => on_two_cores(place, &mut all),
            Place::OneCore(_) => on_one_core(place, &mut all),
            Place::Free => anywhere(place, &mut all),
        }
    }
    all
}

fn each_in_turn(name: &str, rows: Vec<Heading>, slices: usize, turns: impl Fn() -> Vec<Turn> + 'static) -> Scenario {
    let entrants = turns().iter().map(|turn| (turn.name, turn.kind)).collect();
    Scenario { name: name.into(), rows, entrants, slices, start: Box::new(move || in_turn(turns())) }
}

fn round_trips(name: &str, place: Place, slices: usize, goals: &[Goal], parallel: bool) -> Scenario {
    let count = if parallel { 2_000 } else { 5_000 };
    let rows = vec![row(name, 0, goals).in_chart()];
    each_in_turn(
        name,
        rows,
        slices,
        move || turns!(parallel, C => Box::new(move || vec![round_trip::<C>(place, count, Duration::ZERO)])),
    )
}

/// The goals of a round trip of two threads that can run at the same time.
const PARALLEL: [Goal; 2] = [peers(0.005).where_the_floor_is(), floor(1.3)];

fn parks(name: &str, parks: Parks, slices: usize, with_floor: bool, rows: Vec<Heading>) -> Scenario {
    let up_to_50 = rows.iter().flat_map(|row| &row.goals).any(|goal| goal.of == OursUpTo50::NAME);
    let contenders = move || {
        let mut all: Vec<Erased> = Vec::new();
        match parks.timed {
            true => for_each_contender!(C => all.push(Erased::new::<Timed<C>>())),
            false => for_each_contender!(C => all.push(Erased::new::<C>())),
        }
        all.retain(|one| match one.kind {
            Kind::Floor => with_floor,
            Kind::Peer => true,
            Kind::Ours => one.name == "ours",
            Kind::Document | Kind::ByHand => false,
        });
        if up_to_50 {
            all.push(Erased::new::<OursUpTo50>());
        }
        all
    };
    let entrants = contenders().iter().map(|one| (one.name, one.kind)).collect();
    let start = Box::new(move || -> Slice {
        let contenders = contenders();
        Box::new(move |random| parks.slice(&contenders, random))
    });
    Scenario { name: name.into(), rows, entrants, slices, start }
}

/// A gap of the waker, as in the table of goals.
fn gap(place: Place, micros: f64, poisson: bool, all: &mut Vec<Scenario>) {
    let nanos = (micros * 1e3) as u64;
    let gaps = if poisson { Gaps::Poisson(nanos) } else { Gaps::Regular(nanos) };
    // About three milliseconds for each turn.
    let a_turn = ((3e6 / (nanos as f64 + 8e3)) as usize).max(20);
    let what = format!("gaps of {micros} µs{}", if poisson { ", Poisson" } else { "" });
    let long = !poisson && micros >= 100.0;
    let cpu = if long { 1.05 } else { 2.0 };
    let latency = match micros {
        _ if micros == 2.0 && !poisson => 0.02,
        _ if micros <= 3.0 => 0.05,
        _ => 1.05,
    };
    let mut latencies = vec![peers(latency).where_the_floor_is()];
    if !poisson && (micros == 10.0 || micros == 20.0) {
        latencies.push(peers(0.02).where_the_floor_is().of(OursUpTo50::NAME));
    }
    let mut rows = vec![row(format!("{what}: latency"), LATENCY, &latencies)];
    // The gap of half a microsecond has no row for the processor time.
    if micros >= 1.0 {
        rows.push(row(format!("{what}: CPU a park"), CPU, &[peers(cpu)]));
        rows.push(row(format!("{what}: CPU a park and unpark"), CPU_OF_BOTH, &[peers(cpu)]));
    }
    if !poisson && (micros == 2.0 || micros == 20.0 || micros == 200.0) {
        rows = rows.into_iter().map(|row| if row.value == CPU_OF_BOTH { row } else { row.in_chart() }).collect();
    }
    // Where a few per cent decide.
    let slices = if micros <= 2.0 || long { 30 } else { 10 };
    all.push(parks(&what, Parks { place, gaps, a_turn, turns: 12, fresh: false, timed: false }, slices, true, rows));
}

fn on_two_cores(place: Place, all: &mut Vec<Scenario>) {
    all.push(round_trips("round trip, two cores", place, 12, &PARALLEL, true));
    let name = "round trip with 1 µs of work on each side, two cores";
    let rows = vec![row(name, 0, &[floor(1.3)]).in_chart()];
    all.push(each_in_turn(
        name,
        rows,
        12,
        move || turns!(true, C => Box::new(move || vec![round_trip::<C>(place, 2_000, Duration::from_micros(1))])),
    ));
    let name = "round trip, two cores, a pause of 1 ms after each hundred";
    let rows = vec![row(name, 0, &[peers(0.05).where_the_floor_is()])];
    all.push(each_in_turn(
        name,
        rows,
        12,
        move || turns!(true, C => Box::new(move || vec![round_trip_in_bursts::<C>(place, 5_000, 100)])),
    ));
    let name = "round trip, two cores, after far waits";
    let rows = vec![row(name, 0, &[peers(0.05).where_the_floor_is()])];
    all.push(each_in_turn(
        name,
        rows,
        12,
        move || turns!(true, C => Box::new(move || vec![round_trip_after_far_waits::<C>(place)])),
    ));
    gap(place, 0.5, false, all);
    for micros in [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0] {
        gap(place, micros, false, all);
        gap(place, micros, true, all);
    }
    let name = "park_timeout, gaps of 100 µs";
    let rows = vec![
        row(format!("{name}: latency"), LATENCY, &[peers(1.05)]),
        row(format!("{name}: CPU a park"), CPU, &[peers(1.05)]).in_chart(),
    ];
    let gaps = Gaps::Regular(100_000);
    all.push(parks(name, Parks { place, gaps, a_turn: 30, turns: 12, fresh: false, timed: true }, 30, false, rows));
    let rows = vec![
        row("2 µs and 5 ms in turn: latency after 2 µs", LATENCY, &[peers(0.5)]).in_chart(),
        row("2 µs and 5 ms in turn: CPU a park", CPU, &[peers(1.15)]),
    ];
    let gaps = Gaps::InTurn(2_000, 5_000_000);
    all.push(parks(
        "short and long",
        Parks { place, gaps, a_turn: 20, turns: 6, fresh: false, timed: false },
        48,
        false,
        rows,
    ));
    let rows = vec![row("block_on, round trip, two cores", 0, &[peers(0.01).where_the_floor_is()]).in_chart()];
    all.push(each_in_turn("block_on, round trip", rows, 12, move || {
        let mut turns = Vec::new();
        for_each_block_on!(B => turns.push(Turn {
            name: B::NAME,
            kind: B::KIND,
            slice: Box::new(move || vec![over_signal::<B>(place, 1_000).as_nanos() as f64 / 1e3]),
        }));
        turns
    }));
    let mut loaded = round_trips("round trip, two cores, after 20 s of load", place, 12, &PARALLEL, true);
    loaded.start = after_load(loaded.start);
    all.push(loaded);
}

/// Loads the machine right before the first slice.
fn after_load(start: Box<dyn FnOnce() -> Slice>) -> Box<dyn FnOnce() -> Slice> {
    Box::new(|| {
        load(Duration::from_secs(20));
        start()
    })
}

fn on_one_core(place: Place, all: &mut Vec<Scenario>) {
    all.push(round_trips("round trip, one core", place, 24, &[peers(1.05)], false));
    let name = "round trip by park_timeout, one core";
    let rows = vec![row(name, 0, &[peers(1.05)]).in_chart()];
    let timed =
        move || turns!(false, C => Box::new(move || vec![round_trip::<Timed<C>>(place, 5_000, Duration::ZERO)]));
    all.push(each_in_turn(name, rows, 24, timed));
    let name = "round trip, one core, two busy threads";
    let rows = vec![row(name, 0, &[peers(1.05)]).in_chart()];
    all.push(each_in_turn(name, rows, 48, move || {
        turns!(false, C => Box::new(move || {
            beside_busy_threads(place, 2, || vec![round_trip::<C>(place, 400, Duration::ZERO)])
        }))
    }));
}

fn anywhere(place: Place, all: &mut Vec<Scenario>) {
    all.push(round_trips("round trip, free", place, 12, &PARALLEL, true));
    let mut loaded = round_trips("round trip, free, after 20 s of load", place, 12, &PARALLEL, true);
    loaded.start = after_load(loaded.start);
    all.push(loaded);
    let rows = vec![row("ring of 8 threads, one token: a hop", 0, &[peers(1.05)]).in_chart()];
    all.push(each_in_turn("ring", rows, 72, || turns!(false, C => Box::new(|| vec![ring::<C>()]))));
    let rows = vec![row("one wakes 8 and waits for them", 0, &[peers(1.05)]).in_chart()];
    all.push(each_in_turn("fan out", rows, 72, || turns!(false, C => Box::new(|| vec![fan_out::<C>()]))));
    for (what, nanos, turns) in [("every 500 µs", 500_000, 24), ("every 5 ms", 5_000_000, 12)] {
        let rows = vec![
            row(format!("{what}: latency"), LATENCY, &[]),
            row(format!("{what}: CPU a park"), CPU, &[peers(1.05)]).in_chart(),
        ];
        let long_waits = Parks { place, gaps: Gaps::Asleep(nanos), a_turn: 10, turns, fresh: false, timed: false };
        all.push(parks(what, long_waits, 12, false, rows));
    }
    let rows = vec![
        row("parkers of ten parks, every 500 µs: latency", LATENCY, &[]),
        row("parkers of ten parks, every 500 µs: CPU a park", CPU, &[peers(1.1)]).in_chart(),
    ];
    let young = Parks { place, gaps: Gaps::Asleep(500_000), a_turn: 10, turns: 24, fresh: true, timed: false };
    all.push(parks("parkers of ten parks", young, 12, false, rows));
}
