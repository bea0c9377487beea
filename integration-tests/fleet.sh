#!/bin/sh
# Two, three and five `consume` processes on the local endpoint: joined, killed, paused, stopped. Prints how long each shard
# was without a reader, beside what the KCL took, and fails when a record is lost or a bound is not kept.
#
#   integration-tests/fleet.sh            everything, less than seven minutes after the build
#   integration-tests/fleet.sh --quick    one of each kind, less than two minutes
#
# Needs Linux, for /proc. Runs with all settings at their defaults: failover 10 s.
set -eu
cd "$(dirname "$0")/.."
cargo build --release -p kinesis-examples --bin consume
cargo build --release -p integration-tests --bin fleet
exec "${CARGO_TARGET_DIR:-target}/release/fleet" "$@"
