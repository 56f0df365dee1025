//! Parkers in turn, held against goals: `cargo bench -p atomic-parker-benches --bench duel`, about four minutes.
//!
//! A ratio is against the best peer of its row: the one of crossbeam, `parking` and std with the lowest median. It is the
//! median over slices in which all were measured right after each other; the interval holds it with 95 %. A row is reported
//! as above its goal if its median is.
//!
//! Options: see `src/runner.rs`.

mod crowd;
mod hand_over;
mod list;
mod parks;

use std::process::ExitCode;

fn main() -> ExitCode {
    atomic_parker_benches::runner::main("duel", list::scenarios())
}
