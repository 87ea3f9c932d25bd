# `make quick` runs the main job on real data, `make test` runs the tests. Both set up .venv first, once.
# The variables are explained in envs/README.md.

PROFILE ?= quick
CORES ?= all
PYTHON ?= python3.11
VENV ?= .venv
TORCH_INDEX ?=
PIP_ARGS ?=
SNAKEMAKE_ARGS ?=
V ?=
TEST_JOBS ?= 2
PYTEST_ARGS ?=

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help quick test lint docs shell setup clean test-fast pictures

INSTALLED := $(VENV)/.installed
# Snakemake's jobs call `bench`: the environment's programs come first.
export PATH := $(abspath $(VENV))/bin:$(PATH)
export PYTHONNOUSERSITE := 1
# Every job imports the same modules: Python keeps them compiled, whatever the caller's shell says.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
# uv where there is one, and pip where there is none or where uv cannot reach the package index as pip is set up to.
# Modules are compiled when they are first imported, not all of them here.
UV ?= $(shell command -v uv)
install = $(if $(UV),$(UV) pip install --quiet --python $(VENV)/bin/python $(1) ||) $(PIP) install --no-compile $(1)

help: ## show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1\t\2/p' Makefile | expand -t 14

quick: setup ## run config/$(PROFILE).yaml; PROFILE=smoke needs no data, paper runs everything
	PYTHONPATH=workflow/logger snakemake $(if $(V),,--logger bench) --cores $(CORES) $(if $(filter gpu,$(PROFILE)),--resources gpu=1) \
		--configfile config/$(PROFILE).yaml $(SNAKEMAKE_ARGS)

test: setup ## run the tests
	python -m pytest -n $(TEST_JOBS) --dist worksteal $(PYTEST_ARGS)

test-fast: setup ## the tests that train nothing and start no Snakemake
	python -m pytest -n $(TEST_JOBS) --dist worksteal -m "not slow" $(PYTEST_ARGS)

pictures: setup ## draw docs/images/rooms.png and rules.png anew
	python docs/pictures.py

lint: setup ## check style, types and workflow
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	snakemake --lint --configfile config/smoke.yaml
	mypy

docs: setup ## build the pages, the API and the gallery into site/; broken links are errors
	$(PIP) install --quiet --no-build-isolation --editable ".[docs]"
	NO_MKDOCS_2_WARNING=1 mkdocs build --quiet

shell: setup ## a shell in which `bench`, `snakemake` and `python` are those of the environment
	@exec $${SHELL:-bash}

setup: $(INSTALLED) ## make the virtual environment and install the locked packages

$(INSTALLED): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not there: install Python 3.11, or name one: make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(call install,$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) $(PIP_ARGS) -r requirements.lock)
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@

clean: ## remove the environment and caches; data and results stay
	rm -rf $(VENV) site build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./.git -prune -o -name __pycache__ -type d -print0 | xargs -0 -r rm -rf
