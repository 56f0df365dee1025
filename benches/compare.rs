//! The lock-free parker against the document's `Mutex<bool>` and `Condvar`, crossbeam, `parking` and `std`:
//! `cargo bench -p atomic-parker-benches --bench compare`.
//!
//! First the cost of the token on one thread, while no thread sleeps. Then a round trip of two threads that park and
//! unpark each other. To run one group only, add a part of its name: `-- "round trip, two cores"`.
//!
//! The figures of sleeping threads vary by tens of per cent between runs. `--bench duel` runs the contenders in turn,
//! and gives reliable ratios.

use atomic_parker_benches::contenders::Contender;
use atomic_parker_benches::for_each_contender;
use atomic_parker_benches::place::Place;
use atomic_parker_benches::rows::Kind;
use criterion::{criterion_group, criterion_main, Criterion};
use std::time::{Duration, Instant};

fn token(c: &mut Criterion) {
    let mut group = c.benchmark_group("unpark+park");
    for_each_contender!(C => {
        let (parker, unparker) = C::pair();
        group.bench_function(C::NAME, |b| b.iter(|| {
            C::unpark(&unparker);
            C::park(&parker);
        }))
    });
    group.finish();

    let mut group = c.benchmark_group("unpark, already notified");
    for_each_contender!(C => {
        let (parker, unparker) = C::pair();
        C::unpark(&unparker);
        group.bench_function(C::NAME, |b| b.iter(|| C::unpark(&unparker)));
        // The token of std belongs to this thread. The next contender must not find it.
        C::park(&parker)
    });
    group.finish();

    let mut group = c.benchmark_group("unpark+park_timeout");
    for_each_contender!(C => {
        let (parker, unparker) = C::pair();
        group.bench_function(C::NAME, |b| b.iter(|| {
            C::unpark(&unparker);
            C::park_timeout(&parker, Duration::from_secs(1));
        }))
    });
    group.finish();

    let mut group = c.benchmark_group("try_park, empty");
    for_each_contender!(C => if let Some(try_park) = C::TRY_PARK {
        let (parker, _unparker) = C::pair();
        group.bench_function(C::NAME, |b| b.iter(|| try_park(&parker)));
    });
    group.finish();

    let mut group = c.benchmark_group("clone+drop of an unparker");
    for_each_contender!(C => {
        let (_parker, unparker) = C::pair();
        group.bench_function(C::NAME, |b| b.iter(|| drop(unparker.clone())))
    });
    group.finish();

    let mut group = c.benchmark_group("wake by waker+park");
    for_each_contender!(C => if let Some(waker) = C::WAKER {
        let (parker, unparker) = C::pair();
        let waker = waker(unparker);
        group.bench_function(C::NAME, |b| b.iter(|| {
            waker.wake_by_ref();
            C::park(&parker);
        }));
    });
    group.finish();
}

/// The number of round trips before the measurement, in which the parkers learn to spin.
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

fn round_trip(c: &mut Criterion) {
    for place in Place::all() {
        let mut group = c.benchmark_group(format!("round trip, {}", place.name()));
        for_each_contender!(C => if C::KIND != Kind::Floor || place.is_parallel() {
            group.bench_function(C::NAME, |b| b.iter_custom(|count| round_trips::<C>(place, count)));
        });
        group.finish();
    }
}

criterion_group!(benches, token, round_trip);
criterion_main!(benches);
