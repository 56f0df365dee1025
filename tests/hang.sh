#!/usr/bin/env bash
# A test that hangs must fail, and say which one it is: breaks a copy of the crate, which then drops its first wake, and runs
# one test of the idle set, one of the driver and one of `block_on`. Each must be ended by its watchdog (tests/watchdog/mod.rs) in
# a minute.
#
# Needs only cargo. Exits with 1 if a test passes, or fails in another way.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "${CARGO_TARGET_DIR:=target}"
base=$(cd "$CARGO_TARGET_DIR" && pwd)/hang
bash tests/copy.sh "$base/copy"
edited=$base/copy/src/atomic_parker.rs
sed -i 's/if replaced == ParkState::Parked {/if replaced == ParkState::Parked \&\& DROPPED.swap(true, std::sync::atomic::Ordering::Relaxed) {/' "$edited"
if cmp -s src/atomic_parker.rs "$edited"; then
    echo "hang.sh: the line that it changes is gone" >&2
    exit 1
fi
echo 'static DROPPED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);' >>"$edited"
cd "$base/copy"
export CARGO_TARGET_DIR=$base/build
cargo test --quiet --no-run --test idle --test driver --test block_on

hangs() { # SUITE TEST
    local code=0
    timeout 110 cargo test --quiet --test "$1" -- --exact "$2" >"$base/$1.log" 2>&1 || code=$?
    if [ $code = 101 ] && grep -q "^WATCHDOG: $2 hangs" "$base/$1.log"; then
        sed -n "/^WATCHDOG/,/^}/p" "$base/$1.log"
    else
        cat "$base/$1.log"
        echo "FAILED: $1 $2 was not ended by its watchdog ($code)"
        return 1
    fi
}
hangs idle rules::a_lone_task_wakes_exactly_the_lowest_sleeper &
idle=$!
hangs driver workers::an_announcement_from_elsewhere_leaves_the_polling_worker_asleep &
driver=$!
hangs block_on runs_every_kind_of_future
wait $idle
wait $driver
