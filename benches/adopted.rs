//! rayon-core and tokio beside those on this crate, in turn: `cargo bench -p atomic-parker-benches --bench adopted`.
//!
//! A script makes the sources of the latter, so the bench itself is a package of its own, in `tests/drop_in/adopted/`. Options: see
//! `src/runner.rs`.

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/drop_in/adopted.sh");
    match Command::new("bash").arg(script).args(std::env::args_os().skip(1)).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("adopted: {script} needs bash: {error}");
            ExitCode::FAILURE
        }
    }
}
