//! A round trip of two threads, each parked until the other one unparks it:
//! `cargo bench --bench handoff --features futex,parking_lot`.
//!
//! The figures of sleeping threads swing by tens of per cent between runs. To compare contenders closely, see
//! `--bench duel`, which takes them in turn.

mod contenders;

use contenders::place::Place;
use contenders::{for_each_contender, Contender, Kind};
use criterion::{criterion_group, criterion_main, Criterion};
use std::time::{Duration, Instant};

/// Round trips before the clock starts: the threads are awake then, and have learned what there is to learn.
const WARM_UP: u64 = 100;

fn round_trips<C: Contender>(place: Place, count: u64) -> Duration {
    place.run(
        C::pair,
        |parker, peer| {
            let round_trip = || {
                C::signal(&peer);
                C::wait(&parker);
            };
            (0..WARM_UP).for_each(|_| round_trip());
            let start = Instant::now();
            (0..count).for_each(|_| round_trip());
            start.elapsed()
        },
        |parker, peer| {
            for _ in 0..WARM_UP + count {
                C::wait(&parker);
                C::signal(&peer);
            }
        },
    )
}

fn handoff(c: &mut Criterion) {
    for place in Place::all() {
        let mut group = c.benchmark_group(format!("round trip, {}", place.name()));
        for_each_contender!(C => if C::KIND != Kind::Floor || place.is_parallel() {
            group.bench_function(C::NAME, |b| b.iter_custom(|count| round_trips::<C>(place, count)));
        });
        group.finish();
    }
}

criterion_group!(benches, handoff);
criterion_main!(benches);
