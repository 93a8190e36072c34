# `make demo` and `make test` start from nothing: each makes its own virtual environment first.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# The rooms stand at the top of the repository and are subpackages of colorrt. A strict editable install lays them as
# links into one ordinary package tree, build/__editable__…/colorrt, which Python, mypy, the import linter and editors
# read. The tree is laid anew by every install: compiled kernels are kept elsewhere.
export NUMBA_CACHE_DIR ?= $(CURDIR)/build/numba
EDITABLE = --config-settings editable_mode=strict --editable

.DEFAULT_GOAL := help
.PHONY: help demo test lint types tree pytest smoke clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | sort

demo: $(VENV)/run.stamp  ## install, colorize samples/ into out/, print where
	$(BIN)/colorrt run samples -o out --overwrite --sheet out/before-after.png
	@echo "the pictures are in out/, all of them side by side in out/before-after.png"

test: lint types pytest smoke  ## install with what tests need, lint, types, tests, smoke run

lint: tree  ## style and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: tree  ## mypy, strict
	MYPYPATH=$$(echo build/__editable__*) $(BIN)/mypy

pytest: tree  ## the tests
	$(BIN)/python -m pytest

smoke: tree  ## the main job, end to end
	$(BIN)/colorrt run samples -o build/smoke --overwrite
	$(BIN)/colorrt info runtime/weights/lite.onnx

# New and renamed files get their links here: two seconds.
tree: $(VENV)/dev.stamp
	rm -rf build/__editable__*
	$(BIN)/pip install --quiet --no-deps --no-build-isolation $(EDITABLE) .

$(VENV)/run.stamp: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $(EDITABLE) . --constraint constraints.txt
	touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $(EDITABLE) '.[dev]' --constraint constraints.txt
	touch $@ $(VENV)/run.stamp

clean:  ## remove everything that make made
	rm -rf $(VENV) build out
