#!/usr/bin/env bash
# Measures rayon-core and tokio beside those on this crate. First it makes the sources of the latter.
#
#   tests/drop_in/adopted.sh [OPTIONS]          or: cargo bench -p atomic-parker-benches --bench adopted [-- OPTIONS]
#
# The options are those of benches/src/runner.rs. Needs perl, and cargo with access to crates.io.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
for port in rayon tokio; do
    bash "$root/tests/drop_in/$port.sh" prepare
done
unset CARGO_ENCODED_RUSTFLAGS
# The ports leave some of the crates' code unused, and this bench some of the bench net's.
export RUSTFLAGS="--allow unused" CARGO_TARGET_DIR=$root/target/drop_in/adopted
exec cargo bench --quiet --manifest-path "$root/tests/drop_in/adopted/Cargo.toml" --bench adopted -- "$@"
