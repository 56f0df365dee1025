#!/usr/bin/env bash
# Records the waits of real programs into benches/replay/waits/: builds a copy of the crate whose parkers note each wait and
# never spin, and runs the examples and benches with it. Takes two minutes.
#
#   benches/replay/record.sh
#
# Needs git, cargo and a quiet machine. Exits with 2 if the parker no longer has the code that the copy changes.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git -C "$root" ls-files -z | (cd "$root" && xargs -0 cp --parents -t "$work")
cd "$work"

# In place of learning from a wait, the parker writes it down. That takes a free lock only, so that it does not change what it
# records. A policy that has learned nothing neither spins nor skips.
cat >>src/lib.rs <<'END'
pub(crate) fn record(parker: usize, end: crate::spin::End) {
    use std::io::Write;
    static LOG: std::sync::Mutex<Vec<(usize, crate::spin::End)>> = std::sync::Mutex::new(Vec::new());
    let mut log = LOG.lock().unwrap();
    log.push((parker, end));
    if log.len() == 250 {
        let path = std::env::var("RECORD").unwrap_or_else(|_| "/dev/null".into());
        let mut file = std::fs::File::options().create(true).append(true).open(path).unwrap();
        let text: String = log
            .drain(..)
            .map(|(parker, end)| {
                let wait = match end {
                    crate::spin::End::Found => unreachable!("it does not spin"),
                    crate::spin::End::Came(after) => after.to_string(),
                    crate::spin::End::SameCpu | crate::spin::End::Unknown => "same".into(),
                    crate::spin::End::TimedOut => "out".into(),
                };
                format!("{parker} {wait}\n")
            })
            .collect();
        file.write_all(text.as_bytes()).unwrap();
    }
}
END
sed -i 's/policy.learn(spun, end);/let _ = spun; crate::record(self.number(), end);/' src/pair/parker.rs
grep -q 'crate::record' src/pair/parker.rs || { echo "record.sh: the code that it changes is gone" >&2; exit 2; }

# record NAME COMMAND...: 2,000 waits from the middle of the run, with the parkers numbered from 0.
record() {
    local name=$1
    shift
    RECORD=$work/$name.log "$@" >/dev/null
    awk -v lines="$(wc -l <"$work/$name.log")" '
        NR > (lines - 2000) / 2 { if (!($1 in number)) number[$1] = count++; $1 = number[$1]; print; if (++taken == 2000) exit }
    ' "$work/$name.log" >"$root/benches/replay/waits/$name.txt"
    echo "$name: $(wc -l <"$root/benches/replay/waits/$name.txt") of $(wc -l <"$work/$name.log") waits"
}
duel() { cargo bench --quiet -p atomic-parker-benches --bench duel -- "$@"; }
pool() { cargo bench --quiet -p atomic-parker-benches --bench pool -- "$@"; }
mkdir -p "$root/benches/replay/waits"
cargo build --release --examples
# The reactor is not here: its parkers sleep in the event loop, and do not spin.
record executor cargo run --quiet --release --example executor -- "${RECORD_FOLDER:-$(rustc --print sysroot)}"
record pool pool "burst of 8 tasks of 5 µs: a task, 4 workers"
record tasks-alone pool "a task each 100 µs, 4 workers"
record channel duel "block_on, round trip"
record round-trip duel "round trip, two cores"
record ring duel ring
record fan-out duel "fan out"
record gaps-of-5 duel "gaps of 5 µs, Poisson"
record short-and-long duel "short and long"
