# vpmeter. `make demo`: a ride on the local simulator. `make test`: everything that this repository tests.
#
#   make lib       the library into build/: shared, static, header, pkg-config
#   make install   the same into DESTDIR/PREFIX
#   make lib-small a library without TLS into build/small/: the firmware's transport hook carries its requests
#   make header    include/vpmeter.h from the Rust sources
#   make size      stripped sizes, and the memory of examples-c/minimal.c after its ride
#   make bench-simulator   requests a second, latencies and start times of the simulator
#   make bench-webhook   how soon a meter knows, by events and by polling; a thousand meters on one relay
#   make crash-matrix   kills the library in every moment of a ride; writes docs/crash-matrix.md
#   make histories, make mutants   random histories of a payment; the library broken on purpose
#   make prove     searches the rules exhaustively, then simulates the real client; writes docs/proof.md; SEED=… replays one run
#   make screenshot   docs/phone.png, the simulator's page in Chromium
#   make metrology  docs/metrology.md: symbols, and the system calls of a ride
#   make clean

VERSION := 0.1.0
SOVERSION := 0
PREFIX ?= /usr/local
DESTDIR ?=
CC ?= cc
CXX ?= c++
PYTHON ?= python3
CARGO ?= cargo
# The library's own dependencies are locked; nothing is resolved anew.
CARGO_FLAGS := --locked

BUILD := build
SMALL := $(BUILD)/small
SO := libvpmeter.so.$(VERSION)
LIB := $(BUILD)/$(SO)
SIMULATOR := simulator/target/debug/vp-simulator
# What a static link needs beside the archive; `tests/abi/libraries.rs` compares it with what rustc says.
STATIC_LIBS := -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc
CFLAGS_STRICT := -std=c99 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
EXAMPLES := minimal taximeter with_simulator

.PHONY: all lib lib-small put header install examples simulator demo test test-rust test-simulator test-abi test-doors test-presets test-python lint size clean

all: lib examples

# Cargo knows what is stale; what is copied here is always what it has just built. Renamed into place: a program that runs
# with the old one keeps it.
lib: | toolchain
	@$(CARGO) build $(CARGO_FLAGS) --release -p vpmeter
	@$(MAKE) --no-print-directory put FROM=target/release TO=$(BUILD)

# Without TLS and HTTP, for firmware with a transport of its own; the same files, in build/small. Built aside: what cargo
# has made of the other set of features stays.
lib-small: | toolchain
	@CARGO_TARGET_DIR=target/small $(CARGO) build $(CARGO_FLAGS) --release -p vpmeter --no-default-features
	@$(MAKE) --no-print-directory put FROM=target/small/release TO=$(SMALL)

put:
	@mkdir -p $(TO)/include
	@cp $(FROM)/libvpmeter.so $(TO)/$(SO).new && mv -f $(TO)/$(SO).new $(TO)/$(SO)
	@ln -sf $(SO) $(TO)/libvpmeter.so.$(SOVERSION)
	@ln -sf libvpmeter.so.$(SOVERSION) $(TO)/libvpmeter.so
	@CC="$(CC)" sh tools/localise-archive.sh $(FROM)/libvpmeter.a $(TO)/libvpmeter.a
	@cp include/vpmeter.h include/vpmeter.hpp $(TO)/include/
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@STATIC_LIBS@|$(STATIC_LIBS)|' \
	  vpmeter.pc.in > $(TO)/vpmeter.pc

header: | toolchain
	@sh tools/header.sh

install: lib
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include
	install -m 755 $(LIB) $(DESTDIR)$(PREFIX)/lib/
	ln -sf libvpmeter.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/libvpmeter.so.$(SOVERSION)
	ln -sf libvpmeter.so.$(SOVERSION) $(DESTDIR)$(PREFIX)/lib/libvpmeter.so
	install -m 644 $(BUILD)/libvpmeter.a $(DESTDIR)$(PREFIX)/lib/
	install -m 644 $(BUILD)/include/vpmeter.h $(BUILD)/include/vpmeter.hpp $(DESTDIR)$(PREFIX)/include/
	install -m 644 $(BUILD)/vpmeter.pc $(DESTDIR)$(PREFIX)/lib/pkgconfig/

examples: lib
	@for program in $(EXAMPLES); do \
	  case $$program in with_*) more="examples-c/$${program#with_}.c" ;; *) more= ;; esac; \
	  $(CC) $(CFLAGS_STRICT) -O2 -g -I$(BUILD)/include examples-c/$$program.c $$more -o $(BUILD)/$$program \
	    -L$(BUILD) -lvpmeter -Wl,-rpath,'$$ORIGIN' || exit 1; done
	@$(CC) $(CFLAGS_STRICT) -O2 -g -I$(BUILD)/include examples-c/own_store.c examples-c/block_store.c -o $(BUILD)/own_store \
	  -L$(BUILD) -lvpmeter -Wl,-rpath,'$$ORIGIN'

# Not part of the product: built for a quick start, not for speed.
simulator: | toolchain
	@cd simulator && $(CARGO) build $(CARGO_FLAGS) -q

# The library's last step, link-time optimisation, keeps one core busy: the simulator is built beside it.
demo:
	@$(MAKE) --no-print-directory -j2 examples simulator
	@$(PYTHON) tools/demo.py --build $(BUILD) --simulator $(SIMULATOR)

test: lint test-rust test-prove test-simulator test-abi test-doors test-presets test-python test-netns test-relay test-crash test-clients test-schema test-recipes test-browser

lint: | toolchain-tests
	@sh tools/stage.sh lint sh tools/lint.sh

test-rust: | toolchain
	@sh tools/stage.sh "rust tests" $(CARGO) test $(CARGO_FLAGS) -q -p vpmeter-core
	@sh tools/stage.sh "c layer unit tests" $(CARGO) test $(CARGO_FLAGS) -q -p vpmeter --lib

test-simulator: | toolchain
	@sh tools/stage.sh "simulator tests" sh -c 'cd simulator && $(CARGO) test $(CARGO_FLAGS) -q'

test-abi: lib simulator
	@sh tools/proxy.sh
	@VPMETER_LIB_DIR="$(CURDIR)/$(BUILD)" VPMETER_SIMULATOR="$(CURDIR)/$(SIMULATOR)" CC="$(CC)" CXX="$(CXX)" \
	  sh tools/stage.sh "c abi tests" $(CARGO) test $(CARGO_FLAGS) -q -p vpmeter --tests

# Whole rides and lost answers once more under each reading of what the published sources leave open.
PRESETS := other lagging terse strict lenient
.PHONY: test-presets
test-presets: lib simulator
	@for preset in $(PRESETS); do \
	  VPMETER_PRESET=$$preset VPMETER_LIB_DIR="$(CURDIR)/$(BUILD)" VPMETER_SIMULATOR="$(CURDIR)/$(SIMULATOR)" CC="$(CC)" \
	    CXX="$(CXX)" sh tools/stage.sh "rides, preset $$preset" \
	    $(CARGO) test $(CARGO_FLAGS) -q -p vpmeter --test abi -- rides:: lost_answers:: || exit 1; done

# Lost and bad answers and kills once more with the journal in the firmware's own store; lost and bad answers through its own
# transport, with the library that has no other.
.PHONY: test-doors
test-doors: lib lib-small simulator
	@VPMETER_DOORS="store=c" VPMETER_LIB_DIR="$(CURDIR)/$(BUILD)" VPMETER_SIMULATOR="$(CURDIR)/$(SIMULATOR)" CC="$(CC)" \
	  CXX="$(CXX)" sh tools/stage.sh "faults, store hook" \
	  $(CARGO) test $(CARGO_FLAGS) -q -p vpmeter --test abi -- lost_answers:: bad_answers:: kill::
	@VPMETER_SMALL=1 VPMETER_DOORS="transport=c" VPMETER_LIB_DIR="$(CURDIR)/$(SMALL)" CC="$(CC)" CXX="$(CXX)" \
	  VPMETER_SIMULATOR="$(CURDIR)/$(SIMULATOR)" sh tools/stage.sh "faults, transport hook" \
	  $(CARGO) test $(CARGO_FLAGS) -q -p vpmeter --test abi -- lost_answers:: bad_answers:: transport_hook::the_library

# The simulator against its own OpenAPI documents, and against the published ones where they are at hand.
.PHONY: test-schema
test-schema: simulator
	@sh tools/stage.sh "packages for the schema tests" sh tools/venv.sh $(PYTHON) tests/schema/requirements.txt $(BUILD)/venv-schema
	@VPMETER_SIMULATOR="$(CURDIR)/$(SIMULATOR)" sh tools/stage.sh "schema tests" $(BUILD)/venv-schema/bin/python tests/schema/own.py
	@VPMETER_SIMULATOR="$(CURDIR)/$(SIMULATOR)" sh tools/stage.sh "published schemas" $(BUILD)/venv-schema/bin/python tests/schema/published.py

test-python: examples simulator
	@VPMETER_SIMULATOR="$(CURDIR)/$(SIMULATOR)" \
	  sh tools/stage.sh "simulator's python class" $(PYTHON) -W error::ResourceWarning tests/python/simulator.py
	@VPMETER_LIB_DIR="$(CURDIR)/$(BUILD)" VPMETER_SIMULATOR="$(CURDIR)/$(SIMULATOR)" \
	  sh tools/stage.sh "python tests" $(PYTHON) tests/python/run.py
	@VPMETER_LIB_DIR="$(CURDIR)/$(BUILD)" VPMETER_SIMULATOR="$(CURDIR)/$(SIMULATOR)" \
	  sh tools/stage.sh "order of syncs and sends" $(PYTHON) tests/python/syncs.py
	@VPMETER_LIB_DIR="$(CURDIR)/$(BUILD)" VPMETER_SIMULATOR="$(CURDIR)/$(SIMULATOR)" \
	  sh tools/stage.sh "metrology" $(PYTHON) tests/python/metrology.py

# Dead zones, forks and kills, in a network namespace where one can be made.
.PHONY: test-netns
test-netns: lib simulator
	@VPMETER_LIB_DIR="$(CURDIR)/$(BUILD)" VPMETER_SIMULATOR="$(CURDIR)/$(SIMULATOR)" CC="$(CC)" \
	  sh tools/stage.sh "dead zones" $(PYTHON) -W error::ResourceWarning tests/netns/run.py
	@VPMETER_LIB_DIR="$(CURDIR)/$(BUILD)" VPMETER_SIMULATOR="$(CURDIR)/$(SIMULATOR)" \
	  sh tools/stage.sh "requests held back" $(PYTHON) -W error::ResourceWarning tests/netns/held.py

size: examples lib-small simulator
	@$(PYTHON) tools/size.py --build $(BUILD) --small $(SMALL) --simulator $(SIMULATOR)

# What the library can touch, seen from outside.
.PHONY: metrology
metrology: examples simulator
	@VPMETER_SIMULATOR="$(CURDIR)/$(SIMULATOR)" $(PYTHON) tools/metrology.py --build $(BUILD)

# The office's relay and a meter on its broker, with Debian's Mosquitto and libmicrohttpd.
.PHONY: relay test-relay bench-webhook
relay: lib
	@CC="$(CC)" sh tools/relay-packages.sh
	@$(CC) $(CFLAGS_STRICT) -O2 -g -I$(BUILD)/include examples-c/fleet_relay.c examples-c/broker_line.c -o $(BUILD)/fleet_relay \
	  -L$(BUILD) -lvpmeter -lmicrohttpd -lmosquitto -pthread -Wl,-rpath,'$$ORIGIN'
	@$(CC) $(CFLAGS_STRICT) -O2 -g -I$(BUILD)/include examples-c/relay_meter.c examples-c/broker_line.c -o $(BUILD)/relay_meter \
	  -L$(BUILD) -lvpmeter -lmosquitto -pthread -Wl,-rpath,'$$ORIGIN'

test-relay: lib simulator
	@if CC="$(CC)" sh tools/relay-packages.sh; then $(MAKE) --no-print-directory relay && \
	  VPMETER_LIB_DIR="$(CURDIR)/$(BUILD)" VPMETER_SIMULATOR="$(CURDIR)/$(SIMULATOR)" \
	  sh tools/stage.sh test-relay $(PYTHON) tests/relay/run.py; else echo "== test-relay: SKIPPED"; fi

# From approval to knowing, by events and by polling; then a thousand meters at once. Figures of this machine, so no test.
bench-webhook: relay simulator
	@VPMETER_LIB_DIR="$(CURDIR)/$(BUILD)" VPMETER_SIMULATOR="$(CURDIR)/$(SIMULATOR)" $(PYTHON) tools/bench_webhook.py

# The phone page in a real Chromium: a person pays the rides of the taximeter with it.
.PHONY: test-browser screenshot
test-browser: examples simulator
	@VPMETER_LIB_DIR="$(CURDIR)/$(BUILD)" VPMETER_SIMULATOR="$(CURDIR)/$(SIMULATOR)" \
	  sh tools/stage.sh "browser tests" sh tools/browser.sh $(PYTHON) $(BUILD)/axe tests/browser/run.py

screenshot: simulator
	@VPMETER_SIMULATOR="$(CURDIR)/$(SIMULATOR)" sh tools/browser.sh $(PYTHON) $(BUILD)/axe tests/browser/screenshot.py docs/phone.png

# How much the simulator bears, and how soon it is there. Figures of this machine, so no test.
.PHONY: bench-simulator
bench-simulator: | toolchain
	@cd simulator && $(CARGO) bench $(CARGO_FLAGS) -q --bench load

# What others have published for these APIs; from the npm registry, in fixed versions.
.PHONY: test-clients
test-clients: simulator
	@VPMETER_SIMULATOR="$(CURDIR)/$(SIMULATOR)" sh tools/stage.sh "published clients" $(PYTHON) tests/clients/run.py

# docs/simulator.md: what the recipes print is what stands there.
.PHONY: test-recipes
test-recipes: simulator
	@VPMETER_SIMULATOR="$(CURDIR)/$(SIMULATOR)" sh tools/stage.sh "recipes" $(PYTHON) tests/python/recipes.py

# A meter that is going to be killed, and what kills it: all of it, or a part for every day.
.PHONY: crash-meter crash-matrix test-crash
CRASH_METER := tests/c/crash_meter.c tests/c/crash_control.c tests/c/crash_place.c
crash-meter: lib
	@$(CC) $(CFLAGS_STRICT) -O2 -g -I$(BUILD)/include -Iexamples-c $(CRASH_METER) \
	  examples-c/socket_transport.c examples-c/block_store.c -o $(BUILD)/crash_meter -L$(BUILD) -lvpmeter

crash-matrix: crash-meter simulator
	@$(PYTHON) tools/crash_matrix.py --build $(BUILD) --simulator $(SIMULATOR) --doc docs/crash-matrix.md

test-crash: crash-meter simulator
	@sh tools/stage.sh "crash matrix, thinned" $(PYTHON) tools/crash_matrix.py --thin --build $(BUILD) --simulator $(SIMULATOR)
	@sh tools/stage.sh "crash matrix, thinned, store hook" \
	  $(PYTHON) tools/crash_matrix.py --thin --store c --build $(BUILD) --simulator $(SIMULATOR)
	@sh tools/stage.sh "crash matrix, thinned, transport hook" \
	  $(PYTHON) tools/crash_matrix.py --thin --transport c --build $(BUILD) --simulator $(SIMULATOR)

# Says what is missing instead of failing in the middle.
.PHONY: toolchain
toolchain:
	@sh tools/toolchain.sh "$(CARGO)" "$(CC)" "$(PYTHON)"

# The header is C++ too, which one test compiles.
.PHONY: toolchain-tests
toolchain-tests: | toolchain
	@sh tools/toolchain-tests.sh "$(CXX)"

clean:
	$(CARGO) clean
	cd simulator && $(CARGO) clean
	rm -rf $(BUILD)

# 100,000 random histories of a payment against the model of the servers.
.PHONY: histories
histories: | toolchain
	@VPMETER_HISTORIES=100000 $(CARGO) test $(CARGO_FLAGS) --release -q -p vpmeter-core --test histories

# Breaks the library on purpose, one promise at a time, and shows which tests turn red.
.PHONY: mutants
mutants: | toolchain
	@$(PYTHON) tools/mutants.py

# The real client against a model of servers, network, disk and everybody else; every run follows from a seed.
RUNS ?= 1000000
PROVE := cd proof && $(CARGO) run $(CARGO_FLAGS) --release -q --
.PHONY: prove test-prove
prove: | toolchain
	@$(if $(SEED),$(PROVE) simulate --seed $(SEED),$(PROVE) explore --doc ../docs/proof.md && \
	  $(CARGO) run $(CARGO_FLAGS) --release -q -- simulate --runs $(RUNS) --survey --doc ../docs/proof.md)

# A part of it for every day, and the tests of its own books.
test-prove: | toolchain
	@sh tools/stage.sh "proof: its own tests" sh -c 'cd proof && $(CARGO) test $(CARGO_FLAGS) --release -q'
	@sh tools/stage.sh "proof: quick search" sh -c '$(PROVE) explore --quick && $(CARGO) run $(CARGO_FLAGS) --release -q -- explore --quick --sharp'
	@sh tools/stage.sh "proof: a minute of simulation" sh -c '$(PROVE) simulate --seconds 60 --runs 100000000'
