# `make demo` and `make test` are all a newcomer needs. The rest is for daily work.
PYTHON ?= python3
BIN := .venv/bin
ROOTS := data platform graph timeseries dashboards tests benchmarks docs examples
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist worksteal
SLOW := published or slow or browser or postgres or processes or ray or s3

.PHONY: demo check fast test slow published gpu format coverage docs clean

demo: .venv/.user ## the whole story on built-in data
	$(BIN)/distaff --workspace workspace demo

check: .venv/.dev ## linters, types, import rules
	$(BIN)/ruff check $(ROOTS)
	$(BIN)/ruff format --check $(ROOTS)
	$(BIN)/mypy
	$(BIN)/lint-imports

fast: .venv/.dev ## unit tests
	$(PYTEST) -m "not ($(SLOW))"

test: .venv/.dev check ## all tests but those on published data
	$(PYTEST)

slow: .venv/.dev ## measures every test, on a quiet machine, and names those that `fast` leaves out
	$(PYTEST) --write-slow

published: .venv/.dev ## published numbers on real data; minutes
	$(BIN)/pytest -q -m published

gpu: .venv/.dev ## training steps on CUDA, where there is one; their audit anywhere
	$(BIN)/pytest -q -rs -m device
	@if $(BIN)/python -c "import sys, torch; sys.exit(not torch.cuda.is_available())"; then $(BIN)/python benchmarks/devices.py --json; else echo "no CUDA device here: nothing was timed"; fi

format: .venv/.dev
	$(BIN)/ruff check --fix $(ROOTS)
	$(BIN)/ruff format $(ROOTS)

coverage: .venv/.dev
	$(BIN)/pytest -q --cov --cov-report=term

docs: .venv/.dev ## the site, strictly, into site/
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

.venv/.user: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e ".[dashboards]"
	touch $@

.venv/.dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@ .venv/.user

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis site
