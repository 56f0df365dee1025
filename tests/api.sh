#!/usr/bin/env bash
# The public API as text: what `tests/api.txt` says must be what rustdoc shows, with all features, on Linux.
#
#   tests/api.sh            compares, and exits with 1 if something differs
#   tests/api.sh --write    writes tests/api.txt
#
# Needs cargo and perl. Each line is an item, a method, a variant or an implementation, auto traits included, below its path.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/api
rm -rf "$CARGO_TARGET_DIR/doc"
cargo doc --quiet --no-deps --lib --features futex,parking_lot
pages=$CARGO_TARGET_DIR/doc/atomic_parker
found=$CARGO_TARGET_DIR/api.txt
(cd "$pages" && find . -name '*.html' ! -name index.html ! -name all.html ! -path './docs/*' | LC_ALL=C sort) |
    while read -r page; do
        grep -q 'rust item-decl' "$pages/$page" || continue # a page that leads to the item's real one
        echo "## ${page#./}"
        # Without the blanket implementations, which all types have, and the methods of std's traits.
        perl -0777 -ne '
            s/<h2 id="blanket-implementations".*//s;
            s/<section id="method\.[^"]*" class="[^"]*trait-impl.*?<\/section>//gs;
            while (/<(pre class="rust item-decl"|h[34] class="code-header"|section id="variant\.[^"]*")[^>]*>(.*?)<\/(?:pre|h[34]|section)>/gs) {
                my $line = $2;
                $line =~ s/<div class="where">/ /g;
                $line =~ s/<[^>]*>//g;
                $line =~ s/&lt;/</g, $line =~ s/&gt;/>/g, $line =~ s/&quot;/"/g, $line =~ s/&#39;|&apos;/\x27/g, $line =~ s/&nbsp;/ /g;
                $line =~ s/&amp;/&/g;
                $line =~ s/§|\xc2\xa0//g;
                $line =~ s/\s+/ /g;
                $line =~ s/^ | $//g;
                # Traits that are unstable in std.
                print "$line\n" unless $line =~ /^impl.* (Freeze|UnsafeUnpin|StructuralPartialEq) for/;
            }' "$pages/$page"
    done >"$found"
if [ "${1:-}" = --write ]; then
    cp "$found" tests/api.txt
elif ! diff -u tests/api.txt "$found"; then
    echo "api.sh: the public API has changed. If that is meant, run tests/api.sh --write, and look at the difference." >&2
    exit 1
fi
