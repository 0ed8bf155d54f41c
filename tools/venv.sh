#!/bin/sh
# A Python environment with the packages that some tests need, versions pinned: venv.sh PYTHON REQUIREMENTS DIRECTORY
# Made once, and again when the requirements change.
set -e
python=$1 requirements=$2 directory=$3
cmp -s "$requirements" "$directory/requirements.txt" && exit 0
rm -rf "$directory"
if ! "$python" -m venv "$directory" >/dev/null 2>&1; then
  # Debian ships the module in a package of its own.
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
  fi
  rm -rf "$directory"
  if ! "$python" -m venv "$directory" >/dev/null; then
    echo "missing: Python's venv module. Some tests need packages from PyPI; install it (apt-get install python3-venv)." >&2
    exit 1
  fi
fi
"$directory/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
cp "$requirements" "$directory/requirements.txt"
