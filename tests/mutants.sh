#!/usr/bin/env bash
# Mutation testing with cargo-mutants. With no argument: what the last commit changed under src/. With `--all`: all of src/.
# What cannot be told apart, and why, stands in .cargo/mutants.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cargo-mutants >/dev/null || cargo install cargo-mutants --locked --quiet
if [ "${1:-}" = --all ]; then
    shift
else
    diff=$(mktemp)
    trap 'rm -f "$diff"' EXIT
    git diff HEAD~1 HEAD -- src >"$diff" 2>/dev/null || true
    if [ ! -s "$diff" ]; then
        echo "mutants: the last commit changes nothing under src/"
        exit 0
    fi
    set -- --in-diff "$diff" "$@"
fi
cargo mutants --features parking_lot --timeout 90 --output target "$@" -- --lib --test it --test block_on
