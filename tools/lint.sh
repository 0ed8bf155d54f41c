#!/bin/sh
# Formatting and lints, warnings as errors, in all workspaces and in every set of features that ships.
set -e
cargo fmt --all --check
cargo clippy --locked -q --workspace --all-targets -- -D warnings
cargo clippy --locked -q -p vpmeter-core -p vpmeter --no-default-features -- -D warnings
cd simulator
cargo fmt --check
cargo clippy --locked -q --all-targets -- -D warnings
cd ../proof
cargo fmt --check
cargo clippy --locked -q --all-targets -- -D warnings
