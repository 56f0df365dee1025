//! `block_on` against its peers: `cargo bench -p atomic-parker-benches --bench block_on`.

use atomic_parker_benches::place::Place;
use criterion::{criterion_group, criterion_main, Criterion};
use std::cell::Cell;
use std::future::{poll_fn, ready, Future};
use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// A way to run a future on this thread. Made once on each thread that uses it.
trait BlockOn {
    const NAME: &'static str;
    fn new() -> Self;
    fn block_on<F: Future>(&self, future: F) -> F::Output;
}

macro_rules! block_on {
    ($($type:ident = $name:literal, $block_on:path;)*) => {$(
        struct $type;

        impl BlockOn for $type {
            const NAME: &'static str = $name;

            fn new() -> Self {
                Self
            }

            fn block_on<F: Future>(&self, future: F) -> F::Output {
                $block_on(future)
            }
        }
    )*};
}

block_on! {
    Pollster = "pollster", pollster::block_on;
    FuturesLite = "futures-lite", futures_lite::future::block_on;
    FuturesExecutor = "futures-executor", futures_executor::block_on;
    Ours = "ours", atomic_parker::block_on;
}

struct Tokio(tokio::runtime::Runtime);

impl BlockOn for Tokio {
    const NAME: &'static str = "tokio";

    fn new() -> Self {
        Self(tokio::runtime::Builder::new_current_thread().build().unwrap())
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }
}

/// Ours without looking at the token before it sleeps, as the peers do.
struct OursNoSpin(atomic_parker::Parker);

impl BlockOn for OursNoSpin {
    const NAME: &'static str = "ours-no-spin";

    fn new() -> Self {
        Self(atomic_parker::Parker::new().with_spin(atomic_parker::Spin::off()))
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }
}

/// Runs an expression once for each contender, as the type of the given name.
macro_rules! for_each_block_on {
    ($B:ident => $run:expr) => {
        for_each_block_on!(@ $B => $run; Pollster FuturesLite FuturesExecutor Tokio Ours OursNoSpin)
    };
    (@ $B:ident => $run:expr; $($contender:ident)*) => {{
        $({
            type $B = $contender;
            $run;
        })*
    }};
}

/// A future that is woken while it is polled, and ready when it is polled again.
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

/// The signal that anybody would write: a flag, and the waker of whoever waits for it.
#[derive(Clone, Default)]
struct Signal(Arc<Mutex<(bool, Option<Waker>)>>);

impl Signal {
    fn set(&self) {
        let mut state = self.0.lock().unwrap();
        state.0 = true;
        let waker = state.1.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn wait(&self) {
        poll_fn(|context| {
            let mut state = self.0.lock().unwrap();
            if std::mem::take(&mut state.0) {
                return Poll::Ready(());
            }
            state.1 = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Round trips before the clock starts.
const WARM_UP: u64 = 100;

/// Round trips over any kind of channel: `pair` makes one, `send` and `receive` use it.
fn round_trips<B: BlockOn, Receiver, Sender: Send>(
    place: Place,
    count: u64,
    pair: impl Fn() -> (Receiver, Sender) + Sync,
    send: impl Fn(&B, &Sender) + Sync,
    receive: impl Fn(&B, &Receiver) + Sync,
) -> Duration {
    let (send, receive) = (&send, &receive);
    place.run(
        pair,
        |receiver, sender| {
            let runtime = B::new();
            let round_trip = || {
                send(&runtime, &sender);
                receive(&runtime, &receiver);
            };
            (0..WARM_UP).for_each(|_| round_trip());
            let start = Instant::now();
            (0..count).for_each(|_| round_trip());
            start.elapsed()
        },
        |receiver, sender| {
            let runtime = B::new();
            for _ in 0..WARM_UP + count {
                receive(&runtime, &receiver);
                send(&runtime, &sender);
            }
        },
    )
}

fn over_signal<B: BlockOn>(place: Place, count: u64) -> Duration {
    let pair = || {
        let signal = Signal::default();
        (signal.clone(), signal)
    };
    round_trips::<B, Signal, Signal>(place, count, pair, |_, s| s.set(), |b, s| b.block_on(s.wait()))
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
    // Behind `black_box`, or the whole call is computed by the compiler.
    let mut group = c.benchmark_group("block_on, ready future");
    for_each_block_on!(B => {
        let runtime = B::new();
        group.bench_function(B::NAME, |b| b.iter(|| runtime.block_on(black_box(ready(1)))))
    });
    group.finish();

    // Else the compiler can leave out a waker that is made for nothing.
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
