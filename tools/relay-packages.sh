#!/bin/sh
# What the relay and its test need from Debian: relay-packages.sh
# 0: it is there, installed now if that was possible; 1: it is not, and says what is missing.
there() {
  PATH="$PATH:/usr/sbin:/usr/local/sbin"
  missing=
  command -v mosquitto >/dev/null 2>&1 || missing="$missing mosquitto"
  command -v openssl >/dev/null 2>&1 || missing="$missing openssl"
  for header in microhttpd:libmicrohttpd-dev mosquitto:libmosquitto-dev; do
    echo "#include <${header%:*}.h>" | ${CC:-cc} -E -o /dev/null - 2>/dev/null || missing="$missing ${header#*:}"
  done
  test -z "$missing"
}
there && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing >/dev/null
  there && exit 0
fi
echo "missing:$missing. The relay and its test are left out; install them (apt-get install$missing)." >&2
exit 1
