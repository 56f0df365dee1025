#!/usr/bin/env bash
# The idle set without one of its parts at a time: breaks a copy of the crate, and requires that the test of tests/idle/ that shows what
# the part is for fails, or is ended by its watchdog. docs/ablation.md has these parts, and those that models show.
#
# Needs only cargo.
#
#   tests/ablation.sh            all of them
#   tests/ablation.sh WORD...    those with one of the words in the name
#
# Exits with 1 if a test passes without its part, with 2 if it fails with it, or if a part cannot be taken out.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "${CARGO_TARGET_DIR:=$root/target}"
base=$(cd "$CARGO_TARGET_DIR" && pwd)/ablation
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
export RUSTFLAGS="" # without a part, a variable may be unused
words=("$@")
names=() files=() scripts=() shown_by=()
without() { # NAME FILE SED-SCRIPT TEST
    local word
    for word in "${words[@]-}"; do
        [[ "$1" == *"$word"* ]] || continue
        names+=("$1") files+=("$2") scripts+=("$3") shown_by+=("$4")
        return
    done
}

# The debt.
overtaken() { without "$1" "$2" "$3" "overtaken::$4"; }
overtaken "one piece" head.rs 's/self.plus_debt(Debt::One)$/self/' a_search_for_nothing_leaves_no_task_behind
overtaken "many pieces" head.rs 's/(Debt::One, Debt::One) => Debt::Many/(Debt::One, Debt::One) => Debt::One/' \
    a_worker_that_ends_its_search_beside_another_leaves_all_that_it_owes
overtaken "many pieces stay many when one is paid" head.rs 's/            debt => debt,/            _ => Debt::None,/' \
    a_worker_that_ends_its_search_beside_another_leaves_all_that_it_owes
overtaken "look again" head.rs 's/without_search().with_debt(Debt::LookAgain)/without_search()/' \
    a_search_that_took_the_task_of_another_leaves_no_task_behind
overtaken "a search that finds nothing beside another leaves one piece" head.rs 's/plus_debt(Debt::One.plus(debt))/plus_debt(debt)/' \
    a_search_that_fails_beside_another_leaves_no_task_behind
overtaken "and what it holds" head.rs 's/plus_debt(Debt::One.plus(debt))/plus_debt(Debt::One)/' \
    a_worker_that_ends_its_search_beside_another_leaves_all_that_it_owes
overtaken "the last search looks again" head.rs '/fn looks_again/,/^    }/s/self.is_last()/false/' \
    a_search_for_nothing_leaves_no_task_behind
overtaken "it is counted meanwhile" head.rs '/fn found_nothing/,/^    }/s/self.with_debt(Debt::None)/self.with_idle().without_idle().without_search()/' \
    a_search_for_nothing_leaves_no_task_behind
overtaken "it holds the debt that it has taken" roster.rs 's/Some(held)/Some(Debt::None)/' \
    a_worker_that_owes_a_search_still_owes_it_after_one_more_look
overtaken "and what it held before" roster.rs 's/?.plus(before.debt());/.map(|_| before.debt())?;/' \
    a_worker_that_owes_a_search_still_owes_it_after_one_more_look
overtaken "a held debt is paid" head.rs '/fn found_work/,/^    }/s/self.debt().plus(debt)/self.debt()/' \
    a_worker_that_owes_a_search_still_owes_it_after_one_more_look
overtaken "a worker that stops gives back what it holds" roster.rs 's/head.without_idle().plus_debt(debt)/head.without_idle()/' \
    a_search_that_ends_at_a_deadline_leaves_what_it_owes
overtaken "a worker that stops passes its search on" worker.rs 's/self.idle.act(self.roster().stop(debt));/self.idle.act(self.roster().leave(debt));/' \
    a_search_that_ends_at_a_deadline_leaves_no_task_behind
without "an announcement to a worker that is awake counts" roster.rs 's/return (false, self.announce(by));/return (false, Request::Searching);/' \
    rules::a_worker_in_steps_that_finds_its_own_task_first_passes_the_wake_on
without "a worker whose future is ready passes its search on" worker.rs 's/if is_own(&work) {/if false {/' \
    future::the_wake_of_a_worker_that_ends_goes_to_another_one
without "a failed start leaves what was announced meanwhile" roster.rs 's/Debt::One.plus(taken)/Debt::One/' \
    grows::a_start_that_fails_leaves_all_that_was_announced_during_it
without "a failed start passes its search to a sleeper" roster.rs \
    '/fn fail_start/,/^    }/s/self.pass(To::Sleepers)/{ self.change(|head| head.without_search().plus_debt(Debt::One)); None }/' \
    grows::a_start_that_fails_passes_its_search_to_a_sleeper
without "announcements of many looks are for other workers" roster.rs 's/by.map_or(To::All, |by| To::Others(by.index))/{ let _ = by; To::All }/' \
    rules::announcements_in_find_do_not_keep_their_worker_awake
without "announcements of many looks do not rely on their own search" roster.rs 's/usize::from(by.is_some_and(|by| by.searches))/{ let _ = by; 0 }/' \
    rules::announcements_in_find_do_not_keep_their_worker_awake
[ ${#names[@]} -gt 0 ] || { echo "ablation.sh: no part matches" >&2 && exit 2; }
for number in "${!names[@]}"; do # before the first build
    file=$root/src/idle/${files[$number]}
    if sed "${scripts[$number]}" "$file" | cmp -s - "$file"; then
        echo "ablation.sh: ${names[$number]}: the code that it changes is gone" >&2 && exit 2
    fi
done

bash "$root/tests/copy.sh" "$work/crate"
# A test that hangs ends sooner.
sed -i 's/Duration::from_secs(50)/Duration::from_secs(5)/' "$work/crate/tests/watchdog/mod.rs"
fresh() {
    rm -rf "$work/crate/src"
    # With new times: with the old ones, cargo would reuse the last build.
    cp -r "$root/src" "$work/crate/src"
}
build() { # NAME: leaves the tests in $work/NAME
    (cd "$work/crate" && CARGO_TARGET_DIR=$base CARGO_PROFILE_TEST_DEBUG=0 CARGO_PROFILE_DEV_DEBUG=0 cargo test --test idle --no-run \
        --message-format=json) >"$work/json" 2>"$work/log" || { cat "$work/log" >&2 && echo "ablation.sh: $1 does not build" >&2 && exit 2; }
    cp "$(sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' "$work/json" | tail -n 1)" "$work/$1"
}
fresh
build all
"$work/all" --exact "${shown_by[@]}" >"$work/log" 2>&1 || { cat "$work/log" >&2 && exit 2; }

attempt() { # NUMBER: builds while the tests before still run
    local test=${shown_by[$1]} log=$work/$1.log
    "$work/part.$1" --exact "$test" --nocapture >"$log" 2>&1 || true
    if grep -qE "^WATCHDOG: $test hangs|^test $test \.\.\. FAILED" "$log"; then
        echo "fails    without \"${names[$1]}\": $test"
    else
        cat "$log"
        echo "PASSES   without \"${names[$1]}\": $test"
        return 1
    fi
}
runs=()
for number in "${!names[@]}"; do
    fresh
    sed -i "${scripts[$number]}" "$work/crate/src/idle/${files[$number]}"
    build "part.$number"
    attempt "$number" &
    runs+=($!)
done
status=0
for run in "${runs[@]}"; do wait "$run" || status=1; done
echo "$SECONDS s"
exit $status
