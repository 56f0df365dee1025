//! A thread parker whose whole protocol is one atomic byte, with a slow path you can swap.
//!
//! A *parker* holds a token. [`park`](Parker::park) sleeps until the token is there and takes it,
//! [`unpark`](Unparker::unpark) sets it. It is what an executor puts its idle threads to sleep with.
//!
//! [`std::thread::park`] is not safe for that. Its token belongs to the thread, so any library that parks in between
//! can eat it, and the wake-up is lost. A parker of this crate belongs to you: nobody else can take its token.
//!
//! ```
//! let (parker, unparker) = atomic_parker::pair();
//!
//! let worker = std::thread::spawn(move || {
//!     parker.park(); // sleeps until somebody calls `unpark`, or returns at once if somebody has
//! });
//!
//! unparker.unpark();
//! worker.join().unwrap();
//! ```
//!
//! # Which type
//!
//! - [`Parker`] and [`Unparker`] if one thread sleeps, as in an executor's worker: one owner, any number of handles.
//!   They have the names and meanings of crossbeam's `Parker` and of `parking`.
//! - [`AtomicParker`] if you place it yourself, in a `static`, a struct or an `Arc`, or if several threads sleep on it.
//! - [`block_on`] if you want to run a future on this thread, and nothing more.
//!
//! # Guarantees
//!
//! 1. An `unpark` before a park is not lost. Any number of `unpark`s before a park make one token.
//! 2. No spurious return, ever. A timed park returns false only at or after its deadline, and a token that arrives
//!    together with the deadline wins.
//! 3. Every `unpark` before the token is consumed, the coalesced ones too, happens-before the return of the park that
//!    consumes it.
//! 4. Several threads may park on one [`AtomicParker`]: each token releases exactly one, and none is forgotten.
//! 5. `unpark` is lock-free, and makes no system call unless it finds somebody asleep. A park that finds the token
//!    makes none either, and does not read the clock.
//! 6. Nothing here panics on its own account. `Duration::MAX` is for ever, a deadline in the past is now.
//! 7. `unpark` never touches memory that its handle does not keep alive; see
//!    [`AtomicParker`](AtomicParker#sharing-by-raw-pointer) for what that leaves to you.
//!
//! # The slow path
//!
//! How a thread sleeps is the type parameter `W`: a mutex and a condition variable by default, a bare
//! futex on Linux and Android, the queues of `parking_lot_core` for a parker of one byte, or your own event loop. See
//! [`wait`].
//!
//! # Spinning
//!
//! A [`Parker`] looks at its token for a moment before it sleeps, where it has learned that this pays. That makes
//! hand-offs between two cores some hundred times faster. [`Spin`] says how, and how to turn it off. An
//! [`AtomicParker`], which has nowhere to keep what it learns, never looks.
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
//! In a model, [`AtomicParker::new`] and the like are not `const`, parkers never look before they sleep, and the clock
//! stands still until the model calls `atomic_parker::model::advance_clock`, which lets all deadlines pass.
//! `ParkingLot` and `Futex` run on a model of the queues of `parking_lot_core`. loom does not see the counts of `Arc`,
//! real futexes, real time, or what a processor does beyond the C11 memory model as loom knows it. With `--cfg shuttle`
//! and the feature `shuttle`, the same holds for shuttle. Either feature without its `--cfg` changes nothing.
//!
//! # Features
//!
//! None is on by default: `futex` for `wait::Futex`, `parking_lot` for `wait::ParkingLot`, and `loom` and `shuttle` as
//! above.
#![deny(unsafe_code, missing_docs, missing_debug_implementations, rust_2018_idioms)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod atomic_parker;
mod block_on;
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
