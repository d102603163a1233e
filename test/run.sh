#!/bin/bash
#
# run.sh test|demo|bench|bench-page|client-matrix: what "make test", "make demo"
# and so on call.
#
# Runs as root on a machine that may have nothing but git and make: installs
# what is missing, builds and installs cellenc, then tests, shows or measures it
# as an unprivileged user on servers of its own.
#
# Variables, all optional:
#   KINDS           which kinds of test, of those in ALL_KINDS; and "sqlsmith"
#   TAP_JOBS        how many files of TAP tests run at a time
#   WYCHEPROOF      folder of published test vectors
#   FUZZ_SECONDS    for each fuzz target, and for the one that needs a server
#   SQLSMITH_SECONDS, SQLSMITH_SEED   see test/sqlsmith/sqlsmith.pl
#   LIMIT           of time, for each kind
#   CLIENTS         which clients, of those in test/clients
#   MATRIX          page whose table gets their results
#   RESULTS         file that gets a line for each kind: passed, failed, skipped
#   PG_CONFIG       of the PostgreSQL to use
#   CELLENC_KEEP    if set, the temporary files stay
#   ROWS            of the demo or the bench; for more of the bench, see BENCH_OPTIONS
#   PAGE            the bench's page, a file with a folder of the same name beside it
#   JSON            where else the bench's figures go, as JSON
#
# The last line of a test is "N passed, N failed" over all kinds, after a summary
# of what failed; the exit code is zero when something ran and nothing failed.

set -euo pipefail
cd "$(dirname "$0")/.."
. test/setup.sh

# No kind takes this long; one that hangs must not keep the others from running.
LIMIT=${LIMIT:-30m}

passed=0
failed=0
skipped=0

count() {
    passed=$((passed + $1))
    failed=$((failed + $2))
}

skip() {
    echo "skipped: $*"
    skipped=$((skipped + 1))
}

# run LOG COMMAND...: shows the output and keeps it in LOG; the command's result.
run() {
    local log=$1
    shift
    as_user timeout -k 30 "$LIMIT" "$@" </dev/null 2>&1 | tee "$log"
    return "${PIPESTATUS[0]}"
}

# run_counted COMMAND...: counts what its output says has passed and failed:
# tests of pg_regress (since 16 as TAP), files of prove, targets of libFuzzer,
# "N passed, N failed".
run_counted() {
    local log=$WORK/kind.log rc=0 good bad

    run "$log" "$@" || rc=$?
    read -r good bad < <(awk '
        /^(test|    ) .* \.\.\. ok/ || /^ok [0-9]+/ || /^[^ ]+ \.\.+ ok *$/ { good++ }
        /^(test|    ) .* \.\.\. FAILED/ || /^not ok [0-9]+/ || /^[^ ]+ +\(Wstat: / && !/Wstat: 0 .*Failed: 0\)/ { bad++ }
        /number_of_executed_units/ { good++ }
        /^[0-9]+ passed, [0-9]+ failed/ { good += $1; bad += $3 }
        END { print good + 0, bad + 0 }' "$log")
    if [ "$rc" -ne 0 ] && [ "$bad" -eq 0 ]; then
        echo "not ok: exit code $rc of $*" | tee -a "$log"
        bad=1
    elif [ "$rc" -eq 0 ] && [ "$good" -eq 0 ] && [ "$bad" -eq 0 ]; then
        good=1
    fi
    count "$good" "$bad"
    return "$rc"
}

# show FILE...: those that exist.
show() {
    local file

    for file; do
        if [ -s "$file" ]; then
            printf '\n--- %s\n' "${file#"$RUN"/}"
            cat "$file"
        fi
    done
}

# show_ends FILE...: the last lines of those that exist.
show_ends() {
    local file

    for file; do
        if [ -s "$file" ]; then
            printf '\n--- end of %s\n' "${file#"$RUN"/}"
            tail -n 60 "$file"
        fi
    done
}

# summarize KIND: what of the kind that has just run failed, for the end of the
# output, which may be all of it that somebody gets to see.
summarize() {
    local file

    echo "FAILED: $1"
    grep -E '^not ok|\.\.\. FAILED|^[^ ]+ +\(Wstat: ' "$WORK/kind.log" | head -n 20 || true
    for file in $(failed_files); do
        [ -f "$RUN/tmp_check/log/regress_log_$file" ] || continue
        sed 's/^\[[0-9:.]*\]([0-9.]*s) //' "$RUN/tmp_check/log/regress_log_$file" >"$WORK/test.log"
        grep -A 5 '^not ok' "$WORK/test.log" | head -n 12 || true
        # what a test died of stands before what stops its servers
        grep -vE '^(###? |waiting for server|server (started|stopped)|# (Running|No postmaster|Postmaster))' "$WORK/test.log" |
            tail -n 5 || true
    done
}

# The files of TAP tests that prove reports as failed.
failed_files() { sed -n 's,^test/.*/\([^ ]*\)\.pl *(Wstat: .*,\1,p' "$WORK/kind.log"; }

make_user() { run_counted make -s PG_CONFIG="$PG_CONFIG" "$@"; }

# Not a warning of another compiler, either.  PostgreSQL's flags and headers are
# those of the one that it was built with.
test_clang() {
    if as_user sh -c 'command -v clang' >/dev/null; then
        copy_tree . "$RUN/clang"
        chown -R "$RUN_USER": "$RUN/clang"
        make_user -C clang CC=clang WERROR=1 \
            COPT='-Wno-unknown-warning-option -Wno-ignored-optimization-argument -Wno-ignored-attributes' all
    else
        skip "no clang here"
    fi
}

test_symbols() { make_user check-symbols; }

test_readme() { make_user check-readme; }

test_indent() {
    # Other versions lay some lines out in another way.
    if as_user sh -c 'pg_bsd_indent --version 2>&1' | grep -q ' 2\.1\.1 '; then
        make_user indent-check
    else
        skip "no pg_bsd_indent 2.1.1 here"
    fi
}

test_unit() {
    if [ -n "${WYCHEPROOF:-}" ]; then
        # The user may not be able to enter the folder.
        cp -r "$WYCHEPROOF" "$RUN/vectors"
        chown -R "$RUN_USER": "$RUN/vectors"
        chmod -R u+w "$RUN/vectors"
        make_user unit WYCHEPROOF="$RUN/vectors"
    else
        make_user unit
    fi
}

test_fuzz() {
    if as_user sh -c 'command -v clang' >/dev/null; then
        make_user fuzz ${FUZZ_SECONDS:+FUZZ_SECONDS=$FUZZ_SECONDS}
    else
        skip "no clang here"
    fi
}

# The other parts of installcheck are emptied, because make stops at the first
# part that fails.
test_regress() {
    make_user installcheck ISOLATION= TAP_TESTS= || {
        show "$RUN/regression.diffs"
        show_ends "$RUN"/log/postmaster.log
        return 1
    }
}

test_isolation() {
    [ -n "$(ls test/isolation/specs/*.spec 2>/dev/null)" ] || { skip "no isolation tests"; return 0; }
    make_user installcheck REGRESS= TAP_TESTS= || {
        show "$RUN/output_iso/regression.diffs"
        show_ends "$RUN"/output_iso/log/postmaster.log
        return 1
    }
}

test_tap() {
    local name

    [ -n "$(ls test/t/*.pl 2>/dev/null)" ] || { skip "no TAP tests"; return 0; }
    make_user installcheck REGRESS= ISOLATION= PROVE_FLAGS="${TAP_JOBS:+-j$TAP_JOBS}" || {
        for name in $(failed_files); do
            show_ends "$RUN/tmp_check/log/regress_log_$name"
        done
        return 1
    }
}

test_sqlsmith() {
    make_user installcheck REGRESS= ISOLATION= PROVE_TESTS=test/sqlsmith/sqlsmith.pl || {
        show_ends "$RUN/tmp_check/log/regress_log_sqlsmith"
        return 1
    }
}

# client_matrix TABLE PAGE: the table goes into the page, with what it is of.
client_matrix() {
    printf '%s on %s.\n\n' "$("$PG_CONFIG" --version)" "$(system_name)" | cat - "$1" >"$WORK/table.md"
    replace_table "$WORK/table.md" "$2"
}

test_clients() {
    local rc=0

    pick_npm_settings
    run_counted env CLIENTS="${CLIENTS:-}" MATRIX="$RUN/clients.md" test/clients/run.sh || rc=$?
    skipped=$((skipped + $(grep -c '^skipped: ' "$WORK/kind.log" || true)))
    if [ -n "${MATRIX:-}" ] && [ -s "$RUN/clients.md" ]; then
        client_matrix "$RUN/clients.md" "$MATRIX"
    fi
    return "$rc"
}

# What of test/bench/Options.pm can be set.
BENCH_OPTIONS="PARTS QUICK REPEAT ROWS SORT_ROWS ROTATE_ROWS PGP_ROWS KEY_ROWS LOOKUPS BENCH_SECONDS READ_RATE WRITE_RATE
    PGBENCH_SCALE PARTITIONS KEYS VERSIONS CONNECTIONS SCALE_ROWS SCALE_CONNECTIONS SCALE_KEYS SCALE_VERSIONS"

# run_bench PAGE: the page, its plots and bench.json are made by what is measured.
run_bench() {
    local page=$1 name options=() result=0

    for name in $BENCH_OPTIONS; do
        [ -z "${!name:-}" ] || options+=("$name=${!name}")
    done
    as_user "${options[@]}" COMMIT="$(git -c safe.directory='*' rev-parse --short HEAD 2>/dev/null || true)" \
        perl test/bench/bench.pl || result=$?
    [ -f "$RUN/bench.json" ] || return "$result"
    mkdir -p "${page%.md}"
    [ -f "$page" ] || cp doc/benchmarks.md "$page"
    cp "$RUN/bench.json" "${page%.md}/bench.json"
    [ -z "${JSON:-}" ] || cp "$RUN/bench.json" "$JSON"
    perl test/bench/page.pl "$page"
    say "$page and ${page%.md}"
    return "$result"
}

# note KIND PASSED FAILED SKIPPED: one line of RESULTS.
note() {
    [ -z "${RESULTS:-}" ] || echo "$*" >>"$RESULTS"
}

run_tests() {
    local kind packages=$TEST_PACKAGES before

    case " ${KINDS:-$ALL_KINDS} " in
        *" clients "*) packages="$packages $(client_packages)" ;;
    esac
    case " ${KINDS:-} " in
        *" sqlsmith "*) packages="$packages sqlsmith" ;;
    esac
    set_up $packages
    if [ -n "${RESULTS:-}" ]; then
        echo "version $("$PG_CONFIG" --version)" >"$RESULTS"
        echo "system $(system_name)" >>"$RESULTS"
    fi
    if build_all; then
        count 1 0               # the build, without a warning
        note build 1 0 0
    else
        note build 0 1 0
        echo "0 passed, 1 failed"
        return 1
    fi
    for kind in ${KINDS:-$ALL_KINDS}; do
        say "$kind"
        before=($passed $failed $skipped)
        "test_$kind" || summarize "$kind" | tee -a "$WORK/failures"
        note "$kind" $((passed - before[0])) $((failed - before[1])) $((skipped - before[2]))
    done
    printf '\n'
    if [ -s "$WORK/failures" ]; then
        cat "$WORK/failures"
    fi
    if [ "$skipped" -gt 0 ]; then
        echo "$passed passed, $failed failed, $skipped skipped"
    else
        echo "$passed passed, $failed failed"
    fi
    [ "$failed" -eq 0 ]
}

case ${1:-} in
    test)
        run_tests
        ;;
    demo)
        set_up
        build_all
        as_user ROWS="${ROWS:-}" CELLENC_KEEP="${CELLENC_KEEP:-}" test/demo.sh
        ;;
    bench)
        set_up
        build_all
        run_bench "${PAGE:-tmp_bench/benchmarks.md}"
        ;;
    bench-page)
        # What takes much longer than all the rest tells nothing that the page needs.
        PARTS=${PARTS:-scans inserts bytes first_use values size lookups sorts oltp hooks rotation rotation_load
            conversion latency scaling}
        REPEAT=${REPEAT:-5}
        BENCH_SECONDS=${BENCH_SECONDS:-5}
        set_up
        build_all
        run_bench "${PAGE:-doc/benchmarks.md}"
        ;;
    client-matrix)
        KINDS=clients MATRIX=doc/clients.md run_tests
        ;;
    test-sqlsmith)
        KINDS=sqlsmith run_tests
        ;;
    *)
        die "usage: run.sh test|demo|bench|bench-page|client-matrix"
        ;;
esac
