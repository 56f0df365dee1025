#!/usr/bin/env bash
# The negative controls of the loom models: breaks a copy of the crate in one place at a time, and requires that a model
# fails. First each Acquire, Release and AcqRel in src/ becomes Relaxed, each SeqCst fence AcqRel, and each other fence
# goes; then the mutants of the protocol and the slow paths in tests/weaken/*.sh.
#
# Needs only cargo.
#
#   tests/weaken.sh              all of them
#   tests/weaken.sh WORD...      the mutants with one of the words in the file or the name
#
# The models run with one preemption, then with as many as each names; the first failure ends a mutant. The control, the
# unchanged crate, runs with one preemption here, and with all of them in the step `models` of `.ci/run`. Two jobs run at a time.
#
# Exits with 1 if a mutant survives, with 2 if the control fails, or a mutant does not apply (at once) or does not build, and
# with 3 if a mutant runs out of time, which does not count as a kill.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
jobs=2
limit=${WEAKEN_LIMIT:-300}
mkdir -p "${CARGO_TARGET_DIR:=$root/target}"
base=$(cd "$CARGO_TARGET_DIR" && pwd)/weaken
trap 'trap - TERM; kill 0 2>/dev/null; rm -rf "$work"' INT TERM
trap 'rm -rf "$work"' EXIT
# Mutants panic in many models, and a backtrace takes longer than a model. RUSTC_BOOTSTRAP is for `--fail-fast` only.
export RUSTFLAGS="--cfg loom" RUST_BACKTRACE=0 CARGO_TERM_COLOR=never

die() {
    echo "weaken.sh: $*" >&2
    exit 2
}

# The mutants.
names=() files=() scripts=()
words=("$@")
mutant() { # NAME FILE SED-SCRIPT
    local word
    for word in "${words[@]-}"; do
        if [[ "$2: $1" == *"$word"* ]]; then
            names+=("$2: $1") files+=("$2") scripts+=("$3")
            return
        fi
    done
}
strong='Ordering::\(Acquire\|Release\|AcqRel\|SeqCst\)'
while IFS=: read -r file line code; do
    file=${file#"$root/src/"}
    code=${code%%//*}
    # Orderings after `mod tests` are not tried.
    tests=$(grep -n '^mod tests' "$root/src/$file" | head -n 1 | cut -d: -f1 || true)
    [ "$line" -lt "${tests:-999999}" ] || continue
    # A mark on the line before exempts an ordering that no model can see: loom's read-modify-writes read the newest value.
    if sed -n "$((line - 1))p" "$root/src/$file" | grep -q 'Not seen by models'; then
        echo "NOT TRIED: $file: line $line, exempt by a comment"
        continue
    fi
    count=$(grep -o "$strong" <<<"$code" | wc -l || true)
    for place in $(seq "$count"); do
        name=$(grep -o "$strong" <<<"$code" | sed -n "${place}p")
        weak=Relaxed
        case $code in
        *fence*SeqCst*) weak=AcqRel ;;
        *fence*)
            mutant "line $line: no fence" "$file" "${line}s/fence(.*);//"
            continue
            ;;
        esac
        mutant "line $line: $name -> $weak" "$file" "${line}s/$strong/Ordering::$weak/$place"
    done
done < <(grep -rn --include='*.rs' --exclude='*_tests.rs' "$strong" "$root/src" | sort -t: -k1,1 -k2,2n)
[ ${#names[@]} -gt 0 ] || [ $# -gt 0 ] || die "no ordering found in src/"
for list in "$root"/tests/weaken/*.sh; do
    # shellcheck source=/dev/null
    . "$list"
done
[ ${#names[@]} -gt 0 ] || die "no mutant matches"
for number in "${!names[@]}"; do
    file=$root/src/${files[$number]}
    sed "${scripts[$number]}" "$file" >"$work/changed" || die "${names[$number]}: not a sed script"
    ! cmp -s "$file" "$work/changed" || die "${names[$number]}: the code that it changes is gone"
done

# The models that test a file. For the driver and the idle set, the models on one slow path are enough.
models_of() {
    case $1 in
    driver/* | wait/mod.rs) echo loom_driver ;;
    idle/*) echo loom_idle ;;
    *) echo loom ;;
    esac
}
filter_of() {
    case $1 in
    loom_driver | loom_idle) echo Condvar ;;
    esac
}

# prepare JOB: a copy of the crate, without what the models do not need.
prepare() {
    bash "$root/tests/copy.sh" "$work/$1" none
    mkdir -p "$work/$1/tests"
    cp -r "$root"/tests/loom*.rs "$root/tests/models" "$work/$1/tests/"
}

# build JOB SUITE PREEMPTIONS: writes the path of the binary to $work/JOB.binary. Each job has its own target folder.
build() {
    local json=$work/$1.json quick=()
    # With one preemption, most models take less time than a build that is not incremental.
    [ "$3" = all ] || quick=(--config profile.release.incremental=true --config profile.release.opt-level=1
        --config 'profile.release.package."*".opt-level=3')
    (cd "$work/$1" && CARGO_TARGET_DIR=$base/$1 cargo "${quick[@]}" test --release --features loom,futex,parking_lot --test "$2" \
        --no-run --message-format=json) >"$json" 2>"$work/$1.log" || return 1
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' "$json" | tail -n 1 >"$work/$1.binary"
    [ -s "$work/$1.binary" ]
}

# models JOB SUITE PREEMPTIONS: a number, or `all` for as many as each model names.
models() {
    local bound=()
    [ "$3" = all ] || bound=("LOOM_MAX_PREEMPTIONS=$3")
    env "${bound[@]}" RUSTC_BOOTSTRAP=1 timeout "$limit" "$(cat "$work/$1.binary")" -Zunstable-options --fail-fast \
        --nocapture --test-threads=2 $(filter_of "$2") >"$work/$1.log" 2>&1
}

# attempt JOB NUMBER: writes the result to $work/result.NUMBER.
attempt() {
    local job=$1 number=$2 began=$SECONDS code preemptions which
    local name=${names[$2]} file=${files[$2]} result=$work/result.$2 suite
    suite=$(models_of "$file")
    rm -rf "${work:?}/$job/src"
    # With new times: with the old ones, cargo would reuse the build of the last mutant.
    cp -r "$root/src" "$work/$job/src"
    sed -i "${scripts[$number]}" "$work/$job/src/$file"
    for preemptions in 1 all; do
        if ! build "$job" "$suite" $preemptions; then
            { echo "$name:" && tail -n 30 "$work/$job.log"; } >&2
            echo "BROKEN|$name|does not build|" >"$result"
            return
        fi
        code=0
        # Hides the shell's message when a model aborts. An abort counts as a kill.
        { models "$job" "$suite" $preemptions || code=$?; } 2>/dev/null
        [ "$code" -ne 0 ] || continue
        # Not from the summary: a deadlock during unwinding aborts the run before it.
        which=$(sed -nE "s/.*thread '([A-Za-z_]+::[A-Za-z_]+)'.* panicked at .*/\1/;T;p;q" "$work/$job.log")
        if [ -n "$which" ]; then
            echo "killed|$name|$which, $preemptions|$((SECONDS - began)) s" >"$result"
        elif [ "$code" -eq 124 ]; then
            echo "TIMEOUT|$name|$(grep -c 'model .* interleavings' "$work/$job.log" || true) models passed, with $preemptions preemptions|$limit s" >"$result"
        else
            tail -n 30 "$work/$job.log" >&2
            echo "BROKEN|$name|something other than a model failed|" >"$result"
        fi
        return
    done
    echo "SURVIVED|$name||$((SECONDS - began)) s" >"$result"
}

# The control.
for job in $(seq $jobs); do prepare "$job"; done
for suite in $(for file in "${files[@]}"; do models_of "$file"; done | sort -u); do
    began=$SECONDS
    rm -r "${work:?}/1/src"
    cp -r "$root/src" "$work/1/src" # with new times, as below
    build 1 "$suite" 1 || { cat "$work/1.log" >&2 && die "the control does not build"; }
    limit=1200 models 1 "$suite" 1 || { tail -n 60 "$work/1.log" >&2 && die "the control fails: $suite"; }
    echo "passes    the control: $suite, $(grep -c 'model .* interleavings' "$work/1.log") models; $((SECONDS - began)) s"
done

mkdir "$work/taken"
run_job() {
    local number line
    for number in "${!names[@]}"; do
        mkdir "$work/taken/$number" 2>/dev/null || continue
        attempt "$1" "$number"
        IFS='|' read -r -a line <"$work/result.$number"
        echo "${line[0]}  ${line[1]}  (${line[2]-}) ${line[3]-}"
    done
}
for job in $(seq $jobs); do run_job "$job" & done
wait

echo
printf '%-9s %-78s %s\n' "" "mutant" "killed by, with so many preemptions"
for number in "${!names[@]}"; do
    awk -F'|' '{ printf "%-9s %-78s %s\n", $1, $2, $3 }' "$work/result.$number"
done
count() { cat "$work"/result.* | grep -c "^$1" || true; }
echo "$(count killed) killed, $(count SURVIVED) survived, $(count TIMEOUT) ran out of time, $(count BROKEN) could not be tried; $SECONDS s"
[ "$(count BROKEN)" = 0 ] || exit 2
[ "$(count SURVIVED)" = 0 ] || exit 1
[ "$(count TIMEOUT)" = 0 ] || exit 3
