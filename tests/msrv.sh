#!/usr/bin/env bash
# The minimum supported Rust version: builds the library and runs its doc examples with the `rust-version` of Cargo.toml,
# and with the lowest dependencies that Cargo.toml allows. Then the lowest dependencies with the installed compiler.
#
# Needs Debian 12, which has that compiler as `rustc-web`; it is unpacked into the target folder, and does not affect other toolchains.
# Exits with 75 if the compiler is not available.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "${CARGO_TARGET_DIR:=target}"
base=$(cd "$CARGO_TARGET_DIR" && pwd)/msrv
claimed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
mkdir -p "$base/packages"
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS

toolchain=$base/rust-$claimed
if [ ! -x "$toolchain/usr/bin/cargo" ]; then
    apt-get update -qq >/dev/null 2>&1 || true
    version=$(apt-cache madison rustc-web 2>/dev/null | awk -v v="$claimed." 'index($3, v) == 1 { print $3; exit }')
    [ -n "$version" ] || { echo "msrv.sh: NOT RUN: Debian has no rustc-web $claimed" >&2; exit 75; }
    llvm=$(apt-cache show "libstd-rust-web-$claimed=$version" | grep -oE 'libllvm[0-9]+' | head -n 1)
    (cd "$base/packages" && apt-get download -qq -o APT::Sandbox::User=root "rustc-web=$version" "cargo-web=$version" \
        "libstd-rust-web-$claimed=$version" "libstd-rust-web-dev=$version" "$llvm" libpcre3 libhttp-parser2.9 libssh2-1) \
        >"$base/log" 2>&1 || { cat "$base/log"; echo "msrv.sh: NOT RUN: the packages cannot be fetched" >&2; exit 75; }
    for package in "$base"/packages/*.deb; do dpkg -x "$package" "$toolchain"; done
fi
# The unpacked compiler needs the path of its libraries. The programs that it starts do not.
run() { # TOOLCHAIN CARGO-ARGUMENTS...
    local what=$1
    shift
    if [ "$what" = claimed ]; then
        LD_LIBRARY_PATH=$toolchain/usr/lib/x86_64-linux-gnu:$toolchain/lib/x86_64-linux-gnu \
            RUSTC=$toolchain/usr/bin/rustc RUSTDOC=$toolchain/usr/bin/rustdoc CARGO_TARGET_DIR=$base/build-$what \
            "$toolchain/usr/bin/cargo" "$@"
    else
        CARGO_TARGET_DIR=$base/build-$what cargo "$@"
    fi
}
copy=$base/copy
rm -rf "$copy"
bash tests/copy.sh "$copy" docs
rm -f "$copy/Cargo.lock"
cd "$copy"

echo "msrv: the newest dependencies, $claimed"
CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS=fallback run claimed generate-lockfile --quiet
for features in "" futex parking_lot futex,parking_lot; do
    RUSTFLAGS="-D warnings" run claimed check --quiet --lib --features "$features"
done
run claimed test --quiet --doc --features futex,parking_lot
# The lowest ones do not go together with `polling`, which is only for these examples.
bash "$OLDPWD/tests/copy.sh" "$copy" none
rm Cargo.lock
for what in claimed here; do
    echo "msrv: the lowest dependencies, $([ $what = claimed ] && echo "$claimed" || rustc --version)"
    # Only direct dependencies: other crates choose the lowest versions of their own.
    RUSTC_BOOTSTRAP=1 run $what -Zdirect-minimal-versions generate-lockfile --quiet
    grep -A1 -E '^name = "(crossbeam-utils|parking_lot_core|rustix|libc)"' Cargo.lock | sed -n 's/^\(name\|version\) = //p' | tr -d '"' | paste - -
    run $what check --quiet --lib --features futex,parking_lot
    run $what test --quiet --doc --features futex,parking_lot -- --skip Readme --skip docs::io
done
