#!/usr/bin/env bash
# Trials of the consumer on real events, in virtual time: flights by polling and by fan-out, while shards change and workers
# die. Then, with the workers in a process of their own, pages of 10 MB and the memory they take. The other trials are among
# the tests of `integration-tests`.
#
#   .ci/consumer-trials.sh FLIGHTS.csv[.zip] DIRECTORY_OF_PROGRAMS
#   .ci/consumer-trials.sh --generate DIRECTORY_OF_PROGRAMS
#   .ci/consumer-trials.sh FLIGHTS.csv[.zip] DIRECTORY_OF_PROGRAMS --full
#
# Needs bash and python3. The short form takes less than 2 minutes. --full plays every trial at the length that the
# documentation reports; some minutes with release builds.
set -euo pipefail

scenario=consumer-trials
input=$1
programs=$2
length=${3:-}
[ -z "$length" ] || [ "$length" = --full ] || { echo "$scenario: $length is neither --full nor nothing" >&2; exit 2; }
# shellcheck source=.ci/scenario.sh
. "$(dirname "$0")/scenario.sh"

trial() {
  "$programs/consumer-trial" ${length:+"$length"} --flights "$csv" "$@"
}

if [ -z "$length" ]; then
  trial flights-polling flights-fan-out || die "a promise is broken"
else
  trial || die "a promise is broken"
fi
trial --process || die "a promise is broken"
echo "$scenario: every promise is kept"
