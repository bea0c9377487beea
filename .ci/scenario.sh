# shellcheck shell=bash
# What the scenarios share; sourced by them after setting `scenario`, `input`, `programs`. Gives `work`, `csv`, `total`
# and `key_column`, and sees to it that nothing is left running.
#
# `input` is a CSV file with a heading and its key in column 12, or a zip of one; --generate makes one of that shape,
# smaller than the real one.

: "${scenario:?}" "${input:?}" "${programs:?}"
[ "$input" = --generate ] || input=$(realpath "$input")
programs=$(realpath "$programs")
here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
work=$(mktemp -d)
readonly input programs here work
readonly key_column=12

started=()
finish() {
  # What is still running after a failure, each by its own id.
  for pid in "${started[@]}" $(cat "$work"/*/*.pid 2>/dev/null); do kill -9 "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

die() {
  echo "$scenario: $*" >&2
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

# measured NAME.used PROGRAM ARGUMENTS... : runs a program and leaves behind what it used: CPU seconds, peak memory, wall
# seconds, exit code; its process id meanwhile.
measured() {
  python3 -c '
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
' "$@"
}

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
readonly csv total
