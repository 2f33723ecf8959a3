# Every target sets up what it needs first; a second run finds it ready. `make help` lists them.
PYTHON ?= python3
TRAIN ?= nano
export PYTHON

.PHONY: help setup run test test-slow test-gpu test-audio lint screenshots train evaluate bench clean
.PHONY: package package-test

help:
	@echo "make run        sets up .venv and starts the program"
	@echo "make test       sets up what the tests need and runs them"
	@echo "make test-slow  the long tests; test-gpu, test-audio: those that need a device"
	@echo "make lint       ruff and mypy"
	@echo "make screenshots  pictures of the window, in build/screenshots"
	@echo "make package    the packages of this system, in dist/; package-test also tries them"
	@echo "make train      makes the built-in model from nothing (hours)"
	@echo "make evaluate   measures it on the held-out test set"
	@echo "make bench      speed of every mode on this machine"

setup:
	@packaging/setup.sh run

run: setup
	@.venv/bin/python main.py

setup-%:
	@packaging/setup.sh $*

test: setup-test
	.venv/bin/python -m pytest -q

test-slow: setup-test
	.venv/bin/python -m pytest -q -m slow

test-gpu: setup-test
	.venv/bin/python -m pytest -q -m gpu

test-audio: setup-test
	.venv/bin/python -m pytest -q -m "audio and not slow"

lint: setup-test
	.venv/bin/python -m ruff check .
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m mypy

screenshots: setup-test
	.venv/bin/python tests/app/ui/screenshots.py build/screenshots

package: setup-package
	.venv/bin/python packaging/build.py

# On Linux, as root for the Debian root: builds, lints and tries what `make package` makes.
package-test: setup-test setup-package
	packaging/test_packages.sh

train: setup-train
	.venv/bin/python main.py train $(TRAIN)

evaluate: setup-train
	.venv/bin/python main.py evaluate nano

bench: setup
	.venv/bin/python main.py bench

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache *.egg-info
