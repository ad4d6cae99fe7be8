# The two commands of the README are `make demo` and `make test`; both do all the set-up there is.

# bindgen reads RocksDB's C header with libclang, and needs the compiler's own headers for it.
export BINDGEN_EXTRA_CLANG_ARGS ?= -I$(shell gcc -print-file-name=include)

# Where tools/setup.sh puts what it cannot install by the system's packages.
TOOLS := $(HOME)/.cache/mimi-discovery/tools
export PATH := $(TOOLS)/bin:$(PATH)
export LIBCLANG_PATH ?= $(wildcard $(TOOLS)/lib/python*/site-packages/clang/native)
ifeq ($(LIBCLANG_PATH),)
unexport LIBCLANG_PATH
endif

TARGET := $(or $(CARGO_TARGET_DIR),target)

.PHONY: demo test check setup setup-test page book sbom reproducible load bench-guard bench-guard-record setup-guard

# The whole workspace is built at once, always: a part of it alone would have RocksDB built anew for it.
demo: setup
	cargo build --locked --workspace --bins
	$(TARGET)/debug/discovery demo --contacts docs/samples/contacts.vcf

test: setup-test
	cargo test --locked --workspace

# What must hold besides the tests: form, lints, documentation and its book, dependency rules.
check: setup
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items
	tools/deny.sh
	tools/book.sh

# Measures the release binaries: tables on the standard output, and in LOAD_FOLDER/report with pictures. A few minutes; LOAD_RECORDS are sizes
# of the store, LOAD_REQUESTS requests of each measurement. Filled stores stay in LOAD_FOLDER.
LOAD_RECORDS ?= 10000,100000
LOAD_REQUESTS ?= 40000
LOAD_SECONDS ?= 2
LOAD_FOLDER ?= $(TARGET)/load
load: setup
	cargo build --locked --release --workspace --bins --examples
	$(TARGET)/release/load --folder $(LOAD_FOLDER) --records $(LOAD_RECORDS) --requests $(LOAD_REQUESTS) --seconds $(LOAD_SECONDS) $(LOAD_ARGS)

# Counts the instructions of hot paths under valgrind, and fails if one takes over 5 % more than benches/load/recorded.toml says.
bench-guard bench-guard-record: setup-guard
	cargo build --locked --release --workspace --bins --examples
	$(TARGET)/release/load-guard $(if $(filter %-record,$@),record,check) --binaries $(TARGET)/release --folder $(LOAD_FOLDER)

# The documentation as a book: target/book/index.html.
book:
	tools/book.sh

# What each binary is made of, as CycloneDX: target/sbom/*.cdx.json.
sbom:
	tools/sbom.sh

# Builds the last commit twice as for a release, in two places, and compares: docs/supply-chain.md. Takes two release builds.
reproducible: setup
	tools/reproducible.sh

setup:
	@tools/setup.sh

setup-test:
	@tools/setup.sh test

setup-guard:
	@tools/setup.sh guard

# The WebAssembly of the page that `discovery up` serves, into page/dist, which is committed: only who changes page/src needs this.
# `rustup target add wasm32-unknown-unknown` once.
# The module names no folder of who built it.
page: NO_PATHS = --remap-path-prefix=$(CURDIR)= --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)= --remap-path-prefix=$(shell rustc --print sysroot)=
page:
	cd page && RUSTFLAGS="$(NO_PATHS)" cargo build --release --target wasm32-unknown-unknown
	cd page && cargo run --quiet --package bundler -- $(or $(CARGO_TARGET_DIR),target)/wasm32-unknown-unknown/release/page.wasm .
