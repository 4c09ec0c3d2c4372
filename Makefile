# Needs python3 (3.11 or newer) with venv, and make. Everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin

# The source files, separated by null bytes: without the generated files of .gitignore, also where there is no git.
SOURCES = if [ -e .git ]; then git ls-files -z --cached --others --exclude-standard; else \
	find . \( -name .venv -o -name dist -o -name build -o -name __pycache__ -o -name '*.egg-info' -o -name '.*_cache' \
	-o -name .hypothesis -o -path ./tests/output \) -prune -o ! -type d -print0; fi

# Tests wait a lot: seven processes keep two processors busy.
PARALLEL := --numprocesses 7 --dist loadscope --no-loadscope-reorder

# With it, each process that a test starts would compile the whole package again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-quick lint bench bench-check documents mutants site release test-release deb test-anywhere test-deb test-upgrade test-vm test-arm test-container test-install clean \
	test-deps test-zabbix-deps test-kernel-deps test-psk-deps test-shell-deps test-openrc-deps

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 28

demo: .venv/installed ## show the whole route with a virtual sensor and a fake server
	@$(BIN)/usbrh demo

test: lint ## run ruff, mypy and all tests, in seven processes
	@# Each process would compile all tests, unless they are compiled before.
	@found=$$($(BIN)/python -m pytest --collect-only -qq) || { echo "$$found"; exit 1; }
	$(BIN)/python -m pytest $(PARALLEL)

test-quick: .venv/tests-installed ## run the tests that need nothing else: tests/unit and tests/simulated
	$(BIN)/python -m pytest $(PARALLEL) tests/unit tests/simulated

lint: .venv/tests-installed ## run ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-zabbix-deps: ## as root: install Zabbix 6.0 and 7.0 for tests/zabbix
	@PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m tests.support.zabbix.prepare

bench: .venv/tests-installed ## measure speed, size and scale, and write docs/benchmarks.md; best as root
	$(BIN)/python -m benchmarks

bench-check: .venv/tests-installed ## measure again, and fail if a ratio is more than 25 % worse than committed
	$(BIN)/python -m benchmarks --check

test-deps: test-zabbix-deps test-kernel-deps test-psk-deps test-shell-deps test-openrc-deps ## as root on Debian: install everything that the tests can use

test-psk-deps: .venv/tests-installed # the extra "psk" for Python up to 3.12, which needs a compiler
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[psk]'

test-shell-deps: # as root: shells for the tests of completion
	@command -v zsh >/dev/null && command -v fish >/dev/null || \
	    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends zsh fish; }

test-kernel-deps: ## as root: install QEMU and build the virtual machine for tests/kernel
	@PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m tests.support.kernel.image prepare

test-openrc-deps: .venv/tests-installed ## as root: build the system with OpenRC and cron for tests/openrc
	@PYTHONDONTWRITEBYTECODE=1 $(BIN)/python -m tests.support.openrc prepare

# By hand and before a release. NAMES limits it: make mutants NAMES=usbrh/journal
mutants: .venv/tests-installed ## change the package in small ways, and list the changes that no test notices (hours)
	$(BIN)/python -m tools.mutants $(NAMES)

documents: .venv/tests-installed ## write the generated parts of docs/, and zabbix/templates
	$(BIN)/python -m tools.cli_reference
	$(BIN)/python -m tools.man
	$(BIN)/python -m tools.config_reference
	$(BIN)/python -m tools.architecture
	$(BIN)/python -m tools.zabbix_templates

site: .venv/docs-installed ## build the documentation site in build/site; a link that leads nowhere is an error
	@$(BIN)/python -m tools.site

# REPOSITORY is the address of the public repository, such as https://github.com/OWNER/usbrh.
release: .venv/docs-installed ## build all files of a release in dist/, on Debian 12: make release REPOSITORY=https://...
	@$(BIN)/python -m pip install -q --disable-pip-version-check '.[release]'
	@$(BIN)/python -m tools.release --repository '$(REPOSITORY)'

test-release: .venv/docs-installed ## build a release twice in clean clones, and compare the files (2 minutes)
	$(BIN)/python -m tests.release

deb: ## build a Debian package in build/deb, and check it with lintian if that is installed
	@command -v dpkg-buildpackage dh >/dev/null || { echo "build tools are missing; sudo apt install build-essential && sudo apt build-dep ."; exit 1; }
	@[ ! -e .git ] || command -v git >/dev/null || { echo "git is missing; sudo apt install git"; exit 1; }
	@rm -rf build/deb && mkdir -p build/deb/usbrh
	@$(SOURCES) | xargs -0 cp -P --parents -t build/deb/usbrh
	@PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m tools.version --stamp build/deb/usbrh
	cd build/deb/usbrh && PATH=/usr/sbin:/usr/bin:/sbin:/bin dpkg-buildpackage --no-sign --build=binary
	@if command -v lintian >/dev/null; then lintian --fail-on=error,warning build/deb/*.changes; fi

test-deb: .venv/tests-installed ## as root: test the package in clean Debian 12 and 13 systems with their Zabbix (6 minutes)
	tests/deb/try-in build/deb bookworm trixie

test-anywhere: .venv/tests-installed ## run the quick tests under nohup, in another locale, as another user, in random order (30 minutes, best as root)
	$(BIN)/python -m tests.anywhere

# A journal of an unreleased commit between 0.1.0 (b971d3d) and fb8a33e is not converted, so such a commit can't be PREVIOUS.
test-upgrade: ## as root: upgrade from PREVIOUS, a commit or tag, in clean Debian 12 and 13 systems (5 minutes)
	tests/deb/upgrade $(or $(PREVIOUS),$(error PREVIOUS is missing; make test-upgrade PREVIOUS=v1.0.0)) build/deb bookworm trixie

test-vm: .venv/tests-installed ## as root: install, use, reboot, purge and upgrade the package in virtual machines (50 minutes)
	$(BIN)/python -m tests.deb.in_vm build/deb "$(or $(PREVIOUS),$(error PREVIOUS is missing; make test-vm PREVIOUS=v1.0.0))" bookworm trixie

test-arm: ## as root: run the demo from the package on emulated arm64 and armhf systems (2 minutes)
	tests/deb/arm build/deb

test-container: .venv/installed ## build the container image without root rights, and run it (2 minutes)
	tests/container/try

test-install: .venv/tests-installed ## install the wheel with pip, pipx and uv (needs a package index; 1 to 3 minutes)
	$(BIN)/python -m tests.installed

clean: ## remove all generated files
	rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/output

.venv/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "python3 is missing; sudo apt install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, but this is $$($(PYTHON) -V); make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv is missing; sudo apt install python3-venv"; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml | .venv/bin/python
	@echo "installing usbrh into .venv"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e .
	@touch $@

.venv/tests-installed: pyproject.toml | .venv/bin/python
	@echo "installing usbrh and the test dependencies into .venv"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[test]'
	@touch .venv/installed $@

.venv/docs-installed: pyproject.toml | .venv/bin/python
	@echo "installing usbrh and the site tools into .venv"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[docs]'
	@touch .venv/installed $@
