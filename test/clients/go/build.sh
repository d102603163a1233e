#!/bin/sh
#
# build.sh: builds the client in the current folder, from the packages that
# Debian keeps in its GOPATH.
#

export GOPATH=/usr/share/gocode GO111MODULE=off GOCACHE="${TMPDIR:-/tmp}/go-build" CGO_ENABLED=0
cp ../go/tap.go .
go vet . && exec go build -o client .
