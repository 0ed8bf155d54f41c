#!/bin/sh
# Copies the header that the build has generated to where it is checked in.
set -e
cargo build --locked -q -p vpmeter
newest=$(ls -t target/debug/build/vpmeter-*/out/vpmeter.h | head -n 1)
cp "$newest" include/vpmeter.h
