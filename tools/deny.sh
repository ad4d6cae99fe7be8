#!/bin/sh
# Runs cargo-deny by deny.toml: bans, licences, sources and advisories. No network is needed but for the crates themselves:
# advisories are checked against the snapshot of RustSec's database in tools/advisories/ (CC0), or against a newer archive
# of it named by $ADVISORY_DB.
set -eu
cd "$(dirname "$0")/.."

version=0.20.2
cache=$HOME/.cache/mimi-discovery
deny=$cache/tools/bin/cargo-deny
if ! "$deny" --version 2>/dev/null | grep -qF "$version"; then
    CARGO_TARGET_DIR=$cache/tools-target \
        cargo install --quiet --locked --version "$version" --root "$cache/tools" cargo-deny
fi

"$deny" --locked check --hide-inclusion-graph bans licenses sources

archive=${ADVISORY_DB:-$(ls tools/advisories/rustsec-*.tar.xz | tail -n 1)}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# cargo-deny reads a git checkout, under a name made from the database's address.
database=$folder/databases/advisory-db-3157b0e258782691
mkdir -p "$database"
tar -C "$database" -xf "$archive"
git -C "$database" init -q
git -C "$database" add -A
git -C "$database" -c user.name=snapshot -c user.email=snapshot@localhost commit -q -m snapshot
sed "s|^\[advisories\]|[advisories]\ndb-path = \"$folder/databases\"|" deny.toml >"$folder/deny.toml"
"$deny" --config "$folder/deny.toml" --offline --locked check --hide-inclusion-graph advisories
