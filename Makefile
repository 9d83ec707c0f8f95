# Every target sets up what it needs: a virtual environment with the pinned dependencies.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

.PHONY: demo test slow check bench clean

demo: $(READY)  ## train for two minutes on stories the package makes itself; see how good it is
	@$(BIN)/bardling train demo --resume auto --name demo
	@$(BIN)/bardling generate demo --max-new-tokens 800 --temperature 0.5
	@$(BIN)/bardling report demo

test: $(READY)  ## all quick tests; with COVER=1 also how much of src they reach
	@# One thread for each of the two workers: teams of threads on shared cores wait for each other.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 $(if $(COVER),--cov --cov-report=term)

slow: $(READY)  ## the tests that wait for a compiler
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m slow

check: $(READY)  ## style, types, layers
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## speed, as ratios within one run; see benchmarks/
	$(BIN)/python benchmarks/spine.py

clean:  ## remove what the targets above made; runs/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*

# torch is named with its exact version because a range would take the newest build there is.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet "torch==2.13.0" -e ".[dev,report]"
	@touch $(READY)
