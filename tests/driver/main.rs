//! The driver through its public API, on real threads, with the event loop of `polling`.
#![cfg(not(any(loom, shuttle)))]

mod counted;
mod events;
mod rules;
mod stress;
#[path = "../watchdog/mod.rs"]
mod watchdog;
mod workers;
