SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
ENV ?= local
PORT ?= 4566
MODE ?= realtime
Q ?= When does asynchronous inference beat a realtime endpoint?
# Without a question, a batch answers the sample requests.
FILE ?= $(if $(filter file,$(origin Q)),samples/requests/batch.jsonl)

VENV := .venv
BIN := $(VENV)/bin
TWIN := $(BIN)/python -m twin
PYTEST := $(BIN)/python -m pytest
LOCKED := lambda/orchestrator/requirements lambda/ingestion/requirements lambda/authorizer/requirements lambda/batch/requirements lambda/jobs/requirements
export PATH := $(CURDIR)/$(BIN):$(PATH)
export Q
# The functions' processes, the CDK and the tests talk to 127.0.0.1; packages come through the caller's proxy.
export NO_PROXY := 127.0.0.1,localhost,$(NO_PROXY)
export no_proxy := $(NO_PROXY)
unexport PYTHONPATH PYTHONHOME

.PHONY: help setup up down status ask test pytest lint format bench synth diff deploy snapshots lock clean

help:  ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## */\1\t/' | awk -F'\t' '{printf "  \033[1m%-10s\033[0m %s\n", $$1, $$2}'

$(BIN)/uv: requirements.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"Python 3.11 or newer is needed; {sys.executable} is {v[0]}.{v[1]}. Name another with PYTHON=…")'
	@$(PYTHON) -m venv $(VENV)
	@awk '/^uv==/ {keep = 1} keep {print} keep && !/\\$$/ {exit}' requirements.txt > $(VENV)/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(VENV)/uv.txt
	@touch $@

$(VENV)/.deploy: $(BIN)/uv requirements.txt
	@echo "Installing the deployment tools (requirements.txt)"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.deploy requirements-dev.txt
	@echo "Installing the local cloud and the test tools (requirements-dev.txt)"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.txt
	@touch $@

node_modules/.bin/cdk: package.json package-lock.json .npmrc | $(VENV)/.deploy
	@echo "Installing the CDK command line (package-lock.json)"
	@npm ci --loglevel=error --no-progress
	@touch $@

setup: $(VENV)/.dev node_modules/.bin/cdk  ## Install everything, from the lock files, into this folder

up: setup  ## Start the local cloud, deploy every stack, load the sample corpus, ask a question
	@$(TWIN) up --port $(PORT) $(if $(MODEL),--model "$(MODEL)")

down: setup  ## Stop the local cloud; its state stays in .local/
	@$(TWIN) down

status: setup  ## Say whether the local cloud runs, and where
	@$(TWIN) status

ask: setup  ## Ask the twin: make ask Q="…" [MODE=realtime|background|batch] [FILE=requests.jsonl] [ENV=local]
	@$(TWIN) ask --env $(ENV) --port $(PORT) --mode $(MODE) $(if $(filter batch,$(MODE)),$(if $(FILE),--file "$(FILE)")) -- "$$Q"

test: setup  ## Run every check and every test
	@mkdir -p build; $(MAKE) --no-print-directory lint > build/lint.log 2>&1 & checks=$$!; \
	  tests=0; $(MAKE) --no-print-directory pytest || tests=$$?; \
	  lint=0; wait $$checks || lint=$$?; cat build/lint.log; \
	  [ "$$tests$$lint" = 00 ] || { echo "make test: failed (tests exited $$tests, lint exited $$lint)"; exit 1; }

pytest: setup  ## Run the tests alone: make pytest [ARGS="tests/stacks -k prod"]
	@$(PYTEST) -n 2 --dist loadgroup $(ARGS)

lint: setup  ## ruff, import-linter, mypy --strict, generated documents
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@PYTHONPATH=.:lambda/orchestrator:lambda/authorizer:lambda/ingestion:lambda/jobtable:lambda/jobs:lambda/batch:lambda/prompting:lambda/redelivery:lambda/retrieval $(BIN)/lint-imports --no-logo
	@$(BIN)/mypy
	@$(BIN)/python docs/generate_settings.py --check

format: setup  ## Format the code
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: setup  ## Measure, beside the thing to beat, and print ratios
	@PYTHONPATH=lambda/retrieval $(BIN)/python -m bench $(ARGS)

synth: $(VENV)/.deploy node_modules/.bin/cdk  ## Synthesize an environment: make synth ENV=prod
	@$(TWIN) synth --env $(ENV) --port $(PORT)

diff: $(VENV)/.deploy node_modules/.bin/cdk  ## Show what a deploy would change: make diff ENV=prod
	@$(TWIN) diff --env $(ENV) --port $(PORT)

deploy: $(VENV)/.deploy node_modules/.bin/cdk  ## Deploy an environment: make deploy ENV=dev
	@$(TWIN) deploy --env $(ENV) --port $(PORT)

snapshots: setup  ## Write the snapshots anew, after reading what changed
	@$(PYTEST) tests/stacks -q --update-snapshots

lock: $(BIN)/uv  ## Compile the lock files from the .in files
	@for name in requirements $(LOCKED) requirements-dev; do \
	  $(BIN)/uv pip compile --quiet --no-header --universal --generate-hashes --python-version 3.11 $$name.in -o $$name.txt; done
	@$(BIN)/uv pip compile --quiet --no-header --universal --no-deps --generate-hashes --python-version 3.11 \
	  lambda/retrieval/requirements.in -o lambda/retrieval/requirements.txt
	@npm install --package-lock-only --silent

clean:  ## Stop the local cloud and remove everything that was built or installed
	@if [ -e $(VENV)/.dev ]; then $(TWIN) down; fi
	@rm -rf .local build cdk.out $(VENV) node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
