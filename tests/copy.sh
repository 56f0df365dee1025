#!/usr/bin/env bash
# Copies the package so that it builds where not all development dependencies do: on other targets and old compilers.
#
#   tests/copy.sh FOLDER          with the development dependencies that src/ and tests/ name
#   tests/copy.sh FOLDER none     without development dependencies and tests/
#
# Benches and examples are not copied. FOLDER must not exist, or be an earlier copy: an unchanged file keeps its time, so
# that cargo does not build it again.
set -euo pipefail
to=${1:?folder} which=${2:-tests}
root=$(cd "$(dirname "$0")/.." && pwd)

mkdir -p "$to"
sources=("$root/src")
[ "$which" = none ] || sources+=("$root"/tests/it "$root"/tests/block_on "$root"/tests/idle "$root"/tests/set_default.rs)
names=$({ grep -rhoE '\b[a-z][a-z0-9_]*::' "${sources[@]}" 2>/dev/null || true; } | sort -u | tr -d ':' | tr '_' '-' | tr '\n' ' ')
awk -v names=" $names" -v which="$which" '
    /^\[/ { skip = /^\[\[(bench|example)/ || /^\[workspace/; dev = /dev-dependencies/ }
    dev && /^[a-z]/ { name = $1; gsub("_", "-", name); if (which == "none" || !index(names, " " name " ")) next }
    !skip
' "$root/Cargo.toml" >"$to/Cargo.toml.new"
# Its own workspace, in case the folder is inside another one.
echo '[workspace]' >>"$to/Cargo.toml.new"
cmp -s "$to/Cargo.toml.new" "$to/Cargo.toml" && rm "$to/Cargo.toml.new" || mv "$to/Cargo.toml.new" "$to/Cargo.toml"
cp -u "$root"/*.md "$to/"
[ ! -f "$root/Cargo.lock" ] || [ -f "$to/Cargo.lock" ] || cp "$root/Cargo.lock" "$to/"
for folder in src docs tests; do
    rm -rf "${to:?}/$folder"
    if [ "$folder" != tests ] || [ "$which" != none ]; then cp -Rp "$root/$folder" "$to/$folder"; fi
done
