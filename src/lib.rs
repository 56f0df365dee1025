//! A thread parker for executors.
#![deny(unsafe_code, missing_docs, missing_debug_implementations, rust_2018_idioms)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod atomic_parker;
mod block_on;
mod parker;
mod spin;
mod state;
mod sync;
mod unparker;
pub mod wait;

pub use crate::atomic_parker::AtomicParker;
pub use crate::block_on::{block_on, block_on_timeout, TimedOut};
pub use crate::parker::{pair, Parker};
pub use crate::spin::Spin;
pub use crate::state::ParkState;
pub use crate::unparker::Unparker;

#[cfg(any(all(loom, feature = "loom"), all(shuttle, feature = "shuttle")))]
pub use crate::sync::model;
