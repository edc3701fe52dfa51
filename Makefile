# Two commands for a fresh machine: `make demo` and `make test`. The rest builds on them.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test check test-slow bench reacher format clean

demo: $(VENV)/installed
	$(BIN)/deepnrc demo

# The paper's Reacher network on data built here, a few minutes.
reacher: $(VENV)/installed
	$(PIP) -e '.[imitation]'
	$(BIN)/deepnrc data build reacher
	$(BIN)/deepnrc train reacher

# Everything a change must pass, the same here and in CI.
test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest

check: $(VENV)/installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-slow: $(VENV)/installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow

bench: $(VENV)/installed-test
	$(BIN)/python -m benchmarks
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.ensemble

format: $(VENV)/installed-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# torch first: under the pin, pip takes a CPU build where the machine offers one.
$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) torch
	$(PIP) -e .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(PIP) -e '.[test]'
	touch $@

clean:
	rm -rf $(VENV) build dist
