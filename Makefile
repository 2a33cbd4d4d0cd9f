# Handoff's developer interface: `make` lists what there is. Needs make and a Python from 3.11 on, nothing else.
# All that is made lies in .venv and .handoff; nothing is written outside the clone, HOME included.

BIN := .venv/bin
STATE := $(CURDIR)/.handoff

# Tests and demos must not find a developer's own credentials, nor leave anything in HOME.
AWAY := HOME=$(STATE)/home exec

# What the services and tests look at; `make demo CHECK=1` and the like pass through.
export CHECK SAMPLES ONLY FULL
export PIP_NO_CACHE_DIR := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export TMPDIR := $(STATE)/tmp
export XDG_CACHE_HOME := $(STATE)/cache
# pip asks rustc, if there is one, for its version, and rustup would write a first settings file.
ifeq ($(wildcard $(HOME)/.rustup),)
export RUSTUP_HOME := $(STATE)/rustup
endif

# The newest Python that is really there (a shim may answer for one that is not) and has what an environment needs.
USABLE := import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3; do \
	if $$p -c '$(USABLE)' >/dev/null 2>&1; then echo $$p; break; fi; done)

.DEFAULT_GOAL := help
.PHONY: help demo up test check bench drills lock

help: ## this list
	@sed -n 's/^\([a-z.]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

.venv: .venv/.complete ## the environment alone, with every version and hash of requirements.lock

# The stamp is made last: an installation that was interrupted is taken up again.
.venv/.complete: requirements.lock pyproject.toml | $(STATE)/tmp
	@if [ -z "$(PYTHON)" ]; then \
		echo "error: no Python from 3.11 on with the venv module; on Debian: apt-get install python3-venv" >&2; \
		exit 1; fi
	@echo "Making .venv with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@$(BIN)/python -m pip check
	@touch $@

$(STATE)/tmp:
	@mkdir -p $@ $(STATE)/home

demo: .venv ## everything on this machine with partners in miniature and sample traffic (CHECK=1, SAMPLES=0)
	@$(AWAY) $(BIN)/python -m handoff.demo

up: .venv ## the services without partners and samples, for building a lane
	@exec $(BIN)/python -m handoff.services up

test: .venv ## the tests, on a real PostgreSQL and a real Dagster (ARGS=tests/elation: some, without coverage)
	@$(AWAY) $(BIN)/python -m pytest $(or $(ARGS),--cov --cov-report=term)

check: .venv ## format, lint, types and import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: .venv ## what it costs, one JSON object a line (FULL=1, ONLY=name)
	@$(AWAY) $(BIN)/python -m benchmarks

drills: .venv ## faults, outages and long runs, one JSON object a line (ONLY=name)
	@$(AWAY) $(BIN)/python -m benchmarks.drills

lock: .venv ## choose versions anew: writes requirements.lock
	@$(BIN)/python -m pip install --quiet --target $(STATE)/uv --upgrade uv
	@UV_CUSTOM_COMPILE_COMMAND="make lock" $(STATE)/uv/bin/uv pip compile --quiet --universal --generate-hashes \
		--no-emit-index-url --group dev pyproject.toml -o requirements.lock
