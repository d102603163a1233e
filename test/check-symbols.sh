#!/bin/sh
# check-symbols.sh LIBRARY: every symbol that LIBRARY exports carries our prefix.
#
# PostgreSQL 15 loads modules so that they share one space of names, and PGXS 15
# hides nothing: a helper called "parse" here could be the one that another
# module calls.
set -eu

foreign=$(nm -D --defined-only "$1" | awk '{ print $NF }' |
    grep -vxE 'cellenc_[a-z0-9_]+|pg_finfo_cellenc_[a-z0-9_]+|Pg_magic_func|_PG_init' || true)

if [ -n "$foreign" ]; then
    echo "symbols without the prefix \"cellenc_\" (make them static, or rename them):"
    echo "$foreign" | sed 's/^/    /'
    exit 1
fi
