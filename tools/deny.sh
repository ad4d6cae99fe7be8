#!/bin/sh
# Runs cargo-deny by deny.toml on each Cargo.lock of the tree (the workspace, fuzz/, page/): bans, licences, sources, and
# advisories of RustSec's database, taken from the first of these that there is:
#   $ADVISORY_DB         an archive of it, compressed or not, by name
#   its repository       where it can be reached
#   tools/advisories/    the archive that is kept here (CC0): a warning says how old it is
# Without any of them advisories are left out, and a warning says so. No network is needed but for the crates themselves.
set -eu
cd "$(dirname "$0")/.."

version=0.20.2
repository=https://github.com/RustSec/advisory-db
cache=$HOME/.cache/mimi-discovery
deny=$cache/tools/bin/cargo-deny
if ! "$deny" --version 2>/dev/null | grep -qF "$version"; then
    CARGO_TARGET_DIR=$cache/tools-target \
        cargo install --quiet --locked --version "$version" --root "$cache/tools" cargo-deny
fi

# warn LINE: so that nobody overlooks it among the output of a build.
warn() {
    printf '\n*** WARNING: %s\n\n' "$1" >&2
}

# check CONFIGURATION OPTION... -- WHAT...: on each Cargo.lock. No one of them has all that deny.toml allows.
check() {
    configuration=$1
    shift
    options=
    while [ "$1" != -- ]; do
        options="$options $1"
        shift
    done
    shift
    for lock in . fuzz page; do
        printf '%s: ' "$lock/Cargo.lock"
        # shellcheck disable=SC2086
        "$deny" --manifest-path "$lock/Cargo.toml" --config "$configuration" --locked $options \
            check --hide-inclusion-graph -A unused-wrapper -A license-not-encountered -A license-exception-not-encountered "$@"
    done
}

# check_against ARCHIVE: advisories, of this archive of the database.
check_against() {
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    # cargo-deny reads a git checkout, under a name made from the database's address.
    database=$folder/databases/advisory-db-3157b0e258782691
    mkdir -p "$database"
    tar -C "$database" -xf "$1"
    git -C "$database" init -q
    git -C "$database" add -A
    git -C "$database" -c user.name=snapshot -c user.email=snapshot@localhost commit -q -m snapshot
    sed "s|^\[advisories\]|[advisories]\ndb-path = \"$folder/databases\"|" deny.toml >"$folder/deny.toml"
    check "$folder/deny.toml" --offline -- advisories
}

check deny.toml -- bans licenses sources

kept=$(ls tools/advisories/rustsec-*.tar.xz 2>/dev/null | tail -n 1)
if [ -n "${ADVISORY_DB:-}" ]; then
    echo "advisories of $ADVISORY_DB"
    check_against "$ADVISORY_DB"
elif GIT_TERMINAL_PROMPT=0 timeout 20 git ls-remote -q "$repository" HEAD >/dev/null 2>&1; then
    echo "advisories of $repository"
    check deny.toml -- advisories
elif [ -n "$kept" ]; then
    day=$(basename "$kept" .tar.xz | sed 's/^rustsec-//')
    age=$((($(date +%s) - $(date -d "$day" +%s)) / 86400))
    warn "the advisory database cannot be reached: advisories of $day, $age days old"
    check_against "$kept"
else
    warn "the advisory database cannot be reached, and no archive of it is here: advisories are NOT checked"
fi
