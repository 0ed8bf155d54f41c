#!/bin/sh
# A fleet's own authority, a certificate for its gateway and one for a meter: fleet-certificates.sh DIR NAME-OF-GATEWAY METER
# For a bench. A fleet keeps the authority's key off line, and makes the meter's key in the meter.
set -e
cd "$1"
umask 077
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=Fleet authority" \
  -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" \
  -keyout fleet-ca.key -out fleet-ca.pem 2>/dev/null
certificate() { # FILE SUBJECT EXTENSIONS
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$2" -keyout "$1.key" -out "$1.csr" 2>/dev/null
  printf 'basicConstraints=CA:FALSE\n%s\n' "$3" > "$1.ext"
  openssl x509 -req -in "$1.csr" -CA fleet-ca.pem -CAkey fleet-ca.key -CAcreateserial -days 825 -extfile "$1.ext" \
    -out "$1.pem" 2>/dev/null
  rm "$1.csr" "$1.ext"
}
case "$2" in
  *[!0-9.]*) name="DNS:$2" ;;
  *) name="IP:$2" ;;
esac
certificate gateway "$2" "subjectAltName=$name
extendedKeyUsage=serverAuth"
certificate meter "$3" "extendedKeyUsage=clientAuth"
