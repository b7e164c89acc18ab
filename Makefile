# Everything starts from a bare machine: Python 3.11, make, gcc, pip and a package index.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/ready
# More than two cores have: many tests wait for servers and processes.
JOBS ?= 4

# The MicroPython under test; the default is the unix port from PyPI.
MICROPYTHON ?= $(CURDIR)/$(VENV)/bin/micropython
export MICROPYTHON

# Of this one file is used, MicroPython's reader of manifests, which needs nothing else. What the
# package asks for, for other purposes, is thirty packages, and an older ruff than ours.
STUBBER := micropython-stubber==1.29.1
# Stubs of the ports that boards use, each in a folder of its own: all have a `machine`.
PORTS := rp2 esp32 stm32 mimxrt

# Arm's own tool pins its libraries to old versions, so it lives apart; only tests use it.
ARM_VENV := .venv-arm
ARM_READY := $(ARM_VENV)/ready
export MANIFEST_TOOL := $(CURDIR)/$(ARM_VENV)/bin/manifest-tool

# The emulator of a Pico, from npm, pinned there; only test-pico uses it.
EMULATOR := host_tests/emulator
EMULATOR_READY := $(EMULATOR)/node_modules/ready
PICO_RUN := PYTHONPATH=tools/hostshim:device:bootloader:tools:$(EMULATOR) $(PY) \
	$(EMULATOR)/pico_run.py

# What asks for known advisories lives apart: it has many dependencies of its own.
AUDIT_VENV := .venv-audit
AUDIT_READY := $(AUDIT_VENV)/ready

FUZZ_PATH := tools/hostshim:device:bootloader:tools:host_tests/kit:host_tests/simulators:host_tests/ufota:host_tests/ufota/decoders

PYTEST := $(PY) -m pytest -q -n $(JOBS) --maxschedchunk 1
# Compiled files are kept, as is usual: each process compiles what it imports, or finds it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo demo-mqtt test test-long test-pico lint types audit bench powercut fuzz clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    a virtual device updates itself, and refuses what it must"
	@echo "make demo-mqtt  the same over MQTT, as Alibaba Cloud's OTA tells it"
	@echo "make test    lint, types, and the tests on CPython and MicroPython, in minutes"
	@echo "make test-long  the tests that take longer: shares of sweeps and of fuzzing, whole benches"
	@echo "make test-pico FIRMWARE=firmware.uf2 BOOTROM=bootrom.bin  that firmware on an emulated Pico"
	@echo "make lint    ruff only"
	@echo "make types   type check of the device code only"
	@echo "make audit   known advisories of what is installed here; needs a network"
	@echo "make powercut  cut the power everywhere, in all ways, on both interpreters"
	@echo "make fuzz    a million changed payloads through each decoder, a million inputs of all else; N=number"
	@echo "make bench   measure, on MicroPython, and write docs/PERFORMANCE.md"
	@echo "make clean   remove $(VENV) and what tools left behind"
	@echo "MICROPYTHON=path  another interpreter     PYTHON=path  another Python 3.11+"

# Made anew when pyproject.toml changes, so nothing stays that is no longer asked for.
$(READY): pyproject.toml
	@echo "installing into $(VENV), from the package index ..."
	@rm -rf $(VENV)
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or later is needed: PYTHON=path')"
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps $(STUBBER)
	@for port in $(PORTS); do $(PY) -m pip install --quiet --disable-pip-version-check --no-deps \
		--target $(VENV)/stubs/$$port micropython-$$port-stubs || exit 1; done
	@touch $@

$(ARM_READY): Makefile
	@echo "installing manifest-tool into $(ARM_VENV) ..."
	@rm -rf $(ARM_VENV)
	@$(PYTHON) -m venv $(ARM_VENV)
	@$(ARM_VENV)/bin/python -m pip install --quiet --disable-pip-version-check manifest-tool==2.6.2
	@touch $@

$(EMULATOR_READY): $(EMULATOR)/package-lock.json
	@echo "installing the emulator into $(EMULATOR)/node_modules, by npm ..."
	@npm ci --prefix $(EMULATOR) --no-audit --no-fund --silent
	@touch $@

$(AUDIT_READY):
	@echo "installing pip-audit into $(AUDIT_VENV) ..."
	@rm -rf $(AUDIT_VENV)
	@$(PYTHON) -m venv $(AUDIT_VENV)
	@$(AUDIT_VENV)/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.9'
	@touch $@

demo: $(READY)
	@$(VENV)/bin/fwtool demo

demo-mqtt: $(READY)
	@$(VENV)/bin/fwtool demo-mqtt

lint: $(READY)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(READY)
	$(PY) host_tests/system/check_types.py

audit: $(READY) $(AUDIT_READY)
	@$(PY) host_tests/system/audit.py $(AUDIT_VENV)/bin/pip-audit

test: lint types $(ARM_READY)
	$(PYTEST) --part=short

test-long: $(READY) $(ARM_READY)
	$(PYTEST) --part=long

# FIRMWARE, BOOTROM: files of yours; without them this says where they come from, installs nothing.
# KEEP: a file for the figures; host_tests/stack/stack_pico.json has those of the tree.
test-pico: $(READY)
	@$(PICO_RUN) --files-only "$(FIRMWARE)" "$(BOOTROM)"
	@$(MAKE) --silent --no-print-directory $(EMULATOR_READY) $(ARM_READY)
	@$(PICO_RUN) "$(FIRMWARE)" "$(BOOTROM)" $(if $(KEEP),--keep "$(KEEP)")

bench: $(READY) $(ARM_READY)
	$(PY) host_tests/bench/bench.py --page

# N: payloads through each decoder; inputs through all other parsers of a device together; the same
# for the tools', of which there are a tenth without N
fuzz: $(READY)
	PYTHONPATH=$(FUZZ_PATH) $(PY) host_tests/ufota/decoders/fuzz_decoders.py $(N)
	PYTHONPATH=$(FUZZ_PATH) $(PY) host_tests/ufota/fuzz_messages.py $(N)
	PYTHONPATH=$(FUZZ_PATH) $(PY) host_tests/fwtool/fuzz_files.py $(N)

powercut: $(READY)
	PYTHONPATH=tools/hostshim:device:bootloader:tools $(PY) host_tests/powercut/powercut_table.py

clean:
	rm -rf $(VENV) $(ARM_VENV) $(AUDIT_VENV) $(EMULATOR)/node_modules .pytest_cache .ruff_cache .mypy_cache .hypothesis build dist
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
