#!/usr/bin/env bash
# Targets other than the host, ThreadSanitizer, and Linux on one CPU or without the number of the CPU.
#
#   tests/targets.sh            all of them
#   tests/targets.sh NAME...    some of them: tsan i686 aarch64 windows check nocpu onecpu
#
# Needs Debian 12, as root: installs its tools. Prints a table, and the targets that could not run with the reasons. Exits with
# 1 if a target failed, and with 75 if none failed but one could not be started.
#
# Debian's `rustc-web` includes std's source, so that `-Zbuild-std` builds std for any target, sanitizers included. The
# script calls it in /usr/bin by its full path, so it does not affect other toolchains.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
mkdir -p "${CARGO_TARGET_DIR:=target}"
base=$(cd "$CARGO_TARGET_DIR" && pwd)/targets
copy=$base/copy
log=$base/log
mkdir -p "$base"
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET
# One folder for all targets: each has a subfolder, and they share what runs on the host.
export CARGO_TARGET_DIR=$base/build CARGO_INCREMENTAL=0 CARGO_TERM_COLOR=never
export CARGO_PROFILE_DEV_DEBUG=line-tables-only CARGO_PROFILE_TEST_DEBUG=line-tables-only
features="futex,parking_lot"
table="" status=0 not_run=""

# row NAME RESULT WHAT
row() {
    table+="$1|$2|$3|$((SECONDS - began)) s"$'\n'
    echo "== $1: $2: $3"
}
failed() {
    status=1
    tail -n 60 "$log"
    row "$1" FAILED "$2"
}
cannot() {
    not_run+=" $1"
    row "$1" "NOT RUN" "$2"
}

# need PACKAGE...: installs the packages that are missing.
updated=""
need() {
    local package missing=()
    for package; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ -z "$updated" ]; then apt-get update -qq >/dev/null 2>&1 || true; fi
    updated=1
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >>"$log" 2>&1
}

# The toolchain that builds std.
web() {
    RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1 /usr/bin/cargo "$@"
}
need_web() {
    need rustc-web cargo-web rust-web-src
}

passed() {
    awk '/^test result:/ { passed += $4; failed += $6 } END { printf "%d passed, %d failed", passed, failed }' "$log"
}

# tests_in FOLDER SECONDS NAME TARGET WHAT CARGO-ARGUMENTS...: tests in that time, in a target that has a runner.
tests_in() {
    local folder=$1 limit=$2 name=$3 target=$4 what=$5
    shift 5
    if (cd "$folder" && timeout "$limit" /usr/bin/env RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1 \
        /usr/bin/cargo test --no-fail-fast -Zbuild-std --target "$target" "$@") >"$log" 2>&1 &&
        grep -q '^test result: ok' "$log"; then
        row "$name" ok "$what: $(passed)"
    else
        failed "$name" "$what: $(passed)"
    fi
}

# suite NAME TARGET WHAT [CARGO-ARGUMENTS...]: unit and integration tests.
suite() {
    tests_in "$copy" 900 "${@:1:3}" --features $features --lib --tests "${@:4}"
}

tsan() {
    need_web && need libclang-rt-22-dev || { cannot tsan "the packages cannot be installed"; return; }
    local llvm runtime
    llvm=$(/usr/bin/rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
    runtime=/usr/lib/llvm-$llvm/lib/clang/$llvm/lib/linux/libclang_rt.tsan-x86_64.a
    [ -f "$runtime" ] || { cannot tsan "no runtime for LLVM $llvm"; return; }
    local flags="-Zsanitizer=thread -Zexternal-clangrt -Zpre-link-arg=-Wl,--whole-archive -Zpre-link-arg=$runtime"
    flags+=" -Zpre-link-arg=-Wl,--no-whole-archive -Zpre-link-arg=-Wl,--export-dynamic"
    export TSAN_OPTIONS="halt_on_error=0 exitcode=66 history_size=7 external_symbolizer_path=/usr/bin/addr2line allow_addr2line=1"
    # ThreadSanitizer delays signals, so that the tests of signal handlers would never end, and ends the child of a `fork`
    # that has threads.
    RUSTFLAGS=$flags suite tsan x86_64-unknown-linux-gnu "ThreadSanitizer, std instrumented" -- --skip signals:: --skip fork::
    local reports
    reports=$(grep -c 'WARNING: ThreadSanitizer' "$log" || true)
    echo "tsan: $reports reports"
    [ "$reports" -eq 0 ] || failed tsan "$reports reports"
    # The negative control: an `unpark` that publishes nothing.
    sed -i '/fn notify(/,/^    }/s/Ordering::Release/Ordering::Relaxed/' "$copy/src/state.rs"
    if cmp -s "$root/src/state.rs" "$copy/src/state.rs"; then
        failed tsan "the control changes nothing"
    else
        (cd "$copy" && RUSTFLAGS=$flags timeout 600 /usr/bin/env RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 /usr/bin/cargo test \
            --no-fail-fast -Zbuild-std --target x86_64-unknown-linux-gnu --features $features --test it -- \
            every_unpark_publishes) >"$log" 2>&1 || true
        reports=$(grep -c 'WARNING: ThreadSanitizer' "$log" || true)
        if [ "$reports" -gt 0 ]; then
            row tsan ok "its control, a relaxed notify: $reports reports"
        else
            failed tsan "its control, a relaxed notify, gives no report"
        fi
    fi
    cp -p "$root/src/state.rs" "$copy/src/state.rs"
    unset TSAN_OPTIONS
}

i686() {
    need_web && need gcc-12-multilib libc6-dev-i386 || { cannot i686 "the packages cannot be installed"; return; }
    suite i686 i686-unknown-linux-gnu "32 bits, on this machine"
}

aarch64() {
    need_web && need qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross ||
        { cannot aarch64 "the packages cannot be installed"; return; }
    # Shows code generation and system calls, not weak memory: qemu keeps the order of the host. A child of a `fork` in a
    # program with threads may hang in a lock of qemu.
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu" \
        suite aarch64 aarch64-unknown-linux-gnu "under qemu" -- --skip fork::
}

windows() {
    need_web && need gcc-mingw-w64-x86-64 wine64 libwine || { cannot windows "the packages cannot be installed"; return; }
    local dlls=$base/dlls
    mkdir -p "$dlls"
    # std gets random numbers from this function, which this version of wine lacks.
    cat >"$dlls/stub.c" <<'END'
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length) { return SystemFunction036(data, (ULONG)length); }
END
    x86_64-w64-mingw32-gcc -shared -o "$dlls/bcryptprimitives.dll" "$dlls/stub.c" -ladvapi32 >"$log" 2>&1 ||
        { failed windows "the stub of bcryptprimitives.dll"; return; }
    export WINEPREFIX=$base/wine WINEDEBUG=-all WINEPATH=$dlls
    mkdir -p "$WINEPREFIX"
    export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc
    export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER=/usr/lib/wine/wine64
    suite windows x86_64-pc-windows-gnu "under wine"
    tests_in "$root" 300 windows x86_64-pc-windows-gnu "under wine, the example reactor" --example reactor
    /usr/lib/wine/wineserver64 -k >/dev/null 2>&1 || wineserver -k >/dev/null 2>&1 || true
    unset WINEPREFIX WINEDEBUG WINEPATH CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER
}

# These targets cannot run here, so they are only checked. Warnings are errors.
check() {
    # mingw has the import libraries of Windows.
    need_web && need gcc-mingw-w64-x86-64 || { cannot check "the packages cannot be installed"; return; }
    local target set also
    for target in wasm32-unknown-unknown wasm32-wasip1 x86_64-apple-darwin x86_64-unknown-freebsd aarch64-linux-android \
        x86_64-pc-windows-gnu; do
        also="lib"
        for set in "" futex parking_lot futex,parking_lot; do
            (cd "$copy" && RUSTFLAGS="-D warnings" web check --quiet -Zbuild-std --target "$target" --lib --features "$set") >"$log" 2>&1 ||
                { failed check "$target, features '$set'"; continue 2; }
        done
        case $target in
        wasm32-*) ;; # The tests need threads.
        *)
            (cd "$copy" && RUSTFLAGS="-D warnings" web check --quiet -Zbuild-std --target "$target" --tests --features $features) >"$log" 2>&1 ||
                { failed check "$target, tests"; continue; }
            also+=", tests"
            (cd "$root" && RUSTFLAGS="-D warnings" web check --quiet -Zbuild-std --target "$target" --example reactor) >"$log" 2>&1 ||
                { failed check "$target, the example reactor"; continue; }
            also+=", reactor"
            ;;
        esac
        case $target in
        *-freebsd | *-windows-gnu)
            (cd "$root" && RUSTFLAGS="-D warnings" web check --quiet -Zbuild-std --target "$target" -p "$benches" --benches) >"$log" 2>&1 ||
                { failed check "$target, benches"; continue; }
            also+=", benches"
            ;;
        esac
        row check ok "$target: $also"
    done
}
benches=$(sed -n 's/^name = "\(.*\)"/\1/p' benches/Cargo.toml | head -n 1)

# On the host, with the installed toolchain: the behaviour without the number of the CPU.
nocpu() {
    if (cd "$copy" && CARGO_TARGET_DIR=$base/nocpu RUSTFLAGS="-D warnings --cfg atomic_parker_no_cpu" timeout 600 cargo test \
        --no-fail-fast --features $features --lib --tests) >"$log" 2>&1; then
        row nocpu ok "no number of the CPU: $(passed)"
    else
        failed nocpu "no number of the CPU: $(passed)"
    fi
}

# The same on a single CPU.
onecpu() {
    (cd "$copy" && CARGO_TARGET_DIR=$base/host cargo test --no-run --features $features --lib --tests) >"$log" 2>&1 ||
        { failed onecpu "does not build"; return; }
    if (cd "$copy" && CARGO_TARGET_DIR=$base/host timeout 600 taskset -c 0 cargo test --no-fail-fast --features $features --lib --tests) >"$log" 2>&1; then
        row onecpu ok "taskset -c 0: $(passed)"
    else
        failed onecpu "taskset -c 0: $(passed)"
    fi
}

[ $# -gt 0 ] || set -- tsan i686 aarch64 windows check nocpu onecpu
bash tests/copy.sh "$copy"
for name; do
    case $name in
    tsan | i686 | aarch64 | windows | check | nocpu | onecpu) ;;
    *) echo "targets.sh: no target '$name'" >&2 && exit 1 ;;
    esac
    began=$SECONDS
    echo "== $name"
    "$name"
done

echo
printf '%s' "$table" | awk -F'|' '{ printf "%-8s %-8s %-60s %6s\n", $1, $2, $3, $4 }'
if [ -n "$not_run" ]; then echo "targets.sh: NOT RUN:$not_run"; fi
[ "$status" -eq 0 ] || exit 1
[ -z "$not_run" ] || exit 75
