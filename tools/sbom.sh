#!/bin/sh
# tools/sbom.sh [FOLDER]: writes what each of the five binaries is made of, as CycloneDX 1.5 in JSON, to FOLDER/NAME.cdx.json
# (target/sbom); then checks that each is well-formed and names every crate that cargo would compile into the binary.
set -eu
cd "$(dirname "$0")/.."

version=0.5.9
cache=$HOME/.cache/mimi-discovery
tool=$cache/tools/bin/cargo-cyclonedx
if ! "$tool" cyclonedx --version 2>/dev/null | grep -qF "$version"; then
    CARGO_TARGET_DIR=$cache/tools-target \
        cargo install --quiet --locked --version "$version" --root "$cache/tools" cargo-cyclonedx
fi

mkdir -p "${1:-${CARGO_TARGET_DIR:-target}/sbom}"
folder=$(realpath "${1:-${CARGO_TARGET_DIR:-target}/sbom}")
# Of the last commit, so that the same commit has the same SBOM.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
# The tool writes next to each Cargo.toml.
trap 'rm -f ./*.cdx.json ./*/*.cdx.json ./*/*/*.cdx.json' EXIT
"$tool" cyclonedx -qq --format json --spec-version 1.5 --describe binaries
for name in relay gateway mapping-store id-prover discovery; do
    place=$name
    [ "$name" != discovery ] || place=.
    # Our own crates by their place in the tree, wherever that is.
    sed "s|file://$PWD|file://.|g" "$place/${name}_bin.cdx.json" >"$folder/$name.cdx.json"
    # What is in the binary by cargo's own account, against what the SBOM names.
    cargo tree --locked --package "$name" --edges normal,no-proc-macro --prefix none --format '{p}' |
        python3 -c '
import json, sys
named = {(part["name"], part["version"]) for part in json.load(open(sys.argv[1]))["components"]}
wanted = {tuple(line.split()[:2]) for line in sys.stdin}
missing = {(name, version[1:]) for name, version in wanted if name != sys.argv[2]} - named
sys.exit(f"{sys.argv[1]} does not name {sorted(missing)}") if missing else print(sys.argv[1], len(named), "crates")
' "$folder/$name.cdx.json" "$name"
done
