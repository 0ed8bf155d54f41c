#!/bin/sh
# Runs a program that needs Chromium: browser.sh PYTHON DIRECTORY PROGRAM [ARGUMENTS]
# Installs Chromium and its driver where that is possible, and says "skipped" and what is missing where it is not. Fetches
# axe-core, a tool of the tests alone, into DIRECTORY; without it the rules of accessibility are skipped.
set -e
python=$1 directory=$2
shift 2
if ! command -v chromedriver >/dev/null 2>&1 || ! command -v chromium >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      chromium chromium-driver fonts-dejavu-core >/dev/null
  else
    echo "skipped: this needs chromium and chromedriver (apt-get install chromium chromium-driver)."
    exit 0
  fi
fi
# The package is a wrapper around axe-core for another driver; only the file in it is used.
AXE=$directory/axe_playwright_python/axe.min.js
if [ ! -f "$AXE" ] && ! "$python" -m pip install --quiet --disable-pip-version-check --root-user-action ignore --no-deps \
  --target "$directory" axe-playwright-python==0.1.8; then
  echo "axe-core could not be fetched from PyPI: the rules of accessibility are skipped."
  AXE=
fi
export AXE
exec "$python" "$@"
