#!/bin/sh
# Runs cargo-deny by deny.toml: bans, licences and sources always; advisories against the database in the folder
# $ADVISORY_DB (a checkout of RustSec's, or an archive of one), or fetched anew if that is not set and a network is there.
set -eu

version=0.20.2
tools=$HOME/.cache/mimi-discovery/tools
deny=$tools/bin/cargo-deny

if ! "$deny" --version 2>/dev/null | grep -qF "$version"; then
    CARGO_TARGET_DIR=$HOME/.cache/mimi-discovery/tools-target \
        cargo install --quiet --locked --version "$version" --root "$tools" cargo-deny
fi

"$deny" --offline --locked check --hide-inclusion-graph bans licenses sources
