#!/bin/bash
#
# asan.sh: "make test" on a PostgreSQL with assertions and under the address and
# undefined-behaviour sanitizers; what "make test-asan" calls.
#
# Builds the server from the source package of the distribution's PostgreSQL,
# with --enable-cassert.  cellenc is built with the same flags, because PGXS
# takes the server's.  Any report fails the run, also one of a program or of a
# process whose end no test notices.  Needs root and what this machine's apt
# gets packages from; apt's own settings and lists stay as they are.
#
# Variables, all optional:
#   KINDS           of test, as for "make test"
#   ASAN_CACHE      folder in which the server stays, so that the next run is
#                   quick; without it, it is removed at the end
#   ASAN_JOBS       of make, for the server
#   everything that run.sh knows
#
# What run.sh prints, then all reports, and "N sanitizer reports"; the exit code
# is zero when nothing failed and there is none.

set -euo pipefail
cd "$(dirname "$0")/.."
. test/setup.sh

# To build PostgreSQL with what the tests use of it.
SERVER_PACKAGES="ca-certificates dpkg-dev gcc libc6-dev make perl bison flex pkg-config tzdata
    libicu-dev libipc-run-perl liblz4-dev libreadline-dev libssl-dev libxml2-dev uuid-dev zlib1g-dev"
SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all"
# PostgreSQL frees nothing when a process ends.  The quarantine is bounded
# because a test may have dozens of backends.
OPTIONS="abort_on_error=1:print_stacktrace=1:detect_leaks=0:detect_stack_use_after_return=0:quarantine_size_mb=64"

[ "$(id -u)" = 0 ] || die "must be run as root"
unset MAKEFLAGS MFLAGS MAKELEVEL

WORK=$(mktemp -d /var/tmp/cellenc-asan.XXXXXX)
chmod 711 "$WORK"
trap 'rm -rf "$WORK"' EXIT
trap 'exit 130' INT TERM
cache=$(realpath -m "${ASAN_CACHE:-$WORK/cache}")

# The one that is built here is the only one that is wanted.
has_server() { true; }

# Lines of sources.list for the sources of what apt has packages from.
source_lines() {
    local uri release component file key=

    for file in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
        [ ! -f "$file" ] || key="[signed-by=$file] "
    done
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
        sort -u | while read -r uri release component; do
            echo "deb-src $key$uri $release $component"
        done
}

# apt_sources COMMAND...: apt-get or apt-cache that know these sources alone.
apt_sources() {
    "$1" -q -o Dir::Etc::SourceList="$WORK/apt/sources.list" -o Dir::Etc::SourceParts=- \
        -o Dir::State::Lists="$WORK/apt/lists" -o Dir::Cache="$WORK/apt/cache" \
        -o APT::Sandbox::User=root "${@:2}"
}

# get_source PACKAGE: into $WORK/source/tree, without Debian's changes, by which
# PostgreSQL is installed where the distribution's is.  Mirrors may lag behind
# their lists, so that an older version is there when the newest is not.
get_source() {
    local version

    mkdir -p "$WORK/apt/lists/partial" "$WORK/apt/cache/archives/partial"
    source_lines >"$WORK/apt/sources.list"
    [ -s "$WORK/apt/sources.list" ] || die "apt knows no source of Debian's packages"
    apt_sources apt-get update || return 1
    for version in $(apt_sources apt-cache showsrc "$1" | sed -n 's/^Version: //p' | sort -urV); do
        rm -rf "$WORK/source"
        mkdir "$WORK/source"
        if (cd "$WORK/source" && apt_sources apt-get source --download-only "$1=$version" &&
            dpkg-source --skip-patches -x ./*.dsc tree); then
            return 0
        fi
    done
    return 1
}

# build_server: into the cache, and nowhere else.
build_server() {
    local package

    package=$(server_packages) || return 1
    package=${package%% *}
    get_source "$package" || return 1
    cd "$WORK/source/tree"
    # A server overwrites its environment with its title, and the runtime of the
    # undefined-behaviour sanitizer reads it there as late as its first report.
    cat >>src/backend/main/main.c <<'END'
extern const char *__ubsan_default_options(void);
const char *
__ubsan_default_options(void)
{
	const char *options = getenv("UBSAN_OPTIONS");

	return options ? options : "";
}
END
    export ASAN_OPTIONS=detect_leaks=0
    ./configure --prefix="$cache" --enable-cassert --enable-debug --enable-tap-tests \
        --with-openssl --with-icu --with-libxml --with-lz4 --with-uuid=e2fs \
        CFLAGS="-O1 -g -fno-omit-frame-pointer $SANITIZE" &&
        make -s -j"${ASAN_JOBS:-$(nproc)}" world-bin &&
        make -s install-world-bin DESTDIR="$WORK/installed" || return 1
    rm -rf "$cache"
    mkdir -p "${cache%/*}"
    mv "$WORK/installed$cache" "$cache"
    [ "$(cd / && find "$WORK/installed" -type f | wc -l)" = 0 ] || return 1
    touch "$cache/complete"
}

install_packages $SERVER_PACKAGES
if [ ! -f "$cache/complete" ]; then
    say "building PostgreSQL with assertions and sanitizers"
    (build_server) >"$WORK/build.log" 2>&1 </dev/null || {
        tail -n 60 "$WORK/build.log"
        die "could not build PostgreSQL"
    }
fi
chmod 755 "$cache"

mkdir -m 1777 "$WORK/reports"
OPTIONS="$OPTIONS:log_path=$WORK/reports/report"
# Some kernels place memory where the address sanitizer wants its own.
fixed=()
if [ "$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 0)" -gt 28 ] && setarch -R true 2>/dev/null; then
    fixed=(setarch -R)
fi

rc=0
"${fixed[@]}" env PG_CONFIG="$cache/bin/pg_config" KINDS="${KINDS:-regress isolation tap}" \
    LIMIT="${LIMIT:-4h}" PG_TEST_TIMEOUT_DEFAULT="${PG_TEST_TIMEOUT_DEFAULT:-900}" \
    PGCTLTIMEOUT="${PGCTLTIMEOUT:-900}" PGISOLATIONTIMEOUT="${PGISOLATIONTIMEOUT:-900}" \
    ASAN_OPTIONS="$OPTIONS" UBSAN_OPTIONS="$OPTIONS" test/run.sh test || rc=$?

reports=0
for file in "$WORK"/reports/*; do
    [ -s "$file" ] || continue
    reports=$((reports + 1))
    printf '\n--- %s\n' "${file##*/}"
    cat "$file"
done
printf '\n%s\n' "$reports sanitizer reports"
[ "$reports" -eq 0 ] || rc=1
exit "$rc"
