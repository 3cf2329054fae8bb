# Every target sets up what it needs: on a fresh machine `make demo` and `make test` are all there is to type.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The versions that are tested; `make test LOCK=` takes the newest ones within the ranges of pyproject.toml instead.
LOCK ?= requirements.lock
export OMP_WAIT_POLICY ?= passive

.PHONY: demo test test-anywhere check audit lock bench docs images clean

$(STAMP): pyproject.toml $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Segue needs Python 3.11 or newer; point PYTHON at one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]' $(addprefix --constraint ,$(LOCK))
	@touch $@

demo: $(STAMP)  ## fit, measure and ask a generative recommender on the simulated world
	rm -rf runs/demo
	$(BIN)/segue fit sasrec_world --out runs/demo
	$(BIN)/segue recommend runs/demo --user u0007 -k 5
	@echo "The report with curves and the comparison: runs/demo/report.html"
	@echo "The studio, in your browser: $(BIN)/segue serve runs/demo, then http://127.0.0.1:8321/studio/"

test: $(STAMP)  ## everything that CI runs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-anywhere: $(STAMP)  ## what learns, under other seeds, instructions and precisions; a table at the end
	$(BIN)/python .ci/anywhere

check: $(STAMP)  ## format, lint, types, import contract and the quick tests, in under two minutes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

audit: $(STAMP)  ## known vulnerabilities of what is installed
	$(BIN)/python .ci/audit

lock:  ## write requirements.lock: the newest versions within the ranges, as a fresh environment gets them
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --upgrade pip
	build/lock/bin/python -m pip install --quiet --editable '.[dev]'
	build/lock/bin/python .ci/lock > build/requirements.lock
	mv build/requirements.lock requirements.lock
	rm -rf build/lock

bench: $(STAMP)  ## ours beside the peers, each in an environment of its own; takes an hour on a quiet machine
	$(BIN)/python benchmarks/environments.py
	$(BIN)/python benchmarks/run.py

docs: $(STAMP)  ## write docs/ledger.md and the README's table from ledger/, and the matrix of docs/data.md from its tests
	$(BIN)/python -m segue.workflows.ledger
	PYTHONPATH=tests $(BIN)/python -m data.door.matrix

images: $(STAMP)  ## take the pictures of the studio in docs/images; fits what is missing in runs/studio
	$(BIN)/python docs/images/make_studio_images.py

clean:  ## remove what was built; runs stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
