SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)

export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help demo check test test-faults docker lint bench clean
.DEFAULT_GOAL := help

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP) ## Inspect, purge and restore two queues full of spam, made on the spot; no root, no Docker
	@$(BIN)/python -m tests.support.demo

check: $(STAMP) ## Check format, style, types, and the unit tests of what was changed, in under a minute
	@scripts/check

test: $(STAMP) ## Run all tests; those on real MTAs where Docker or a qmail is found
	@scripts/test

# Found by what they use, so that a new one is not forgotten. Fewer points than that would mean that some were left out.
test-faults: $(STAMP) ## Kill, fail and cut the power of what changes the disk, at each of its calls (half an hour)
	@command -v mkfs.xfs >/dev/null || echo "There is no mkfs.xfs: no XFS will be shut down (scripts/viewers installs it)" >&2
	@RESCUE_FAULTS=all RESCUE_KILL_POINTS=1000 $(BIN)/pytest -rs --color=auto --numprocesses=auto \
		$$(grep -rlE '(kill|fail)_points|import killed|support.power_loss' tests/unit/plugins tests/conformance --include='test_*.py')

docker: ## Start Docker and prepare the images that Molecule uses (installs it on Debian, as root)
	@scripts/docker-daemon
	@scripts/docker-images

lint: $(STAMP) ## Check style of Python, YAML, playbooks and changelog fragments
	@scripts/lint

bench: $(STAMP) ## Measure speed and memory against what users would run instead
	@$(BIN)/python -m bench

clean: ## Remove what these targets made in the checkout
	rm -rf .venv .cache .demo .mypy_cache .pytest_cache .ruff_cache .hypothesis .ansible

# Of the collections in the package `ansible` nothing reads bytecode: it is 170 MB, and half of the time.
$(STAMP): pyproject.toml
	@[[ -n "$(PYTHON)" ]] || { echo "Python 3.11 or later with its venv module is needed (set PYTHON=...)" >&2; exit 1; }
	@echo "Preparing $(VENV), a few minutes the first time" >&2
	@[[ -x $(BIN)/python ]] || $(PYTHON) -m venv $(VENV)
	@$(INSTALL) 'pip>=25.1'
	@$(INSTALL) --group dev 'ansible-core>=2.19,<2.20'
	@$(INSTALL) --no-compile 'ansible>=12,<13'
	@touch $@
