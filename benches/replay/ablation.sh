#!/usr/bin/env bash
# What each mechanism of the spin policy is worth: plays the recorded waits with the policy as it is, and without one
# mechanism at a time. The costs are in sleeps: see main.rs.
#
#   benches/replay/ablation.sh
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
without "credit for spins that find the token" 's/self.credit = credit.min(.*/self.credit = credit * 0;/'
without "credit for short sleeps" 's/slept_through && short && self.draw(1 << self.misses) == 0/false/'
without "history: one credit" 's/if short != self.after_short {/if false {/'
without "misses" 's/self.draw(1 << self.misses) == 0/true/'
without "the answer that the CPU is the same" 's/End::SameCpu | End::Unknown | End::TimedOut => u32::MAX,/End::SameCpu => spun, _ => u32::MAX,/'
without "exploring" 's/let begins = .*/let begins = false;/'
without "the question whether the thread has woken a sleeper" 's/ \&\& has_woken//'
without "savings from spins that find the token" 's/if found { limit.saturating_sub(spun) .* } else/if found { 0 } else/'
without "exploring short waits for free" 's/if self.explores && !(found && short) {/if self.explores {/'
without "skipping" 's/self.skip = self.draw(1 << self.quiet) as u8;//'
