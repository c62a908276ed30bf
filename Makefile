# What a developer and the CI run. Everything is installed into .venv, once; remove the folder to start afresh.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS ?=
# Tests at a time: the long ones wait more than they work, so more than there are cores.
JOBS ?= 4
MINUTES ?= 10

.DEFAULT_GOAL := help
.PHONY: demo test faults model check package bench fuzz help

demo: .venv/product ## Run the main job on embedded parts against local counterparts (ARGS="--shipments 100")
	@$(BIN)/nfe demo $(ARGS)

test: .venv/development ## Run all tests (ARGS="tests/unit -k key" for some of them, JOBS=0 one by one)
	@$(BIN)/python -m pytest --numprocesses $(JOBS) $(ARGS)

faults: .venv/development ## Inflict every fault, long form (ARGS="--write-fault-table" puts the figures into the README)
	@$(BIN)/python -m pytest --numprocesses 2 tests/acceptance/faults --long-faults $(ARGS)
	@$(BIN)/python -m pytest --numprocesses 2 tests/acceptance/test_restore.py --long-faults

model: .venv/development ## Search for a broken promise: workers, faults, orders and time in any order (MINUTES=10)
	@$(BIN)/python -m pytest --numprocesses 2 tests/integration/test_model.py --model-minutes $(MINUTES) $(ARGS)

check: .venv/development ## Lint, format, types and floors: ruff, mypy --strict, import-linter; the Dockerfile where hadolint is
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict
	@$(BIN)/lint-imports
	@[ ! -x $(BIN)/hadolint ] || $(BIN)/hadolint Dockerfile

bench: .venv/bench ## Measure throughput on this machine, beside floors and peers (ARGS="documents" or "pipeline")
	@$(BIN)/python -m tests.benchmarks $(ARGS)

fuzz: .venv/fuzz ## Hand every reader of other people's bytes what nobody meant (MINUTES=10 each, ARGS="address details")
	@$(BIN)/python -m tests.fuzz --minutes $(MINUTES) $(ARGS)

package: $(BIN)/python ## Build the wheel, install it into a fresh environment, and run its demo elsewhere
	@rm -rf dist
	@$(PIP) wheel --no-deps --wheel-dir dist .
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
		$(PYTHON) -m venv "$$scratch/venv" && \
		"$$scratch/venv/bin/python" -m pip --disable-pip-version-check --quiet install --constraint constraints.txt dist/*.whl && \
		cd "$$scratch" && env -u PYTHONPATH venv/bin/nfe demo --no-wait --shipments 14 --data "$$scratch/data"

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "make: Python 3.11 or newer is needed ($(PYTHON) is not); say which: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv .venv

# pip 25.1 is the first that knows dependency groups.
.venv/product: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into .venv ..."
	@$(PIP) install 'pip>=25.1'
	@$(PIP) install --constraint constraints.txt --editable .
	@touch $@

.venv/bench: .venv/development
	@$(PIP) install --constraint constraints.txt --group bench
	@touch $@

.venv/fuzz: .venv/development
	@$(PIP) install --constraint constraints.txt --group fuzz
	@touch $@

.venv/development: .venv/product
	@$(PIP) install --constraint constraints.txt --group dev
	@touch $@
