#!/usr/bin/env bash
# Two workers of one application read a real file, and one of them dies half way: by SIGKILL in run A, by SIGTERM in
# run B. Then the books are compared: nothing missing, each key in its order, nothing twice after SIGTERM.
#
#   .ci/kill-scenario.sh FLIGHTS.csv[.zip] DIRECTORY_OF_PROGRAMS
#   .ci/kill-scenario.sh --generate DIRECTORY_OF_PROGRAMS
#
# The file has a heading and its key in column 12. --generate makes one of that shape, smaller than the real one.
#
# Needs bash and python3. Every wait has an end; both runs together take less than 90 seconds.
set -euo pipefail

input=$1
[ "$input" = --generate ] || input=$(realpath "$input")
programs=$(realpath "$2")
here=$(realpath "$(dirname "$0")")
work=$(mktemp -d)
readonly input programs here work
readonly key_column=12
# Slow enough to have a half way: the file takes some ten seconds at this rate.
readonly rate=${RECORDS_PER_SECOND:-30000}
# Long enough that a machine busy with three programs makes no worker miss its heartbeats.
readonly failover_ms=4000

started=()
finish() {
  # What is still running after a failure, each by its own id.
  for pid in "${started[@]}" $(cat "$work"/*/*.pid 2>/dev/null); do kill -9 "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

die() {
  echo "kill-scenario: $*" >&2
  for log in "$work"/*/*.err; do [ -s "$log" ] && { echo "--- $log" >&2; tail -5 "$log" >&2; }; done
  exit 1
}

# within SECONDS WHAT COMMAND... : waits until the command succeeds
within() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || die "waited too long for $what"
    sleep 0.02
  done
}

# Runs a program and leaves behind what it used: CPU seconds, peak memory, wall seconds, exit code.
measure='
import json, os, sys, time
start = time.monotonic()
child = os.fork()
if child == 0:
    os.execv(sys.argv[2], sys.argv[2:])
with open(sys.argv[1] + ".pid", "w") as file:
    print(child, file=file)
_, status, used = os.wait4(child, 0)
code = os.waitstatus_to_exitcode(status)
with open(sys.argv[1], "w") as file:
    json.dump({"exit": code, "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
               "peak_mib": round(used.ru_maxrss / 1024, 1), "wall_seconds": round(time.monotonic() - start, 2)}, file)
sys.exit(code if code >= 0 else 128 - code)
'

lines() { cat "$1"/out-*.jsonl 2>/dev/null | wc -l; }
has_lines() { [ "$(lines "$1")" -ge "$2" ]; }
has_json() { [ -s "$1" ] && [ "$(tail -c 1 "$1")" = "" ]; }
is_gone() { ! kill -0 "$1" 2>/dev/null; }
field() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$1" "$2"; }
# The program below the measuring one.
program() { cat "$1.used.pid"; }

csv=$work/input.csv
case $input in
  --generate) python3 -c '
import random
random.seed(12)
print(",".join(f"column_{n}" for n in range(1, 20)))
for number in range(120_000):
    print(f"2013,1,1,{number},515,2,830,819,11,UA,1545,N{random.randrange(4000):05},EWR,IAH,227,1400,5,15,2013")' >"$csv" ;;
  *.zip) python3 -c '
import shutil, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
with archive.open(archive.namelist()[0]) as source, open(sys.argv[2], "wb") as target:
    shutil.copyfileobj(source, target)' "$input" "$csv" ;;
  *) ln -s "$input" "$csv" ;;
esac
total=$(($(wc -l <"$csv") - 1))

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
    python3 -c "$measure" "$dir/worker-$worker.used" "$programs/consume" --stream flights --application board \
      --worker-id "worker-$worker" --failover-ms "$failover_ms" --output "$dir/out-$worker.jsonl" \
      --summary "$dir/worker-$worker.summary" --endpoint-url "$kinesis" --dynamodb-endpoint-url "$dynamodb" \
      2>"$dir/worker-$worker.err" &
    workers+=($!)
    started+=($!)
  done
  python3 -c "$measure" "$dir/produce.used" "$programs/produce" --stream flights --input "$csv" --header \
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
