//! The idle set through its public API, on real threads.
#![cfg(not(any(loom, shuttle)))]

mod rules;
mod stress;
mod support;
