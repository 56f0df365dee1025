//! `block_on` against its peers: `cargo bench -p atomic-parker-benches --bench block_on`.

use atomic_parker_benches::block_on::{over_signal, round_trips, BlockOn};
use atomic_parker_benches::for_each_block_on;
use atomic_parker_benches::place::Place;
use criterion::{criterion_group, criterion_main, Criterion};
use std::cell::Cell;
use std::future::{poll_fn, ready, Future};
use std::hint::black_box;
use std::task::Poll;
use std::time::Duration;

/// A future that wakes itself in the first poll, and is ready in the second.
fn woken_in_poll() -> impl Future<Output = ()> {
    let polled = Cell::new(false);
    poll_fn(move |context| {
        if polled.replace(true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
}

fn over_channel<B: BlockOn>(place: Place, count: u64) -> Duration {
    let pair = || {
        let (sender, receiver) = async_channel::bounded::<()>(1);
        (receiver, sender)
    };
    let receive = |b: &B, receiver: &async_channel::Receiver<()>| b.block_on(receiver.recv()).unwrap();
    round_trips(place, count, pair, |b, sender| b.block_on(sender.send(())).unwrap(), receive)
}

fn block_on(c: &mut Criterion) {
    // `black_box` keeps the compiler from evaluating the whole call.
    let mut group = c.benchmark_group("block_on, ready future");
    for_each_block_on!(B => {
        let runtime = B::new();
        group.bench_function(B::NAME, |b| b.iter(|| runtime.block_on(black_box(ready(1)))))
    });
    group.finish();

    // `black_box` keeps the compiler from removing an unused waker.
    let mut group = c.benchmark_group("block_on, ready future that clones its waker");
    for_each_block_on!(B => {
        let runtime = B::new();
        let clones = || poll_fn(|context| Poll::Ready(black_box(context.waker().clone())));
        group.bench_function(B::NAME, |b| b.iter(|| runtime.block_on(clones())))
    });
    group.finish();

    let mut group = c.benchmark_group("block_on, woken in poll");
    for_each_block_on!(B => {
        let runtime = B::new();
        group.bench_function(B::NAME, |b| b.iter(|| runtime.block_on(black_box(woken_in_poll()))))
    });
    group.finish();

    for place in Place::all() {
        let mut group = c.benchmark_group(format!("block_on, round trip over a signal, {}", place.name()));
        for_each_block_on!(B => {
            group.bench_function(B::NAME, |b| b.iter_custom(|count| over_signal::<B>(place, count)))
        });
        group.finish();

        let mut group = c.benchmark_group(format!("block_on, round trip over async-channel, {}", place.name()));
        for_each_block_on!(B => {
            group.bench_function(B::NAME, |b| b.iter_custom(|count| over_channel::<B>(place, count)))
        });
        group.finish();
    }
}

criterion_group!(benches, block_on);
criterion_main!(benches);
