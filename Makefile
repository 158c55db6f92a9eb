# make test          everything that ten minutes allow: linter, types, tests (kernels and QEMU included)
# make test-kernels  what asks more of kernels: the older ones, every recorded schedule, whole campaigns; half an hour
# make test-all      every target that tests, in turn, and at the end which failed; many hours
# All create what they need: .venv, and through tools/install-missing what the distribution has.

PYTHON ?= python3
BIN := .venv/bin

# A kernel that cannot be booted fails a test, it never skips one.
export PFNLAB_LAB ?= required

# Tests start hundreds of interpreters, and each would compile the package again.
export PYTHONDONTWRITEBYTECODE :=

# The tests of one target (tests/targets.py), with what they need: $(call need,APT), $(call extra,NAME), $(call target,NAME).
need = @PYTHON=$(PYTHON) tools/install-missing $(1)
extra = $(BIN)/python -m pip install -q --disable-pip-version-check -e '.[$(1)]'
target = PFNLAB_TARGET=$(1) $(BIN)/pytest -n $(or $(2),2)

# Seconds of one processor that the tests of a folder may take on an idle machine; together under ten minutes of two.
# What takes more is named at the end of the run, and fails nothing.
BUDGETS := .=120 api=30 base=40 campaign=60 checker=110 cli=170 diagnosis=80 discussions=10 docs=20 editors=5 evidence=50 \
	explorer=30 export=40 guests=60 hunt=110 kernel=85 lab=300 mcp=40 present=45 programs=60 readers=20 recorded=60 verbs=5

# What asks more of kernels, and all that tests: short ones first, then what downloads, then what takes hours.
KERNELS := test-older test-races test-long
ALL := test test-wheel test-newcomer test-building test-notebooks test-shells test-editors test-browser test-postgres \
	test-cluster test-readers test-random test-pages $(KERNELS) test-btf-dwarf test-patched test-planted test-reverts \
	test-selftests test-archives test-all-kernels test-ends test-patches
MORE := demo docs release lint fmt-check page pages bench bench-compare fault-report mutation-report clean

.PHONY: help system system-test test-kernels test-all $(ALL) $(MORE)

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile
	@echo "more: $(sort $(filter-out test,$(ALL))) $(MORE)"

# All are asked, whatever the first says. Not $(MAKE) in a recipe: `make -n` would run that line.
make := $(MAKE)
define in_turn
@failed=; for target in $(1); do echo "== make $$target"; $(make) "$$target" || failed="$$failed $$target"; done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi; echo "all passed: $(1)"
endef

test-kernels:
	$(call in_turn,$(KERNELS))

test-all:
	$(call in_turn,$(ALL))

system:
	@PYTHON=$(PYTHON) tools/install-missing

system-test:
	@PYTHON=$(PYTHON) tools/install-missing test

# A folder that was moved or belongs to a Python that is gone is made anew.
define venv
@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
endef

.venv/.demo: pyproject.toml | system
	$(venv)
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[lens]'
	@touch $@

.venv/.test: pyproject.toml | system-test
	$(venv)
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	@touch .venv/.demo $@

.venv/.docs: pyproject.toml | .venv/.demo
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[docs]'
	@touch $@

demo: system .venv/.demo
	@$(BIN)/python tools/demo.py

# All three run whatever the others say, so one run shows everything there is to mend. Kernels come meanwhile, and types
# are checked beside the tests: a first check takes most of a minute of one processor.
test: system-test .venv/.test
	@mkdir -p build; $(BIN)/mypy > build/mypy.txt 2>&1 & typed=$$!; \
	$(BIN)/pfnlab kernels fetch tested & fetched=$$!; status=0; \
	$(BIN)/ruff check || status=1; \
	wait $$fetched || { status=$$?; kill $$typed; exit $$status; }; \
	$(BIN)/pytest -n 2 --budgets '$(BUDGETS)' || status=1; \
	wait $$typed || status=1; cat build/mypy.txt; \
	exit $$status

# Of what git has, not of what lies around. What is refused is not left lying in dist/.
release: .venv/.test
	rm -rf dist
	@$(BIN)/python tools/build_release.py dist
	@$(BIN)/python tools/check_release.py dist/*.whl dist/*.tar.gz docs README.md || { status=$$?; rm -rf dist; exit $$status; }

# Every patch of evidence/patches/ as a kernel, compared with the model with its policy: hours, for each is built.
test-patches: system-test .venv/.test
	@PYTHON=$(PYTHON) tools/install-missing build
	@$(BIN)/python evidence/tools/hold_patches.py $(PATCHES)

# One of them, from the source on, with few random programs and nothing kept: about ten minutes.
test-patched: system-test .venv/.test
	@PYTHON=$(PYTHON) tools/install-missing build
	@$(BIN)/python evidence/tools/hold_patches.py flush-none --programs 60 --dry

# A kernel with planted defects, from the source on: two of them are hunted for, and nothing is kept.
test-planted: system-test .venv/.test
	@PYTHON=$(PYTHON) tools/install-missing build
	@$(BIN)/python evidence/tools/hunt_defects.py 8 13 --dry

# The kernel's selftest pfnmap: with tests that stand alone on 6.12, which fails, and on 7.3; then as each series
# extends it, on 7.3 with and without the series: three builds the first time, then a minute.
series = $(patsubst %,--patch %,$(sort $(filter-out %/0000-cover-letter.patch,$(wildcard evidence/patches/upstream/$(1)/*.patch))))
test-selftests: system-test .venv/.test
	@PYTHON=$(PYTHON) tools/install-missing build
	@$(BIN)/pfnlab kernels fetch --missing 6.12 7.3
	@$(BIN)/python evidence/tools/run_selftest.py 6.12 7.3 --patches selftests --write
	@$(BIN)/pfnlab kernels build 7.3 --name 7.3-own
	@$(BIN)/pfnlab kernels build 7.3 $(call series,exact) --name exact-series
	@$(BIN)/python evidence/tools/run_selftest.py 7.3-own exact-series --write
	@$(BIN)/pfnlab kernels build 7.3 $(call series,per_vma) --name per_vma-series
	@$(BIN)/python evidence/tools/run_selftest.py 7.3 per_vma-series --patches per_vma --write

# Inputs of every reader of foreign bytes, changed at random: SECONDS for each reader, two at a time, about seven minutes;
# SECONDS=300 for more than an hour. What is found is in build/readers.
SECONDS = 30
test-readers: system-test .venv/.test
	$(call extra,fuzz-readers)
	$(call target,readers)
	@$(BIN)/python tests/readers/hunt_readers.py --seconds $(SECONDS)

# Every recorded schedule on every kernel that has a driver: 1,470 of them, about ten minutes.
test-races: system-test .venv/.test
	@$(BIN)/pfnlab kernels fetch --missing 6.1 6.12 7.2 7.3
	$(call target,races)

# Whole campaigns, searches and benchmarks, and nearly every program on the newest kernel: ten minutes.
test-long: system-test .venv/.test
	@$(BIN)/pfnlab kernels fetch tested
	$(call target,long)

# The scope of vfio to its end, on machines where that takes long, and the review of every posted row: some hours.
test-ends: system-test .venv/.test
	$(call target,ends,0)

# Every property with examples that are drawn anew; in make test they are the same each time: some minutes.
test-random: system-test .venv/.test
	@$(BIN)/pfnlab kernels fetch tested
	PFNLAB_RANDOM=1 $(BIN)/pytest -n 2 -m hypothesis

# What the newest kernel is asked, asked of the two older ones: some minutes.
test-older: system-test .venv/.test
	@$(BIN)/pfnlab kernels fetch tested
	$(call target,older)

# Searches and campaigns on dask's scheduler and workers, started as docs/cluster.md says: a few minutes.
test-cluster: system-test .venv/.test
	$(call extra,cluster)
	$(call target,cluster,0)

# Kernels without a repair, whose bugs are asked of them and of their models: REVERTS=COMMIT... for some.
REVERTS = 04c35ab3bdae dc84bc2aba85
test-reverts: system-test .venv/.test
	@PYTHON=$(PYTHON) tools/install-missing build
	@$(BIN)/python evidence/tools/hold_reverts.py $(REVERTS) --dry

# What prepares a kernel's build, with what such a build calls: half a minute.
test-building: system-test .venv/.test
	$(call need,build)
	$(call target,building)

# Data frames of both libraries, Parquet, and the notebook in a kernel of its own: half a minute.
test-notebooks: system-test .venv/.test
	$(call extra,notebooks)
	$(call target,notebooks,0)

# Completion in zsh and fish, and the man pages as mandoc and groff read them: half a minute.
test-shells: system-test .venv/.test
	$(call need,shells)
	$(call target,shells)

# The grammars in Vim and in the engine of VS Code, which npm has: half a minute.
test-editors: system-test .venv/.test
	$(call need,editors)
	npm ci --prefix editors/check --no-audit --no-fund
	$(call target,editors,0)

# The reference in docs/reference, and the documentation as a site, offline: build/site/index.html.
docs: .venv/.docs
	@$(BIN)/python tools/write_schemas.py
	@$(BIN)/python tools/write_reference.py
	@$(BIN)/python tools/build_site.py

# The pages that are made of searches, made anew and compared, and the commands of pages that take long or need
# a network: a few minutes.
test-pages: system-test .venv/.test
	@$(BIN)/pfnlab kernels fetch tested
	$(call target,pages)

# The store on a PostgreSQL server of the distribution's packages, in a temporary folder: half a minute.
test-postgres: system-test .venv/.test
	$(call need,postgres)
	$(call extra,postgres)
	$(call target,postgres,0)

# Campaigns with faults, each resumed and compared with the undisturbed run: docs/evidence/fault-report.md, some minutes.
fault-report: .venv/.test
	@PYTHON=$(PYTHON) tools/install-missing faults
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[lens,cluster]'
	$(BIN)/python evidence/tools/fault_report.py docs/evidence/fault-report.md

# What the wheel can do without the repository, and what README and tutorial promise somebody new.
test-wheel: .venv/.test
	tools/wheel_alone.sh

test-newcomer:
	tools/newcomer.sh

# The explorer's page in a browser of the distribution, without a window.
test-browser: system-test .venv/.test
	$(call need,browser)
	$(call extra,browser)
	$(call target,browser,0)

# The explorer's script, bundled out of web/source with npm; the built file is kept in the repository.
page:
	@PYTHON=$(PYTHON) tools/install-missing page
	$(PYTHON) tools/build_page.py

test-all-kernels: system-test .venv/.test
	@$(BIN)/pfnlab kernels fetch --missing all
	PFNLAB_KERNELS=all $(BIN)/pytest -n 2

# Demo and tests where the archive has moved on, on a home and a cache that are empty; about half an hour.
test-archives: system-test .venv/.test
	@set -e; for case in newer gone expired one none; do echo "archive: $$case"; \
	  $(BIN)/python tools/made_up_archive.py $$case $(MAKE) demo test; done

# One rule of the model broken after the other, and how soon the fuzzer finds it: docs/evidence/mutation-report.md.
mutation-report: .venv/.test
	cd tests/hunt/fuzz && ../../$(BIN)/python mutation_report.py ../../docs/evidence/mutation-report.md
	cd tests/hunt/fuzz && ../../$(BIN)/python beside_report.py --write

# The lens's types against a kernel's debug package, which is fetched (270 MiB).
test-btf-dwarf: system-test .venv/.test
	@$(BIN)/pfnlab kernels fetch --missing 6.1
	$(call target,btf-dwarf,0)

lint: .venv/.test
	$(BIN)/ruff check
	$(BIN)/mypy

# The pages the model makes; some are searches, minutes in all.
pages: .venv/.test
	@$(BIN)/python -m evidence.pages --write
	@$(BIN)/python tools/write_schemas.py --write

# Every benchmark three times, kept in evidence/benchmarks/history.jsonl; and what got slower since another commit, where
# this one is measured first if it was not. With BASE=COMMIT or a checkout, commands of both in turn: LONG=1 for more.
bench: .venv/.test
	@$(BIN)/python -m evidence.benchmarks

bench-compare: .venv/.test
	@$(BIN)/python -m evidence.benchmarks $(if $(BASE),against $(BASE) $(if $(LONG),--long),compare --measure)

fmt-check: .venv/.test
	$(BIN)/pfnlab fmt --check litmus/*/*.pfn

clean:
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -path ./.venv -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf
