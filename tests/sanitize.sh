#!/usr/bin/env bash
# Runs the integration tests under AddressSanitizer, which includes LeakSanitizer, with the nightly toolchain, which it needs.
set -euo pipefail
cd "$(dirname "$0")/.."
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
RUSTFLAGS="-Zsanitizer=address" ASAN_OPTIONS=detect_leaks=1 CARGO_TARGET_DIR=target/sanitize \
    cargo +nightly test --target "$host" --features futex,parking_lot --test it "$@"
