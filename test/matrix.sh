#!/bin/bash
#
# matrix.sh [SUITE...]: "make test" with the PostgreSQL of other Debian releases.
#
# Each runs in a throw-away chroot that begins with git and make alone.  Needs
# root, mmdebstrap and a mirror of packages.

set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -gt 0 ] || set -- bookworm trixie sid
failed=
for suite; do
    printf '\n##### %s\n' "$suite"
    # Releases in the making may be older than their signatures allow.
    mmdebstrap --mode=root --variant=apt --format=null --quiet \
        --include=git,make --aptopt='Acquire::Check-Valid-Until "false"' \
        --customize-hook='mkdir "$1/srv/cellenc" && tar -cf - --exclude=./.git . | tar -C "$1/srv/cellenc" -xf -' \
        --customize-hook='mkdir -p "$1/dev/shm" && mount -t tmpfs tmpfs "$1/dev/shm"' \
        --customize-hook='chroot "$1" make -C /srv/cellenc test </dev/null || touch "$1/failed"' \
        --customize-hook='umount "$1/dev/shm"; [ ! -e "$1/failed" ]' \
        "$suite" /dev/null || failed="$failed $suite"
done
[ -z "$failed" ] || { printf '\nfailed:%s\n' "$failed"; exit 1; }
