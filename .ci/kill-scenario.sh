#!/usr/bin/env bash
# Two workers of one application read a real file, and one of them dies half way: by SIGKILL in run A, by SIGTERM in
# run B. Then the books are compared: nothing missing, each key in its order, nothing twice after SIGTERM.
#
#   .ci/kill-scenario.sh FLIGHTS.csv[.zip] DIRECTORY_OF_PROGRAMS
#   .ci/kill-scenario.sh --generate DIRECTORY_OF_PROGRAMS
#
# Needs bash and python3. Every wait has an end; both runs together take less than 90 seconds.
set -euo pipefail

scenario=kill-scenario
input=$1
programs=$2
# shellcheck source=.ci/scenario.sh
. "$(dirname "$0")/scenario.sh"

# Slow enough to have a half way: the file takes some ten seconds at this rate.
readonly rate=${RECORDS_PER_SECOND:-30000}
# Long enough that a machine busy with three programs makes no worker miss its heartbeats.
readonly failover_ms=4000

# run NAME SIGNAL CHECKS...
run() {
  local name=$1 signal=$2 dir=$work/$1
  shift 2
  mkdir "$dir"
  echo "run $name: one of two workers ended by SIG$signal half way"

  "$programs/kinesis-local" --stream flights:4 >"$dir/local.json" 2>"$dir/local.err" &
  local endpoint_pid=$!
  started+=("$endpoint_pid")
  within 15 "the endpoint" has_json "$dir/local.json"
  local kinesis dynamodb
  kinesis=$(field "$dir/local.json" kinesis)
  dynamodb=$(field "$dir/local.json" dynamodb)

  local worker workers=()
  for worker in 1 2; do
    measured "$dir/worker-$worker.used" "$programs/consume" --stream flights --application board \
      --worker-id "worker-$worker" --failover-ms "$failover_ms" --output "$dir/out-$worker.jsonl" \
      --summary "$dir/worker-$worker.summary" --endpoint-url "$kinesis" --dynamodb-endpoint-url "$dynamodb" \
      2>"$dir/worker-$worker.err" &
    workers+=($!)
    started+=($!)
  done
  measured "$dir/produce.used" "$programs/produce" --stream flights --input "$csv" --header \
    --key-column "$key_column" --records-per-second "$rate" --endpoint-url "$kinesis" \
    >"$dir/produce.json" 2>"$dir/produce.err" &
  local producer_pid=$!
  started+=("$producer_pid")

  within 40 "half of the lines" has_lines "$dir" $((total / 2))
  local victim
  victim=$(program "$dir/worker-1")
  [ -s "$dir/out-1.jsonl" ] || die "worker 1 has written nothing: ending it would show nothing"
  echo "  at $(lines "$dir") of $total lines: SIG$signal to worker 1, which wrote $(wc -l <"$dir/out-1.jsonl")"
  kill "-$signal" "$victim"
  within 15 "the end of worker 1" is_gone "${workers[0]}"
  local code=0
  wait "${workers[0]}" || code=$?
  case $signal in
    KILL) [ "$code" -eq 137 ] || die "worker 1 ended with $code" ;;
    *) [ "$code" -eq 0 ] || die "worker 1 ended with $code" ;;
  esac

  within 40 "the producer" is_gone "$producer_pid"
  wait "$producer_pid" || die "produce failed"
  within 30 "all lines" has_lines "$dir" "$total"
  # Repeated lines can make up the number while others are on their way: quiet for a second is the end.
  local before=-1
  while [ "$before" -ne "$(lines "$dir")" ]; do
    before=$(lines "$dir")
    sleep 1
  done
  kill -TERM "$(program "$dir/worker-2")"
  within 15 "the end of worker 2" is_gone "${workers[1]}"
  wait "${workers[1]}" || die "worker 2 failed"
  kill -TERM "$endpoint_pid"
  within 15 "the end of the endpoint" is_gone "$endpoint_pid"

  tail -1 "$dir/produce.json" | sed 's/^/  produce  /'
  [ ! -s "$dir/worker-1.summary" ] || sed 's/^/  worker 1 /' "$dir/worker-1.summary"
  sed 's/^/  worker 2 /' "$dir/worker-2.summary"
  local used
  for used in produce worker-1 worker-2; do echo "  $used used $(cat "$dir/$used.used")"; done
  python3 "$here/check-outputs.py" --input "$csv" --key-column "$key_column" --header "$@" "$dir"/out-*.jsonl ||
    die "run $name does not hold what it promises"
}

run A KILL
run B TERM --no-duplicates
echo "kill-scenario: both runs hold"
