# Every target sets up what it needs: a virtual environment with the pinned dependencies.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
DEV := $(VENV)/dev
DOCS := $(VENV)/docs
# torch is named with its exact version because a range would take the newest build there is.
INSTALL := PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet "torch==2.13.0"

.PHONY: demo test slow reliability protections soak fuzz check bench docs course package clean

demo: $(READY)  ## train for two minutes on stories the package makes itself; see how good it is
	@$(BIN)/bardling train demo --resume auto --name demo
	@echo && $(BIN)/bardling generate demo --max-new-tokens 800 --temperature 0.5
	@echo && $(BIN)/bardling report demo

test: $(DEV)  ## all quick tests; with COVER=1 also how much of src they reach
	@# One thread for each of the two workers: teams of threads on shared cores wait for each other.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 $(if $(COVER),--cov --cov-report=term)

slow: $(DEV)  ## the tests that wait for a compiler
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m slow

reliability: $(DEV)  ## every promise at full length, and the scorecard
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "(sweep or not sweep) and not slow" tests/reliability \
		--ignore tests/reliability/test_protections.py --scorecard results/reliability.json
	@$(BIN)/python benchmarks/scorecard.py

protections: $(DEV)  ## each line that keeps a promise, broken in a copy: its test has to fail
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "sweep or not sweep" \
		tests/reliability/test_protections.py --scorecard results/protections.json
	@$(BIN)/python benchmarks/scorecard.py

soak: $(DEV)  ## 2,000 steps with saves, then a server for half an hour: nothing piles up
	OMP_NUM_THREADS=1 SOAK_MINUTES=$(or $(MINUTES),30) $(BIN)/python -m pytest -rA \
		-m "sweep or not sweep" tests/reliability/test_row_33_*.py --scorecard results/soak.json

fuzz: $(DEV)  ## every reader of files against bytes that atheris makes, a minute each
	$(INSTALL) atheris
	$(BIN)/python tests/reliability/fuzz.py

check: $(DEV)  ## style, types, layers
	$(BIN)/ruff check src tests benchmarks docs/tools examples
	$(BIN)/ruff format --check src tests benchmarks docs/tools examples
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(DEV)  ## speed, beside peers where NANOGPT=folder or LLAMA2C=program name them
	$(BIN)/python benchmarks/versus.py $(if $(NANOGPT),--nanogpt $(NANOGPT)) \
		$(if $(LLAMA2C),--llama2c $(LLAMA2C))
	$(BIN)/python benchmarks/sizes.py

docs: $(DOCS)  ## pictures, tree and links brought up to date; the site in build/site, strictly
	$(BIN)/python docs/tools/pictures.py --write
	$(BIN)/python docs/tools/tree.py --write
	$(BIN)/python docs/tools/lines.py --write
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

course: $(DEV)  ## every experiment of the course and the guide: what it prints is what the page says
	OMP_NUM_THREADS=1 $(BIN)/python docs/tools/blocks.py docs/course docs/guide docs/reference

package: $(READY)  ## wheel and source archive, looked at, and tried in an environment of its own
	$(INSTALL) -e ".[release]"
	rm -rf build/dist build/try
	$(BIN)/python -m build --outdir build/dist
	$(BIN)/twine check --strict build/dist/*
	! $(BIN)/python -m zipfile --list build/dist/*.whl | tail -n +2 | grep -v "^bardling"
	$(PYTHON) -m venv build/try
	PIP_CONSTRAINT=constraints.txt build/try/bin/pip install --quiet "torch==2.13.0" build/dist/*.whl
	cd build/try && bin/bardling --version && \
		bin/bardling train stories:1000 --budget 20steps --name try && \
		bin/bardling generate try --max-new-tokens 40

clean:  ## remove what the targets above made; runs/ stays
	rm -rf $(VENV) build/site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) -e ".[report]"
	@touch $(READY)

# What only those need who work on it, which is most of what is installed.
$(DEV): $(READY)
	$(INSTALL) -e ".[dev,report]"
	@touch $(DEV)

$(DOCS): $(READY)
	$(INSTALL) -e ".[docs,report]"
	@touch $(DOCS)
