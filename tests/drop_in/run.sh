#!/usr/bin/env bash
# Runs the test suites of published crates with this crate in place of `parking`, and crossbeam's tests of its
# parker. Prints a table, and exits with 1 if a suite failed. Needs cargo with access to crates.io.
set -euo pipefail

parking=2.2.1
async_io=2.6.0
futures_lite=2.6.1
crossbeam_utils=0.8.23

name=in_place_of_parking
source "$(dirname "${BASH_SOURCE[0]}")/port.sh"
packages=$work/packages
rm -rf "$packages"
# A lost wake-up must fail, not hang.
limit=()
if command -v timeout >/dev/null; then limit=(timeout 280); fi

fetch parking=$parking async-io=$async_io futures-lite=$futures_lite crossbeam-utils=$crossbeam_utils

table="crate|version|suite|passed|failed"
failed=0

# suite CRATE VERSION WHAT DIRECTORY ARGUMENTS...: runs `cargo test`, and adds a row with the counts of tests.
suite() {
    local crate=$1 version=$2 what=$3 directory=$4 status=0 row
    shift 4
    echo "== $crate $version: $what"
    (cd "$directory" && ${limit[@]+"${limit[@]}"} cargo test --quiet --no-fail-fast "$@") >"$work/log" 2>&1 || status=$?
    row=$(awk '/^test result:/ { passed += $4; failed += $6 } END { print passed + 0 "|" failed + 0 }' "$work/log")
    if [[ $status != 0 || $row == 0\|* ]]; then
        cat "$work/log"
        failed=1
        # A failed build, a hang, or no tests count as a failure too.
        if [[ $row == *\|0 ]]; then row="${row%|*}|exit $status"; fi
    fi
    table+=$'\n'"$crate|$version|$what|$row"
}

# parking: our crate `parking`, with the tests of the published one, in a copy of the repository: its manifest names this
# crate by a relative path.
bash "$root/tests/copy.sh" "$packages/copy" none
ours=$packages/copy/tests/drop_in/parking
mkdir -p "$(dirname "$ours")"
cp -R "$here/parking" "$ours"
cp -R "$work/vendor/parking-$parking/tests" "$ours/tests"
cat >>"$ours/Cargo.toml" <<END

[dev-dependencies]
easy-parallel = "3"
[target.'cfg(loom)'.dev-dependencies]
loom = "0.7"
END
suite parking $parking "tests, unchanged" "$ours" --test parking
RUSTFLAGS="--cfg loom" suite parking $parking "loom tests, unchanged" "$ours" --features loom --test loom

# async-io and futures-lite: the published packages, with a `[patch]` entry.
patch="
[patch.crates-io]
parking = { path = \"$ours\" }"
unpack async-io-$async_io
mv "$new" "$packages/async-io"
# async-io's repository has the second entry too: its tests use async-net, which depends on async-io.
echo "$patch"$'\nasync-io = { path = "." }' >>"$packages/async-io/Cargo.toml"
uses "$packages/async-io" parking $parking "$ours"
suite async-io $async_io "tests, unchanged" "$packages/async-io" --tests
suite async-io $async_io "doc tests" "$packages/async-io" --doc

unpack futures-lite-$futures_lite
mv "$new" "$packages/futures-lite"
echo "$patch" >>"$packages/futures-lite/Cargo.toml"
uses "$packages/futures-lite" parking $parking "$ours"
if [[ -d $packages/futures-lite/tests ]]; then
    suite futures-lite $futures_lite "tests, unchanged" "$packages/futures-lite" --tests
else
    echo "drop_in: the package futures-lite $futures_lite is published without its tests; its doc tests run instead"
fi
suite futures-lite $futures_lite "doc tests" "$packages/futures-lite" --doc

# crossbeam-utils: its tests of the parker, with the import changed, and a semicolon after a `park_timeout` at the end
# of a loop: ours returns a `bool`, crossbeam's returns nothing.
mkdir -p "$packages/crossbeam/src" "$packages/crossbeam/tests"
touch "$packages/crossbeam/src/lib.rs"
cat >"$packages/crossbeam/Cargo.toml" <<END
[package]
name = "crossbeam-parker"
version = "0.0.0"
edition = "2021"
[workspace]
[dev-dependencies]
atomic-parker = { path = "$packages/copy" }
crossbeam-utils = "=$crossbeam_utils"
END
original=$work/vendor/crossbeam-utils-$crossbeam_utils/tests/parker.rs
sed -e 's/^use crossbeam_utils::sync::Parker;$/use atomic_parker::Parker;/' \
    -e 's/^\( *p\.park_timeout(Duration::from_millis(10))\)$/\1;/' "$original" >"$packages/crossbeam/tests/parker.rs"
if [[ $(diff "$original" "$packages/crossbeam/tests/parker.rs" | grep -c '^>') != 2 ]]; then
    echo "drop_in: crossbeam's tests are not the expected ones" >&2
    exit 1
fi
suite crossbeam-utils $crossbeam_utils "parker tests, import and one ; changed" "$packages/crossbeam" --test parker

echo
echo "$table" | awk -F'|' '{ printf "%-16s %-8s %-40s %7s %7s\n", $1, $2, $3, $4, $5 }'

# The ports: crates whose sleep layer is replaced. Each script bounds its own time.
for port in rayon blocking tokio; do
    bash "$here/$port.sh" || failed=1
done
exit $failed
