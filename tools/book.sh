#!/bin/sh
# Builds the documentation as a book into target/book, with mdBook; a missing page is an error. Links are held by
# tests/it/book.rs.
set -eu
cd "$(dirname "$0")/.."

version=0.5.4
cache=$HOME/.cache/mimi-discovery
mdbook=$cache/tools/bin/mdbook
if ! "$mdbook" --version 2>/dev/null | grep -qF "$version"; then
    CARGO_TARGET_DIR=$cache/tools-target \
        cargo install --quiet --locked --version "$version" --no-default-features --root "$cache/tools" mdbook
fi
"$mdbook" build
