# Every task of this project: `make help` lists them.

SHELL := /bin/sh
PYTHON := $(or $(shell for p in python3.11 python3 python; do $$p -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	2>/dev/null && echo $$p && break; done),python3)
BIN := .venv/bin
# Where the portal listens; in .env it wins over this.
PORT ?= 8000
export PORT

STORE := model_store
ARCHIVE_INPUTS := $(STORE)/deepfake.safetensors $(STORE)/model.json $(STORE)/model-config.yaml \
	$(wildcard $(STORE)/precisions.json $(STORE)/deepfake.int8.safetensors handler/*.py) \
	$(addprefix training/,archive.py export.py model.py precisions.py quantize.py store.py)

.NOTPARALLEL:

help:  ## List the tasks
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

run: preflight .venv/run.stamp $(STORE)/deepfake.mar  ## Start portal, worker and TorchServe; Ctrl-C stops all of it
	@$(BIN)/flask --app portal db upgrade
	@$(BIN)/flask --app portal create-admin
	@echo "Starting. TorchServe loads the model and tries it, which takes half a minute or so."
	@exec $(BIN)/python deploy/run.py

# Tests start make themselves, which must not take itself for a part of this one.
test: .venv/dev.stamp lint  ## Check style and types, and run all tests
	@env --unset MAKELEVEL --unset MAKEFLAGS --unset MFLAGS \
		$(BIN)/pytest --numprocesses 2 --no-loadscope-reorder

lint: .venv/dev.stamp  ## Check style and types only
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

format: .venv/dev.stamp  ## Put the code into the project's style
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

catalogues: .venv/dev.stamp  ## Bring the catalogues up to date with the texts in the code, and compile them
	@mkdir -p var
	$(BIN)/pybabel extract --mapping-file pyproject.toml --keywords lazy_gettext --keywords marked \
		--add-location file --sort-by-file --project Unmask --output-file var/messages.pot portal
	$(BIN)/pybabel update --input-file var/messages.pot --output-dir portal/translations --ignore-obsolete \
		--no-fuzzy-matching --ignore-pot-creation-date
	$(BIN)/pybabel compile --directory portal/translations

train: .venv/run.stamp  ## Train on the pictures below DATA=folder, and put the model into the model store
	@test -n "$(DATA)" || { echo "Say where the pictures are: make train DATA=folder" >&2; exit 1; }
	$(BIN)/python -m training prepare "$(DATA)"
	$(BIN)/python -m training train
	$(BIN)/python -m training calibrate
	$(BIN)/python -m training quantize
	$(BIN)/python -m training export
	$(BIN)/python -m training gate

mar: $(STORE)/deepfake.mar  ## Build the archive that TorchServe loads

bench: .venv/bench.stamp $(STORE)/deepfake.mar  ## Measure serving beside its peers; needs wrk
	@$(BIN)/python -m benchmarks.serving

setup: .venv/run.stamp  ## Install what `make run` needs

secrets:  ## Make the secrets that docker compose needs, where there are none yet
	@$(PYTHON) deploy/make_secrets.py

clean:  ## Remove what was built: environment, archive, caches; var/ stays
	rm -rf .venv $(STORE)/deepfake.mar $(STORE)/deepfake.pt $(STORE)/deepfake.int8.pt .mypy_cache .ruff_cache .pytest_cache

$(STORE)/deepfake.mar: $(ARCHIVE_INPUTS) | .venv/run.stamp
	@$(BIN)/python -m training export
	@$(BIN)/python -m training archive

preflight:
	@$(PYTHON) deploy/preflight.py run

# One stamp for each set of packages, remade when the pins change.
.venv/run.stamp: groups := --group train --group portal --group run
.venv/dev.stamp: groups := --group dev
.venv/bench.stamp: groups := --group bench
.venv/%.stamp: pyproject.toml constraints.txt
	@$(PYTHON) deploy/preflight.py setup
	@echo "Installing packages into .venv: this takes some minutes the first time."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt pip
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt $(groups)
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps --group faces
	@touch $@

.PHONY: help run test lint format catalogues train mar bench setup secrets clean preflight
