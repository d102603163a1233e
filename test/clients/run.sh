#!/bin/bash
#
# run.sh: runs the clients, drivers and ORMs, on plain and on encrypted columns.
#
# Runs as an unprivileged user, with cellenc and the clients' packages installed,
# on a server of its own.  README.md here tells what a client is made of.
#
# Variables, all optional:
#   CLIENTS         names of the clients to run, instead of all
#   LIVE            those of them that also run while columns are converted
#   MATRIX          file that gets the results as a Markdown table
#   PORT            of the server
#   CELLENC_KEEP    if set, the temporary files stay
#
# Prints a line for each check and ends with "N passed, N failed".

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
BINDIR=${BINDIR:-$(pg_config --bindir)}
PATH=$BINDIR:$PATH
# Longest times, in seconds, of a client's build and of one run.
BUILD_LIMIT=1200
RUN_LIMIT=300
# Where clients find programs: none in somebody's home.
CLIENT_PATH=/usr/local/bin:/usr/bin:/bin
LIVE=${LIVE-jdbc pg psycopg}
# How much of a log is shown with a failure.
LOG_LINES=60

# Not in the current folder: the path of a socket has to be short.
dir=$(mktemp -d "${TMPDIR:-/var/tmp}/cellenc-clients.XXXXXX")
data=$dir/data
passed=0
failed=0
# Types of the columns that are not encrypted, for schema.sql.
plain_types=()

clean_up() {
    [ ! -f "$data/postmaster.pid" ] || pg_ctl -D "$data" -m immediate -s stop || true
    if [ -n "${CELLENC_KEEP:-}" ]; then
        echo "kept: $dir"
    else
        rm -rf "$dir"
    fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# check NAME COMMAND...: a check of the runner itself.
check() {
    local name=$1
    shift
    if "$@"; then
        echo "ok - $name"
        passed=$((passed + 1))
    else
        echo "not ok - $name"
        failed=$((failed + 1))
        return 1
    fi
}

# psql as superuser, or as the tables' owner.  Clients come over TCP.
sql() { psql -XAtq -v ON_ERROR_STOP=1 -h "$dir" -U postgres "$@"; }
sql_app() { psql -XAtq -v ON_ERROR_STOP=1 -h "$dir" -U app "$@"; }

start_server() {
    initdb -D "$data" -U postgres -A trust -E UTF8 --locale=C >"$dir/initdb.log" 2>&1 || {
        cat "$dir/initdb.log"
        return 1
    }
    (umask 077 && openssl rand -hex 32 >"$dir/master.key")
    cat >>"$data/postgresql.conf" <<CONF
shared_preload_libraries = 'cellenc'
cellenc.master_key_file = '$dir/master.key'
listen_addresses = '127.0.0.1'
unix_socket_directories = '$dir'
fsync = off
log_line_prefix = '%d: '
CONF
    # The folder of the socket is ours alone.
    cat >"$data/pg_hba.conf" <<CONF
local all all trust
host all app,developer 127.0.0.1/32 scram-sha-256
CONF
    for _ in 1 2 3 4 5 6 7 8 9; do
        export PGPORT=${PORT:-$((49152 + RANDOM % 16384))}
        if pg_ctl -D "$data" -o "-p $PGPORT" -l "$dir/server.log" -s -w start 2>/dev/null; then
            return 0
        fi
        # the port may be taken
        [ -z "${PORT:-}" ] || break
    done
    cat "$dir/server.log"
    return 1
}

# make_database NAME VARIABLE=TYPE...
make_database() {
    local name=$1 variables=()
    shift
    for variable; do
        variables+=(-v "$variable")
    done
    sql -d postgres -c "CREATE DATABASE $name"
    sql -d "$name" -c 'GRANT CREATE ON SCHEMA public TO app'
    if [ "$name" != plain ]; then
        sql -d "$name" >/dev/null <<SQL
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS cellenc;
SELECT cellenc_create_key('app');
SELECT cellenc_grant_key('app', 'app');
SQL
    fi
    sql_app -d "$name" "${variables[@]}" -f "$here/schema.sql"
}

make_databases() {
    local base twin=()

    sql -d postgres -c "CREATE ROLE app LOGIN PASSWORD 'app'"
    for base in text int2 int4 int8 numeric float4 float8 bool date time timestamp timestamptz jsonb bytea inet; do
        plain_types+=("$base=$base")
        twin+=("$base=enc$base('app')")
    done
    plain_types+=(text_eq=text text_ord=text int4_ord=int4 uuid_eq=uuid email_opclass=)
    make_database plain "${plain_types[@]}"
    make_database twin "${twin[@]}" text_eq="enctext('app', 'equality')" text_ord="enctext('app', 'order')" \
        int4_ord="encint4('app', 'order')" uuid_eq="encuuid('app', 'equality')" \
        email_opclass=cellenc.enctext_term_ops
    # Who works with schema tools may make databases, and keys by naming them.
    sql -d template1 -c 'CREATE EXTENSION cellenc' \
        -c "CREATE ROLE developer LOGIN CREATEDB PASSWORD 'developer'" \
        -c "ALTER ROLE developer SET cellenc.unknown_key = 'create'"
}

# encrypted DATABASE: number of encrypted columns.  A client's schema tools could change them.
encrypted() {
    sql -d "$1" -c "SELECT count(*) FROM cellenc.columns WHERE relation IN ('person'::regclass, 'purchase'::regclass)"
}

# Debian's package, or a program of that name that came in another way.
has_package() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ||
        PATH=$CLIENT_PATH command -v "$1" >/dev/null
}

# The first package that CLIENT lacks.
missing_package() {
    local package

    while read -r package || [ -n "$package" ]; do
        has_package "$package" || {
            echo "$package"
            return
        }
    done < <(cat "$dir/clients/$1/packages" 2>/dev/null || true)
}

# as_client CLIENT LIMIT COMMAND...: in its folder, with an environment of its own;
# in $database as $role.
as_client() {
    local client=$1 limit=$2
    shift 2
    (cd "$dir/clients/$client" && exec env -i \
        PATH="$CLIENT_PATH" HOME="$dir/home" TMPDIR="$dir/tmp" LANG=C.UTF-8 TZ=UTC \
        USER="$(id -un)" LOGNAME="$(id -un)" \
        ${npm_config_registry:+npm_config_registry="$npm_config_registry"} \
        ${npm_config_cafile:+npm_config_cafile="$npm_config_cafile"} \
        PGHOST=127.0.0.1 PGPORT="$PGPORT" PGUSER="${role:-app}" PGPASSWORD="${role:-app}" PGDATABASE="${database:-}" \
        timeout -k 10 "$limit" "$@" </dev/null)
}

build() {
    [ -x "$dir/clients/$1/build" ] || return 0
    as_client "$1" "$BUILD_LIMIT" ./build >"$dir/$1.build" 2>&1 || {
        tail -n "$LOG_LINES" "$dir/$1.build"
        return 1
    }
}

# run_checks CLIENT SCRIPT WHERE: prints and counts its checks; leaves their names in
# CLIENT.WHERE.names, and sets good to how many passed.
run_checks() {
    local client=$1 script=$2 where=$3 out=$dir/$1.$3 bad plan rc=0 log

    log=$(stat -c %s "$dir/server.log")
    as_client "$client" "$RUN_LIMIT" "./$script" >"$out.tap" 2>"$out.err" || rc=$?
    awk -v where="$client $where" -v names="$out.names" '
        /^(not )?ok [0-9]+ - / {
            not = /^not / ? "not " : ""
            sub(/^(not )?ok [0-9]+ - /, "")
            print not "ok - " where ": " $0
            print > names
            next
        }
        /^#/ && not { print "    " $0 }' "$out.tap"
    touch "$out.names"
    good=$(grep -c '^ok [0-9]* - ' "$out.tap" || true)
    bad=$(grep -c '^not ok [0-9]* - ' "$out.tap" || true)
    plan=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$out.tap")
    passed=$((passed + good))
    failed=$((failed + bad))
    check "$client $where: ran all its checks, exit code $rc" \
        [ "$rc.${plan:-none}" = "0.$((good + bad))" ] || tail -n "$LOG_LINES" "$out.err"
    if [ "$bad" -gt 0 ] || [ "$rc" -ne 0 ]; then
        tail -c +$((log + 1)) "$dir/server.log" | tail -n "$LOG_LINES" | sed 's/^/    server: /'
    fi
}

# run_on DATABASE CLIENT: with empty tables.
run_on() {
    local database=$1 role=app

    sql_app -d "$database" -c 'TRUNCATE person, purchase RESTART IDENTITY'
    run_checks "$2" run "$database"
}

# run_schema CLIENT: its schema tools, in an empty database.
run_schema() {
    local database=scratch role=developer

    sql -d postgres -c 'DROP DATABASE IF EXISTS scratch' -c 'CREATE DATABASE scratch OWNER developer'
    run_checks "$1" schema schema
}

# Encrypt all columns of database live that are encrypted in twin, one after the
# other, and leave file converted.
convert() {
    sql -d twin -c "
        SELECT format('SELECT cellenc_encrypt_column(%L, %L, %L, %L); CALL cellenc_wait();', relation, attname, key, search)
        FROM cellenc.columns WHERE relation IN ('person'::regclass, 'purchase'::regclass) ORDER BY random()" |
        sql_app -d live >"$dir/convert.log" 2>&1 || true
    touch "$dir/converted"
}

# run_live CLIENT: again and again, while the columns are converted.
run_live() {
    make_database live "${plain_types[@]}"
    rm -f "$dir/converted"
    convert &
    while [ ! -e "$dir/converted" ]; do
        run_on live "$1"
    done
    wait
    check "$1: all columns were encrypted meanwhile" [ "$(encrypted live)" = "$columns" ] || cat "$dir/convert.log"
    sql -d postgres -c 'DROP DATABASE live WITH (FORCE)'
}

# row CLIENT VERSION CHECKS PLAIN TWIN SCHEMA: of the matrix.
row() {
    [ -z "${MATRIX:-}" ] || printf '| %s | %s | %s | %s | %s | %s |\n' "$@" >>"$MATRIX"
}

run_client() {
    local client=$1 package line checks good plain twin schema=

    package=$(missing_package "$client")
    if [ -n "$package" ]; then
        echo "skipped: $client, because $package is not here"
        row "$client" "not here" - - - ""
        return
    fi
    check "$client: built" build "$client" || {
        row "$client" "not built" - - - ""
        return 0
    }
    run_on plain "$client"
    plain=$good
    run_on twin "$client"
    twin=$good
    checks=$(wc -l <"$dir/$client.plain.names")
    check "$client: has checks, the same on both databases" \
        test "$checks" -gt 0 -a -z "$(diff "$dir/$client.plain.names" "$dir/$client.twin.names")" || true
    check "$client: left the columns encrypted" [ "$(encrypted twin)" = "$columns" ] || true
    case " $LIVE " in
        *" $client "*) run_live "$client" ;;
    esac
    if [ -x "$dir/clients/$client/schema" ]; then
        run_schema "$client"
        schema="$good of $(wc -l <"$dir/$client.schema.names")"
    fi
    # "Name 1.2.3 with more": the version begins at the first digit.
    line=$(as_client "$client" "$RUN_LIMIT" ./version) || line=
    check "$client: told its version" [ -n "$line" ] || line="$client 0"
    row "${line%% [0-9]*}" "${line#"${line%% [0-9]*} "}" "$checks" "$plain" "$twin" "$schema"
}

mkdir "$dir/clients" "$dir/home" "$dir/tmp"
tar -C "$here" -cf - --exclude=node_modules . | tar -C "$dir/clients" -xf -
start_server
make_databases
columns=$(encrypted twin)
check "columns of database twin are encrypted" [ "$columns" -ge 20 ]

if [ -n "${MATRIX:-}" ]; then
    printf '| client | version | checks | plain | encrypted | schema tools |\n|---|---|---|---|---|---|\n' >"$MATRIX"
fi
# A folder without "run" is what several clients share.
for client in ${CLIENTS:-$(cd "$dir/clients" && ls -d -- */ | tr -d /)}; do
    if [ -x "$dir/clients/$client/run" ]; then
        run_client "$client"
        [ -n "${CELLENC_KEEP:-}" ] || rm -rf "$dir/clients/$client"
    elif [ -n "${CLIENTS:-}" ]; then
        check "$client: is a client" false || true
    fi
done
printf '\n%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
