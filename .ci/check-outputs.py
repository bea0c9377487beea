#!/usr/bin/env python3
"""Judges the outputs of several `consume` workers of one application against the file that `produce` put.

    check-outputs.py --input flights.csv --key-column 12 --header [--no-duplicates] [--max-kinesis-records 2000]
                     [--resharded] [--watched sizes] out1.jsonl out2.jsonl ...

Checked, exit code 1 if one fails:
  whole     each data line of the input is in the union of the outputs, as often as in the input, and nothing else is
  stored    per key, the order of (sequence_number, sub_sequence_number) is the order of the file
  read      per key, each worker's own lines are in file order once repeated ones are set aside
  shards    a key is on one shard only; with --resharded: some keys are on several, and per key a later shard starts
            where the earlier one ended, in the file's order
  handed    with --watched: of a key on several shards, no line was written before the lines of its earlier shards,
            whichever worker wrote them
  twice     with --no-duplicates: no position is in the outputs twice
  packed    fewer different (shard_id, sequence_number) than the limit

The file of --watched has a line "number size" for each look at the outputs, which were looked at in turn: the bytes that
output `number` (from 0) had then. A line that is there at one look was written before what only a look at the other
output after the next one shows.

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
    """The objects of one worker in the order of writing, where each ends, and whether the file ends with half a line."""
    objects, ends, half, end = [], [], 0, 0
    with open(path, "rb") as file:
        for raw in file:
            if not raw.endswith(b"\n"):
                half = 1
                continue
            end += len(raw)
            objects.append(json.loads(raw))
            ends.append(end)
    return objects, ends, half


def looks_at(path, outputs):
    """For each output the looks that were taken of it: (number of the look, size)."""
    looks = [[] for _ in range(outputs)]
    with open(path) as file:
        for number, line in enumerate(file):
            # The watcher was ended; its last line may be half written.
            if line.endswith("\n"):
                output, size = map(int, line.split())
                looks[output].append((number, size))
    return looks


def first_seen(ends, looks):
    """For each line the number of the first look that showed it. What no look showed came after all of them."""
    seen, at = [], 0
    for end in ends:
        while at < len(looks) and looks[at][1] < end:
            at += 1
        seen.append(looks[at][0] if at < len(looks) else float("inf"))
    return seen


def handed_over_early(written):
    """How many lines of a key were written before a line of an earlier shard of that key, given per key its
    (shard, number of the look)."""
    early = 0
    for places in written.values():
        places.sort()
        last, before, shard = -1, -1, None
        for this, look in places:
            if this != shard:
                shard, before = this, last
            # Looks alternate: a line written earlier may show one look later.
            early += look + 1 < before
            last = max(last, look)
    return early


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
    parser.add_argument("--resharded", action="store_true")
    parser.add_argument("--watched")
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
    looks = looks_at(args.watched, len(args.outputs)) if args.watched else None
    written = defaultdict(list)
    for number, path in enumerate(args.outputs):
        objects, ends, half = output_lines(path)
        if looks:
            for event, look in zip(objects, first_seen(ends, looks[number])):
                written[event["partition_key"]].append((event["shard_id"], look))
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
    if args.resharded:
        print(f"  keys on several shards {len(spread)}, lines handed over early {handed_over_early(written)}")
        verdict.check("shards", not spread, "no key has moved, so nothing is shown")
        # By number alone the order is the same as by shard and number: numbers go on from parents to children.
        by_number = defaultdict(list)
        for position in sorted(union, key=lambda p: (p[1], p[2])):
            by_number[union[position][0]].append(position)
        mixed = sum(positions != sorted(positions) for positions in by_number.values())
        verdict.check("shards", mixed, f"{mixed} keys go back to a shard that was left")
        verdict.check("handed", handed_over_early(written), "lines were written before those of an earlier shard")
    else:
        verdict.check("shards", spread, f"{len(spread)} keys are on several shards")
    repeated = duplicates + stored_twice
    verdict.check("twice", args.no_duplicates and repeated, f"{repeated} lines are there twice")
    verdict.check("packed", len(kinesis) >= args.max_kinesis_records, f"{len(kinesis)} Kinesis records")
    return 1 if verdict.failed else 0


if __name__ == "__main__":
    sys.exit(main())
