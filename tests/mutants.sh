#!/usr/bin/env bash
# Mutation testing with cargo-mutants: of the changes under src/ on this branch or, on main, in the last commit.
# A mutant that makes a test hang is noticed by that test, which then fails. .cargo/mutants.toml lists the mutants that no test can
# detect.
#
#   tests/mutants.sh            the changes of this branch or commit
#   tests/mutants.sh --all      all of src/, in about an hour and a half
#   tests/mutants.sh --all -f FILE    of one file; other arguments of cargo-mutants work too
#
# Needs git with the history, and cargo-mutants, which it installs. Exits with 1 if a mutant is missed, and with 75 if it cannot start.
set -euo pipefail
cd "$(dirname "$0")/.."
# A debug build is enough: cargo-mutants mostly waits for cargo.
command -v cargo-mutants >/dev/null || cargo install cargo-mutants --locked --quiet --debug ||
    { echo "mutants: NOT RUN, as cargo-mutants cannot be installed"; exit 75; }

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
        exit 75
    fi
    git diff "$base" HEAD -- src >"$diff"
    if [ ! -s "$diff" ]; then
        echo "mutants: nothing under src/ has changed since $base"
        exit 0
    fi
    set -- --in-diff "$diff" "$@"
fi
found=target/mutants.out
rm -rf $found
# Fails if it could not run; 2 and 3 only say that no test noticed a mutant, or that some timed out.
run() {
    local code=0
    cargo mutants --features futex,parking_lot --shuffle --output target "$@" || code=$?
    case $code in 0 | 2 | 3) ;; *) exit $code ;; esac
}
# Only the tests that are run are built, without debug information: a second for most mutants.
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0
# First the unit tests alone, then the other tests for the mutants that these do not notice.
run "$@" --timeout 20 -C=--lib
[ -d $found ] || exit 0 # no mutants
cat $found/timeout.txt >>$found/caught.txt
# Without the storm of signals, which takes longer than the others together.
run "$@" --iterate --timeout 60 -C=--lib -C=--test=it -C=--test=block_on -C=--test=idle -C=--test=driver -C=--test=set_default -- -- --skip storm
[ ! -s $found/missed.txt ]
