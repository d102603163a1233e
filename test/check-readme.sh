#!/bin/sh
# check-readme.sh README SQL: the first SQL block of README is the text of SQL,
# which the regression tests run.
set -eu

awk '/^```sql$/ { inside = 1; next } inside && /^```$/ { exit } inside' "$1" |
    diff -u --label "quick start in $1" --label "$2" - "$2"
