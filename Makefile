# make demo    sets up .venv and runs the main job;  make demo DEMO="trainer.max_epochs=1"  passes overrides on
# make test    sets up .venv and runs every check and every test
# make cluster tests on a real SLURM and Ray in namespaces of this machine; as root, with slurm-wlm, munge, iproute2
# make check   format, lint, types, doors, spelling, the README's result tables
# make tables  writes the result tables of all READMEs from experiments/*/results.json
# make bench   start-up, data, losses, tuning, ranking, metrics, prompts; beside peers where REC_PEER_VENVS and REC_PEER_SCRIPTS name them
# another interpreter: make PYTHON=python3.12 ...

PYTHON ?= python3
BIN := .venv/bin
DEMO ?=
PYTEST ?= -n 2 --dist loadfile -m "not gpu and not cluster" --durations 15

.PHONY: demo test cluster check tables bench clean

demo: .venv/.installed
	$(BIN)/rec-lightning demo $(DEMO)

test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST)

cluster: .venv/.installed
	$(BIN)/pip install -q -c constraints.txt -e '.[ray]'
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m cluster -rs tests/cluster

check: .venv/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy experiments
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python -m rec_lightning.studies.readme_tables --check

tables: .venv/.installed
	$(BIN)/python -m rec_lightning.studies.readme_tables

bench: SHELL := /bin/bash
bench: .venv/.installed
	time $(BIN)/python -c "import rec_lightning"
	time $(BIN)/rec-lightning --help > /dev/null
	time $(BIN)/rec-lightning train data=synthetic items=id tuning=full trainer.fast_dev_run=true > /dev/null
	$(BIN)/python tests/benchmarks/bench_data.py
	$(BIN)/python tests/benchmarks/bench_losses.py
	$(BIN)/python tests/benchmarks/bench_tuning.py
	$(BIN)/python tests/benchmarks/bench_ranking.py
	$(BIN)/python tests/benchmarks/bench_rerank.py
	$(BIN)/python tests/benchmarks/bench_metrics.py
	$(BIN)/python tests/benchmarks/bench_prompts.py
	$(BIN)/python tests/benchmarks/bench_peers.py

# torch first: the rest then settles on the build that is there
.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python must be 3.11 or newer, $(PYTHON) is ' + sys.version.split()[0] + '. Run make PYTHON=python3.12 ...')"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
