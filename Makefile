# The daily vocabulary. `make app` and `make test` are all that a fresh machine needs.
PYTHON ?= python3
PORT ?= 8501
HOST ?= 127.0.0.1
SAVIA_DATASETS ?= ../shared/datasets
export SAVIA_DATASETS

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install app test check bench screenshots clean

install: $(STAMP)

# torch goes first: the exact pin keeps the resolver away from newer builds (several GB of CUDA packages).
$(STAMP): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' requirements.lock)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $(STAMP)

app: install
	$(BIN)/savia app --host "$(HOST)" --port "$(PORT)"

test: install
	$(BIN)/python -m pytest

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: install
	$(BIN)/python -m benchmarks

screenshots: install
	$(BIN)/python -m docs.make_screenshots

clean:
	rm -rf $(VENV) .bench data/build models/embedder build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
