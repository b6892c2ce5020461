# The daily vocabulary. `make app` and `make test` are all that a fresh machine needs.
PYTHON ?= python3
PORT ?= 8501
HOST ?= 127.0.0.1
SAVIA_DATASETS ?= ../shared/datasets
export SAVIA_DATASETS

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install app test check bench screenshots clean train train-full evaluate demo-train dataset combine-datasets

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

# The rows it learns from: all stages that are out of date, or one of them alone.
dataset: install
	$(BIN)/savia dataset build --domain "$(DOMAIN)" $(ARGS)

combine-datasets: install
	$(BIN)/savia dataset combine --domain "$(DOMAIN)" $(ARGS)

train: install
	$(BIN)/savia train --domain "$(DOMAIN)" $(ARGS)

train-full: install
	$(BIN)/savia dataset build --domain "$(DOMAIN)"
	$(BIN)/savia train --domain "$(DOMAIN)" $(ARGS)

# What a trained model is worth: the newest run of the domain, or MODEL= (a merged model, or RUN/final).
MODEL ?= $(lastword $(sort $(wildcard models/$(DOMAIN)/*/final)))
evaluate: install
	test -n "$(MODEL)" || { echo "Train one first, or name it: make evaluate MODEL=models/herbolaria-merged"; exit 2; }
	$(BIN)/savia evaluate model --domain "$(DOMAIN)" --model-path "$(MODEL)" $(ARGS)

# A check of the pipeline, not of answers: tiny base, QLoRA and its control, merge, evaluation, the page (ARGS=--no-open: without).
demo-train: install
	$(BIN)/python -m training.demo --domain "$(DOMAIN)" $(ARGS)

bench: install
	$(BIN)/python -m benchmarks

screenshots: install
	$(BIN)/python -m docs.make_screenshots

# What was paid for or decided by people (augment/, review/, feedback.jsonl) stays, and so do trained models.
MADE := index parse generate import combine filter split export adapt evaluations jobs
clean:
	rm -rf $(VENV) .bench $(foreach stage,$(MADE),data/build/*/$(stage)) models/embedder build *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
