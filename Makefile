# Two commands for newcomers: `make demo` and `make test`. The rest is for daily work.
PYTHON ?= python3
BIN := .venv/bin
ROOTS := data platform graph timeseries dashboards tests benchmarks

.PHONY: demo test check format coverage clean

demo: .venv/.user
	$(BIN)/distaff --workspace workspace demo

test: .venv/.dev check
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2

check: .venv/.dev
	$(BIN)/ruff check $(ROOTS)
	$(BIN)/ruff format --check $(ROOTS)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.dev
	$(BIN)/ruff check --fix $(ROOTS)
	$(BIN)/ruff format $(ROOTS)

coverage: .venv/.dev
	$(BIN)/pytest -q --cov --cov-report=term

.venv/.user: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e ".[als,dashboards]"
	touch $@

.venv/.dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@ .venv/.user

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
