# The common commands. CMake does the work: see CMakeLists.txt and CMakePresets.json.
#
#   make            builds build/moonwire
#   make run        builds it and serves this folder (ARGS='--listen 127.0.0.1:0' and the like)
#   make test       builds and runs everything; ends with "N passed, N failed"
#   make asan       unit tests, specs and the client again, under ASan and UBSan
#   make gcstress   the specs with garbage collected at every allocation, and random calls of the whole Lua API for
#                   WALK_SECONDS (60), or of WALK_SEED, under ASan and UBSan
#   make tsan       what crosses threads and the client, under TSan
#   make coverage   the unit tests and the specs, then the lines of each folder that they have run
#   make fuzz       every fuzzer for FUZZ_SECONDS (10)
#   make soak       saves in every way under load, SAVES times (1000), and reloads RELOADS times (10000); then calls of
#                   every kind for MEMORY_SECONDS (600), after which the server must hold no more memory
#   make crash      kills the server under writes, CYCLES times (1000)
#   make conformance  runs other people's suites and clients (test/conformance.py); needs Go, at first a network too
#   make lint       layers and loops, then the habits of prose (scripts/prose) and the format of C (scripts/format)
#   make layers     checks that every #include points down, and that files and rooms of a layer form no new circle
#   make loops      checks that loops in C that a script or a message can make long look at the budget
#   make format     formats all C by .clang-format
#   make types      writes LuaLS annotations of the messages in proto/ and in the examples to build/types
#   make bench      races against gRPC servers of other languages (ARGS='--quick', '--help'): docs/performance.md
#   make bench-reload  from a save to its being served, and what calls bear meanwhile (ARGS='--engine core')
#   make install    installs into PREFIX (/usr/local), below DESTDIR
#   make clean      removes everything built
#
# Each first installs the Debian packages that it misses (scripts/deps), or does nothing when all are there.

PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
CMAKE_FLAGS ?=
ARGS ?=

# $(call build,DIR,PRESET): configures once, and builds.
define build
@test -f $(1)/CMakeCache.txt || cmake --preset $(2) $(CMAKE_FLAGS) > /dev/null
@cmake --build $(1) -j $(JOBS) -- --no-print-directory -s
endef

.PHONY: all run test asan gcstress tsan coverage fuzz soak crash conformance lint layers loops format types bench \
	bench-reload install clean help build-deps test-deps lint-deps

all: build-deps
	$(call build,build,release)

run: all
	@exec build/moonwire serve . $(ARGS)

test: test-deps all
	$(call build,build-dev,dev)
	@test/run --build build-dev unit --build build scripts docs spec client soak crash

# The specs on core alone: gcstress has them on http with the same sanitizers.
asan: test-deps
	$(call build,build-asan,asan)
	@test/run --build build-asan unit client soak --engines core spec

# On one engine: with these collections the specs take minutes.
gcstress: test-deps
	$(call build,build-asan,asan)
	@MOONWIRE_GCSTRESS=1 ENGINES=http TEST_LIMIT=900 test/run --build build-asan spec walk

# Without the specs, for their time.
tsan: test-deps
	$(call build,build-tsan,tsan)
	@TEST_TIMEOUT=120 test/run --build build-tsan threads client

# Counts of earlier runs are removed: those of another version of a file do not fit.
coverage: test-deps
	$(call build,build-coverage,coverage)
	@find build-coverage -name '*.gcda' -delete
	@TEST_LIMIT=900 test/run --build build-coverage unit spec; status=$$?; scripts/coverage build-coverage && exit $$status

fuzz: test-deps
	$(call build,build-fuzz,fuzz)
	@test/run --build build-fuzz fuzz

soak: test-deps all
	@SAVES=$${SAVES:-1000} RELOADS=$${RELOADS:-10000} TEST_LIMIT=7200 test/run soak memory

crash: test-deps all
	@CYCLES=$${CYCLES:-1000} TEST_LIMIT=7200 test/run crash

conformance: all
	@scripts/deps build conformance
	@test/conformance.py $(CLIENTS)

# All five, whatever the first ones find.
lint: lint-deps
	@status=0; for check in layers loops prose commits 'format --check'; do scripts/$$check || status=1; done; \
	exit $$status

layers:
	@scripts/layers

loops:
	@scripts/loops

format: lint-deps
	@scripts/format

types: test-deps
	@mkdir -p build/types
	@scripts/annotate . examples/* > build/types/messages.lua

bench: all
	@scripts/deps build bench
	@test -f build-bench/CMakeCache.txt || cmake --preset bench $(CMAKE_FLAGS) > /dev/null
	@cmake --build build-bench/bench -j $(JOBS) -- --no-print-directory -s
	@bench/run $(ARGS)

bench-reload: all
	@scripts/deps build bench
	@bench/reload.py $(ARGS)

install: all
	@cmake --install build --prefix $(PREFIX)

clean:
	rm -rf build build-dev build-asan build-tsan build-coverage build-fuzz build-bench

help:
	@sed -n 's/^#   //p' Makefile

build-deps:
	@scripts/deps build

test-deps:
	@scripts/deps build test

lint-deps:
	@scripts/deps lint
