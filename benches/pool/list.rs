//! The scenarios, their rows and their goals.

use crate::blocking;
use crate::measure::{bursts, chains, flood, meetings, trickle};
use crate::own::OwnPool;
use crate::pools::{AsyncExecutor, Pool, Rayon, Tokio};
use crate::protocols::{Counted, IdleSet, NotifyInTurn};
use atomic_parker::idle::Idle;
use atomic_parker_benches::rows::{
    all_others, better_of, by_hand, floor, number, one, peers, row, Goal, Heading, Kind,
};
use atomic_parker_benches::runner::{in_turn, start_all, started_again, Scenario, Turn};
use std::hint::black_box;
use std::sync::atomic::{fence, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Ours, with one call of `wake` for tasks that are pushed together.
const TOGETHER: &str = "ours, wake(n)";

/// The pools start again after that many slices.
const SLICES_A_START: usize = 8;

type Make = fn(usize) -> Box<dyn Pool>;

const POOLS: [(&str, Kind, Make); 8] = [
    // The lower bound: the cost of waking a thread.
    ("one parker", Kind::Floor, |_| Box::new(OwnPool::<NotifyInTurn>::new(1, false))),
    ("ours", Kind::Ours, |workers| Box::new(OwnPool::<IdleSet>::new(workers, false))),
    (TOGETHER, Kind::Ours, |workers| Box::new(OwnPool::<IdleSet>::new(workers, true))),
    ("notify in turn", Kind::ByHand, |workers| Box::new(OwnPool::<NotifyInTurn>::new(workers, false))),
    ("mutex + condvar", Kind::ByHand, |workers| Box::new(OwnPool::<Counted>::new(workers, false))),
    ("tokio", Kind::Peer, |workers| Box::new(Tokio::new(workers))),
    ("async-executor", Kind::Peer, |workers| Box::new(AsyncExecutor::new(workers))),
    ("rayon-core", Kind::Peer, |workers| Box::new(Rayon::new(workers))),
];

/// The way in which a scenario pushes its tasks.
#[derive(Clone, Copy, PartialEq)]
enum Pushed {
    /// One by one, as fast as possible.
    Flood,
    /// One after the other.
    Alone,
    /// Several at once, so that the pool can announce them at once.
    Together,
}

fn pools(
    name: String,
    workers: usize,
    pushed: Pushed,
    rows: Vec<Heading>,
    slices: usize,
    slice: impl Fn(&dyn Pool) -> Vec<f64> + Copy + 'static,
) -> Scenario {
    let pools = move || {
        POOLS.into_iter().filter(move |(name, kind, _)| match (*name, *kind) {
            (_, Kind::Floor) => pushed == Pushed::Alone,
            (TOGETHER, _) => pushed == Pushed::Together,
            _ => true,
        })
    };
    let entrants = pools().map(|(name, kind, _)| (name, kind)).collect();
    let start = move |random: &mut fastrand::Rng| {
        let all: Vec<_> = pools().collect();
        start_all(all.len(), random, |number| {
            let (name, kind, make) = all[number];
            let pool = make(workers);
            // The start of a pool is not measured.
            slice(&*pool);
            Turn { name, kind, slice: Box::new(move || slice(&*pool)) }
        })
    };
    let start = Box::new(move || started_again(SLICES_A_START, start));
    Scenario { name, rows, entrants, slices, start }
}

pub fn scenarios() -> Vec<Scenario> {
    let mut all: Vec<Scenario> = [4, 64, 256].map(nobody_asleep).into();
    for workers in [2, 4, 8] {
        let name = |what: &str| format!("{what}, {workers} workers");
        let time = |name: &str, goals: &[Goal]| row(name, 0, goals).in_chart();
        let cpu = |name: &str, goals: &[Goal]| row(format!("{name}: CPU"), 1, goals);

        let flooded = name("flood of 20,000 empty tasks: a task");
        // By the second goal, the whole interval is below the best peer.
        let rows =
            vec![time(&flooded, &[peers(0.7), peers(1.0), by_hand(1.0)]), cpu(&flooded, &[peers(0.8), by_hand(1.0)])];
        all.push(pools(flooded, workers, Pushed::Flood, rows, 160, |pool| flood(pool, 20_000, 0)));
        let flooded = name("flood of tasks of 1 µs: a task");
        let rows = vec![time(&flooded, &[peers(1.0), by_hand(1.05)]), cpu(&flooded, &[peers(1.0), by_hand(1.05)])];
        all.push(pools(flooded, workers, Pushed::Flood, rows, 40, |pool| flood(pool, 10_000, 1_000)));

        for (what, pause, count, slices) in [("100 µs", 100, 200, 40), ("1 ms", 1_000, 50, 80)] {
            let name = name(&format!("a task each {what}"));
            let rows = vec![
                row(format!("{name}: latency"), 0, &[peers(0.5).where_the_floor_is(), by_hand(1.05)]).in_chart(),
                row(format!("{name}: CPU a task"), 1, &[peers(0.8), by_hand(1.05)]).in_chart(),
                row(format!("{name}: voluntary switches a task"), 2, &[number(2.05), by_hand(1.05)]).unit(""),
            ];
            let slice = move |pool: &dyn Pool| trickle(pool, Duration::from_micros(pause), count);
            all.push(pools(name, workers, Pushed::Alone, rows, slices, slice));
        }

        // More slices, as the ratios are close to their goals.
        const SLICES: usize = 96;
        let goals = [peers(1.05), by_hand(1.05), peers(1.05).of(TOGETHER), by_hand(1.05).of(TOGETHER)];
        for size in [8, 64] {
            let name = name(&format!("burst of {size} tasks of 5 µs: a task"));
            let rows = vec![time(&name, &goals), cpu(&name, &[])];
            all.push(pools(name, workers, Pushed::Together, rows, SLICES, move |pool| bursts(pool, size, 20)));
        }
        // `wake(n)` is for these. `wake_one` relies on the worker that looks, which may get stuck in the first task.
        let goals = [
            better_of(["tokio", "async-executor"], 1.0),
            one("rayon-core", 1.35),
            all_others(1.05).of(TOGETHER),
            by_hand(1.1).of(TOGETHER),
        ];
        type Measure = fn(&dyn Pool, usize, usize) -> Vec<f64>;
        for (what, measure) in [("tasks that wait for each other", meetings as Measure), ("tasks in a chain", chains)] {
            let name = name(&format!("{what}: all"));
            let rows = vec![time(&name, &goals), cpu(&name, &[])];
            all.push(pools(name, workers, Pushed::Together, rows, SLICES, move |pool| measure(pool, workers, 20)));
        }
    }
    all.extend(blocking::scenarios());
    all
}

/// The cost of `wake_one` while all workers have work.
fn nobody_asleep(workers: usize) -> Scenario {
    const COUNT: usize = 100_000;
    fn each(f: impl Fn()) -> Vec<f64> {
        let start = Instant::now();
        (0..COUNT).for_each(|_| f());
        vec![start.elapsed().as_nanos() as f64 / COUNT as f64]
    }
    let name = format!("wake_one, nobody asleep, {workers} workers");
    Scenario {
        rows: vec![row(name.clone(), 0, &[floor(1.1)])],
        name,
        entrants: vec![("ours", Kind::Ours), ("fence + load", Kind::Floor)],
        slices: 40,
        start: Box::new(move || {
            // Workers that never call `next` never sleep.
            let (idle, awake) = Idle::new(workers);
            let word = AtomicUsize::new(0);
            let ours = move || {
                black_box(&awake);
                each(|| _ = black_box(idle.wake_one()))
            };
            let bare = move || {
                each(|| {
                    // The fence and the load of every `wake_one`.
                    fence(Ordering::SeqCst);
                    black_box(black_box(&word).load(Ordering::Relaxed));
                })
            };
            in_turn(vec![
                Turn { name: "ours", kind: Kind::Ours, slice: Box::new(ours) },
                Turn { name: "fence + load", kind: Kind::Floor, slice: Box::new(bare) },
            ])
        }),
    }
}
