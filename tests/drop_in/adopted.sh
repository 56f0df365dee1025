#!/usr/bin/env bash
# Measures rayon-core beside rayon-core on this crate. First it makes the source of the latter.
#
#   tests/drop_in/adopted.sh [OPTIONS]          or: cargo bench -p atomic-parker-benches --bench adopted [-- OPTIONS]
#
# The options are those of benches/src/runner.rs. Needs perl, and cargo with access to crates.io.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bash "$root/tests/drop_in/rayon.sh" prepare
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
export CARGO_TARGET_DIR=$root/target/drop_in/adopted
exec cargo bench --quiet --manifest-path "$root/tests/drop_in/adopted/Cargo.toml" --bench adopted -- "$@"
