#!/usr/bin/env bash
# Runs the test suites of published crates with this crate in place of `parking`, and crossbeam's tests of its
# parker. Prints a table, and exits with 1 if a suite failed. Needs cargo with access to crates.io.
set -euo pipefail

parking=2.2.1
async_io=2.6.0
futures_lite=2.6.1
crossbeam_utils=0.8.23

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(cd "$(mktemp -d)" && pwd -P)
trap 'rm -rf "$work"' EXIT
mkdir -p "${CARGO_TARGET_DIR:=$work/target}"
CARGO_TARGET_DIR=$(cd "$CARGO_TARGET_DIR" && pwd)
export CARGO_TARGET_DIR CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0 CARGO_TERM_COLOR=never
# The caller's flags, such as denied warnings, must not apply to other crates.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
# A lost wake-up must fail, not hang.
limit=()
if command -v timeout >/dev/null; then limit=(timeout 280); fi

# The published sources.
mkdir -p "$work/fetch/src"
touch "$work/fetch/src/lib.rs"
cat >"$work/fetch/Cargo.toml" <<END
[package]
name = "fetch"
version = "0.0.0"
edition = "2021"
[workspace]
[dependencies]
parking = "=$parking"
async-io = "=$async_io"
futures-lite = "=$futures_lite"
crossbeam-utils = "=$crossbeam_utils"
END
(cd "$work/fetch" && cargo vendor --quiet --versioned-dirs "$work/vendor" >/dev/null)

table="crate|version|suite|passed|failed"
failed=0

# in_place_of_parking DIRECTORY: checks that the package uses our `parking`.
in_place_of_parking() {
    local tree
    tree=$(cd "$1" && cargo tree --quiet --edges normal,dev --invert parking --depth 0)
    if [[ $tree != "parking v$parking ($ours)" ]]; then
        echo "drop_in: $1 does not use our parking, but: $tree" >&2
        exit 1
    fi
    echo "drop_in: $(basename "$1") uses $tree"
}

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
bash "$root/tests/copy.sh" "$work/copy" none
ours=$work/copy/tests/drop_in/parking
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
cp -R "$work/vendor/async-io-$async_io" "$work/async-io"
# async-io's repository has the second entry too: its tests use async-net, which depends on async-io.
echo "$patch"$'\nasync-io = { path = "." }' >>"$work/async-io/Cargo.toml"
in_place_of_parking "$work/async-io"
suite async-io $async_io "tests, unchanged" "$work/async-io" --tests
suite async-io $async_io "doc tests" "$work/async-io" --doc

cp -R "$work/vendor/futures-lite-$futures_lite" "$work/futures-lite"
echo "$patch" >>"$work/futures-lite/Cargo.toml"
in_place_of_parking "$work/futures-lite"
if [[ -d $work/futures-lite/tests ]]; then
    suite futures-lite $futures_lite "tests, unchanged" "$work/futures-lite" --tests
else
    echo "drop_in: the package futures-lite $futures_lite is published without its tests; its doc tests run instead"
fi
suite futures-lite $futures_lite "doc tests" "$work/futures-lite" --doc

# crossbeam-utils: its tests of the parker, with the import changed, and a semicolon after a `park_timeout` at the end
# of a loop: ours returns a `bool`, crossbeam's returns nothing.
mkdir -p "$work/crossbeam/src" "$work/crossbeam/tests"
touch "$work/crossbeam/src/lib.rs"
cat >"$work/crossbeam/Cargo.toml" <<END
[package]
name = "crossbeam-parker"
version = "0.0.0"
edition = "2021"
[workspace]
[dev-dependencies]
atomic-parker = { path = "$work/copy" }
crossbeam-utils = "=$crossbeam_utils"
END
original=$work/vendor/crossbeam-utils-$crossbeam_utils/tests/parker.rs
sed -e 's/^use crossbeam_utils::sync::Parker;$/use atomic_parker::Parker;/' \
    -e 's/^\( *p\.park_timeout(Duration::from_millis(10))\)$/\1;/' "$original" >"$work/crossbeam/tests/parker.rs"
if [[ $(diff "$original" "$work/crossbeam/tests/parker.rs" | grep -c '^>') != 2 ]]; then
    echo "drop_in: crossbeam's tests are not the expected ones" >&2
    exit 1
fi
suite crossbeam-utils $crossbeam_utils "parker tests, import and one ; changed" "$work/crossbeam" --test parker

echo
echo "$table" | awk -F'|' '{ printf "%-16s %-8s %-40s %7s %7s\n", $1, $2, $3, $4, $5 }'

# The ports: crates whose sleep layer is replaced. Each script bounds its own time.
for port in rayon blocking tokio; do
    bash "$here/$port.sh" || failed=1
done
exit $failed
