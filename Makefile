# The commands of a checkout. Each makes what it needs first; a second run finds it made.

SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin

export PORT LAN STATE_DIR

.PHONY: help
help:
	@echo "make run            start everything on this machine (PORT=8000, LAN=1 to open it to a phone beside it)"
	@echo "make test           all tests"
	@echo "make thorough       tests that take minutes: kills at every line, storms, chaos in short"
	@echo "make chaos          real processes under kills and faults (about 10 minutes; CHAOS_SECONDS=3600 for longer)"
	@echo "make check          format, lint, types, import rules and all tests"
	@echo "make bench          what the speed claims rest on (about 20 minutes; BENCH_ROWS=1000000 for a shorter history)"
	@echo "make services       PostgreSQL and Valkey alone, for working on the code"
	@echo "make manage do=…    a management command against what make run has started, as in do=check_books"

# ---------------------------------------------------------------- what the commands stand on
$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	    || { echo "Python 3.11 or newer is needed, and $(PYTHON) is not: install it, or name it as in make PYTHON=/usr/bin/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	    || { echo "This Python cannot make virtual environments: install python3-venv (apt-get install python3-venv) and run make again."; exit 1; }
	@echo "  Making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

NOT_INSTALLED := { echo "The packages could not be installed; pip says why above. Without a network, set PIP_INDEX_URL to a mirror that you reach."; exit 1; }

$(VENV)/installed: requirements.txt $(VENV)/made
	@echo "  Installing what the product runs on (about a minute, once)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements.txt || $(NOT_INSTALLED)
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed
	@echo "  Installing what the tests need (about a minute, once)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements-dev.txt || $(NOT_INSTALLED)
	@touch $@

# ---------------------------------------------------------------- commands
.PHONY: run
run: $(VENV)/installed
	@exec $(BIN)/python -m wallet_billing.local run

.PHONY: services
services: $(VENV)/installed
	@exec $(BIN)/python -m wallet_billing.local services

.PHONY: manage
manage: $(VENV)/installed
	@exec $(BIN)/python -m wallet_billing.local manage $(do)

.PHONY: test
test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 3 --dist loadgroup

.PHONY: thorough
thorough: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 3 --dist loadgroup -m thorough

.PHONY: chaos
chaos: $(VENV)/installed-dev
	@$(BIN)/python -m tests.chaos

# -n 3: PostgreSQL, Chromium and the tests share two cores on the smallest machine this is meant for, and one worker waits for pages.
.PHONY: check
check: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 3 --dist loadgroup

.PHONY: bench
bench: $(VENV)/installed
	@$(BIN)/python -m bench
