#!/usr/bin/env python3
"""Judges the outputs of several `consume` workers of one application against the file that `produce` put.

    check-outputs.py --input flights.csv --key-column 12 --header [--no-duplicates] [--max-kinesis-records 2000]
                     out1.jsonl out2.jsonl ...

Checked, exit code 1 if one fails:
  whole     each data line of the input is in the union of the outputs, as often as in the input, and nothing else is
  stored    per key, the order of (sequence_number, sub_sequence_number) is the order of the file
  read      per key, each worker's own lines are in file order once repeated ones are set aside
  shards    a key is on one shard only
  twice     with --no-duplicates: no position is in the outputs twice
  packed    fewer different (shard_id, sequence_number) than the limit

A last line without line end is what a killed worker left half written; it is set aside and counted.
"""

import argparse
import csv
import json
import sys
from collections import Counter, defaultdict


def input_lines(path, column, header):
    """(key, line) of each event, in file order."""
    with open(path, "rb") as file:
        for number, raw in enumerate(file):
            if header and number == 0:
                continue
            line = raw.decode().rstrip("\n").removesuffix("\r")
            key = next(csv.reader([line]))[column - 1] if '"' in line else line.split(",")[column - 1]
            yield key, line


def output_lines(path):
    """The objects of one worker in the order of writing, and whether it ends with half a line."""
    objects, half = [], 0
    with open(path, "rb") as file:
        for raw in file:
            if not raw.endswith(b"\n"):
                half = 1
                continue
            objects.append(json.loads(raw))
    return objects, half


class Verdict:
    def __init__(self):
        self.failed = []

    def check(self, name, bad, what):
        if bad:
            self.failed.append(name)
            print(f"  FAILED {name}: {what}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", required=True)
    parser.add_argument("--key-column", type=int, required=True)
    parser.add_argument("--header", action="store_true")
    parser.add_argument("--no-duplicates", action="store_true")
    parser.add_argument("--max-kinesis-records", type=int, default=2000)
    parser.add_argument("outputs", nargs="+")
    args = parser.parse_args()

    verdict = Verdict()
    expected = Counter()
    places = defaultdict(list)
    total = 0
    for index, (key, line) in enumerate(input_lines(args.input, args.key_column, args.header)):
        expected[line] += 1
        places[line].append(index)
        total += 1

    # Position -> line over all workers; a position seen twice is one event delivered twice.
    union, kinesis, shard_of, halves = {}, set(), defaultdict(set), 0
    counts, duplicates, disagreements, read_breaks = [], 0, 0, 0
    for path in args.outputs:
        objects, half = output_lines(path)
        halves += half
        counts.append(len(objects))
        mine, last = set(), {}
        for event in objects:
            shard, sequence = event["shard_id"], int(event["sequence_number"])
            position = (shard, sequence, event["sub_sequence_number"])
            kinesis.add((shard, sequence))
            key = event["partition_key"]
            shard_of[key].add(shard)
            value = (key, event["data"])
            if position in union:
                duplicates += 1
                disagreements += union[position] != value
            union[position] = value
            if position in mine:
                continue
            mine.add(position)
            if key in last and position[1:] < last[key]:
                read_breaks += 1
            last[key] = position[1:]

    stored = Counter(line for _, line in union.values())
    missing, alien = expected - stored, stored - expected
    # An event stored at two positions was put twice by a retry of the producer; no promise is broken by it, the order
    # is judged by its first.
    stored_twice = sum(max(0, stored[line] - expected[line]) for line in stored if line in expected)
    alien = sum(count for line, count in alien.items() if line not in expected)

    by_key = defaultdict(list)
    for position in sorted(union, key=lambda p: (p[0], p[1], p[2])):
        key, line = union[position]
        by_key[key].append(line)
    stored_breaks, wrong_keys = 0, 0
    for key, lines in by_key.items():
        taken, last = Counter(), -1
        for line in lines:
            if taken[line] >= len(places[line]):
                continue
            place = places[line][taken[line]]
            taken[line] += 1
            stored_breaks += place < last
            last = max(last, place)
    columns = {}
    for key, line in input_lines(args.input, args.key_column, args.header):
        columns[line] = key
    wrong_keys = sum(1 for key, line in union.values() if columns.get(line, key) != key)

    print(
        f"  lines {total}, written {' + '.join(map(str, counts))}, union {len(union)}, missing {sum(missing.values())}, "
        f"duplicates {duplicates}, half lines {halves}"
    )
    print(
        f"  keys {len(by_key)}, order breaks stored {stored_breaks}, order breaks read {read_breaks}, "
        f"stored twice {stored_twice}, Kinesis records {len(kinesis)}"
    )
    verdict.check("whole", missing or alien, f"{sum(missing.values())} lines missing, {alien} not in the input")
    verdict.check("agreed", disagreements, f"{disagreements} positions have two contents")
    verdict.check("keys", wrong_keys, f"{wrong_keys} lines have another key than their column")
    verdict.check("stored", stored_breaks, f"{stored_breaks} lines are stored before an earlier one of their key")
    verdict.check("read", read_breaks, f"{read_breaks} lines were written before an earlier one of their key")
    spread = [key for key, shards in shard_of.items() if len(shards) > 1]
    verdict.check("shards", spread, f"{len(spread)} keys are on several shards")
    repeated = duplicates + stored_twice
    verdict.check("twice", args.no_duplicates and repeated, f"{repeated} lines are there twice")
    verdict.check("packed", len(kinesis) >= args.max_kinesis_records, f"{len(kinesis)} Kinesis records")
    return 1 if verdict.failed else 0


if __name__ == "__main__":
    sys.exit(main())
