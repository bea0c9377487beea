#!/usr/bin/env python3
"""Holds kinesis-aggregation against aws_kinesis_agg, in both directions.

    pip install -r integration-tests/cross-check/requirements.txt
    python3 integration-tests/cross-check/aggregation.py [PEER]

PEER is the program aggregation-peer; without it, cargo builds and runs it. AGGREGATION_PEER works as well.
The cases follow from --seed. Ends with 1 if any field of any record differs, and says where.
"""

import argparse
import base64
import hashlib
import json
import os
import pathlib
import random
import shlex
import subprocess
import sys
import tempfile

from aws_kinesis_agg import MAGIC, MAX_BYTES_PER_RECORD
from aws_kinesis_agg.aggregator import AggRecord
from aws_kinesis_agg.deaggregator import deaggregate_records

WORKSPACE = pathlib.Path(__file__).resolve().parents[2]
CARGO = ["cargo", "run", "-q", "-p", "integration-tests", "--bin", "aggregation-peer", "--"]
MAX_HASH_KEY = 2**128 - 1
KPL_MAX_BYTES = 51_200


class Differences:
    """Counts what was compared, and keeps the first few differences to show."""

    def __init__(self):
        self.counts = {}
        self.found = []

    def count(self, what, by=1):
        self.counts[what] = self.counts.get(what, 0) + by

    def same(self, case, what, expected, got):
        self.count(f"{what} compared")
        if expected != got:
            self.found.append(f"{case}: {what}: expected {str(expected)[:200]!r}, got {str(got)[:200]!r}")


# --- cases


def any_char(rng):
    """A character of any plane; ASCII more often, surrogates never."""
    plane = rng.random()
    if plane < 0.4:
        return chr(rng.randrange(0x20, 0x7F))
    if plane < 0.7:
        code = rng.randrange(0x0, 0x10000)
    else:
        code = rng.randrange(0x10000, 0x110000)
    return any_char(rng) if 0xD800 <= code <= 0xDFFF else chr(code)


def any_key(rng):
    length = rng.choice([1, 1, 2, 8, 20, rng.randint(1, 256), 256])
    if rng.random() < 0.1:
        return "\U0001F600" * length
    return "".join(any_char(rng) for _ in range(length))


def any_hash_key(rng, key):
    return str(
        rng.choice(
            [
                0,
                MAX_HASH_KEY,
                rng.randint(0, 20),
                rng.randint(0, MAX_HASH_KEY),
                int.from_bytes(hashlib.md5(key.encode()).digest(), "big"),
            ]
        )
    )


def any_data(rng, mean):
    shape = rng.random()
    if shape < 0.1:
        return b""
    if shape < 0.13:
        return MAGIC + rng.randbytes(rng.randint(0, 40))
    if shape < 0.16:
        body = rng.randbytes(rng.randint(1, 40))
        return MAGIC + body + hashlib.md5(body).digest()
    return rng.randbytes(min(int(rng.expovariate(1 / mean)), 8 * mean))


def any_case(rng):
    """Some records, with the share of explicit hash keys and of repeated keys varying between cases."""
    count, mean = rng.choice([(1, 50), (2, 10), (rng.randint(2, 40), 60), (rng.randint(2, 40), 60)])
    if rng.random() < 0.04:
        # Up to the limit: many small records, or some large ones.
        count, mean = rng.choice([(rng.randint(300, 1500), 30), (rng.randint(30, 60), 1500)])
    pool = [any_key(rng) for _ in range(rng.randint(1, max(1, count)))]
    explicit_share = rng.choice([0, 0, 0.3, 1])
    records = []
    for _ in range(count):
        key = rng.choice(pool)
        explicit = any_hash_key(rng, key) if rng.random() < explicit_share else None
        records.append((key, explicit, any_data(rng, mean)))
    max_bytes = rng.choice([KPL_MAX_BYTES, KPL_MAX_BYTES, KPL_MAX_BYTES, MAX_BYTES_PER_RECORD, rng.randint(64, 4000)])
    return records, max_bytes


# --- the two implementations


def ask(peer, command, questions):
    """One answer of our program for each question."""
    with tempfile.TemporaryFile() as lines:
        for question in questions:
            lines.write(json.dumps(question).encode() + b"\n")
        lines.seek(0)
        run = subprocess.run([*peer, command], stdin=lines, stdout=subprocess.PIPE, cwd=WORKSPACE)
    if run.returncode != 0:
        sys.exit(f"{shlex.join(peer)} {command} ended with {run.returncode}")
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    if len(answers) != len(questions):
        sys.exit(f"{command}: {len(questions)} questions, {len(answers)} answers")
    return answers


def text(data):
    return base64.b64encode(data).decode()


def question(record):
    key, explicit, data = record
    return {"partition_key": key, "explicit_hash_key": explicit, "data": text(data)}


def python_encode(records):
    aggregate = AggRecord(MAX_BYTES_PER_RECORD)
    for key, explicit, data in records:
        if not aggregate.add_user_record(key, data, explicit):
            return None
    return aggregate.get_contents()[2]


def python_decode(data, partition_key):
    outer = {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "sequenceNumber": "1",
            "approximateArrivalTimestamp": 0,
            "partitionKey": partition_key,
            "data": text(data),
        }
    }
    return [record["kinesis"] for record in deaggregate_records([outer])]


# --- the two directions


def rust_to_python(peer, cases, seen):
    """We pack, Python unpacks."""
    batches = [{"max_bytes": limit, "records": [question(r) for r in records]} for records, limit in cases]
    for number, ((records, limit), answers) in enumerate(zip(cases, ask(peer, "encode", batches))):
        rest = records
        for part, answer in enumerate(answers):
            case = f"rust to python, case {number}.{part}"
            count = answer["record_count"]
            inside, rest = rest[:count], rest[count:]
            data = base64.b64decode(answer["data"])
            seen.count("kinesis records")
            if count > 1:
                seen.same(case, "size limit", True, len(data) <= limit)
                own = python_encode(inside)
                if own is not None:
                    seen.same(case, "bytes", own, data)
            compare_decoded_by_python(case, inside, answer, data, seen)
        seen.same(f"rust to python, case {number}", "nothing left over", [], rest)


def compare_decoded_by_python(case, inside, answer, data, seen):
    first_key, first_explicit, first_data = inside[0]
    first_hash = first_explicit or str(int.from_bytes(hashlib.md5(first_key.encode()).digest(), "big"))
    seen.same(case, "outer hash key", first_hash, answer["explicit_hash_key"])
    decoded = python_decode(data, answer["partition_key"])
    if not answer["is_aggregate"]:
        seen.count("of them a record alone, unwrapped")
        seen.same(case, "data", first_data, data)
        seen.same(case, "outer partition key", first_key, answer["partition_key"])
        seen.same(case, "left alone by python", [text(first_data)], [r["data"] for r in decoded])
        return
    seen.count("of them aggregates")
    seen.same(case, "outer partition key", "a", answer["partition_key"])
    seen.same(case, "record count", len(inside), len(decoded))
    seen.count("user records", len(decoded))
    first_in_table = next((explicit for _, explicit, _ in inside if explicit is not None), None)
    for place, ((key, explicit, data), got) in enumerate(zip(inside, decoded)):
        where = f"{case}, record {place}"
        seen.same(where, "partition key", key, got["partitionKey"])
        seen.same(where, "data", data, base64.b64decode(got["data"]))
        seen.same(where, "sub-sequence number", place, got["subSequenceNumber"])
        if explicit is None and first_in_table is not None:
            # Here Python does not ask whether the record has an explicit hash key, and takes the table's first.
            seen.count("explicit hash key NOT compared: python gives a record without one the table's first")
            seen.same(where, "python's flaw is the known one", first_in_table, got["explicitHashKey"])
        else:
            seen.same(where, "explicit hash key", explicit, got["explicitHashKey"])


def python_to_rust(peer, cases, seen):
    """Python packs, we unpack."""
    packed = []
    for number, (records, _) in enumerate(cases):
        data = python_encode(records)
        if data is None:
            seen.count("cases left out: above python's limit of 1 MiB")
        else:
            packed.append((number, records, data))
    answers = ask(peer, "decode", [{"data": text(data)} for _, _, data in packed])
    for (number, records, _), answer in zip(packed, answers):
        case = f"python to rust, case {number}"
        seen.count("aggregates")
        if "raw" in answer:
            seen.same(case, "opened", True, answer["raw"])
            continue
        seen.same(case, "record count", len(records), len(answer["records"]))
        seen.count("user records", len(answer["records"]))
        for place, (expected, got) in enumerate(zip(records, answer["records"])):
            where = f"{case}, record {place}"
            key, explicit, data = expected
            seen.same(where, "partition key", key, got["partition_key"])
            seen.same(where, "explicit hash key", explicit, got["explicit_hash_key"])
            seen.same(where, "data", text(data), got["data"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", nargs="?", default=os.environ.get("AGGREGATION_PEER"))
    parser.add_argument("--cases", type=int, default=5_000, help="aggregates in each direction")
    parser.add_argument("--seed", type=int, default=20_260_101)
    asked = parser.parse_args()
    peer = [str(pathlib.Path(asked.peer).resolve())] if asked.peer else CARGO

    failed = False
    for name, direction in [("rust to python", rust_to_python), ("python to rust", python_to_rust)]:
        rng = random.Random(f"{name} {asked.seed}")
        seen = Differences()
        direction(peer, [any_case(rng) for _ in range(asked.cases)], seen)
        print(f"{name}: {asked.cases} cases, seed {asked.seed}, {len(seen.found)} differences")
        for what, count in seen.counts.items():
            print(f"  {count:>9} {what}")
        for difference in seen.found[:20]:
            print(f"  DIFFERENCE {difference}", file=sys.stderr)
        failed = failed or bool(seen.found) or seen.counts.get("user records", 0) < asked.cases
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
