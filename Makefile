# On a fresh machine: `make demo` and `make test`. `make help` lists the other targets.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Thread pools slow each other down where a test starts several processes.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest

.PHONY: help demo reacher test test-fast test-slow check format bench clean

help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 12

demo: $(VENV)/installed ## Train a small network, measure it and say whether it has collapsed.
	$(BIN)/deepnrc demo

reacher: $(VENV)/installed ## Build the Reacher data and train the paper's network on it: a few minutes.
	$(PIP) -e '.[imitation]'
	$(BIN)/deepnrc data build reacher
	$(BIN)/deepnrc train reacher

test: check ## Run everything that a change must pass, as CI does.
	$(PYTEST)

TESTS =
test-fast: $(VENV)/installed-test ## Run the same tests without run-time type checks; TESTS=… selects some.
	$(PYTEST) --jaxtyping-packages= $(TESTS)

test-slow: $(VENV)/installed-test ## Run the tests that take minutes.
	$(PYTEST) -m slow

check: $(VENV)/installed-test ## Check formatting, lint, types and import contracts.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed-test ## Format the code and fix what ruff can fix.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/installed-test ## Time measuring and training against plain loops.
	$(BIN)/python -m benchmarks
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.ensemble
	$(BIN)/python -m benchmarks.evidence

clean: ## Remove the virtual environments and build folders.
	rm -rf $(VENV) .venv-3.* build dist

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# torch comes first: under the pin, pip takes a CPU build where one is offered.
$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) torch
	$(PIP) -e .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(PIP) -e '.[test]'
	touch $@
