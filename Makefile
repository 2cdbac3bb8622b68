# Two entrances: `make report` sets up and runs the bundled pipeline, `make test` sets up and tests.
PYTHON ?= python3
DATASET ?= ml-latest-small
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# Or uv would sync the environment that is active.
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
# Where it is set, each of some twenty stages would compile all that it imports.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: report test scale test-scale lint lock

report: $(VENV)/ready
	@python -m stages.commands.check
	dvc repro report@$(DATASET)
	@echo "The report is reports/$(DATASET)/report.md; what ran and how long it took is in run.md beside it"

test: $(VENV)/ready
	pytest --numprocesses logical --dist loadfile

scale: $(VENV)/ready-scale

test-scale: $(VENV)/ready-scale
	pytest -m scale tests/scale

lint: $(VENV)/ready
	ruff format --check
	ruff check
	mypy

# Exactly the versions of requirements.lock, checked by their hashes.
$(VENV)/ready: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is older than 3.11; name a newer one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	python -m pip install --quiet --disable-pip-version-check "$$(grep -o '^uv==[^ ]*' requirements.lock)"
	uv pip sync --quiet --require-hashes requirements.lock
	@touch $@

# The same, and the extra scale.
$(VENV)/ready-scale: $(VENV)/ready requirements-scale.lock
	uv pip sync --quiet --require-hashes requirements-scale.lock
	@touch $@

# Take newer versions, within the ranges of pyproject.toml; the second lock adds to the first what scale needs.
COMPILE := uv pip compile --quiet --universal --generate-hashes --no-header --extra dev --extra pipeline pyproject.toml
lock: $(VENV)/ready
	$(COMPILE) --upgrade --output-file requirements.lock
	$(COMPILE) --upgrade --extra scale --constraint requirements.lock --output-file requirements-scale.lock
