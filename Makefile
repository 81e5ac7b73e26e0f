# Two commands on a fresh machine: `make run` and `make test`. They need Python 3.11+ and make.

PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3.14 python3,$(shell command -v $(name))))
PORT ?= 8080
DATA ?= data
SEEDS ?= 1000
FIRST ?= 1
BIN := .venv/bin
PACKAGES := engine journal replicas http effects node loadtest

.PHONY: run test sim month onsale-sim load onsale-500k onsale-500k-failover soak bench bench-peers check format clean help

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/bin/python:
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name it: make run PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/product: .venv/bin/python pyproject.toml
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/development: .venv/bin/python pyproject.toml
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ .venv/product

run: .venv/product ## start a small cluster with sample events on http://127.0.0.1:8080 (PORT=9000 moves it)
	@exec $(BIN)/onsale local --data $(DATA) --port $(PORT)

test: .venv/development ## run all tests, as many files at a time as there are cores; ARGS="-s tests/…" runs some, in turn
	$(BIN)/python -m pytest $(or $(ARGS),--numprocesses auto --maxprocesses 4 --dist loadfile)

sim: .venv/development ## simulate a cluster under faults, SEEDS=1000 of them; exit code 1 names the seeds that broke it
	$(BIN)/python -m onsale.tests.simulation.run --seeds $(SEEDS) --first $(FIRST) $(ARGS)

month: .venv/development ## simulate 12 months (ARGS="--months 3") of faults with nobody watching; exit code 1 below 99.99 %
	$(BIN)/python -m onsale.tests.simulation.month $(ARGS)

onsale-sim: .venv/development ## simulate an onsale of 5,000 tickets with 100,000 people in its waiting room; exit code 1 says what broke
	$(BIN)/python -m onsale.loadtest.onsale_simulation $(ARGS)

load: .venv/development ## one minute of people who browse, queue, book and pay (locust); exit code 1 says what broke
	$(BIN)/python -m onsale.loadtest.journeys $(ARGS)

onsale-500k: .venv/development ## 500,000 people, 20,000 tickets, a real node over HTTP; exit code 1 says what broke
	$(BIN)/python -m onsale.loadtest.rush $(ARGS)

onsale-500k-failover: .venv/development ## the same with a standby, and a kill -9 of the primary in the middle
	$(BIN)/python -m onsale.loadtest.rush --failover $(ARGS)

soak: .venv/development ## an hour of steady load on a node and its standby (ARGS="--minutes 20"); exit code 1 says what broke
	$(BIN)/python -m onsale.loadtest.soak $(ARGS)

check: .venv/development ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@# the root is the package, whatever its folder is called: mypy finds it through a link of that name
	@mkdir -p .mypy_cache/root && ln -sfn ../.. .mypy_cache/root/onsale
	MYPYPATH=.mypy_cache/root $(BIN)/mypy $(PACKAGES:%=-p onsale.%)

format: .venv/development ## put the code in shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/development ## measure; prints a table, writes loadtest/results/bench.json
	$(BIN)/python -m onsale.loadtest.bench $(ARGS)

bench-peers: .venv/development ## the same booking by PostgreSQL, Redis, FastAPI and bare aiohttp; writes loadtest/REPORT.md
	$(BIN)/python -m onsale.loadtest.bench_peers $(ARGS)

clean: ## remove what was built (never the data folder)
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
