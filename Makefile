# make table [ARGS="--runs 1"]   the whole table        make test    the tests
# make bench                     how fast it is         make setup   just the virtual environment
# PYTHON=python3.12 chooses the interpreter, ZSKD_VENV=folder where its packages go.
ZSKD_VENV ?= .venv
export PYTHON ZSKD_VENV

.PHONY: table test bench setup
table: setup
	"$(ZSKD_VENV)/bin/python" autotrain.py $(ARGS)

test: setup
	"$(ZSKD_VENV)/bin/python" -m pytest $(ARGS) tests

bench: setup
	"$(ZSKD_VENV)/bin/python" tools/benchmark.py $(ARGS)

setup:
	@sh utils/setup.sh
