//! The `block_on` functions that the benches compare, and a round trip with them.

use crate::place::Place;
use crate::rows::Kind;
use std::future::{poll_fn, Future};
use std::hint::spin_loop;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// A `block_on` function. Each thread that uses it makes one.
pub trait BlockOn: 'static {
    const NAME: &'static str;
    const KIND: Kind;

    fn new() -> Self;
    fn block_on<F: Future>(&self, future: F) -> F::Output;
}

macro_rules! block_on {
    ($($type:ident: $kind:ident = $name:literal, $block_on:path;)*) => {$(
        pub struct $type;

        impl BlockOn for $type {
            const NAME: &'static str = $name;
            const KIND: Kind = Kind::$kind;

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
    Pollster: Peer = "pollster", pollster::block_on;
    FuturesLite: Peer = "futures-lite", futures_lite::future::block_on;
    FuturesExecutor: Peer = "futures-executor", futures_executor::block_on;
    Ours: Ours = "ours", atomic_parker::block_on;
}

pub struct Tokio(tokio::runtime::Runtime);

impl BlockOn for Tokio {
    const NAME: &'static str = "tokio";
    const KIND: Kind = Kind::Peer;

    fn new() -> Self {
        Self(tokio::runtime::Builder::new_current_thread().build().unwrap())
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }
}

/// The lower bound of the cost: spins until the waker was called, and never sleeps.
pub struct Floor(Arc<Flag>, Waker);

pub struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        // Release, for the acquire below: the call of the waker happens before the next poll.
        self.0.store(true, Ordering::Release);
    }
}

impl BlockOn for Floor {
    const NAME: &'static str = "floor";
    const KIND: Kind = Kind::Floor;

    fn new() -> Self {
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        Self(flag.clone(), flag.into())
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&self.1)) {
                return output;
            }
            while !self.0 .0.swap(false, Ordering::Acquire) {
                spin_loop();
            }
        }
    }
}

/// Ours without spinning before a sleep, as the peers.
pub struct OursNoSpin(atomic_parker::Parker);

impl BlockOn for OursNoSpin {
    const NAME: &'static str = "ours, no spin";
    const KIND: Kind = Kind::Ours;

    fn new() -> Self {
        Self(atomic_parker::Parker::new().with_spin(atomic_parker::Spin::off()))
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }
}

/// Runs an expression once for each contender, with the given name for its type.
#[macro_export]
macro_rules! for_each_block_on {
    ($B:ident => $run:expr) => {
        $crate::for_each_block_on!(@ $B => $run; Floor Pollster FuturesLite FuturesExecutor Tokio Ours OursNoSpin)
    };
    (@ $B:ident => $run:expr; $($contender:ident)*) => {{
        $({
            type $B = $crate::block_on::$contender;
            $run;
        })*
    }};
}

/// A simple signal: a flag, and the waker of the task that waits for it.
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

/// The number of round trips before the measurement.
const WARM_UP: u64 = 100;

/// Round trips over any kind of channel: `pair` makes one, `send` and `receive` use it.
pub fn round_trips<B: BlockOn, Receiver, Sender: Send>(
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

pub fn over_signal<B: BlockOn>(place: Place, count: u64) -> Duration {
    let pair = || {
        let signal = Signal::default();
        (signal.clone(), signal)
    };
    round_trips::<B, Signal, Signal>(place, count, pair, |_, s| s.set(), |b, s| b.block_on(s.wait()))
}
