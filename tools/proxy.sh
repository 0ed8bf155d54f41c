#!/bin/sh
# The test of the gateway runs nginx; installs it where that is possible. Without it that test is skipped, and says so.
PATH=$PATH:/usr/sbin
command -v nginx >/dev/null 2>&1 && command -v openssl >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx-light openssl >/dev/null && exit 0
fi
echo "skipped: the gateway's test needs nginx and openssl (apt-get install nginx-light openssl)."
exit 0
