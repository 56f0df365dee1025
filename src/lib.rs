//! The sleep layer of an executor: a thread parker whose whole protocol is one atomic byte, an idle set that decides
//! which worker to wake, and a driver, with which the threads share an event loop.
//!
//! A *parker* holds a token. [`park`](Parker::park) sleeps until the token is there and takes it,
//! [`unpark`](Unparker::unpark) sets it.
//!
//! The token of [`std::thread::park`] belongs to the thread, so other code that parks on this thread can take it, and
//! the wake-up is lost. The token of a parker belongs to that parker alone.
//!
//! ```
//! let (parker, unparker) = atomic_parker::pair();
//!
//! let worker = std::thread::spawn(move || {
//!     parker.park(); // sleeps until the token is there; returns at once if it is there already
//! });
//!
//! unparker.unpark();
//! worker.join().unwrap();
//! ```
//!
//! An *idle set* puts the workers of a pool to sleep and wakes them. While announced work waits, a worker sleeps only
//! if another one is on its way to the work.
//!
//! ```
//! use atomic_parker::idle::Idle;
//! use std::sync::{Arc, Mutex};
//!
//! let queue = Arc::new(Mutex::new(Vec::new()));
//! let (idle, workers) = Idle::new(2);
//! let threads: Vec<_> = workers
//!     .into_iter()
//!     .map(|worker| {
//!         let queue = queue.clone();
//!         std::thread::spawn(move || {
//!             let find = || queue.lock().unwrap().pop();
//!             std::iter::from_fn(|| worker.next(find)).sum::<u32>()
//!         })
//!     })
//!     .collect();
//!
//! for task in 1..=10 {
//!     queue.lock().unwrap().push(task); // first make the work visible,
//!     idle.wake_one(); // then say so
//! }
//! idle.close(); // `next` returns `None` once there is nothing left to find
//! let sum: u32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
//! assert_eq!(sum, 55);
//! ```
//!
//! A *driver* lets the threads share an event loop: one of those that are idle waits in it for sockets and timers, and the others
//! sleep. [`docs::io`] has an example to start from.
//!
//! # Which type
//!
//! | type | for |
//! | --- | --- |
//! | [`Parker`] and [`Unparker`] | one thread that sleeps, and any number of handles that wake it; with the names and meanings of crossbeam's `Parker` and of `parking` |
//! | [`AtomicParker`] | a parker in a `static`, in a struct or in an `Arc`, or one on which several threads sleep |
//! | [`idle::Idle`] and [`idle::Worker`] | the workers of a pool or an executor |
//! | [`driver::Driver`] | timers and I/O: an event loop for the workers of a set, for threads in [`Parker::block_on`], or both |
//! | [`block_on`] | running a future on this thread |
//!
//! # Guarantees
//!
//! 1. **An `unpark` before a park is not lost.** Any number of `unpark`s before a park make one token.
//! 2. **There is no spurious return.** `park` returns only with the token. A timed park returns false only at or after its
//!    deadline; if the token is there by then, it returns true.
//! 3. **Every `unpark` before the token is taken happens-before the return of the park that takes it.** This includes an
//!    `unpark` that found the token set.
//! 4. **Several threads may park on one `AtomicParker`: each token releases exactly one, and no token is lost.**
//! 5. **The fast paths take no lock, make no system call and read no clock.** They are an `unpark` that finds no thread
//!    asleep, and a park that finds the token.
//! 6. **There are no panics of its own.** `Duration::MAX` is no limit, a deadline in the past does not sleep, and a
//!    poisoned lock is ignored. Two mistakes panic: a [`Worker`](idle::Worker) that is asked for work within its own
//!    `find`, `deadline` or slow path, and an [`Idle`](idle::Idle) of more than 2^28 - 1 workers (2^12 - 1 on 32 bits).
//! 7. **`unpark` uses only memory that its handle keeps alive.** The woken thread may drop the parker at once. With a raw
//!    pointer, the caller must keep the parker alive; see [`AtomicParker`](AtomicParker#sharing-by-raw-pointer).
//! 8. **On `Futex`, `unpark` may be called in a signal handler.** The handler may interrupt the sleeping thread itself. On
//!    `Condvar` and `ParkingLot` it may not, as it may take a lock. On a [`Wait`](wait::Wait) of your own it may if your
//!    `wake` may.
//! 9. **After `fork`, a parker that the child creates works as in a fresh process, except on `ParkingLot`.** The queues of
//!    `parking_lot_core` belong to the process: the child inherits the entries of threads that do not exist there, and
//!    locks that they held, so a park or an `unpark` on any `ParkingLot` can crash or hang. See [Fork](#fork).
//! 10. **No worker sleeps while work waits.** Precisely: from the return of [`wake_one`](idle::Idle::wake_one) until a
//!     worker takes that work, if a worker sleeps, another one is on its way to a call of its `find` that will see it, and
//!     wakes the next one if there may be more; or another call is about to wake one. A task that comes alone wakes one
//!     worker; it may wake another one if the first was just falling asleep, or if its deadline passes at that moment.
//!     While a woken worker is in its first `find`, `wake_one` wakes no other. See [`idle`].
//! 11. **Events do not wait while a thread is idle.** Precisely: while a parker of a [`Driver`](driver::Driver)'s group sleeps, a thread
//!     polls the event loop, or will within [`hand_over_after`](driver::Driver::hand_over_after) (1 ms if not set), however long the
//!     thread that polled last runs a task. A panic of the event loop, a timeout and a dropped worker do not change that. It
//!     does not hold if that time is `Duration::MAX`, while the event loop's `deliver` runs, and while a parker of the group spins. In an idle
//!     process no thread wakes up periodically for it. See [`driver`].
//!
//! [`docs::limitations`] lists what does not work, and what is not tested.
//!
//! # The slow path
//!
//! How a thread sleeps is the type parameter `W`: a mutex and a condition variable by default, a futex on Linux and
//! Android, the queues of `parking_lot_core` for a parker of one byte, or an event loop of your own. See [`wait`].
//!
//! # Spinning
//!
//! A [`Parker`] spins for some microseconds before it sleeps, if the last tokens came soon. A hand-over between two
//! CPUs then takes about 0.1 µs instead of 4 to 60 µs. [`Spin`] describes the cost, and how to turn it off. An
//! [`AtomicParker`] never spins.
//!
//! # Fork
//!
//! A child of `fork` inherits the memory of its parent, but only the thread that called `fork`. A parker that the child
//! creates works, except on `ParkingLot`. A parker from before the `fork` keeps its token. If another thread of the parent was asleep on it,
//! the state of the child's copy is still [`Parked`](ParkState::Parked), and an `unpark` in the child makes a needless wake.
//! If a lock of its slow path was held at the `fork`, it stays locked in the child, as any other lock. So does that of the
//! parker which [`block_on`] keeps for the thread. Spins of
//! more than 5 µs that threads of the parent were in still count until their limits have passed; until then, an adaptive spin of the
//! child may end after 5 µs.
//!
//! # Model checking
//!
//! Under `--cfg loom` with the feature `loom`, the crate runs on the types of loom, and a crate built on it can check
//! its own code:
//!
//! ```toml
//! [features]
//! loom = ["dep:loom", "atomic-parker/loom"]
//!
//! [target.'cfg(loom)'.dependencies]
//! loom = { version = "0.7", optional = true }
//! ```
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release --features loom
//! ```
//!
//! In a model, parkers never spin, and the clock stands still until
//! the model calls `atomic_parker::model::advance_clock`, which lets all deadlines pass. `atomic_parker::model::now` is
//! the time in the model. `ParkingLot` and `Futex` run on a model of the queues of `parking_lot_core`. The model does
//! not cover the counts of `Arc`, real futexes, real time, or what loom does not support of the C11 memory model. Under
//! loom, [`AtomicParker::new`] and the like are not `const`. With `--cfg shuttle` and the feature `shuttle`, the rest holds for
//! shuttle. A feature without its `--cfg` changes nothing.
//!
//! # Features
//!
//! None is on by default: `futex` for `wait::Futex`, `parking_lot` for `wait::ParkingLot`, and `loom` and `shuttle` as
//! above.
//!
//! # More
//!
//! [`docs`] has a page on each of these: the protocol of the parker, that of the idle set, what each of its
//! parts is for, I/O and timers, spinning, moving over from another parker, how other crates were moved, and limitations.
#![deny(unsafe_code, missing_docs, missing_debug_implementations, rust_2018_idioms)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod atomic_parker;
mod block_on;
pub mod docs;
pub mod driver;
pub mod idle;
mod pair;
mod spin;
mod state;
mod sync;
pub mod wait;
mod waker;

pub use crate::atomic_parker::AtomicParker;
pub use crate::block_on::{block_on, block_on_timeout, TimedOut};
pub use crate::pair::{pair, Parker, Unparker};
pub use crate::spin::Spin;
pub use crate::state::ParkState;

#[cfg(any(all(loom, feature = "loom"), all(shuttle, feature = "shuttle")))]
pub use crate::sync::model;

/// The README's examples run as doc tests. `tests/it/one_source.rs` compares what it repeats.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
