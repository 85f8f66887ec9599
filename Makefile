# make table [ARGS="--runs 1"]   the whole table        make test    the tests
# make bench                     how fast it is         make setup   just the virtual environment
# PYTHON=python3.12 chooses the interpreter, VENV=folder where its packages go.
VENV ?= .venv
export PYTHON VENV

.PHONY: table test bench setup
table: setup
	"$(VENV)/bin/python" autotrain.py $(ARGS)

test: setup
	"$(VENV)/bin/python" -m pytest $(ARGS) tests

bench: setup
	"$(VENV)/bin/python" tests/benchmark.py $(ARGS)

setup:
	@sh utils/setup.sh
