#!/usr/bin/env bash
# A stream is split at a third and merged at two thirds of a real file, by the endpoint's control calls, while it is
# written and two workers read it. Then the books are compared: nothing missing, nothing twice, each key in its order,
# parents before children.
#
#   .ci/reshard-scenario.sh FLIGHTS.csv[.zip] DIRECTORY_OF_PROGRAMS
#   .ci/reshard-scenario.sh --generate DIRECTORY_OF_PROGRAMS
#
# Needs bash and python3. Every wait has an end; it takes less than 60 seconds.
set -euo pipefail

scenario=reshard-scenario
input=$1
programs=$2
# shellcheck source=.ci/scenario.sh
. "$(dirname "$0")/scenario.sh"

# The file takes some ten seconds.
readonly rate=${RECORDS_PER_SECOND:-$((total / 10))}
# Long enough that a machine busy with three programs makes no worker miss its heartbeats.
readonly failover_ms=4000
readonly dir=$work/run
mkdir "$dir"

# control PATH [BODY] : a call of the control endpoint; prints the answer.
control() {
  python3 -c '
import sys, urllib.request
url, body = sys.argv[1], sys.argv[2:]
request = urllib.request.Request(url, data=body[0].encode() if body else None)
print(urllib.request.urlopen(request, timeout=10).read().decode())' "$control_url$1" "${@:2}"
}

"$programs/kinesis-local" --stream flights:4 --control 0 >"$dir/local.json" 2>"$dir/local.err" &
endpoint_pid=$!
started+=("$endpoint_pid")
within 15 "the endpoint" has_json "$dir/local.json"
kinesis=$(field "$dir/local.json" kinesis)
dynamodb=$(field "$dir/local.json" dynamodb)
control_url=$(field "$dir/local.json" control)

workers=()
for worker in 1 2; do
  measured "$dir/worker-$worker.used" "$programs/consume" --stream flights --application board \
    --worker-id "worker-$worker" --failover-ms "$failover_ms" --output "$dir/out-$worker.jsonl" \
    --summary "$dir/worker-$worker.summary" --endpoint-url "$kinesis" --dynamodb-endpoint-url "$dynamodb" \
    2>"$dir/worker-$worker.err" &
  workers+=($!)
  started+=($!)
done

# Looks at the two outputs in turn, over and over, and notes how long each was: what tells the order of lines in
# different files.
python3 -c '
import os, sys, time
turn = 0
while True:
    path = sys.argv[1 + turn % 2]
    print(turn % 2, os.path.getsize(path) if os.path.exists(path) else 0, flush=True)
    turn += 1
    time.sleep(0.005)' "$dir/out-1.jsonl" "$dir/out-2.jsonl" >"$dir/watched" 2>"$dir/watch.err" &
watch_pid=$!
started+=("$watch_pid")

measured "$dir/produce.used" "$programs/produce" --stream flights --input "$csv" --header \
  --key-column "$key_column" --records-per-second "$rate" --endpoint-url "$kinesis" \
  >"$dir/produce.json" 2>"$dir/produce.err" &
producer_pid=$!
started+=("$producer_pid")

within 30 "a third of the lines" has_lines "$dir" $((total / 3))
echo "at $(lines "$dir") of $total lines: split"
control /streams/flights/split '{"shard":"shardId-000000000000"}' | sed 's/^/  /'
within 30 "two thirds of the lines" has_lines "$dir" $((total * 2 / 3))
# The upper half of the split shard and its neighbour: keys that moved once move again.
echo "at $(lines "$dir") of $total lines: merge"
control /streams/flights/merge '{"shard":"shardId-000000000005","adjacent":"shardId-000000000001"}' | sed 's/^/  /'
is_gone "$producer_pid" && die "the producer was done before the merge"

within 30 "the producer" is_gone "$producer_pid"
wait "$producer_pid" || die "produce failed"
within 30 "all lines" has_lines "$dir" "$total"
# Repeated lines can make up the number while others are on their way: quiet for a second is the end.
before=-1
while [ "$before" -ne "$(lines "$dir")" ]; do
  before=$(lines "$dir")
  sleep 1
done
for worker in 1 2; do kill -TERM "$(program "$dir/worker-$worker")"; done
for worker in 1 2; do
  within 15 "the end of worker $worker" is_gone "${workers[worker - 1]}"
  wait "${workers[worker - 1]}" || die "worker $worker failed"
done
kill -TERM "$watch_pid"
kill -TERM "$endpoint_pid"
within 15 "the end of the endpoint" is_gone "$endpoint_pid"

tail -1 "$dir/produce.json" | sed 's/^/  produce  /'
for worker in 1 2; do sed "s/^/  worker $worker /" "$dir/worker-$worker.summary"; done
for used in produce worker-1 worker-2; do echo "  $used used $(cat "$dir/$used.used")"; done
python3 "$here/check-outputs.py" --input "$csv" --key-column "$key_column" --header --no-duplicates --resharded \
  --watched "$dir/watched" "$dir"/out-*.jsonl || die "it does not hold what it promises"
echo "$scenario: it holds"
