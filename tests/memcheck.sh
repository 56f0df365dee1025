#!/usr/bin/env bash
# Runs the integration tests under valgrind's memcheck: no invalid access, no definite leak. Needs valgrind.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$(cargo test --features futex,parking_lot --test it --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
[ -n "$binary" ] || { echo "memcheck: no test binary was built" >&2; exit 1; }
# One test at a time. Valgrind runs one thread at a time, so no pair of threads can spin (`spin::`). A child of `fork` ends
# without freeing its memory (`fork::`). The 200,000 signals of `storm::` take too long.
valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --fair-sched=yes \
    "$binary" --test-threads=1 --skip fork:: --skip spin:: --skip storm:: "$@"
