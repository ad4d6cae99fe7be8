#!/bin/sh
# tools/reproducible.sh [BINARY...]: builds the five binaries of the last commit, or those named, twice as for a release, in two
# clones with two target folders, and compares what comes out: exit status 0 if each is the same octet for octet, and none
# holds a path of who built it. Takes two release builds, and some 10 GB in $TMPDIR (or /tmp), given back at the end.
set -eu
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- relay gateway mapping-store id-prover discovery
tree=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Of different length, so that no offset is right by chance.
for side in a another/of/longer/name; do
    git clone --quiet --no-hardlinks "$tree" "$work/$side/clone"
    echo "building in $work/$side" >&2
    "$tree/tools/release.sh" "$work/$side/clone" "$work/$side/target" "$@"
done

failed=0
for binary in "$@"; do
    one=$work/a/target/release/$binary
    other=$work/another/of/longer/name/target/release/$binary
    sum=$(sha256sum "$one" | cut -d ' ' -f 1)
    if [ "$(sha256sum "$other" | cut -d ' ' -f 1)" = "$sum" ]; then
        echo "same      $sum  $binary"
    else
        failed=1
        echo "DIFFERENT $binary: $(cmp -l "$one" "$other" | wc -l) octets; of what can be read:"
        strings "$one" >"$work/one"
        strings "$other" >"$work/other"
        diff "$work/one" "$work/other" | head -n 20 || true
    fi
    for path in "$work" "$HOME/" "${CARGO_HOME:-$HOME/.cargo}"; do
        if grep -aqF "$path" "$one"; then
            failed=1
            echo "LEAKS     $binary holds $path: $(strings "$one" | grep -F "$path" | head -n 3 | tr '\n' ' ')"
        fi
    done
done
exit $failed
