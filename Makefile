# `make serve` on a fresh machine with Python 3.11 or newer is all it takes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Bytecode is kept, whatever the environment says: the tests start some two hundred processes.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest
# Exact versions for Python 3.11 to 3.13. pip takes them for the packages and, under the second name, for what builds ours.
LOCK := requirements.lock
LOCKED := PIP_CONSTRAINT=$(LOCK) PIP_BUILD_CONSTRAINT=$(LOCK)

.PHONY: install serve test test-newest test-slow check bench docs lock clean

install: $(STAMP)

# The stamp is younger than both files exactly when the environment is up to date.
$(STAMP): pyproject.toml $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Weightcast needs Python 3.11 or newer; name one with: make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV); the first time this takes a few minutes."
	$(LOCKED) $(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $(STAMP)

serve: install
	@exec $(BIN)/weightcast serve

test: install
	$(PYTEST) -n 2 --dist loadgroup -m "not slow" $(ARGS)

# The same tests with the newest version of everything, in an environment of its own.
test-newest:
	rm -rf .venv-newest
	$(MAKE) VENV=.venv-newest LOCKED= test

test-slow: install
	$(PYTEST) -m slow $(ARGS)

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_walls.py

# Where the time goes, against what this machine can do: the tables of docs/performance.md.
bench: install
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.performance $(ARGS)

docs: install
	$(BIN)/python -m service.settings > docs/configuration.md
	$(BIN)/python -m service.cli.reference docs/cli.md
	$(BIN)/python -m service.api.describe > docs/openapi.json
	$(BIN)/python -m service.contract.page > docs/jobs.md
	$(BIN)/python -m service.api.kinds_script > service/api/web/kinds.js
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "The site is in build/site: open build/site/index.html"

# Needs no installed environment, because it must also repair a lock file that cannot be installed any more.
lock:
	@test -x $(BIN)/uv || { $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet "uv>=0.9"; }
	$(BIN)/python -m uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --upgrade \
		--no-annotate --custom-compile-command "make lock" --quiet --output-file $(LOCK)
	$(BIN)/python docker/lock.py

clean:
	rm -rf $(VENV) .venv-newest build *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
