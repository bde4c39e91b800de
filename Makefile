# Every target sets up what it needs. A newcomer types two: `make demo` and `make test`.
#
#   make demo     a router is provisioned, read, diagnosed and upgraded by an ACS, on this machine
#   make test     the whole test suite (UBUSD=/path/to/ubusd: on the real daemon; T="tests/session -k digest": a part)
#   make run      keep the virtual router running against ACS_URL=http://host:7547/
#   make fuzz     mutated inputs for all that reads bytes from outside (T=target N=count SEED=... AT=... FILE=...)
#   make faults   what must hold when something fails: services killed, a full disk, a bus that goes away, ...
#   make soak     a router under mixed load: leaks, growth, losses (MINUTES=5 SEED=...)
#   make native   libubox and libuci for this machine, the cffi extension and pyuci against them
#   make bench    the figures, as ratios, also in build/bench.jsonl
#   make lint     ruff, mypy --strict, the import rule
#   make venv     just .venv, where the `cwmp` command is

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
T      ?=

.DEFAULT_GOAL := help
.PHONY: help venv demo test fuzz faults soak run native bench lint clean

help:
	@sed -n 's/^#   //p' Makefile

$(VENV)/.base: pyproject.toml setup.py
	@$(PYTHON) -c 'import sys; sys.exit("Python >= 3.11 is needed, $(PYTHON) is " + sys.version.split()[0] + ": say PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check 'setuptools>=77' -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	$(PY) -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

venv: $(VENV)/.base

demo: $(VENV)/.base
	@$(PY) -m cwmp.lab.demo

run: $(VENV)/.base
	@test -n "$(ACS_URL)" || { echo 'say which ACS: make run ACS_URL=http://host:7547/'; exit 2; }
	@$(PY) -m cwmp.lab.run --acs-url "$(ACS_URL)"

test: $(VENV)/.dev
	@$(PY) -m pytest -n auto --dist loadfile $(T)

fuzz: $(VENV)/.dev
	@$(PY) -m tests.fuzz $(T) $(if $(N),--count $(N)) $(if $(SEED),--seed $(SEED)) $(if $(AT),--number $(AT)) $(if $(FILE),--file $(FILE))

faults: $(VENV)/.dev
	@$(PY) -m tests.faults

soak: $(VENV)/.dev
	@$(PY) -m tests.soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

native: $(VENV)/.base
	@$(PY) bindings/native/make_native.py

bench: $(VENV)/.dev
	@$(PY) -m tests.bench

lint: $(VENV)/.dev
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/ruff format --check
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

clean:
	rm -rf build dist $(VENV) *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
