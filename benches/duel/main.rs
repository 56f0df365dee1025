//! Parkers in turn, compared with goals: `cargo bench -p atomic-parker-benches --bench duel`, about five minutes.
//!
//! A ratio is to the best peer of its row: crossbeam, `parking` or std, the one with the lowest median. It is the
//! median over slices, in which all were measured right after each other, with a 95 % confidence interval. A row is
//! reported as above its goal if its median is above it.
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
