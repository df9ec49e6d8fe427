# Targets set up .venv first, and again only after pyproject.toml or requirements-dev.txt has changed.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

# pip and Prefect write inside the checkout only.
export PIP_NO_CACHE_DIR := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export PREFECT_HOME := $(CURDIR)/.venv/prefect
# Without bytecode every process that the tests start would compile the checkout again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo picture test test-newer-prefect test-fast bench fuzz check lint types imports audit sbom format lock clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

# Files of other hashes are refused, and so is building: what a build needs would have none. A few platforms, such as Macs
# with Intel processors, lack a wheel: make setup WHEELS= builds there.
WHEELS ?= --only-binary :all:
LOCKED = $(BIN)/python -m pip install --quiet --no-deps --require-hashes $(WHEELS)

$(READY): pyproject.toml requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo "previs needs Python 3.11, 3.12 or 3.13: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "setting up .venv, which takes a few minutes"
	@$(PYTHON) -m venv .venv
	$(LOCKED) --requirement requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check --quiet
	$(BIN)/python -m compileall -q -j 0 blocks flows previs tasks
	@touch $(READY)

setup: $(READY) ## Install everything into .venv

demo: $(READY) ## Render the example board on simulated servers into previs-demo/
	$(BIN)/previs demo

BROWSER := $(or $(shell command -v chromium chromium-browser google-chrome | head -n 1),chromium)
SCRATCH := $(CURDIR)/.venv/picture
picture: $(READY) ## Take the README's picture of the example board; needs Chromium
	rm -rf $(SCRATCH)
	$(BIN)/previs demo --folder $(SCRATCH)/demo
	$(BROWSER) --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
		--disable-component-update --disable-sync --hide-scrollbars --user-data-dir=$(SCRATCH)/browser \
		--window-size=1280,1200 --screenshot=$(SCRATCH)/board.png "file://$$(ls $(SCRATCH)/demo/boards/*/*/index.html)"
	$(BIN)/python -c 'from PIL import Image; \
		Image.open("$(SCRATCH)/board.png").convert("RGB").save("docs/images/board.webp", quality=88, method=6)'
	rm -rf $(SCRATCH)

# In memory, where there is room: the tests write many small files and wait for each to reach the disk.
MEMORY = $(shell df --output=avail /dev/shm 2>/dev/null | awk 'NR == 2 && $$1 > 6000000 { print "/dev/shm" }')
test: $(READY) ## Run the tests
	PYTEST_DEBUG_TEMPROOT=$(MEMORY) $(BIN)/pytest -q --numprocesses 5 --dist worksteal

# An environment of its own that has another Prefect before what is in .venv.
NEWER := .venv/newer-prefect
PACKAGES = -c 'import sysconfig; print(sysconfig.get_path("purelib"))'
NEWER_PIP = $(BIN)/python -m pip --python $(NEWER)/bin/python
$(NEWER)/ready: $(READY) requirements-newer-prefect.txt
	$(BIN)/python -m venv --clear --without-pip $(NEWER)
	$(BIN)/python $(PACKAGES) > $$($(NEWER)/bin/python $(PACKAGES))/locked.pth
	$(NEWER_PIP) install --quiet --no-deps --require-hashes --ignore-installed $(WHEELS) \
		--requirement requirements-newer-prefect.txt
	$(NEWER_PIP) install --quiet --no-deps --no-build-isolation --ignore-installed --editable .
	$(NEWER_PIP) check --quiet
	@touch $@

test-newer-prefect: $(NEWER)/ready ## Run the tests that need Prefect with the newest version
	PYTEST_DEBUG_TEMPROOT=$(MEMORY) $(NEWER)/bin/python -m pytest -q --numprocesses 5 --dist worksteal tests/blocks tests/flows tests/tasks

test-fast: $(READY) ## Run the pure tests, and a smoke test of the rest
	$(BIN)/pytest -q --numprocesses 2 --dist worksteal -m 'pure or smoke'

bench: $(READY) ## Measure speed, recovery, safety, memory and cached runs, in short
	$(BIN)/python -m benchmarks

fuzz: $(READY) ## Read a million damaged inputs with every reader
	$(BIN)/python -m benchmarks.fuzz

lint: $(READY) ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## Check types
	$(BIN)/mypy

imports: $(READY) ## Check the layers of imports
	$(BIN)/lint-imports

audit: $(READY) ## Look for known vulnerabilities in the locked versions; needs the internet
	$(BIN)/python .ci/audit.py --requirement requirements-dev.txt --require-hashes --disable-pip

sbom: $(READY) ## Write what an installation consists of to sbom.json, in CycloneDX
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-file sbom.json \
		requirements.txt

check: lint types imports test ## Run all checks and the tests

format: $(READY) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

COMPILE = .venv/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --custom-compile-command 'make lock' $(UPGRADE)
# An optional check of addresses in JSON schemas, which nothing here asks for: where it is installed, each import of Prefect
# takes a second longer.
UNUSED = --no-emit-package rfc3987-syntax --no-emit-package lark
# uv does not read the settings of pip.
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX := $(PIP_INDEX_URL)
endif
lock: ## Write the locks; UPGRADE=--upgrade takes newer versions
	$(PYTHON) -m venv .venv/lock
	.venv/lock/bin/python -m pip install --quiet uv==0.13.9
	$(COMPILE) $(UNUSED) --constraint .ci/constraints.txt --extra dev --group build pyproject.toml --output-file requirements-dev.txt
	$(COMPILE) --constraint requirements-dev.txt pyproject.toml --output-file requirements.txt
	$(COMPILE) --constraint requirements-dev.txt --group build --output-file requirements-build.txt
	$(COMPILE) --no-deps .ci/newer-prefect.in --output-file requirements-newer-prefect.txt

clean: ## Remove .venv, the demo and all caches
	rm -rf .venv previs-demo sbom.json .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
