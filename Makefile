# cellenc: PGXS build, install, tests.
#
#	sudo make demo		a throw-away server shows what cellenc does
#	sudo make test		every test, on servers of its own
#
# Both install what they need.  Where that is there already, any user can
#	make && sudo make install && make installcheck

MODULE_big = cellenc
SRCS = $(sort $(wildcard src/*.c))
OBJS = $(SRCS:.c=.o)
PGFILEDESC = "cellenc - per-column encryption with key rotation"

EXTENSION = cellenc
# Install scripts are told apart from test scripts by the "--" in their names.
SQL := $(sort $(wildcard sql/*.sql))
DATA := $(foreach file,$(SQL),$(if $(findstring --,$(file)),$(file)))

# The version has one place: cellenc.control.
CELLENC_VERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" cellenc.control)
PG_CPPFLAGS = -Isrc -DCELLENC_VERSION='"$(CELLENC_VERSION)"'
SHLIB_LINK = -lcrypto -Wl,-Bsymbolic
# Our own functions call each other directly: they run once for every value.
PG_CFLAGS += -fno-semantic-interposition
# Compilers that take C23 unless told otherwise refuse the headers of PostgreSQL 15:
# its walkers have no parameters there.
PG_CFLAGS += -std=gnu17

# WERROR=1: what the tests build with.  PostgreSQL's headers, and the arguments
# that fmgr and its hooks fix, are not clean of unused parameters.
ifdef WERROR
PG_CFLAGS += -Wextra -Wno-unused-parameter -Werror
endif

# The quick start comes first: it is the one that creates the extension.
REGRESS := quickstart \
	$(filter-out quickstart,$(foreach file,$(filter-out $(DATA),$(SQL)),$(file:sql/%.sql=%)))
REGRESS_OPTS = --temp-instance=tmp_regress --temp-config=tmp_conf/cellenc.conf
ISOLATION := $(patsubst test/isolation/specs/%.spec,%,$(sort $(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test/isolation --temp-instance=tmp_isolation \
	--temp-config=tmp_conf/cellenc.conf
PROVE_TESTS := $(sort $(wildcard test/t/*.pl))
TAP_TESTS := $(if $(PROVE_TESTS),1)
# The same everywhere: C locale, UTF-8.
NO_LOCALE = 1
ENCODING = UTF8

EXTRA_CLEAN = tmp_bench tmp_conf tmp_regress tmp_isolation tmp_check output_iso log

# No bitcode: what these functions call is OpenSSL, which the JIT compiler
# cannot inline, and bitcode would tie the build to one version of clang.
override with_llvm = no

PG_CONFIG = pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

# The targets that install what is missing work without PGXS.
ifneq ($(PGXS),)
include $(PGXS)
else
ifneq ($(filter-out test demo bench bench-page client-matrix test-matrix test-asan test-sqlsmith,$(or $(MAKECMDGOALS),all)),)
$(error no PGXS found: install postgresql-server-dev of your major, or set PG_CONFIG)
endif
endif

# PGXS tracks no headers where PostgreSQL was built without dependency tracking.
$(OBJS): $(wildcard src/*.h) cellenc.control Makefile

#
# On machines with nothing but git and make: as root.
#
.PHONY: test demo bench bench-page client-matrix
test:
	@test/run.sh $@
demo:
	@test/run.sh $@
bench bench-page client-matrix:
	@test/run.sh $@

.PHONY: test-matrix test-asan
test-matrix:
	@MATRIX=doc/majors.md test/matrix.sh
test-asan:
	@test/asan.sh

#
# The tests that installcheck does not run.
#
.PHONY: unit fuzz check-symbols check-readme

# WYCHEPROOF: folder of test vectors; without it, only our own are checked.
unit:
	$(MAKE) -C test/unit check $(if $(WYCHEPROOF),WYCHEPROOF='$(abspath $(WYCHEPROOF))')

# Seconds for each target.
FUZZ_SECONDS ?= 20
fuzz:
	$(MAKE) -C test/fuzz check FUZZ_SECONDS=$(FUZZ_SECONDS)

check-symbols: cellenc.so
	test/check-symbols.sh cellenc.so

check-readme:
	test/check-readme.sh README.md sql/quickstart.sql

#
# Servers of installcheck: their settings, and a master key that is the
# server's user's alone and lies outside of the data directories.
#
installcheck: tmp_conf/cellenc.conf wire leaks fuzz-server
export CELLENC_MASTER_KEY_FILE = $(CURDIR)/tmp_conf/master.key

tmp_conf/cellenc.conf: test/cellenc.conf tmp_conf/master.key
	{ cat $<; echo "cellenc.master_key_file = '$(CELLENC_MASTER_KEY_FILE)'"; } > $@

tmp_conf/master.key: Makefile
	mkdir -p tmp_conf
	(umask 077 && { \
		echo "default = hex:$$(openssl rand -hex 32)"; \
		echo "second = hex:$$(openssl rand -hex 32)"; \
		echo "phrase = passphrase:correct horse battery staple"; } > $@)

.PHONY: wire leaks fuzz-server
fuzz-server:
	$(MAKE) -C test/fuzz server PG_CONFIG='$(PG_CONFIG)'
wire:
	$(MAKE) -C test/wire PG_CONFIG='$(PG_CONFIG)'
leaks:
	$(MAKE) -C test/leaks

.PHONY: print-bindir
print-bindir:
	@echo '$(bindir)'

#
# Layout, with pg_bsd_indent.
#
.PHONY: indent indent-check
INDENT = test/indent.pl --include '$(includedir_server)' \
	--include $(firstword $(wildcard /usr/include/openssl /usr/local/include/openssl)) \
	$(sort $(wildcard src/*.[ch] test/unit/*.[ch] test/fuzz/*.[ch] test/wire/*.[ch] test/leaks/*.[ch]))
indent:
	perl $(INDENT)
indent-check:
	perl $(subst indent.pl,indent.pl --check,$(INDENT))

.PHONY: clean-test
clean: clean-test
clean-test:
	for dir in test/unit test/fuzz test/wire test/leaks; do \
		if [ -f $$dir/Makefile ]; then $(MAKE) -C $$dir clean; fi; \
	done
