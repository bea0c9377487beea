#!/usr/bin/env bash
# Trials of the producer on real events: one shard at its limits, alone and shared with another producer, in virtual
# time; then, with the producer in a process of its own, a low rate and an outage that fills the budget of records in
# flight. The other trials are among the tests of `integration-tests`.
#
#   .ci/producer-trials.sh FLIGHTS.csv[.zip] DIRECTORY_OF_PROGRAMS
#   .ci/producer-trials.sh --generate DIRECTORY_OF_PROGRAMS
#   .ci/producer-trials.sh FLIGHTS.csv[.zip] DIRECTORY_OF_PROGRAMS --full
#
# Needs bash and python3. The short form takes less than 90 seconds. --full plays every trial at the length that the
# documentation reports: virtual time, then the memory and the speed of the process; some 10 minutes with release builds.
set -euo pipefail

scenario=producer-trials
input=$1
programs=$2
length=${3:-}
[ -z "$length" ] || [ "$length" = --full ] || { echo "$scenario: $length is neither --full nor nothing" >&2; exit 2; }
# shellcheck source=.ci/scenario.sh
. "$(dirname "$0")/scenario.sh"

trial() {
  "$programs/producer-trial" ${length:+"$length"} --flights "$csv" "$@"
}

if [ -z "$length" ]; then
  trial shard-limit competition || die "a promise is broken"
  trial --process low-rate pressure || die "a promise is broken"
else
  trial || die "a promise is broken"
  trial --process low-rate pressure || die "a promise is broken"
  for ordering in key relaxed; do
    echo "ordering $ordering"
    trial --process --ordering "$ordering" shards-4 shards-64 shards-1000 || die "a promise is broken"
  done
fi
echo "$scenario: every promise is kept"
