#!/bin/bash
#
# matrix.sh: "make test" on every PostgreSQL that Debian has, and pg_upgrade from
# each to the next ones; what "make test-matrix" calls.
#
# Each runs in a chroot of its own that begins with git and make alone.  Needs
# root, mmdebstrap (installed if missing) and a mirror of packages, which is the
# one that this machine's apt uses.
#
# Variables, all optional:
#   SUITES          releases of Debian; the last one is where pg_upgrade runs
#   KINDS           of test, as for "make test"; and "upgrade"
#   MATRIX_CACHE    folder in which the chroots stay, so that the next run is
#                   quick, and the results, so that a run of some SUITES or KINDS
#                   replaces these alone; without it, both are removed at the end
#   MATRIX          page whose table gets the results
#   everything that run.sh knows
#
# The last line is "N passed, N failed" over all of it; the exit code is zero when
# nothing failed.

set -euo pipefail
cd "$(dirname "$0")/.."
. test/setup.sh

SUITES=${SUITES:-bookworm trixie sid}
# Packages of pg_upgrade's chroot, besides the servers.
UPGRADE_PACKAGES="libipc-run-perl make openssl perl"

[ "$(id -u)" = 0 ] || die "must be run as root"
unset MAKEFLAGS MFLAGS MAKELEVEL

WORK=$(mktemp -d /var/tmp/cellenc-matrix.XXXXXX)
trap 'rm -rf --one-file-system "$WORK"' EXIT
trap 'exit 130' INT TERM
chroots=${MATRIX_CACHE:-$WORK/chroots}
# This run's results are in $WORK, those to show are here: as run.sh writes them, with
# the commit behind each.
results=$chroots/results
mkdir -p "$results"
commit=$(git -c safe.directory='*' describe --always --dirty --exclude='*' 2>/dev/null || echo unknown)

mirror() {
    local uri

    uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
    [ -n "$uri" ] || die "apt knows no mirror of Debian"
    echo "$uri"
}

# make_chroot NAME PACKAGES SUITE...: unless it is there.  Packages that several
# suites have are the first one's.
make_chroot() {
    local root=$chroots/$1 packages=$2 sources=() suite uri
    shift 2

    [ ! -f "$root/complete" ] || return 0
    rm -rf --one-file-system "$root"
    command -v mmdebstrap >/dev/null || apt-get install -y -q --no-install-recommends mmdebstrap >/dev/null
    uri=$(mirror) || return 1
    for suite; do
        sources+=("deb $uri $suite main")
    done
    # Releases in the making may be older than their signatures allow.  No
    # server of a package's own is wanted.
    mmdebstrap --mode=root --variant=apt --format=directory --quiet --include="$packages" \
        --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
        --dpkgopt=force-unsafe-io \
        --essential-hook='mkdir -p "$1/etc/postgresql-common/createcluster.d"' \
        --essential-hook='echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.d/none.conf"' \
        "$1" "$root" "${sources[@]}" || return 1
    touch "$root/complete"
}

# in_chroot NAME COMMAND...: nothing that it starts outlives it.
in_chroot() {
    local root=$chroots/$1
    shift

    unshare --mount --pid --fork --kill-child --propagation private bash -c '
        root=$1
        shift
        mount -t proc proc "$root/proc"
        mkdir -p "$root/dev/shm"
        mount -t tmpfs tmpfs "$root/dev/shm"
        exec chroot "$root" "$@"' bash "$root" "$@" </dev/null
}

# copy_in NAME: this tree, as /srv/cellenc.
copy_in() {
    local to=$chroots/$1/srv/cellenc

    rm -rf "$to"
    mkdir -p "$to"
    tar -cf - --exclude=./.git --exclude='./tmp_*' --exclude='*.o' --exclude='*.so' --exclude=node_modules . |
        tar -C "$to" -xf - --no-same-owner
}

# keep NAME: this run's results, instead of what there was of the same kinds.
keep() {
    local all=$results/$1

    [ -n "${KINDS:-}" ] && [ -f "$all" ] || : >"$all"
    awk -v commit="$commit" '
        NR == FNR { print $0 (/^(version|system) / ? "" : " " commit); new[$1]; next }
        !($1 in new)' "$WORK/$1" "$all" >"$WORK/all"
    cat "$WORK/all" >"$all"
}

# test_suite SUITE: run.sh's results in $WORK/SUITE.
test_suite() {
    local suite=$1 rc=0 settings=() name value

    make_chroot "$suite" git,make "$suite" || return 1
    copy_in "$suite"
    # npm's settings of this machine, for the clients that come from there
    for name in registry cafile; do
        value=$(npm config get "$name" 2>/dev/null) || continue
        case $value in
            "" | null | undefined) continue ;;
            /*)
                cp "$value" "$chroots/$suite/srv/$name"
                value=/srv/$name
                ;;
        esac
        settings+=("npm_config_$name=$value")
    done
    if [ -n "${WYCHEPROOF:-}" ]; then
        cp -rL "$WYCHEPROOF" "$chroots/$suite/srv/cellenc/vectors"
        settings+=(WYCHEPROOF=/srv/cellenc/vectors)
    fi
    in_chroot "$suite" env "${settings[@]}" RESULTS=/srv/cellenc/results make -C /srv/cellenc test || rc=$?
    cp "$chroots/$suite/srv/cellenc/results" "$WORK/$suite" && keep "$suite" || rc=1
    return "$rc"
}

# The major of PostgreSQL in a suite's chroot.
major_of() { sed -n 's/^version PostgreSQL \([0-9]*\).*/\1/p' "$results/$1"; }

# All suites that there are results of, by major.
tested_suites() {
    local file suite

    for file in "$results"/*; do
        suite=${file##*/}
        [ "$suite" = upgrade ] || echo "$(major_of "$suite") $suite"
    done | sort -n | cut -d ' ' -f 2 | tr '\n' ' '
}

# pg_upgrade, with the servers of all suites in one chroot; cellenc's files are
# those that each suite's own chroot has built.
test_upgrade() {
    local suite major packages=$UPGRADE_PACKAGES majors=() last newest_first=() rc=0

    for suite in $SUITES; do
        major=$(major_of "$suite")
        majors+=("$major")
        packages="$packages postgresql-$major"
        newest_first=("$suite" "${newest_first[@]}")
        last=$major
    done
    # where PostgreSQL's own test modules are
    packages="$packages postgresql-server-dev-$last"
    make_chroot upgrade "${packages// /,}" "${newest_first[@]}" || return 1
    copy_in upgrade
    for suite in $SUITES; do
        major=$(major_of "$suite")
        cp "$chroots/$suite/usr/lib/postgresql/$major/lib/cellenc.so" "$chroots/upgrade/usr/lib/postgresql/$major/lib/"
        cp "$chroots/$suite/usr/share/postgresql/$major/extension/"cellenc* \
            "$chroots/upgrade/usr/share/postgresql/$major/extension/"
    done
    in_chroot upgrade /srv/cellenc/test/pg_upgrade.sh "${majors[@]}" | tee "$WORK/upgrade.log" || rc=$?
    grep '^upgrade ' "$WORK/upgrade.log" >"$WORK/upgrade" && keep upgrade || rc=1
    return "$rc"
}

# The results that are kept, as Markdown: a table of kinds by suite, and one of upgrades.
table() {
    awk -v suites="$(tested_suites)" -v all_kinds="build $ALL_KINDS" -v dir="$results" '
        function cell(good, bad, skips) {
            if (good + bad == 0)
                return skips > 0 ? "skipped" : "–"
            return good (bad > 0 ? ", **" bad " failed**" : "") (skips > 0 ? ", " skips " skipped" : "")
        }
        function row(title, values,    i) {
            printf "| %s |", title
            for (i = 1; i <= n; i++)
                printf " %s |", (i in values) ? values[i] : "–"
            print ""
        }
        BEGIN {
            n = split(suites, suite, " ")
            for (i = 1; i <= n; i++) {
                rule[i] = "---"
                while ((getline < (dir "/" suite[i])) > 0) {
                    if ($1 == "version" || $1 == "system") {
                        what = $1
                        sub(/^[a-z]+ /, "")
                        if (what == "version") version[i] = $0; else system_of[i] = $0
                    } else {
                        seen[$1]
                        result[$1, i] = cell($2, $3, $4)
                        if (index(commit[i] " ", $5 " ") == 0)
                            commit[i] = commit[i] (commit[i] == "" ? "" : " ") $5
                    }
                }
            }
            row("", version)
            row("---", rule)
            row("on", system_of)
            row("commit", commit)
            kinds = split(all_kinds, kind, " ")
            for (k = 1; k <= kinds; k++) {
                if (!(kind[k] in seen)) continue
                delete values
                for (i = 1; i <= n; i++)
                    if ((kind[k], i) in result) values[i] = result[kind[k], i]
                row(kind[k], values)
            }
            while ((getline < (dir "/upgrade")) > 0) {
                if (!upgrades++) print "\n| pg_upgrade | tests | commit |\n|---|---|---|"
                printf "| %s | %s | %s |\n", $2, cell($3, $4, $5), $6
            }
        }'
}

failed=
kinds=${KINDS:-}
for suite in $SUITES; do
    say "Debian $suite"
    # without a kind, it is only built
    KINDS=${kinds/upgrade/ } test_suite "$suite" || failed="$failed $suite"
done
case " ${kinds:-upgrade} " in
    *" upgrade "*)
        say pg_upgrade
        test_upgrade || failed="$failed upgrade"
        ;;
esac

say results
table | tee "$WORK/table.md"
if [ -n "${MATRIX:-}" ]; then
    replace_table "$WORK/table.md" "$MATRIX"
fi
printf '\n'
awk '{ if ($1 == "upgrade") { good += $3; bad += $4 } else if ($1 !~ /^(version|system)$/) { good += $2; bad += $3 } }
    END { printf "%d passed, %d failed\n", good, bad }' $(ls "$WORK"/{upgrade,$(echo $SUITES | tr ' ' ,)} 2>/dev/null)
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
