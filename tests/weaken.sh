#!/usr/bin/env bash
# The negative controls of tests/loom.rs: breaks a copy of the crate in one place at a time, and requires that a model
# fails. First each ordering of src/state.rs, weakened to Relaxed; then the protocol and the slow paths.
#
#   tests/weaken.sh              all of them
#   tests/weaken.sh orderings    only the orderings
#
# Exits with 1 if a mutant survives, and with 2 if the control fails, or a mutant does not apply or does not build.
set -euo pipefail

only=${1:-}
root=$(cd "$(dirname "$0")/.." && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
export CARGO_TARGET_DIR=${WEAKEN_TARGET_DIR:-${CARGO_TARGET_DIR:-$root/target}/weaken}
export RUSTFLAGS="--cfg loom"
# Mutants panic in many models, and a backtrace takes longer than a model.
export RUST_BACKTRACE=0
log=$copy/log
killed=0 survived=0

die() {
    echo "weaken.sh: $*" >&2
    exit 2
}

# Without what the models do not need: the dependencies of the other tests are slow to build, and some of them have a
# `cfg(loom)` of their own.
mkdir "$copy/tests" "$copy/src"
awk '/^\[/ { skip = /dev-dependencies/ || /^\[\[/ } !skip' "$root/Cargo.toml" >"$copy/Cargo.toml"
find "$root" -maxdepth 1 -name '*.md' -exec cp {} "$copy" \;
cp "$root/tests/loom.rs" "$copy/tests/"
[ ! -f "$root/Cargo.lock" ] || cp "$root/Cargo.lock" "$copy/"

restore() {
    rm -rf "$copy/src"
    # Without the old times, by which cargo would take the last mutant for up to date.
    cp -r "$root/src" "$copy/src"
}

build() {
    (cd "$copy" && cargo test --release --features loom,futex,parking_lot --test loom --no-run) >"$log" 2>&1 || return 1
    # Cargo said that it had built this source, and not that one which it had built before was still good.
    grep -q "Compiling atomic-parker" "$log" || die "cargo did not rebuild $1"
}

models() {
    # A mutant can make a model run for ever: that counts as a failure.
    (cd "$copy" && timeout 300 cargo test --release --features loom,futex,parking_lot --test loom -q -- --nocapture) \
        >"$log" 2>&1
}

# Which models failed. Not from the summary: a deadlock in a model that unwinds into another one aborts the run.
failed() {
    sed -nE "s/^thread '([a-z_]+::[A-Za-z]+)'.* panicked at .*/\1/p" "$log" | sort -u
}

try() { # NAME
    local code=0 which
    build "$1" || {
        cat "$log" >&2
        die "$1: does not build"
    }
    # With few preemptions first, which is quick, and only then with all.
    LOOM_MAX_PREEMPTIONS=2 models || code=$?
    [ "$code" -ne 0 ] || models || code=$?
    which=$(failed | head -n 1)
    if [ "$code" -eq 0 ]; then
        echo "SURVIVED  $1"
        survived=$((survived + 1))
        return
    fi
    if [ -n "$which" ]; then
        which+=", $(failed | wc -l) in all"
    elif [ "$code" -eq 124 ]; then
        which="a model does not end"
    else
        cat "$log" >&2
        die "$1: something other than a model failed"
    fi
    echo "killed    $1  ($which)"
    killed=$((killed + 1))
}

mutant() { # NAME FILE SED-SCRIPT
    restore
    sed -i "$3" "$copy/src/$2"
    ! cmp -s "$root/src/$2" "$copy/src/$2" || die "$1: the code that it changes is gone"
    try "$2: $1"
}

restore
build "the control" || {
    cat "$log" >&2
    die "the control does not build"
}
# As the mutants at first. With all preemptions it is what the models themselves are run for.
LOOM_MAX_PREEMPTIONS=2 models || {
    cat "$log" >&2
    die "the control fails"
}
echo "passes    the control"

strong='Ordering::\(Acquire\|Release\|AcqRel\|SeqCst\)'
while IFS=: read -r line code; do
    code=${code%%//*}
    count=$(grep -o "$strong" <<<"$code" | wc -l)
    for place in $(seq "$count"); do
        name=$(grep -o "$strong" <<<"$code" | sed -n "${place}p")
        mutant "line $line: $name -> Relaxed" state.rs "${line}s/$strong/Ordering::Relaxed/$place"
    done
done < <(grep -n "$strong" "$root/src/state.rs")
[ $((killed + survived)) -gt 0 ] || die "no ordering found in src/state.rs"

if [ "$only" != orderings ]; then
    mutant "an unpark that finds the token does not write" state.rs \
        '/decode(self.0.swap(NOTIFIED/i if self.peek() == ParkState::Notified { return ParkState::Notified; }'
    by_store='.map(|_| self.0.store(EMPTY, Ordering::Relaxed)).ok_or(())'
    mutant "take by load and store" state.rs \
        "s/\.compare_exchange(NOTIFIED, EMPTY, .*)$/.load(Ordering::Acquire).checked_sub(NOTIFIED)$by_store/"
    mutant "sleeps although the token has come" state.rs \
        's/if parked != Err(NOTIFIED) {/if parked != Err(NOTIFIED) || true {/'
    mutant "leave never puts PARKED back" state.rs \
        's/if others { PARKED } else { EMPTY }/if others { EMPTY } else { EMPTY }/'
    mutant "leave always leaves PARKED" state.rs \
        's/if others { PARKED } else { EMPTY }/if others { PARKED } else { PARKED }/'
    mutant "abandon does nothing" state.rs 's/let _ = self.0.compare_exchange(PARKED, EMPTY, .*//'

    mutant "no wake" atomic_parker.rs 's/if replaced == ParkState::Parked {/if false {/'
    mutant "a panic passes no wake on" atomic_parker.rs 's/let _ = catch_unwind(.*//'
    mutant "who leaves unknown others does not wake them" atomic_parker.rs \
        '/The slow path does not know who else sleeps/ { n; s/self.wake();// }'
    mutant "who takes a late token wakes nobody" atomic_parker.rs 's/if owes_a_wake {/if false {/'
    mutant "a panic after leave loses the token" atomic_parker.rs 's/self.parker.state.notify();//'
    mutant "a panic in a wake that is sent on loses the token" atomic_parker.rs \
        's/PassOn { parker: self, sleeper: None, sleepers }/()/'
    mutant "a timeout leaves PARKED" atomic_parker.rs 's/left().is_none() && (expired || /left().is_none() \&\& (/'
    mutant "everyone thinks to be alone" atomic_parker.rs 's/deadline, sleepers == Sleepers::One)/deadline, true)/'

    no_reason='!(sleeper.still_parked() \&\& \1)'
    mutant "sleeps without a look at the state" wait/condvar.rs \
        "s/while sleeper.still_parked() && \(.*\) {/for turn in 0.. { if turn > 0 \&\& $no_reason { break; }/"
    mutant "wakes without the lock" wait/condvar.rs 's/drop(lock(&self.asleep));//'
    mutant "leaves outside the lock" wait/condvar.rs \
        's/sleeper.leave(\*asleep > 0);/let others = *asleep > 0; drop(asleep); sleeper.leave(others);/'
    mutant "sees nobody else" wait/condvar.rs 's/sleeper.leave(\*asleep > 0)/sleeper.leave(false)/'
    mutant "always sees others" wait/condvar.rs 's/sleeper.leave(\*asleep > 0)/sleeper.leave(true)/'

    mutant "who wakes only looks for sleepers" wait/event_count.rs \
        's/self.sleepers.fetch_add(0, Ordering::Release) > 0/self.sleepers.load(Ordering::Acquire) > 0/'
    mutant "a wake is no event" wait/event_count.rs 's/self.events.fetch_add(1, /self.events.fetch_add(0, /'
    mutant "sleepers do not count" wait/event_count.rs 's/self.sleepers.fetch_add(1, /self.sleepers.fetch_add(0, /'
    mutant "sleeps without a look at the state" wait/futex.rs 's/if sleeper.still_parked() {/if true {/'
    mutant "wakes nobody" wait/futex.rs 's/if self.count.signal() {/if false {/'

    mutant "sleeps without a look at the state" wait/parking_lot.rs 's/|| sleeper.still_parked()/|| true/'
    mutant "a timeout sees nobody else" wait/parking_lot.rs 's/sleeper.leave(!was_last)/sleeper.leave(false)/'
    mutant "a timeout always sees others" wait/parking_lot.rs 's/sleeper.leave(!was_last)/sleeper.leave(true)/'
    mutant "the woken one sees nobody else" wait/parking_lot.rs 's/leave(queue.have_more_threads)/leave(false)/'
    # Not among them: a woken one that does not leave at all. The contract allows it, the parker sends the wake on then.
    mutant "the woken one always sees others" wait/parking_lot.rs 's/leave(queue.have_more_threads)/leave(true)/'
fi

echo "$killed killed, $survived survived"
[ "$survived" -eq 0 ]
