# One command for each thing a person does here. Everything is made inside this directory (.venv, target);
# CARGO_TARGET_DIR and sccache are used where they exist and never needed.

PY := .venv/bin/python
DEPS := .venv/.deps
NATIVE := python/ginnel/_engine.abi3.so
# What the native module is made of. Tests, benches and loads are not part of it and must not rebuild it.
SOURCES := Cargo.toml Cargo.lock pyproject.toml $(shell find crates \( -name tests -o -name benches -o -name load \) -prune \
	-o \( -name '*.rs' -o -name Cargo.toml \) -print)

# What cargo builds, and what it builds it in.
TARGET := $(or $(CARGO_TARGET_DIR),target)

# More arguments for the runners: make test-python ARGS='-k socks5', make demo STAY=1, make fuzz SECONDS=600,
# make bench QUICK=1 WAN=1 COMPARE=last
ARGS ?=
STAY ?=
SECONDS ?= 60
QUICK ?=
WAN ?=
COMPARE ?=

# rustup puts cargo here, and a shell that was open before that does not know it yet.
export PATH := $(PATH):$(HOME)/.cargo/bin
# maturin must say that Rust is missing, not install it.
export MATURIN_NO_INSTALL_RUST := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# A cargo that rustup installed looks for its toolchain in $HOME; with another HOME it lies beside the cargo.
RUSTUP_BESIDE := $(shell c=$$(command -v cargo) && h="$${c%/.cargo/bin/cargo}" && [ "$$h" != "$$c" ] && \
	[ ! -d "$$HOME/.rustup" ] && [ -d "$$h/.rustup" ] && printf %s "$$h/.rustup")
ifneq ($(RUSTUP_BESIDE),)
export RUSTUP_HOME ?= $(RUSTUP_BESIDE)
endif
ifndef RUSTC_WRAPPER
ifneq ($(shell command -v sccache),)
export RUSTC_WRAPPER := sccache
endif
endif

# Runs a command that talks even when all is well, and lets it talk only when it fails.
quietly = out=$$($(1) 2>&1) || { printf '%s\n' "$$out"; exit 1; }

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-rust test-python endurance bench microbench profile lint fmt fuzz build docs lock clean \
	tools load

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /  make \1#/p' Makefile | awk -F '#' '{printf "%-20s %s\n", $$1, $$2}'

demo: build ## see it work: an origin, a server and a client on loopback, files fetched through SOCKS5; STAY=1 stays
	@$(PY) -m scripts.demo $(if $(STAY),--stay) $(ARGS)

test: test-rust test-python ## all tests; ARGS goes to pytest

test-rust: | tools ## the tests of the Rust crates
	@test -d "$${CARGO_TARGET_DIR:-target}/debug" || echo "Building the Rust tests: about 3 minutes this first time, seconds later."
	@cargo test --locked --quiet

test-python: build load ## the tests of the Python package and of the whole program
	@$(PY) -m pytest $(ARGS)

endurance: build load ## the tests that take many minutes: 100 Mbit/s for ten of them, memory flat
	@$(PY) -m pytest -m endurance -s $(ARGS)

bench: build load ## measure beside direct, a plain relay and peers; WAN=1 on lossy paths, QUICK=1, COMPARE=last or a file
	@$(PY) -m bench $(if $(WAN),--wan) $(if $(QUICK),--quick) $(if $(COMPARE),--compare $(COMPARE)) $(ARGS)

microbench: | tools ## what one packet, request or look-up costs
	@cargo bench --locked -p ginnel-proto --bench envelope --bench hub --bench parsers --bench session -- $(ARGS)
	@cargo bench --locked -p ginnel-engine --bench relay -- $(ARGS)

PROFILED := $(TARGET)/profiled
profile: build load ## flame graphs of a bulk run and of a run of requests, into bench/out; needs perf
	@echo "Building the native module with its names left in: a minute or two."
	@PYO3_PYTHON="$(CURDIR)/$(PY)" RUSTFLAGS="-C force-frame-pointers=yes" \
		cargo build --locked --quiet --profile profiling -p ginnel-bindings
	@rm -rf $(PROFILED) && mkdir -p $(PROFILED) && cp -r python/ginnel $(PROFILED)/
	@cp $(TARGET)/profiling/lib_engine.so $(PROFILED)/ginnel/_engine.abi3.so
	@$(PY) -m bench.profile --package $(PROFILED) --load $(TARGET)/release/ginnel-load $(ARGS)

# The program that makes the load; it is part of no release.
load: | tools
	@cargo build --locked --quiet --release -p ginnel-load

lint: build ## all checks; silent when all is well
	@$(PY) scripts/structure.py
	@$(PY) -m ruff format --quiet --check .
	@$(PY) -m ruff check --quiet .
	@$(PY) -m mypy --no-error-summary
	@$(call quietly,$(PY) -m mypy.stubtest ginnel._engine)
	@cargo fmt --all --check
	@PYO3_PYTHON="$(CURDIR)/$(PY)" cargo clippy --locked --quiet --workspace --all-targets -- -D warnings

fmt: $(DEPS) ## format all code
	@$(PY) -m ruff check --quiet --fix-only . && $(PY) -m ruff format --quiet .
	@cargo fmt --all

fuzz: | tools ## feed every decoder, SECONDS for each; needs cargo-fuzz and a nightly toolchain
	@RUSTUP_AUTO_INSTALL=0 cargo +nightly fuzz --version >/dev/null 2>&1 || \
		{ echo "make fuzz needs:  rustup toolchain install nightly && cargo install cargo-fuzz"; exit 1; }
	@targets=$$(cargo +nightly fuzz list) || exit 1; for target in $$targets; do \
		cargo +nightly fuzz run "$$target" -- -max_total_time=$(SECONDS) || exit 1; done

build: $(NATIVE) ## what demo and test need: the virtual environment and the native module

# One build of the native module, the release one, for the demo and for the tests: what is tested is what runs,
# and nobody waits for it twice.
$(NATIVE): $(DEPS) $(SOURCES)
	@if test -d "$${CARGO_TARGET_DIR:-target}/release"; then echo "Building the native module: about a minute."; \
		else echo "Building the native module: about 4 minutes this first time, one later."; fi
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(PY) -m pip install --quiet --no-build-isolation --no-deps --editable .
	@touch $@

$(DEPS): requirements/dev.txt | tools
	@echo "Making the virtual environment .venv: about half a minute."
	@$$(sh scripts/tools.sh python) -m venv .venv
	@$(PY) -m pip install --quiet --require-hashes --requirement requirements/dev.txt
	@touch $@

tools:
	@sh scripts/tools.sh

docs: build ## write what is made from the table of settings: rows of docs/configuration.md, schemas
	@$(PY) -m scripts.document_settings

lock: ## write requirements/dev.txt anew (needs uv)
	@UV_CUSTOM_COMPILE_COMMAND="make lock" uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--upgrade --no-emit-index-url pyproject.toml requirements/dev.in --output-file requirements/dev.txt

clean: ## remove all that was built here
	@rm -rf .venv target dist fuzz/target .mypy_cache .pytest_cache .ruff_cache .hypothesis $(NATIVE)
	@find python scripts bench tests -name __pycache__ -prune -exec rm -rf {} +
