#!/usr/bin/env bash
# The protocols as Promela models, through all interleavings with the model checker spin: see the heads of
# tests/promela/*.pml. Each model must hold, and each negative control must fail.
#
#   tests/promela.sh            all models
#   tests/promela.sh NAME...    some of them: byte idle more_idle
#
# Needs spin and a C compiler; installs spin (Debian, as root). Searches the three at the same time, in some 6 GB of memory. A search that does not end counts as a failure.
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

idle() {
    holds idle -DTASKS=2
    fails idle -DTASKS=2 -DNO_SECOND_LOOK
    fails idle -DTASKS=2 -DKEEPS_THE_WAKE
    fails idle -DTASKS=2 -DNO_OWED
    fails idle -DTASKS=2 -DFORGETS
    fails idle -DTASKS=2 -DFORGETS_OWED
    holds idle -DANY_WAY -DANY_ORDER
    fails idle -DANY_WAY -DANY_ORDER -DFAILS_QUIETLY
    fails idle -DANY_WAY -DANY_ORDER -DLEAVES_OTHERS_ALONE
    fails idle -DANY_WAY -DANY_ORDER -DONE_LINK
    fails idle -DANY_WAY -DANY_ORDER -DOWES_NOTHING
    holds idle -DONE_WAY -DANY_ORDER
    fails idle -DONE_WAY -DANY_ORDER -DOWES_ONE
}

more_idle() {
    holds idle -DPINNED=1
    fails idle -DPINNED=1 -DBARE_UNPARK
    holds idle -DWORKERS=2 -DTASKS=2 -DPINNED=1
    holds idle -DBATCH
    fails idle -DBATCH -DKEEPS_QUIET
    holds idle -DWORKERS=2 -DTASKS=2 -DCALLERS=2 -DANY_ORDER
    fails idle -DWORKERS=2 -DTASKS=2 -DCALLERS=2 -DANY_ORDER -DNO_OWED
    holds idle -DWORKERS=2 -DTASKS=2 -DCLOSES -DBATCH
    fails idle -DWORKERS=2 -DTASKS=2 -DCLOSES -DBATCH -DREADS_LATE
    fails idle -DWORKERS=2 -DTASKS=2 -DCLOSES -DBATCH -DWAKES_NOBODY
}

[ $# -gt 0 ] || set -- byte idle more_idle
searches=()
for model; do
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
