#!/bin/sh
# Runs one stage of the tests and says how long it took: stage.sh NAME COMMAND...
name=$1
shift
echo "== $name"
start=$(date +%s)
"$@"
status=$?
echo "== $name: $(($(date +%s) - start)) s, exit $status"
exit $status
