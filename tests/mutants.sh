#!/usr/bin/env bash
# Mutation testing with cargo-mutants: of the changes under src/ on this branch or, on main, in the last commit.
# With `--all`: all of src/, in about an hour. .cargo/mutants.toml lists the mutants that no test can detect.
set -euo pipefail
cd "$(dirname "$0")/.."
# A debug build is enough: cargo-mutants mostly waits for cargo.
command -v cargo-mutants >/dev/null || cargo install cargo-mutants --locked --quiet --debug

if [ "${1:-}" = --all ]; then
    shift
else
    base=$(git merge-base HEAD origin/HEAD 2>/dev/null || true)
    if [ -z "$base" ] || [ "$base" = "$(git rev-parse HEAD)" ]; then
        base=HEAD~1
    fi
    diff=$(mktemp)
    trap 'rm -f "$diff"' EXIT
    if ! git rev-parse --verify --quiet "$base^{commit}" >/dev/null; then
        echo "mutants: NOT RUN, as this clone has no history to compare with"
        exit 0
    fi
    git diff "$base" HEAD -- src >"$diff"
    if [ ! -s "$diff" ]; then
        echo "mutants: nothing under src/ has changed since $base"
        exit 0
    fi
    set -- --in-diff "$diff" "$@"
fi
# 3: the tests caught each mutant, some by a timeout.
cargo mutants --features futex,parking_lot --shuffle --timeout 60 --output target "$@" -- --lib --test it --test block_on --test idle || [ $? -eq 3 ]
