#!/bin/sh
# Installs what the build and the tests need besides Rust and gcc: g++ and libclang (RocksDB), aiosmtpd (a real mail server
# for the demo and the tests); with the argument `test` also Node.js with npm, and Python's venv, for the Oblivious HTTP
# clients of other makers, Chromium for the page, libfaketime for clocks that differ, and Java 17 with Maven for Apache Cassandra
# (what needs them is left out where there is none); with the argument `guard` also valgrind. Does nothing if all is there.
# As root, or with sudo, by Debian's packages; otherwise libclang and aiosmtpd from PyPI into a folder of our own.
set -eu

for_what=${1:-}

tools=$HOME/.cache/mimi-discovery/tools
PATH=$tools/bin:$PATH

has_libclang() {
    ls /usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*/libclang*.so* "${LIBCLANG_PATH:-/nonexistent}"/libclang*.so* \
        "$tools"/lib/python*/site-packages/clang/native/libclang.so 2>/dev/null | grep -q .
}

has_java_17() {
    for java in "${JAVA_HOME:-/nonexistent}"/bin/java java /usr/lib/jvm/*/bin/java; do
        "$java" -version 2>&1 | grep -q 'version "17\.' && return
    done
    return 1
}

missing() {
    command -v g++ >/dev/null || echo g++
    has_libclang || echo libclang
    command -v aiosmtpd >/dev/null || echo aiosmtpd
    if [ "$for_what" = guard ]; then
        command -v valgrind >/dev/null || echo valgrind
    fi
    if [ "$for_what" = test ]; then
        { command -v node && command -v npm; } >/dev/null || echo nodejs
        python3 -c "import venv, ensurepip" 2>/dev/null || echo python3-venv
        command -v chromium >/dev/null || echo chromium
        command -v faketime >/dev/null || echo faketime
        has_java_17 || echo java17
        command -v mvn >/dev/null || echo maven
    fi
}

wanted=$(missing)
[ -n "$wanted" ] || exit 0
echo "setup: installing" $wanted >&2

as_root=
if [ "$(id -u)" -ne 0 ]; then
    as_root="sudo -n"
fi
if command -v apt-get >/dev/null && { [ -z "$as_root" ] || sudo -n true 2>/dev/null; }; then
    # The newest libclang runtime that the system has.
    $as_root apt-get update -qq
    clang=$(apt-cache pkgnames libclang1- | grep -E '^libclang1-[0-9]+$' | sort -V | tail -n 1)
    packages=
    for name in $wanted; do
        case $name in
            g++) packages="$packages g++" ;;
            libclang) packages="$packages $clang" ;;
            aiosmtpd) packages="$packages python3-aiosmtpd" ;;
            nodejs) packages="$packages nodejs npm" ;;
            python3-venv) packages="$packages python3-venv" ;;
            chromium) packages="$packages chromium" ;;
            faketime) packages="$packages faketime" ;;
            # Later Debians have none.
            java17) packages="$packages $(apt-cache pkgnames openjdk-17-jre-headless | head -n 1)" ;;
            maven) packages="$packages maven" ;;
            valgrind) packages="$packages valgrind" ;;
        esac
    done
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $packages >/dev/null
elif command -v python3 >/dev/null; then
    python3 -m venv "$tools"
    "$tools"/bin/pip install --quiet libclang aiosmtpd
fi

# Without a browser, or Java, their tests are left out, and say so.
wanted=$(missing | grep -v -x -e chromium -e java17 -e maven || true)
if [ -n "$wanted" ]; then
    echo "setup: please install" $wanted "(Debian: g++ libclang1-14 python3-aiosmtpd nodejs npm python3-venv chromium faketime openjdk-17-jre-headless maven valgrind)" >&2
    exit 1
fi
