# `make demo` and `make test` start from nothing: each makes its own virtual environment first.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
ROOMS = bench export kernels models runtime training

.DEFAULT_GOAL := help
.PHONY: help demo test lint types tree pytest smoke clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | sort

demo: $(VENV)/run.stamp  ## install, colorize samples/ into out/, print where
	$(BIN)/colorrt run samples -o out --overwrite --sheet out/before-after.png
	@echo "the pictures are in out/, all of them side by side in out/before-after.png"

test: $(VENV)/dev.stamp lint types pytest smoke  ## install with what tests need, lint, types, tests, smoke run

lint: $(VENV)/dev.stamp tree  ## style and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd build/tree && $(abspath $(BIN))/lint-imports --config $(CURDIR)/pyproject.toml --no-cache

types: $(VENV)/dev.stamp tree  ## mypy, strict
	$(BIN)/mypy

pytest: $(VENV)/dev.stamp  ## the tests
	$(BIN)/python -m pytest

smoke: $(VENV)/dev.stamp  ## the main job, end to end
	$(BIN)/colorrt run samples -o build/smoke --overwrite
	$(BIN)/colorrt info runtime/weights/lite.onnx

# The rooms stand at the top of the repository and are subpackages of colorrt: mypy and the import linter want to
# see them as they are installed.
tree:
	rm -rf build/tree && mkdir -p build/tree && cp -R colorrt build/tree/colorrt
	for room in $(ROOMS); do cp -R $$room build/tree/colorrt/$$room; done

$(VENV)/run.stamp: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable . --constraint constraints.txt
	touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]' --constraint constraints.txt
	touch $@ $(VENV)/run.stamp

clean:  ## remove everything that make made
	rm -rf $(VENV) build out
