#!/usr/bin/env bash
# What each part of the spin policy is worth on recorded waits: plays them with the policy as it is, and without one part at a
# time. The costs are in sleeps: see main.rs. Needs rustc.
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
part() {
    # The replay has the policy of adaptive spinning only.
    if [ "$2" = policy.rs ] && [[ $3 != *fixed* ]]; then play "$1" "$3" policy; fi
}

play "policy" ""
. "$root/benches/replay/parts.sh"
