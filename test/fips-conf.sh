#!/bin/sh
#
# fips-conf.sh DIR: makes an openssl.cnf in DIR that describes OpenSSL's FIPS
# provider without activating it for every program, and prints its path.  Prints
# nothing where that provider is not installed.

set -eu
modules=$(openssl version -m | sed -n 's/^MODULESDIR: "\(.*\)"$/\1/p')
[ -f "$modules/fips.so" ] || exit 0

mkdir -p "$1"
dir=$(cd "$1" && pwd)
openssl fipsinstall -quiet -module "$modules/fips.so" -out "$dir/fipsinstall.cnf"
sed '/^activate *=/d' "$dir/fipsinstall.cnf" >"$dir/fipsmodule.cnf"
cat >"$dir/openssl.cnf" <<CONF
openssl_conf = init
.include $dir/fipsmodule.cnf

[init]
providers = providers

[providers]
default = default_sect
fips = fips_sect

[default_sect]
activate = 1
CONF
echo "$dir/openssl.cnf"
