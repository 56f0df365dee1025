#!/usr/bin/env bash
# Runs the tests of the crate blocking with its pool of threads replaced by a file on `atomic_parker::idle`, which starts and ends
# the threads.
#
#   tests/drop_in/blocking.sh [original | control]
#
# Needs perl, and cargo with access to crates.io. tests/drop_in/port.sh tells what the words do.
set -euo pipefail

name=blocking version=1.7.0
source "$(dirname "${BASH_SOURCE[0]}")/port.sh"
fetch blocking=$version

unpack blocking-$version
if [ "$mode" != original ]; then
    use_this_crate
    cp "$here/blocking/pool.rs" "$new/src/pool.rs"
    lib=$new/src/lib.rs
    edit "$lib" '^/// The blocking executor\.\nstruct Executor \{(?s:.*?)^\}\n\n/// Inner state of the blocking executor\.\nstruct Inner \{(?s:.*?)^\}\n' \
        $'mod pool;\nuse pool::Executor;\n'
    edit "$lib" '(?:^    (?:///|#\[).*\n)*^    fn get\(\) -> &.static Self \{(?s:.*?)\n    \}\n\n' ''
    edit "$lib" '(?:^    ///.*\n)*^    fn main_loop\((?s:.*?)\n    \}\n\n' ''
    edit "$lib" '(?:^    ///.*\n)*^    fn schedule\((?s:.*?)\n    \}\n\n' ''
    edit "$lib" '\n(?:^    ///.*\n)*^    fn grow_pool\((?s:.*?)\n    \}\n' ''
    edit "$lib" '^pub fn set_max_blocking_threads\(threads: NonZeroUsize\) \{\n(?s:.*?)^\}\n' \
        $'pub fn set_max_blocking_threads(threads: NonZeroUsize) {\n    Executor::get().set_limit(threads);\n}\n'
    edit "$lib" '^use std::collections::VecDeque;\n' ''
    edit "$lib" '^use std::sync::atomic::\{AtomicUsize, Ordering\};\nuse std::sync::\{Condvar, Mutex, MutexGuard, PoisonError\};\n' ''
    edit "$lib" '^use std::panic;\n' ''
    edit "$lib" '^use std::thread;\nuse std::time::Duration;\n' ''
    edit "$lib" '^use async_task::Runnable;\n' ''
fi
# The control: a task wakes and starts no thread.
[ "$mode" != control ] || edit "$new/src/pool.rs" 'match idle\.wake_one\(\)' 'match Announced::NoneAsleep'
put "$new" "$work/$mode"

suite "blocking $version" "$work/$mode" 21 100
