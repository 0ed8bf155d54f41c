#!/bin/sh
# Says which of the tools that this repository needs are missing: toolchain.sh CARGO CC PYTHON
missing=
for tool in "$@" ld objcopy; do
  command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
done
if [ -n "$missing" ]; then
  echo "missing:$missing. Needed: Rust (cargo), a C compiler with binutils, make and Python 3." >&2
  exit 1
fi
