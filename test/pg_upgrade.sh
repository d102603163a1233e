#!/bin/bash
#
# pg_upgrade.sh MAJOR...: moves a server with encrypted values from each major to
# the next one, and straight from the first to the last.
#
# For Debian's layout of several majors side by side, cellenc being installed for
# each; matrix.sh makes that.  test/t/035_pg_upgrade_mode.pl does the work, with
# the last major's test modules.
#
# Prints a line for each way: upgrade FROM→TO PASSED FAILED SKIPPED.

set -euo pipefail
cd "$(dirname "$0")/.."

prefix() { echo "/usr/lib/postgresql/$1"; }

missing=
for major; do
    [ -x "$(prefix "$major")/bin/postgres" ] && [ -f "$(prefix "$major")/lib/cellenc.so" ] || missing="$missing $major"
done

# run MAJOR...: one test, through all of them.
run() {
    local majors=("$@") new=${!#} old=() major rc=0 dir log way passed failed

    way=$(IFS=→; echo "${majors[*]}")
    for major in "${majors[@]:0:$#-1}"; do
        old+=("$(prefix "$major")")
    done
    dir=$(mktemp -d /var/tmp/cellenc-upgrade.XXXXXX)
    log=$dir/log
    chown postgres: "$dir"
    (
        cd "$dir"
        setpriv --reuid=postgres --regid=postgres --init-groups env -i LANG=C.UTF-8 HOME="$dir" TMPDIR="$dir" \
            PATH="$(prefix "$new")/bin:/usr/bin:/bin" PG_REGRESS="$(prefix "$new")/lib/pgxs/src/test/regress/pg_regress" \
            PERL5LIB="$(prefix "$new")/lib/pgxs/src/test/perl" CELLENC_OLD_INSTALLS="$(IFS=:; echo "${old[*]}")" \
            TESTDATADIR="$dir/tmp_check" TESTLOGDIR="$dir/tmp_check/log" TESTDIR="$dir" PGPORT=65432 \
            top_builddir="$dir" perl "$OLDPWD/test/t/035_pg_upgrade_mode.pl"
    ) >"$log" 2>&1 </dev/null || rc=$?
    passed=$(grep -c '^ok ' "$log" || true)
    failed=$(grep -c '^not ok ' "$log" || true)
    if [ "$rc" -ne 0 ]; then
        [ "$failed" -gt 0 ] || failed=1
        cat "$log"
        tail -n 80 "$dir"/tmp_check/log/regress_log_* 2>/dev/null || true
    fi
    echo "upgrade $way $passed $failed 0"
    rm -rf "$dir"
    return "$rc"
}

result=0
if [ -n "$missing" ]; then
    echo "skipped: no server with cellenc here for major$missing"
    echo "upgrade $(IFS=→; echo "$*") 0 0 1"
    exit 0
fi
run "$@" || result=1
if [ $# -gt 2 ]; then
    run "$1" "${!#}" || result=1
fi
exit "$result"
