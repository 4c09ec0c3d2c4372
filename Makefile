# Needs python3 (3.11 or newer) with venv, and make. Everything else goes into .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test lint bench documents deb test-deb test-install clean \
	test-deps test-zabbix-deps test-kernel-deps test-psk-deps test-shell-deps

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 28

demo: .venv/installed ## the whole way with a virtual sensor: no sensor, no server needed
	@$(BIN)/usbrh demo

test: lint ## all tests, in two processes: most of their time is waiting
	$(BIN)/python -m pytest --numprocesses 2 --dist loadscope --no-loadscope-reorder

lint: .venv/tests-installed ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-zabbix-deps: ## as root: the Debian packages of a real Zabbix 6.0 and 7.0, for tests/zabbix
	@PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m tests.support.zabbix.prepare

bench: .venv/tests-installed ## the speed figures, as ratios
	$(BIN)/python -m benchmarks

test-deps: test-zabbix-deps test-kernel-deps test-psk-deps test-shell-deps ## as root on Debian: packages for the tests with real servers and a real kernel

test-psk-deps: .venv/tests-installed # the extra for Python below 3.13; compiles
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[psk]'

test-shell-deps: # as root: shells in which completion is tried
	@command -v zsh >/dev/null && command -v fish >/dev/null || \
	    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends zsh fish; }

test-kernel-deps: ## as root: QEMU and the image of a virtual machine, for tests/kernel
	@PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m tests.support.kernel.image prepare

documents: .venv/tests-installed ## the parts of docs/ that come from the code
	$(BIN)/python -m tools.cli_reference
	$(BIN)/python -m tools.config_reference
	$(BIN)/python -m tools.architecture

deb: ## a Debian package in build/deb; needs what debian/control names, and lintian looks at it if it is there
	@command -v dpkg-buildpackage dh >/dev/null || { echo "tools are missing: sudo apt install build-essential && sudo apt build-dep ."; exit 1; }
	@rm -rf build/deb && mkdir -p build/deb/usbrh
	@git ls-files -z --cached --others --exclude-standard | xargs -0 cp -P --parents -t build/deb/usbrh
	cd build/deb/usbrh && PATH=/usr/sbin:/usr/bin:/sbin:/bin dpkg-buildpackage --no-sign --build=binary
	@if command -v lintian >/dev/null; then lintian --fail-on=error,warning build/deb/*.changes; fi

test-deb: .venv/tests-installed ## by hand, as root: the package in clean Debian 12 and 13 systems, into their Zabbix (some minutes)
	tests/deb/try-in build/deb bookworm trixie

test-install: .venv/tests-installed ## by hand: the wheel installed by pip, pipx and uv (needs a package index; a minute)
	$(BIN)/python -m tests.installed

clean: ## remove what make made
	rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/output

.venv/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "python3 is missing: sudo apt install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, this is $$($(PYTHON) -V): make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv is missing: sudo apt install python3-venv"; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml | .venv/bin/python
	@echo "installing usbrh into .venv"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e .
	@touch $@

.venv/tests-installed: pyproject.toml | .venv/bin/python
	@echo "installing usbrh and what its tests need into .venv"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[test]'
	@touch .venv/installed $@
