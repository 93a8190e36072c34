# `make demo` and `make test` start from nothing: each makes its own virtual environment first.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# The rooms stand at the top of the repository and are subpackages of colorrt. A strict editable install lays them as
# links into one ordinary package tree, build/__editable__…/colorrt, which Python, mypy, the import linter and editors
# read. The tree is laid anew by every install: compiled kernels are kept elsewhere.
export NUMBA_CACHE_DIR ?= $(CURDIR)/build/numba
EDITABLE = --config-settings editable_mode=strict --editable
# Fixtures of a module are made once: its tests stay together.
SIDE_BY_SIDE = -n 2 --dist loadfile
# New and renamed files get their links here: two seconds.
define lay_links
rm -rf build/__editable__*
$(BIN)/pip install --quiet --no-deps --no-build-isolation $(EDITABLE) .
endef

.DEFAULT_GOAL := help
.PHONY: help demo test lint format types tree pytest light smoke picture clean

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

format: $(VENV)/dev.stamp  ## sort imports, format the code
	$(BIN)/ruff check --select I --fix .
	$(BIN)/ruff format .

types: tree  ## mypy, strict
	MYPYPATH=$$(echo build/__editable__*) $(BIN)/mypy

pytest: tree  ## the tests, two files at a time
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

light: $(VENV)/light.stamp  ## the tests that need neither PyTorch nor TensorRT
	$(lay_links)
	$(BIN)/python -m pytest --light $(SIDE_BY_SIDE)

smoke: tree  ## the main job, end to end
	$(BIN)/colorrt run samples -o build/smoke --overwrite
	$(BIN)/colorrt info runtime/weights/lite.onnx

tree: $(VENV)/dev.stamp
	$(lay_links)

$(VENV)/run.stamp: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $(EDITABLE) . --constraint constraints.txt
	touch $@

$(VENV)/light.stamp: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $(EDITABLE) '.[test]' --constraint constraints.txt
	touch $@ $(VENV)/run.stamp

$(VENV)/dev.stamp: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $(EDITABLE) '.[dev]' --constraint constraints.txt
	touch $@ $(VENV)/run.stamp $(VENV)/light.stamp

# The most colorful sample first.
picture: $(VENV)/run.stamp  ## make README's picture anew: docs/demo.jpg
	$(BIN)/colorrt run samples/nipomo-1936.jpg samples/buffalo-bank-1908.jpg samples/broadway-saratoga.jpg \
	    -o build/picture --overwrite --sheet build/picture/sheet.png
	$(BIN)/python -c "from PIL import Image; Image.open('build/picture/sheet.png').save('docs/demo.jpg', quality=88)"

clean:  ## remove everything that make made
	rm -rf $(VENV) build out
