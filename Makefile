# Two commands for a newcomer: `make demo` and `make test`. Both make .venv from the lock when it is not there.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1' 'setuptools>=77'
	@# The lock is complete, so nothing is resolved: one package asks for a compiler where a wheel of it exists.
	$(BIN)/python -m pip install --quiet --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

install: $(STAMP) ## make .venv with everything in the lock

demo: $(STAMP) ## enrol a made-up person, make two scenes, check, revoke
	$(BIN)/cameo demo

test: $(STAMP) ## run the tests
	$(BIN)/python -m pytest -n $${CAMEO_TEST_JOBS:-2} --dist loadfile

TRUST := tests/cameo/vault tests/cameo/status tests/cameo/log tests/vectors \
  $(addprefix tests/cameo/cli/test_,consent.py grants.py status.py) \
  $(addprefix tests/enroll/test_,consent.py agreement.py answers.py liveness.py)

coverage: $(STAMP) ## every branch of consent, keys, leases, status list and ledger
	$(BIN)/python -m pytest -n $${CAMEO_TEST_JOBS:-2} --dist loadfile --cov --cov-report= $(TRUST)
	$(BIN)/python -m coverage report

MUTMUT := PYTHONPATH=build/mutmut $(BIN)/python -m mutmut

mutants: $(STAMP) ## whether a test notices each small change to them (hours; goes on where it stopped)
	$(BIN)/python -m pip install --quiet --target build/mutmut mutmut==3.8.1
	$(MUTMUT) run --max-children $${CAMEO_TEST_JOBS:-2}
	$(MUTMUT) export-cicd-stats

lint: $(STAMP) ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP) ## measure what the README states
	$(BIN)/python -m benchmarks.enrollment --plain --long
	$(BIN)/python -m benchmarks.scene
	$(BIN)/python -m benchmarks.voices

lock: $(STAMP) ## write requirements.lock from what .venv holds now
	@{ echo "# Every package of .venv, pinned. Made from a working environment by: make lock"; \
	  $(BIN)/python -m pip freeze --exclude-editable | grep -viE '^(pip|setuptools|wheel)=='; } > requirements.lock

clean: ## remove .venv and what runs left
	rm -rf $(VENV) build demo runs *.egg-info

.PHONY: help install demo test coverage mutants lint bench lock clean
