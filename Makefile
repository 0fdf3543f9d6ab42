# Each target makes what it needs: a virtual environment in .venv, with everything pinned.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint app clean
demo: .venv/run.done
	$(BIN)/python core.py demo --pipeline

test: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not forks"
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m forks tests/train

lint: .venv/dev.done
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

app: .venv/run.done
	$(BIN)/python app.py

.venv/run.done: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -r requirements.txt
	touch $@

.venv/dev.done: requirements-dev.txt .venv/run.done
	$(BIN)/python -m pip install -q -r requirements-dev.txt
	touch $@

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
