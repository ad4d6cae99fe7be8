#!/bin/sh
# tools/release.sh TREE TARGET [BINARY...]: builds the five binaries of a tree, or those named, as for a release, into
# TARGET/release. What is built depends on the tree, the compilers, the system's libraries and on which are built together
# (features are shared), and not on who builds, when, or where tree, target and Cargo's home are: no binary holds such a path.
set -eu
tree=$(realpath "$1")
mkdir -p "$2"
target=$(realpath "$2")
shift 2
[ $# -gt 0 ] || set -- relay gateway mapping-store id-prover discovery
cargo_home=$(realpath "${CARGO_HOME:-$HOME/.cargo}")
sysroot=$(realpath "$(rustc --print sysroot)")

# For Rust, C and assembler: each folder by a name of its own. The last that fits is taken. C++ is RocksDB alone, which is
# compiled without debug information and by relative paths: it holds none, and a compiler's cache still knows it.
separator=$(printf '\037')
rust=
native=
for pair in "$HOME=/home" "$sysroot=/rust" "$cargo_home=/cargo" "$tree=/source" "$target=/target"; do
    rust=$rust${rust:+$separator}--remap-path-prefix$separator$pair
    native="$native -ffile-prefix-map=$pair -Wa,--debug-prefix-map=$pair"
done

cd "$tree"
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
export CARGO_TARGET_DIR="$target" CARGO_INCREMENTAL=0 CARGO_ENCODED_RUSTFLAGS="$rust" CFLAGS="$native"
export BINDGEN_EXTRA_CLANG_ARGS="${BINDGEN_EXTRA_CLANG_ARGS:--I$(gcc -print-file-name=include)}"
export LC_ALL=C TZ=UTC
packages=
for binary in "$@"; do
    packages="$packages --package $binary"
done
# shellcheck disable=SC2086
cargo build --locked --release --bins $packages
