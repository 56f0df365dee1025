//! What the token costs while nobody sleeps: `cargo bench --bench token --features futex,parking_lot`.
//!
//! Everything runs in one thread. The report is target/criterion/report/index.html.

mod contenders;

use contenders::{for_each_contender, Contender};
use criterion::{criterion_group, criterion_main, Criterion};
use std::time::Duration;

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
        // The token of std belongs to this thread, and must not be left to the next one.
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

criterion_group!(benches, token);
criterion_main!(benches);
