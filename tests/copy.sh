#!/usr/bin/env bash
# Copies the package so that it builds where not all development dependencies do: on other targets and old compilers.
#
#   tests/copy.sh FOLDER          with tests/ and the development dependencies that it needs
#   tests/copy.sh FOLDER docs     without tests/, with what the examples in the documentation need
#   tests/copy.sh FOLDER none     the library alone
#
# The copy has a manifest of its own, from tests/copy/. Needs no other tool.
# Benches and examples are not copied. FOLDER must not exist, or be an earlier copy: an unchanged file keeps its time, so
# that cargo does not build it again.
set -euo pipefail
to=${1:?folder} which=${2:-tests}
root=$(cd "$(dirname "$0")/.." && pwd)

mkdir -p "$to"
parts=("$root/tests/copy/library.toml")
[ "$which" = none ] || parts+=("$root/tests/copy/$which.toml")
cat "${parts[@]}" >"$to/Cargo.toml.new"
cmp -s "$to/Cargo.toml.new" "$to/Cargo.toml" && rm "$to/Cargo.toml.new" || mv "$to/Cargo.toml.new" "$to/Cargo.toml"
cp -u "$root"/*.md "$to/"
[ ! -f "$root/Cargo.lock" ] || [ -f "$to/Cargo.lock" ] || cp "$root/Cargo.lock" "$to/"
for folder in src docs tests; do
    rm -rf "${to:?}/$folder"
    if [ "$folder" != tests ] || [ "$which" = tests ]; then cp -Rp "$root/$folder" "$to/$folder"; fi
done
