# Sourced by run.sh, and by the scripts of the ports: a published crate with its sleep layer replaced by this crate. docs/ports.md tells how each was
# moved. Not a program of its own.
#
#   tests/drop_in/NAME.sh              the tests; exits with 1 if one fails, or fewer than expected pass
#   tests/drop_in/NAME.sh original     the same tests of the unchanged crate, for a comparison
#   tests/drop_in/NAME.sh control      without one wake: exits with 1 unless the tests fail
#   tests/drop_in/NAME.sh prepare      no tests: only writes the changed source, for adopted.sh
#
# Works in target/drop_in/NAME, where an unchanged file keeps its time, so that cargo builds only what has changed. Needs cargo with access to
# crates.io, and perl.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
mode=${1:-moved}
work=$root/target/drop_in/$name
mkdir -p "$work/fetch/src"
export CARGO_TARGET_DIR=$work/target CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0 CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0
# The caller's flags, such as denied warnings, must not apply to other crates.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS

fail() {
    echo "drop_in: $*" >&2
    exit 1
}

# fetch CRATE=VERSION...: the published sources, in $work/vendor/CRATE-VERSION.
fetch() {
    local crate missing=
    touch "$work/fetch/src/lib.rs"
    printf '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n[dependencies]\n' >"$work/fetch/Cargo.toml"
    for crate in "$@"; do
        echo "${crate%=*} = \"=${crate#*=}\"" >>"$work/fetch/Cargo.toml"
        [ -d "$work/vendor/${crate/=/-}" ] || missing=yes
    done
    [ -z "$missing" ] || (cd "$work/fetch" && cargo vendor --quiet --versioned-dirs "$work/vendor" >/dev/null)
}

# unpack CRATE-VERSION: copies the source to $new, to be edited, as a package of its own.
unpack() {
    new=$(mktemp -d)
    cp -R "$work/vendor/$1/." "$new"
    rm -f "$new/Cargo.lock"
    printf '\n[workspace]\n' >>"$new/Cargo.toml"
}

# use_this_crate: in the package in $new.
use_this_crate() {
    printf '\n[dependencies.atomic-parker]\npath = "%s"\n' "$root" >>"$new/Cargo.toml"
}

# edit FILE REGEX REPLACEMENT: of the one place where the regular expression matches.
edit() {
    FILE=$1 REGEX=$2 REPLACEMENT=$3 perl -0777 -e '
        open my $in, "<", $ENV{FILE} or die "$ENV{FILE}: $!\n";
        my $text = <$in>;
        my $count = () = $text =~ /$ENV{REGEX}/gm;
        die "$ENV{FILE}: $count places match $ENV{REGEX}\n" if $count != 1;
        $text =~ s/$ENV{REGEX}/$ENV{REPLACEMENT}/m;
        open my $out, ">", $ENV{FILE} or die "$ENV{FILE}: $!\n";
        print $out $text;
    ' || fail "the source is not the expected one"
}

# put FROM TO: makes TO a copy of FROM, where unchanged files keep their times. FROM is gone afterwards.
put() {
    local file
    (cd "$1" && find . -type f) | while read -r file; do
        cmp -s "$1/$file" "$2/$file" || { mkdir -p "$(dirname "$2/$file")" && cp "$1/$file" "$2/$file"; }
    done
    (cd "$2" && find . -type f ! -name Cargo.lock) | while read -r file; do
        [ -e "$1/$file" ] || rm "$2/$file"
    done
    rm -rf "$1"
}

# uses FOLDER CRATE VERSION SOURCE: checks that the package in this folder uses the crate in that one.
uses() {
    local tree
    tree=$(cd "$1" && cargo tree --quiet --edges normal,dev --invert "$2" --depth 0)
    [[ $tree == "$2 v$3 ($4)" ]] || fail "$1 does not use $4, but: $tree"
}

# suite WHAT FOLDER EXPECTED SECONDS ARGUMENTS...: runs `cargo test ARGUMENTS`, of which so many tests must pass in that time. The time
# to build is not counted.
suite() {
    local what=$1 folder=$2 expected=$3 limit=$4 status=0 passed failed began bounded=()
    shift 4
    [ "$mode" != prepare ] || exit 0
    [[ $(tr -d '`' <"$root/README.md" | tr '\n' ' ') == *"$what $expected"* ]] || fail "the README does not say: $what $expected"
    if command -v timeout >/dev/null; then bounded=(timeout --kill-after=10 "$limit"); fi
    (cd "$folder" && cargo test --quiet --no-run "$@") >"$work/log" 2>&1 || { cat "$work/log" && fail "$what: the build failed"; }
    began=$SECONDS
    (cd "$folder" && ${bounded[@]+"${bounded[@]}"} cargo test --quiet --no-fail-fast "$@") >"$work/log" 2>&1 || status=$?
    read -r passed failed < <(awk '/^test result:/ { p += $4; f += $6 } END { print p + 0, f + 0 }' "$work/log")
    echo "drop_in: $what, $mode: $passed tests passed, $failed failed, exit $status, in $((SECONDS - began)) s"
    if [ "$mode" = control ]; then
        [ "$status" != 0 ] || fail "the tests pass without a wake"
    elif [ "$status" != 0 ] || [ "$passed" -lt "$expected" ]; then
        cat "$work/log"
        fail "$what: $expected tests must pass"
    fi
}
