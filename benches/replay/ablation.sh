#!/usr/bin/env bash
# What each mechanism of the spin policy is worth: plays the recorded waits with the policy as it is, and without one
# mechanism at a time. The costs are in sleeps: see main.rs.
#
#   benches/replay/ablation.sh
#
# Needs rustc. Exits with 2 if the policy no longer has the code that a row leaves out.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/src/spin" "$work/benches/replay"
cp "$root/benches/replay/main.rs" "$work/benches/replay/"
export WAITS=$root/benches/replay/waits CARGO_MANIFEST_DIR=$work

# play NAME SED [ARGUMENT]
play() {
    sed "$2" "$root/src/spin/policy.rs" >"$work/src/spin/policy.rs"
    if [ -n "$2" ] && cmp -s "$root/src/spin/policy.rs" "$work/src/spin/policy.rs"; then
        echo "ablation.sh: the code of '$1' is gone" >&2
        exit 2
    fi
    rustc --edition 2021 -O -A warnings -o "$work/replay" "$work/benches/replay/main.rs"
    "$work/replay" ${3:+"$3"} | sed "s/^| policy |/| $1 |/"
}

play "policy" ""
without() { play "without $1" "$2" policy; }
without "tries for a spin that finds the token" '0,/self.tries = TRIES;/s///'
without "tries for a short sleep" 's/after <= self.price || //'
play "with one try" 's/const TRIES: u8 = 2/const TRIES: u8 = 1/' policy
play "with three tries" 's/const TRIES: u8 = 2/const TRIES: u8 = 3/' policy
without "the answer that the CPU is the same" 's/match end {/match if end == End::SameCpu { End::Came(0) } else { end } {/'
without "far spins" 's/ || after <= FAR \&\& self.savings == FULL//; s/self.savings >= FAR/false/'
without "savings for a new parker" 's/savings: FULL,/savings: 0,/'
without "savings from spins that find the token" 's/self.save((self.price - spun) .*//'
without "skipping" 's/self.skip = self.backoff;//'
