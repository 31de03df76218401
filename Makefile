# Two commands matter: `make run` and `make test`. Both need make and Python 3.11 or newer, and see to the rest.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

# Two processes: each starts servers of its own, more would only fight for the processor.
TEST_WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
ASSETS := hub/static/vendor/contents.json

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: setup
setup: $(INSTALLED) $(ASSETS) ## Install what the project needs into .venv and hub/static/vendor, nothing else

.PHONY: run
run: setup ## Start the hub with a demo city and sample applications, until Ctrl-C
	@exec $(BIN)/ozg-hub run

.PHONY: test
test: setup ## Run all tests on private PostgreSQL, RabbitMQ and Chromium
	@deploy/bin/ensure-test-programs
	@exec $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile $(TESTS)

.PHONY: check
check: setup ## Check style, types and import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: bench
bench: setup ## Measure processor time per case and cases per second
	@deploy/bin/ensure-test-programs
	@exec $(BIN)/python -m tests.bench

$(INSTALLED): requirements.txt requirements-dev.txt pyproject.toml deploy/bin/install
	@deploy/bin/install $(VENV)
	@touch $@

$(ASSETS): package.json package-lock.json .npmrc deploy/bin/browser-assets | $(INSTALLED)
	@$(BIN)/python deploy/bin/browser-assets
