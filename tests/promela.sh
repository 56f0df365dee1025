#!/usr/bin/env bash
# The protocols as Promela models, through all interleavings with the model checker spin: see the heads of
# tests/promela/*.pml. Each model must hold, and each negative control must fail.
#
#   tests/promela.sh                       all models
#   tests/promela.sh NAME...               some of them: byte idle three_tasks grows driver
#   tests/promela.sh NAME... -- CONTROL    of these, the negative control with this name, and its model without it
#
# Needs spin and a C compiler; installs spin (Debian, as root). Searches the five at the same time, in some 7 GB of memory. A search that does not end counts as a failure.
set -euo pipefail
cd "$(dirname "$0")/promela"
if ! command -v spin >/dev/null; then
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends spin; } >/dev/null 2>&1 || true
    command -v spin >/dev/null || { echo "promela.sh: NOT RUN: spin cannot be installed" >&2; exit 75; }
fi
models=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
status=0

# search NAME DEFINES...: leaves spin's report in `report`.
search() {
    rm -f pan pan.* ./*.trail
    spin -a "${@:2}" "$models/$1.pml" >report 2>&1 && cc -w -O2 -DSAFETY -DCOLLAPSE -o pan pan.c >>report 2>&1 ||
        { cat report && echo "promela.sh: $* does not build" && exit 1; }
    # pan exits with 0 also for an error that it found.
    local code=0
    timeout 600 ./pan -m1000000 -w26 >report 2>&1 || code=$?
    [ $code -ne 124 ] || echo "OUT OF TIME: $*" >>report
}
holds() {
    local began=$SECONDS
    search "$@"
    if grep -q 'errors: 0' report && ! grep -qE 'OUT OF TIME|Search not completed|max search depth' report; then
        echo "holds    $*: $(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' report) states, all of them, $((SECONDS - began)) s"
    else
        cat report
        echo "FAILS    $*"
        status=1
    fi
}
fails() { # The search must find an error. A failed build does not count.
    search "$@"
    if grep -qE '^pan:1: (assertion violated|invalid end state)' report; then
        echo "killed   $* ($(sed -n 's/^pan:1: \(.*\) (at depth.*/\1/p' report))"
    else
        cat report
        echo "SURVIVED $*"
        status=1
    fi
}

byte() {
    holds byte -DKNOWS
    holds byte
    fails byte -DKNOWS -DLEAVE_FORGETS
    fails byte -DKNOWS -DTAKE_IN_TWO
    fails byte -DNO_PASS_ON
    fails byte -DTAKE_IN_TWO
}

# all MODEL "DEFINES" CONTROLS...: the model holds, and with each control it does not.
all() {
    local defines control controls=("${@:3}")
    read -ra defines <<<"$2"
    if [ -n "$only" ]; then
        [[ " $* " == *" $only "* ]] || return 0
        controls=("$only")
    fi
    holds "$1" "${defines[@]}"
    for control in "${controls[@]}"; do fails "$1" "${defines[@]}" -D"$control"; done
}

two="-DWORKERS=2 -DTASKS=2"
idle() {
    all idle "$two" ANNOUNCES_EARLY NO_SECOND_LOOK NO_DEBT FORGETS_THE_DEBT ENDS_AND_LOOKS STAYS_SIGNED KEEPS_THE_WAKE \
        KEEPS_THE_DEBT READS_ONCE
    all idle "$two -DPANICS" STOPS_QUIETLY
    all idle "$two -DBATCH -DBESIDES" KEEPS_QUIET FOR_OTHERS_ONLY
    all idle "$two -DCLOSES -DFIXED" READS_LATE WAKES_NOBODY
    all idle "$two -DPINNED=0" BARE_UNPARK
    all idle "-DTASKS=2 -DANY_WAY -DANY_ORDER -DFIXED" COUNTS_LATE GIVES_BACK_LATE
}

three_tasks() {
    all idle "-DANY_WAY -DANY_ORDER -DFIXED" NO_MANY FAILS_QUIETLY
}

grows() {
    local places
    for places in 0 2; do holds idle -DWORKERS=2 -DTASKS=2 -DGROWS=$places; done
    all idle "$two -DGROWS=1" GIVES_UP_IN_TWO
    all idle "$two -DGROWS=0 -DFAILS" LOSES_THE_PLACE
    all idle "$two -DGROWS=1 -DDROPS -DPANICS" DROPS_QUIETLY
    # The two rules of a pool that is built by hand.
    all idle "$two -DGROWS=1 -DBY_HAND" NO_SECOND_ANNOUNCEMENT NO_LAST_LOOK
}

driver() {
    all driver "-DEVENTS=2 -DTIMERS=1" NO_LIMIT_AT_FIRST NO_ARM ARMS_QUIETLY KEEPS_ROLE LEAVES_ALONE STAYS_STANDBY STAYS_LISTED POLLS_LISTED \
        POLLS_AS_STANDBY NO_LIMIT TAKES_NEVER STALE_STANDBY NEVER_STOPS LOSES_TOKEN TWO_POLL LIST_LATE NO_INTERRUPT_FOR_TIMERS
    all driver "-DUNPARKS=1" NO_INTERRUPT NO_BED NO_WAITING NO_WAITING_AGAIN LATE_WAITING POLLS_WITH_TOKEN
    all driver "-DBARE=1" NO_TAKE_OVER STAYS_BARE AGAIN_IN_TWO
    all driver "-DBARE=2" NO_TAKE_OVER STAYS_BARE AGAIN_IN_TWO
    all driver "-DBARE=1 -DTIMEOUTS=1" LEAVES_ALONE STAYS_STANDBY STAYS_LISTED
    all driver "-DBARE=3 -DPANICS=1" PANIC_KEEPS_ROLE PANIC_STAYS
    all driver "-DPOLLS_NOW=1" BUSY_BESIDE BUSY_LEAVES_ALONE
    all driver "-DBARE=3 -DUNPARKS=1 -DSHARED" NO_INTERRUPT CHECKS_EARLY
    all driver "-DBARE=1 -DNEVER" NO_ARM_BY_SLEEPER
    all driver "-DBARE=1 -DNEVER -DPOLLS_NOW=1" NO_ARM_AFTER_BUSY
}

only=""
[[ " $* " != *" -- "* ]] || only=${!#}
[ $# -gt 0 ] || set -- byte idle three_tasks grows driver
searches=()
for model; do
    [ "$model" != -- ] || break
    (
        mkdir "$model"
        cd "$model"
        "$model"
        exit $status
    ) &
    searches+=($!)
done
for search in "${searches[@]}"; do wait "$search" || status=1; done
exit $status
