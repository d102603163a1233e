# setup.sh: what "make test", "make demo", "make bench", "make test-matrix" and
# "make test-asan" share.
#
# Sourced by run.sh, matrix.sh and asan.sh, as root, in the top folder.  Installs what is missing,
# builds and installs cellenc from a copy of the tree, and hands a second copy
# to an unprivileged user, because PostgreSQL's servers refuse to run as root
# and the checkout may be one that only root can enter.
#
# set_up sets WORK (removed at exit), RUN (the user's copy), RUN_USER, PG_CONFIG, BINDIR.

# Of tests, in the order in which they run.
ALL_KINDS="clang symbols readme indent unit fuzz regress isolation tap clients"

# Debian packages: to build and run; and to test, besides those.  The server's
# come from server_packages.
BUILD_PACKAGES="gcc libc6-dev make perl openssl libssl-dev libkrb5-dev"
TEST_PACKAGES="libipc-run-perl clang libclang-rt-dev pg-bsd-indent libjansson-dev procps openssl-provider-fips"

say() { printf '\n=== %s\n' "$*"; }
die() { printf '%s\n' "${0##*/}: $*" >&2; exit 1; }

system_name() { (. /etc/os-release && echo "$PRETTY_NAME"); }

# replace_table TABLE PAGE: what the page has between two comments.
replace_table() {
    local new=$WORK/page.md

    awk -v table="$1" '
        /^<!-- end of the table/ { inside = 0; print "" }
        !inside { print }
        /^<!-- the table/ { inside = 1; print ""; while ((getline line < table) > 0) print line }' "$2" >"$new"
    cat "$new" >"$2"
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

has_package() { apt-cache show "$1" >/dev/null 2>&1; }

# A PostgreSQL that can be built against and started.  Its makefiles alone do not
# tell: in Debian they come with the client.
has_server() {
    local config=${PG_CONFIG:-pg_config}

    command -v "$config" >/dev/null 2>&1 &&
        [ -f "$("$config" --pgxs 2>/dev/null)" ] &&
        [ -f "$("$config" --includedir-server)/postgres.h" ] &&
        [ -x "$("$config" --bindir)/initdb" ]
}

# Server and development package of the distribution's default major.
server_packages() {
    local major

    major=$(apt-cache depends postgresql 2>/dev/null |
        sed -n 's/^ *Depends: postgresql-\([0-9]*\)$/\1/p' | head -n 1)
    [ -n "$major" ] || die "found no PostgreSQL package to install; set PG_CONFIG"
    echo "postgresql-$major postgresql-server-dev-$major"
}

# install_packages PACKAGE...: those that are missing.
install_packages() {
    local package wanted=() log=$WORK/apt.log
    local config=/etc/postgresql-common/createcluster.d/cellenc-test.conf

    command -v apt-get >/dev/null 2>&1 || {
        has_server || die "PostgreSQL with its development files is needed; set PG_CONFIG"
        return 0
    }
    for package; do
        is_installed "$package" || wanted+=("$package")
    done
    if [ ${#wanted[@]} -eq 0 ] && has_server; then
        return 0
    fi

    say "installing packages"
    apt-get update -q >"$log" 2>&1 || cat "$log"
    has_server || wanted+=($(server_packages))
    # What a distribution does not have is left out; the tests that need it
    # say so.
    local found=()
    for package in "${wanted[@]}"; do
        if has_package "$package"; then
            found+=("$package")
        else
            echo "no such package here: $package"
        fi
    done
    [ ${#found[@]} -gt 0 ] || return 0
    echo "${found[*]}"

    # No server of the machine's own is wanted: only ours, for a while.
    if ! is_installed postgresql-common; then
        mkdir -p "${config%/*}"
        echo 'create_main_cluster = false' >"$config"
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        "${found[@]}" >"$log" 2>&1 </dev/null || {
        cat "$log"
        rm -f "$config"
        die "apt-get install failed"
    }
    rm -f "$config"
}

# client_packages: what the clients in test/clients need.  A package whose program
# came in another way is left out: npm may be part of a nodejs that is not
# Debian's, and would replace it.  Only where clients look for programs, though:
# a toolchain in root's home is of no use to them.
client_packages() {
    local client package

    for client in ${CLIENTS:-$(ls test/clients)}; do
        [ -f "test/clients/$client/packages" ] || continue
        while read -r package || [ -n "$package" ]; do
            is_installed "$package" || ! PATH=/usr/local/bin:/usr/bin:/bin command -v "$package" >/dev/null || continue
            echo "$package"
        done <"test/clients/$client/packages"
    done | sort -u
}

pick_user() {
    if [ -n "${CELLENC_TEST_USER:-}" ]; then
        RUN_USER=$CELLENC_TEST_USER
    elif getent passwd postgres >/dev/null; then
        RUN_USER=postgres
    else
        RUN_USER=nobody
    fi
}

# as_user COMMAND...: in RUN, as the unprivileged user, with an environment
# that does not depend on the caller's.  Temporary files go where clean_up finds
# them.
as_user() {
    (cd "$RUN" && exec setpriv --reuid="$RUN_USER" --regid="$(id -g "$RUN_USER")" --init-groups -- env -i \
        PATH="$BINDIR:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
        HOME="$RUN" TMPDIR="$WORK/tmp" USER="$RUN_USER" LOGNAME="$RUN_USER" LANG=C.UTF-8 \
        PG_CONFIG="$PG_CONFIG" BINDIR="$BINDIR" TERM="${TERM:-dumb}" "${NPM_SETTINGS[@]}" "${TEST_SETTINGS[@]}" \
        "$@")
}

# Variables that the tests themselves read, from the caller's environment.
TEST_SETTINGS=()
pick_test_settings() {
    local name

    for name in FUZZ_SECONDS FUZZ_SEED SQLSMITH_SECONDS SQLSMITH_SEED PG_TEST_TIMEOUT_DEFAULT PGCTLTIMEOUT PGISOLATIONTIMEOUT ASAN_OPTIONS UBSAN_OPTIONS; do
        [ -z "${!name:-}" ] || TEST_SETTINGS+=("$name=${!name}")
    done
}

# What root's npm is set to, for the user's, if there is an npm.
NPM_SETTINGS=()
pick_npm_settings() {
    local name value

    command -v npm >/dev/null || return 0
    for name in registry cafile; do
        value=$(npm config get "$name" 2>/dev/null) || continue
        case $value in
            "" | null | undefined) ;;
            *) NPM_SETTINGS+=("npm_config_$name=$value") ;;
        esac
    done
}

# Stop what may be left of our servers, then remove all files.
clean_up() {
    local file pid

    while read -r file; do
        pid=$(head -n 1 "$file")
        case $(readlink "/proc/$pid/cwd") in
            "$WORK"/*) kill -QUIT "$pid" || true ;;
        esac
    done < <(find "$WORK" -name postmaster.pid 2>/dev/null)
    if [ -n "${CELLENC_KEEP:-}" ]; then
        echo "kept: $WORK"
    else
        rm -rf "$WORK"
    fi
}

# copy_tree FROM TO: sources only.
copy_tree() {
    mkdir -p "$2"
    tar -C "$1" -cf - --exclude=./.git --exclude='./tmp_*' --exclude='*.o' --exclude='*.so' --exclude=node_modules . |
        tar -C "$2" -xf - --no-same-owner
}

# set_up PACKAGE...: all that comes before the build.
set_up() {
    [ "$(id -u)" = 0 ] || die "must be run as root: it installs packages and cellenc itself"
    # Variables given to the outer make are in the environment; its flags are
    # not for the ones below.
    unset MAKEFLAGS MFLAGS MAKELEVEL

    WORK=$(mktemp -d /var/tmp/cellenc.XXXXXX)
    chmod 711 "$WORK"
    trap clean_up EXIT
    trap 'exit 130' INT TERM

    install_packages $BUILD_PACKAGES "$@"
    PG_CONFIG=$(command -v "${PG_CONFIG:-pg_config}") || die "found no pg_config"
    pick_user
    pick_test_settings
    RUN=$WORK/run
    mkdir "$WORK/tmp"
    chown "$RUN_USER": "$WORK/tmp"
    copy_tree . "$WORK/build"
    # PGXS, not pg_config, knows where the programs are that belong to it.
    BINDIR=$(make -s -C "$WORK/build" PG_CONFIG="$PG_CONFIG" print-bindir)
}

# build_all: build and install, then make the user's copy.
build_all() {
    local log=$WORK/build.log

    say "building and installing cellenc for $("$PG_CONFIG" --version)"
    {
        make -s -C "$WORK/build" PG_CONFIG="$PG_CONFIG" clean &&
            make -s -C "$WORK/build" PG_CONFIG="$PG_CONFIG" -j"$(nproc)" WERROR=1 all &&
            make -s -C "$WORK/build" PG_CONFIG="$PG_CONFIG" install
    } >"$log" 2>&1 </dev/null || {
        cat "$log"
        return 1
    }
    cp -a "$WORK/build" "$RUN"
    chown -R "$RUN_USER": "$RUN"
}
