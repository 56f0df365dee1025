//! Thread pools in turn, held against goals: `cargo bench -p atomic-parker-benches --bench pool`, about three minutes.
//!
//! Every pool runs the same boxed closures, which are pushed from outside of it. `ours` is a pool on
//! [`idle`](atomic_parker::idle). Two pools differ from it in nothing but the protocol, which is written by hand: one asks
//! each worker's parker in turn whether it sleeps, the other has a count under a mutex, and a condition variable. Tokio,
//! async-executor and rayon-core are what is in use today.
//!
//! The pools live through all slices of a scenario, and sleep while it is not their turn. Options: see `src/runner.rs`.

mod list;
mod measure;
mod own;
mod pools;
mod protocols;

use std::process::ExitCode;

fn main() -> ExitCode {
    atomic_parker_benches::runner::main("pool", list::scenarios())
}
