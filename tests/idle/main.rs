//! The idle set through its public API, on real threads.
#![cfg(not(any(loom, shuttle)))]

mod audit;
mod future;
mod grows;
mod overtaken;
mod rules;
mod stress;
mod support;
#[path = "../watchdog/mod.rs"]
mod watchdog;
