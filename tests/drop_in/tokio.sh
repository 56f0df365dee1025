#!/usr/bin/env bash
# Runs tokio's tests with its sleep layer replaced by this crate: the parkers of threads that block, the idle set of its pool, and
# the choice of the worker that polls.
#
#   tests/drop_in/tokio.sh [original | control | prepare]
#
# Needs perl, and cargo with access to crates.io. tests/drop_in/port.sh tells what the words do.
set -euo pipefail

name=tokio version=1.54.1
source "$(dirname "${BASH_SOURCE[0]}")/port.sh"
fetch tokio=$version

unpack tokio-$version

# cut FILE NAME...: the methods with these names, with their docs.
cut() {
    local file=$1 name
    shift
    for name in "$@"; do
        edit "$file" '(?:^    (?:///|#\[).*\n)*^    (?:pub\([a-z]+\) )?fn '"$name"'\((?s:.*?)\n    \}\n\n?' ''
    done
}

printf '[patch.crates-io]\ntokio = { path = "." }\n' >>"$new/Cargo.toml"

if [ "$mode" != original ]; then
    use_this_crate
    runtime=$new/src/runtime
    pool=$runtime/scheduler/multi_thread
    worker=$pool/worker.rs
    cp "$here/tokio/park.rs" "$runtime/park.rs"
    cp "$here/tokio/worker_park.rs" "$pool/park.rs"
    cp "$here/tokio/idle.rs" "$pool/idle.rs"
    cp "$here/tokio/worker_steps.rs" "$pool/worker/steps.rs"

    # The set makes the parkers.
    edit "$pool/mod.rs" 'use park::\{Parker, Unparker\};' 'use park::Parker;'
    edit "$pool/mod.rs" ' *let parker = Parker::new\(driver\);\n' ''
    edit "$pool/mod.rs" '^( *)parker,$' "            driver,"
    edit "$worker" '^mod metrics;$' $'mod metrics;\nmod steps;\npub(super) use steps::announce_events;'
    edit "$worker" 'idle, park, queue, Counters, Handle, Idle, Overflow, Parker, Stats, TraceStatus, Unparker,' \
        'queue, Counters, Handle, Idle, Overflow, Parker, Stats, TraceStatus,'
    edit "$worker" '^    park: Parker,$' '    driver: driver::Driver,'
    edit "$worker" '^    // Create the local queues\n    for _ in 0\.\.size \{' \
        $'    let (idle, parkers) = Idle::new(size, driver, config.enable_eager_driver_handoff);\n    for park in parkers {'
    edit "$worker" ' *let park = park\.clone\(\);\n *let unpark = park\.unpark\(\);\n' ''
    edit "$worker" 'Remote \{ steal, unpark \}' 'Remote { steal }'
    edit "$worker" '^ *let \(idle, idle_synced\) = Idle::new\(size\);\n' ''
    edit "$worker" '^ *idle: idle_synced,\n' ''
    edit "$worker" '(?: *///.*\n) *pub\(super\) idle: idle::Synced,\n' ''
    edit "$worker" '(?: *///.*\n) *unpark: Unparker,\n' ''
    edit "$worker" '^    let mut launch = Launch' $'    handle.shared.idle.belongs_to(&handle);\n    let mut launch = Launch'

    # The driver hands itself over.
    edit "$worker" '(?: *///.*\n)+ *had_driver: park::HadDriver,\n' ''
    edit "$worker" '(?: *///.*\n)+ *enable_eager_driver_handoff: bool,\n' ''
    edit "$worker" '^ *enable_eager_driver_handoff: config\.enable_eager_driver_handoff,\n *had_driver: park::HadDriver::No,\n' ''
    edit "$worker" '^ *let notified_parked_worker = core\.transition_from_searching(?s:.*?)\n        \{\n(?s:.*?)\n        \}\n' \
        $'        core.found_work();\n'

    # Tasks that are moved to where other workers may take them are announced.
    edit "$worker" '(?=worker\.inject\(\)\.pop_n\()' 'let first = '
    edit "$worker" 'self\.run_queue\.push_back\(tasks\);\s*ret\s*\}\)\K' \
        $';\n            worker.handle.announce(n - 1);\n            first'
    edit "$worker" '^ *if !self\.transition_to_searching\(worker\) \{\n.*\n *\}\n' ''
    edit "$worker" '\.steal_into\(&mut self\.run_queue, &mut self\.stats\)\s*\{\n\K' \
        $'                worker.handle.announce(self.run_queue.len());\n'
    edit "$worker" '^(?= *debug_assert!\(core\.lifo_enabled\);$)' \
        $'                    self.worker.handle.notify_parked_local();\n'
    edit "$worker" 'push_back_or_overflow\(task, &\*cx\.worker\.handle, &mut core\.stats\);\n\K' \
        $'            cx.worker.handle.notify_parked_local();\n'

    # Half of a full queue, which nobody sees while it is moved.
    edit "$worker" 'self\.shared\.inject\.push_batch\(iter\);\n\K' $'        self.announce(3);\n'

    # These are in steps.rs, or not needed any more.
    cut "$worker" park park_yield park_internal transition_to_searching transition_from_searching should_notify_others \
        transition_to_parked transition_from_parked close notify_parked_local notify_parked_remote notify_all \
        notify_if_work_pending transition_worker_from_searching

    # This test expects a deadlock: a worker polls, and then runs a task that blocks until there is another event. Here a sleeping
    # worker takes over the driver.
    edit "$new/tests/rt_unstable_eager_driver_handoff.rs" 'do_test\(rt\),\s*\KErr\(RecvTimeoutError::Timeout\)' 'Ok(())'
fi
# The control: a task from outside the pool wakes no worker.
[ "$mode" != control ] || edit "$pool/worker/steps.rs" 'fn notify_parked_remote\(&self\) \{\n\K.*\n' ''

source=$work/$mode
put "$new" "$source"

tests=()
for test in "$source"/tests/{rt,time,net,tcp,udp,uds,unix,sync,task}*.rs; do
    tests+=(--test "$(basename "$test" .rs)")
done
suite "tokio $version" "$source" 1026 240 --features full,test-util "${tests[@]}"
