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

.PHONY: demo test check setup setup-test

# The whole workspace is built at once, always: a part of it alone would have RocksDB built anew for it.
demo: setup
	cargo build --locked --workspace --bins
	$(TARGET)/debug/discovery demo --contacts docs/samples/contacts.vcf

test: setup-test
	cargo test --locked --workspace

# What must hold besides the tests: form, lints, documentation, dependency rules.
check: setup
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items
	tools/deny.sh

setup:
	@tools/setup.sh

setup-test:
	@tools/setup.sh test
