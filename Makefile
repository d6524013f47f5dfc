# Every task has one definition, here. `make help` lists them.
PY := .venv/bin/python
SYSTEM_PYTHON ?= python3
ARGS ?=
WORK ?=
SEEDS ?= 20

.DEFAULT_GOAL := help
.PHONY: help install install-test install-perf run test test-python test-rust conformance conformance-client lint failures simulate perf clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: ## set up what running needs (virtual environment, packages, Cython, Rust)
	@$(SYSTEM_PYTHON) install.py run

install-test:
	@$(SYSTEM_PYTHON) install.py test

install-perf:
	@$(SYSTEM_PYTHON) install.py perf

run: install ## a paper session: PostgreSQL, gateway, bot and shadow worker, then the report (ARGS="--seed 2")
	@$(PY) -m bot rehearse $(ARGS)

test: install-test lint test-rust conformance-client test-python ## everything: lints, Rust tests, Python tests

# Tests in virtual time share all cores; those on sockets and real processes run two files at a time; the rest alone.
SHARED := tests/unit tests/parity tests/simulation tests/failures
PAIRED := tests/integration

test-python:
	@$(PY) -m pytest -n auto --dist worksteal $(SHARED) $(ARGS)
	@$(PY) -m pytest -n 2 --dist loadfile $(PAIRED) $(ARGS)
	@$(PY) -m pytest $(addprefix --ignore=,$(SHARED) $(PAIRED)) $(ARGS)

test-rust:
	@if command -v cargo >/dev/null; then cd rust && cargo test --locked --workspace --quiet; \
	 else echo "no cargo: the Rust tests were not run"; test -z "$$CI"; fi

conformance: install-test conformance-client ## foreign clients, unchanged, against the paper gateway, and what crossed the wire
	@$(PY) -m pytest tests/conformance $(ARGS)

conformance-client:
	@if command -v cargo >/dev/null; then CARGO_TARGET_DIR=rust/target/conformance \
	 cargo build --locked --quiet --manifest-path tests/conformance/rust/Cargo.toml; fi

lint: ## ruff, mypy strict, import contracts, stub test, clippy, sealed crates
	@$(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m mypy
	@.venv/bin/lint-imports
	@if $(PY) -c 'import trading_bot_core' 2>/dev/null; then $(PY) -m mypy.stubtest trading_bot_core; fi
	@if command -v cargo >/dev/null; then cd rust && cargo fmt --check && cargo clippy --locked --workspace --all-targets --quiet -- -D warnings; \
	 cd ../tests/conformance/rust && cargo fmt --check && CARGO_TARGET_DIR=../../../rust/target/conformance cargo clippy --locked --all-targets --quiet -- -D warnings; fi

failures: install-test ## list in docs/failures.md which tests hold which failure row
	@$(PY) -m tests.failures.page

simulate: install-test ## random days of the whole bot in virtual time (SEEDS=200, ARGS="--minutes 20 --first 0 --jobs 2")
	@$(PY) -m tests.simulation.whole --seeds $(SEEDS) $(ARGS)

perf: install-perf ## benchmarks against the Python authority and named peers (WORK=market_data for one part)
	@$(PY) -m perf.run $(if $(WORK),--work $(WORK))

clean: ## remove builds and caches; state in var/ stays
	rm -rf .venv build rust/target bot/accelerated/*.c bot/accelerated/*.so .mypy_cache .ruff_cache .pytest_cache .hypothesis
