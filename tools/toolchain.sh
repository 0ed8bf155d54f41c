#!/bin/sh
# Checks the tools that this repository needs, and installs what a package manager of the system can: toolchain.sh CARGO CC CXX PYTHON
missing=
for tool in "$1" "$2" "$4" ld objcopy nm; do
  command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
done
# C++ is needed for one test of the header; Debian has it in g++.
if ! command -v "$3" >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq && apt-get install -y -qq --no-install-recommends g++ >/dev/null || missing="$missing $3"
  else
    missing="$missing $3(apt-get install g++)"
  fi
fi
if [ -n "$missing" ]; then
  echo "missing:$missing. Needed: Rust (cargo), a C compiler with binutils, make and Python 3; g++ for the tests." >&2
  exit 1
fi
