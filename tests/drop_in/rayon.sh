#!/usr/bin/env bash
# Runs the tests of rayon-core and of rayon with rayon-core's folder `sleep/` replaced by a file on `atomic_parker::idle`.
#
#   tests/drop_in/rayon.sh [original | control | prepare]
#
# Needs perl, and cargo with access to crates.io. tests/drop_in/port.sh tells what the words do.
set -euo pipefail

name=rayon core=1.13.0 rayon=1.11.0
source "$(dirname "${BASH_SOURCE[0]}")/port.sh"
fetch rayon-core=$core rayon=$rayon

unpack rayon-core-$core
if [ "$mode" != original ]; then
    use_this_crate
    rm -r "$new/src/sleep"
    cp "$here/rayon/sleep.rs" "$new/src/sleep.rs"
    registry=$new/src/registry.rs
    edit "$registry" 'self\.sleep\.new_injected_jobs\(1, queue_was_empty\)' 'self.sleep.new_injected_job()'
    edit "$registry" ' *let queue_was_empty = self\.injected_jobs\.is_empty\(\);\n\n' ''
    edit "$registry" 'self\.registry\.sleep\.new_internal_jobs\(1, queue_was_empty\)' 'self.registry.sleep.new_internal_job()'
    edit "$registry" ' *let queue_was_empty = self\.worker\.is_empty\(\);\n' ''
    # The set passes a wake on by itself.
    edit "$registry" ' *self\.registry\.sleep\.work_found\(\);\n(?= *self\.execute\(job\);\n)' ''
    edit "$registry" '(?: *//.*\n)+ *self\.registry\.sleep\.work_found\(\);\n' ''
    # The last look before a sleep takes a job, as each other look.
    edit "$registry" '\} else \{\s*self\.registry\s*\.sleep\s*\.no_work_found\(&mut idle_state, latch, \|\| self\.has_injected_job\(\)\)' \
        '} else if let Some(job) = self.registry.sleep.no_work_found(&mut idle_state, latch, || self.find_work()) {
                    self.execute(job);
                    continue '"'outer;"
    edit "$registry" '^    fn has_injected_job\(&self\) -> bool \{\n        !self\.injected(?s:.*?)\n    \}\n\n' ''
    edit "$registry" '^    fn has_injected_job\(&self\) -> bool \{\n        !self\.stealer(?s:.*?)\n    \}\n\n' ''
fi
# The control: a job from outside the pool wakes no worker.
[ "$mode" != control ] || edit "$new/src/sleep.rs" 'fn new_injected_job\(&self\) \{\n\K.*\n' ''
# So that one program can have it beside the original.
[ "$mode" != prepare ] || edit "$new/Cargo.toml" '^links = "rayon-core"$' 'links = "rayon-core-moved"'
moved=$work/$mode
put "$new" "$moved"

# So few tests at once that the cores are not shared by too many pools.
suite "rayon-core $core" "$moved" 137 120 -- --test-threads=4
[ "$mode" != control ] || exit 0

unpack rayon-$rayon
printf '[patch.crates-io]\nrayon-core = { path = "%s" }\n' "$moved" >>"$new/Cargo.toml"
put "$new" "$work/rayon_$mode"
uses "$work/rayon_$mode" rayon-core $core "$moved"
suite "rayon $rayon" "$work/rayon_$mode" 574 240 -- --test-threads=4
