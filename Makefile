# The daily vocabulary. `make app` and `make test` are all that a fresh machine needs.
PYTHON ?= python3
PORT ?= 8501
HOST ?= 127.0.0.1
SAVIA_DATASETS ?= ../shared/datasets
export SAVIA_DATASETS

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install app test check bench screenshots clean train train-full demo-train

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

# Teaching a model: DOMAIN=, and ARGS= for anything else that `savia train --help` lists.
DOMAIN ?= herbolaria
ARGS ?=

train: install
	$(BIN)/savia train --domain "$(DOMAIN)" $(ARGS)

train-full: install
	$(BIN)/savia dataset build --domain "$(DOMAIN)"
	$(BIN)/savia train --domain "$(DOMAIN)" $(ARGS)

# A check of the pipeline, not of answers: a tiny base model and QLoRA of it on the domain's rows.
DEMO := models/demo
demo-train: install
	test -f "data/build/$(DOMAIN)/export/train.jsonl" || $(BIN)/savia dataset build --domain "$(DOMAIN)"
	rm -rf $(DEMO)
	$(BIN)/savia tiny-base --domain "$(DOMAIN)" --kind qwen3 --seconds 60 --output $(DEMO)/base
	$(BIN)/savia train --domain "$(DOMAIN)" --config training/configs/demo.yaml --model-name $(DEMO)/base --output-dir $(DEMO)/run

bench: install
	$(BIN)/python -m benchmarks

screenshots: install
	$(BIN)/python -m docs.make_screenshots

clean:
	rm -rf $(VENV) .bench data/build models/embedder build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
