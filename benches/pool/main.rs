//! Thread pools in turn, compared with goals: `cargo bench -p atomic-parker-benches --bench pool`, about eight minutes.
//!
//! Every pool runs the same boxed closures, which are pushed from outside of it. `ours` is a pool on
//! [`idle`](atomic_parker::idle). Two pools differ from it only in the protocol, which is written by hand: one notifies
//! each worker's parker in turn until one was asleep, the other has a count under a mutex, and a condition variable.
//! The pools of tokio, async-executor and rayon-core are in use today. The rows of `blocking.rs` are about pools that grow.
//!
//! All pools of a scenario exist at the same time, and start again after some slices. A pool sleeps while another one is measured.
//! The goals of each row are in `list.rs`. Options: see `src/runner.rs`.

mod blocking;
mod list;
mod measure;
mod own;
mod pools;
mod protocols;

use std::process::ExitCode;

fn main() -> ExitCode {
    atomic_parker_benches::runner::main("pool", list::scenarios())
}
