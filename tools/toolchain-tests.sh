#!/bin/sh
# The tests need a C++ compiler besides, and nm; installs g++ where that is possible: toolchain-tests.sh CXX
command -v "$1" >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  apt-get update -qq && apt-get install -y -qq --no-install-recommends g++ >/dev/null && exit 0
fi
echo "missing: $1. The tests compile the header as C++; install g++ (apt-get install g++)." >&2
exit 1
