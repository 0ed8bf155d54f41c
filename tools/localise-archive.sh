#!/bin/sh
# Makes a static archive that shows the host's linker nothing but vp_*: localise-archive.sh IN.a OUT.a
#
# A Rust archive exposes some 160 other global symbols, and two of them in one firmware can clash. Groups are forced into
# one object first, or a second Rust archive would find "undefined hidden symbol DW.ref.rust_eh_personality".
set -e
in=$1
out=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ld -r --force-group-allocation --whole-archive "$in" -o "$work/all.o"
objcopy --wildcard --keep-global-symbol='vp_*' --remove-section=.llvmbc --remove-section=.llvmcmd \
  --strip-debug "$work/all.o" "$work/vpmeter.o"
rm -f "$out"
ar rcsD "$out" "$work/vpmeter.o"
