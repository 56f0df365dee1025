#!/usr/bin/env bash
# What each part of spinning is worth live: builds the bench `duel` with this crate and, as further contenders in the same slices,
# with copies that lack one part each. Prints the figure of each copy over that of this crate, as median and 95 % interval.
# "nothing" is an unchanged copy, and shows the noise. Takes ten minutes. Needs jq, and a quiet machine.
#
#   benches/replay/live.sh                      the rows at the end of this file
#   benches/replay/live.sh SPIN ROW [WORD...]   a scenario of `duel`, without the parts with one of these words in their names.
#                                               SPIN: adaptive, "adaptive_up_to MICROS" or "bounded MICROS"
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/crate"
git -C "$root" ls-files -z | (cd "$root" && xargs -0 cp --parents -t "$work/crate")
cp "$root/Cargo.lock" "$work/crate/" 2>/dev/null || true
cd "$work/crate"

# edit FILE SED
edit() {
    cp "$1" "$work/before"
    sed -i "$2" "$1"
    if cmp -s "$1" "$work/before"; then
        echo "live.sh: '$2' changes nothing in $1" >&2
        exit 2
    fi
}
count=0 contenders=""
part() { # NAME FILE SED
    local copy=$work/part$count name=part$count
    "$root/tests/copy.sh" "$copy" none
    # Packages of the same name need different versions.
    edit "$copy/Cargo.toml" "s/^version = .*/version = \"0.0.$count\"/"
    [ -z "$3" ] || edit "$copy/src/spin/$2" "$3"
    edit benches/Cargo.toml "/^\[dependencies\]/a $name = { path = \"$copy\", package = \"atomic-parker\" }"
    edit benches/src/contenders.rs \
        "/^parkers! {/a Part$count: Peer, \"$1\", $name::Parker, $name::Unparker, crate::pair!($name);"
    contenders+=" Part$count"
    count=$((count + 1))
}
part nothing "" ""
. "$root/benches/replay/parts.sh"
edit benches/src/contenders.rs "s/ours(Ours::new()),/crate::pair!(atomic_parker),/
    s/Floor Document Crossbeam Parking Std OursCondvar OursCondvarOff/OursCondvar$contenders/
    /#\[cfg(any(target_os.*]/{N; /for_each_contender/d}
    /for_each_contender!(@ .*OursParkingLot/d
    s/^            \$run;/            if \$crate::contenders::is_wanted(\$C::NAME) { \$run; }/"
cat >>benches/src/contenders.rs <<'END_OF_RUST'

pub fn is_wanted(name: &str) -> bool {
    let words = std::env::var("WORDS").unwrap();
    ["ours", "nothing"].contains(&name) || words.is_empty() || words.split('|').any(|word| name.contains(word))
}

#[macro_export]
macro_rules! pair {
    ($of:ident) => {{
        let (parker, unparker) = $of::pair();
        let setting = std::env::var("SPIN").unwrap();
        let (name, micros) = setting.split_once(' ').unwrap_or((&setting, "0"));
        let limit = Duration::from_micros(micros.parse().unwrap());
        let spin = match name {
            "adaptive" => $of::Spin::adaptive(),
            "adaptive_up_to" => $of::Spin::adaptive_up_to(limit),
            "bounded" => $of::Spin::bounded(limit),
            _ => panic!("no setting is named {name}"),
        };
        (parker.with_spin(spin), unparker)
    }};
}
END_OF_RUST
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/live RUSTFLAGS="-A warnings"
duel() { cargo bench --quiet -p atomic-parker-benches --bench duel "$@"; }
duel --no-run

ratios='.[] | .scenario as $row | (.entrants[] | select(.name == "ours").slices) as $ours
    | .entrants[] | select(.name | startswith("ours") | not) | .name as $part
    | ([.slices, $ours] | transpose | map(.[0] / .[1]) | sort) as $all | ($all | length) as $n
    | ([0, ($n - 1.96 * ($n | sqrt)) / 2] | max | floor) as $outside
    | [$all[$n / 2 | floor], $all[$outside], $all[$n - 1 - $outside]] | map(. * 1000 | round / 1000)
    | "| \($row) | \($part) | \(.[0]) (\(.[1])–\(.[2])) |"'
row() { # SPIN ROW [WORD...]
    local scenario=$2
    export SPIN=$1
    shift 2
    WORDS=$(IFS='|'; echo "$*") duel -- "$scenario" --out "$work/out" >/dev/null
    jq -r "$ratios" "$work/out/figures.json"
}
if [ $# -gt 0 ]; then
    row "$@"
    exit
fi
row adaptive "round trip, two cores"
row adaptive "round trip, two cores, a pause of 1 ms after each hundred"
row adaptive "round trip, two cores, after far waits"
row adaptive "round trip, one core"
row adaptive "gaps of 5 µs, Poisson"
row adaptive "every 500 µs"
row adaptive "short and long" "one try" "three tries" "no tries" "always skips"
row "adaptive_up_to 50" "fan out" "long spins"
row "bounded 50" ring "after a wake-up from the same CPU"
