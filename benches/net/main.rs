//! Echo servers on loopback in turn, compared with goals, about seven minutes:
//! `RUSTFLAGS="--cfg tokio_unstable" cargo bench -p atomic-parker-benches --bench net`.
//!
//! `ours` is an executor on an idle set with a driver, with the event loop of `mio`, which tokio has too. `never` is the same, but
//! does not hand over the event loop while a thread runs a task. The peers are tokio, tokio with its eager hand-over, which is
//! left out if the bench is built without the flag, and async-executor with async-io. All of them have four workers, arm a
//! socket once, and run the same tasks.
//!
//! Each slice starts its server. Clients are threads of the same process that block, but what they use is not counted. Options:
//! see `src/runner.rs`.

mod list;
mod load;
mod own;
mod peers;
mod server;

use std::process::ExitCode;

fn main() -> ExitCode {
    if !cfg!(tokio_unstable) {
        eprintln!("left out: tokio with eager hand-over, which needs RUSTFLAGS=\"--cfg tokio_unstable\"");
    }
    atomic_parker_benches::runner::main("net", list::scenarios())
}
