"""Workers of the KCL for Java and `consume` as one application, replaced one by the other while records come.

Started by java-fleet.sh, which builds what it needs. Each step waits for a state that the lines of the workers and the
lease table show, prints what it took, and has a limit; a promise that is broken makes the exit code 1.

A step's figures: seconds until each shard had its one reader, records that came twice, and the longest time for which a
shard had no new record written.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request

SHARDS = 4
FAILOVER_MS = 5000
# Records fed at a time, and how often: they go out aggregated, a few to each shard.
BURST, PAUSE = 20, 0.1
# Lines of this age say who reads a shard now.
FRESH = 2.0
# How workers end when they are asked to, or killed.
ENDS = (0, 128 + signal.SIGTERM, -signal.SIGKILL)


class Broken(Exception):
    """A promise is broken."""


class Worker:
    """A process that reads, and what it wrote."""

    def __init__(self, name, kind, command, folder):
        self.name, self.kind = name, kind
        self.output = folder / f"{name}.jsonl"
        self.log = folder / f"{name}.log"
        environment = dict(os.environ, AWS_CONFIG_FILE="/nonexistent", AWS_SHARED_CREDENTIALS_FILE="/nonexistent")
        with open(self.output, "wb") as output, open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=log, env=environment
            )
        self.offset = 0

    def runs(self):
        return self.process.poll() is None

    def new_lines(self):
        with open(self.output, "rb") as output:
            output.seek(self.offset)
            text = output.read()
        text = text[: text.rfind(b"\n") + 1]
        self.offset += len(text)
        return [json.loads(line) for line in text.splitlines()]

    def ended_well(self):
        """Whether it has ended; in another way than it should, it is a promise broken. Java ends by the signal's number."""
        if self.runs():
            return False
        wanted = 0 if self.kind == "ours" else 128 + signal.SIGTERM
        if self.process.returncode != wanted:
            raise Broken(f"{self.name} ended with {self.process.returncode}: {tail(self.log)}")
        return True

    def graceful(self):
        """Whether it thinks that it ended gracefully. The KCL at times does not, of a shutdown that was complete."""
        return self.kind == "ours" or "stopped gracefully" in self.log.read_text(errors="replace")


class Feeder:
    """Numbered records, aggregated by `produce`, until it is stopped."""

    def __init__(self, command, log):
        with open(log, "wb") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )
        self.count = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.feed, daemon=True)
        self.thread.start()

    def feed(self):
        while not self.stopping.wait(PAUSE):
            lines = "".join(f"{number}\n" for number in range(self.count, self.count + BURST))
            self.process.stdin.write(lines.encode())
            self.process.stdin.flush()
            self.count += BURST

    def finish(self):
        """How many records are in the stream."""
        self.stopping.set()
        self.thread.join(10)
        self.process.stdin.close()
        if self.process.wait(40) != 0:
            raise Broken("produce failed")
        return self.count


class Fleet:
    """The workers of one application on one stream."""

    def __init__(self, name, java, programs, endpoints, folder):
        # The commands of Java workers, by the version of their library, oldest first.
        self.name, self.java, self.programs, self.endpoints = name, java, programs, endpoints
        self.folder = folder / name
        self.folder.mkdir(parents=True)
        self.workers = []
        self.latest = {}  # shard -> {worker's name: when it last wrote}
        self.news = {}  # shard -> when it last had a new record
        self.seen = set()
        self.repeats = self.gap = self.inside = 0
        self.feeder = Feeder(
            [programs / "produce", "--stream", name, "--input", "-", "--random-keys", "--create", str(SHARDS),
             "--endpoint-url", endpoints["kinesis"]],
            self.folder / "produce.log",
        )

    def start(self, kind, name, *more):
        """`kind`: "ours", or a version of the KCL."""
        flags = [
            "--stream", self.name, "--application", self.name, "--worker-id", name,
            "--failover-ms", str(FAILOVER_MS), "--endpoint-url", self.endpoints["kinesis"],
            "--dynamodb-endpoint-url", self.endpoints["dynamodb"], *more,
        ]
        program = [self.programs / "consume"] if kind == "ours" else self.java[kind]
        worker = Worker(name, kind, [*program, *flags], self.folder)
        self.workers.append(worker)
        return worker

    def look(self):
        now = time.monotonic()
        for worker in self.workers:
            for line in worker.new_lines():
                number, shard = int(line["data"]), line["shard_id"]
                self.inside += line["sub_sequence_number"] > 0
                self.latest.setdefault(shard, {})[worker.name] = now
                if number in self.seen:
                    self.repeats += 1
                    continue
                self.seen.add(number)
                self.gap = max(self.gap, now - self.news.get(shard, now))
                self.news[shard] = now
        for shard, when in self.news.items():
            if self.feeder.process.poll() is None:
                self.gap = max(self.gap, now - when)

    def readers(self):
        """Who reads each shard; None where nobody does, or two did a moment ago."""
        now, readers = time.monotonic(), {}
        for shard in (f"shardId-{index:012}" for index in range(SHARDS)):
            fresh = [name for name, when in self.latest.get(shard, {}).items() if now - when < FRESH]
            readers[shard] = fresh[0] if len(fresh) == 1 else None
        return readers

    def shares(self):
        shares = {}
        for reader in self.readers().values():
            shares[reader] = shares.get(reader, 0) + 1
        return shares

    def wait(self, what, limit, so):
        """Looks until it is so; a worker that should run and does not ends the wait."""
        end = time.monotonic() + limit
        while True:
            self.look()
            if so():
                return
            for worker in self.workers:
                if not worker.runs() and worker.process.returncode not in ENDS:
                    raise Broken(f"{worker.name} ended with {worker.process.returncode}: {tail(worker.log)}")
            if time.monotonic() > end:
                raise Broken(f"{what}: not within {limit} s; read by {self.readers()}")
            time.sleep(0.05)

    def ask(self, operation, **more):
        """What DynamoDB answers about the lease table."""
        request = urllib.request.Request(
            self.endpoints["dynamodb"],
            json.dumps({"TableName": self.name, **more}).encode(),
            {
                "X-Amz-Target": f"DynamoDB_20120810.{operation}",
                "Content-Type": "application/x-amz-json-1.0",
                "Authorization": "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, "
                "SignedHeaders=host, Signature=0",
                "X-Amz-Date": "20260101T000000Z",
            },
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def rows(self):
        """All rows of the lease table, as DynamoDB's JSON."""
        return self.ask("Scan")["Items"]

    def index(self):
        """How the index of owners stands; None: there is none."""
        indexes = self.ask("DescribeTable")["Table"].get("GlobalSecondaryIndexes", [])
        return next((index["IndexStatus"] for index in indexes), None)

    def version(self):
        """What the fleet has agreed on, and who wrote it."""
        row = self.row("Migration3.0")
        return row and (row["cv"]["S"].removeprefix("CLIENT_VERSION_"), row["mb"]["S"])

    def write_version(self, value, by):
        """As the script of the KCL does: the value, by whom and when, and the one before into the history."""
        row = self.row("Migration3.0")
        past = {"M": {name: row[name] for name in ("cv", "mb", "mts")}}
        row["h"] = {"L": [past, *row.get("h", {"L": []})["L"]][:10]}
        row |= {"cv": {"S": f"CLIENT_VERSION_{value}"}, "mb": {"S": by}, "mts": {"N": str(int(time.time() * 1000))}}
        self.ask("PutItem", Item=row)

    def reports(self, worker):
        """Whether a worker has a row of metrics that is not old."""
        row = self.row(worker.name)
        return row is not None and time.time() - int(row["lut"]["N"]) < 60

    def foreign(self):
        """Keys of rows that are no leases."""
        keys = (row["leaseKey"]["S"] for row in self.rows())
        return sorted(key for key in keys if not key.startswith("shardId-"))

    def row(self, key):
        return next((row for row in self.rows() if row["leaseKey"]["S"] == key), None)

    def leader(self):
        row = self.row("Leader")
        return row and row["ownerName"]["S"]

    def step(self, what, limit, so, repeats=None, stop=None, kill=None):
        """One step of the play: what has just been done, or a worker's end, leads to a state, with at most so many repeats."""
        self.look()
        begin, before, self.gap = time.monotonic(), self.repeats, 0
        if kill is not None:
            kill.process.kill()
            kill.process.wait()
        if stop is not None:
            stop.process.terminate()
            self.wait(f"{what}: its end", 30, stop.ended_well)
        self.wait(what, limit, so)
        took = time.monotonic() - begin
        # A little longer, so that what comes late comes into this step.
        self.wait(what, 10, lambda: time.monotonic() - begin > took + FRESH)
        came = self.repeats - before
        shares = ", ".join(f"{name} {count}" for name, count in sorted(self.shares().items(), key=str))
        text = f"{what}: after {took:.1f} s {shares}; {came} repeats; longest silence of a shard {self.gap:.1f} s"
        if stop is not None and not stop.graceful():
            text += "; by its own account not stopped gracefully: repeats are not counted against it"
            repeats = None
        if repeats is not None and came > repeats:
            raise Broken(f"{text}; promised: {repeats} repeats")
        tell("ok", text)

    def has(self, worker, count):
        return self.shares().get(worker.name, 0) == count

    def share(self, one, other):
        """Whether both have the same number of shards."""
        return self.has(one, SHARDS // 2) and self.has(other, SHARDS // 2)

    def finish(self):
        fed = self.feeder.finish()
        try:
            self.wait("the last records", 30, lambda: len(self.seen) >= fed)
        except Broken:
            raise Broken(f"{fed - len(self.seen)} of {fed} records are LOST") from None
        if self.inside == 0:
            raise Broken("nothing came aggregated: this shows too little")
        tell("ok", f"nothing is lost: {fed} records, {self.inside} of them inside of aggregates, {self.repeats} repeats")

    def check_logs(self):
        for worker in self.workers:
            lines = worker.log.read_text(errors="replace").splitlines()
            wrong = [
                line for line, then in zip(lines, [*lines[1:], ""])
                if re.search(r"\bERROR\b|\berror:|panicked|Exception in thread", line)
                # The KCL on its way to 3.x, when it is asked to stop: its loop runs on after its parts were shut down.
                and "LeaderDecider uninitialized" not in then
            ]
            if wrong:
                raise Broken(f"{worker.name} complains {len(wrong)} times, first: {wrong[0][:400]}")
        tell("ok", f"no error in the logs of {', '.join(worker.name for worker in self.workers)}")

    def check_leases(self):
        leases = [row for row in self.rows() if row["leaseKey"]["S"].startswith("shardId-")]
        if len(leases) != SHARDS:
            raise Broken(f"{len(leases)} leases of {SHARDS} shards")
        for lease in leases:
            if not lease["checkpoint"]["S"].isdigit() or "leaseOwner" not in lease or "checkpointOwner" in lease:
                raise Broken(f"a lease that is not whole: {lease}")
        names = sorted({name for lease in leases for name in lease})
        tell("ok", f"the leases are whole, of {', '.join(names)}")

    def end(self, last):
        """All records came, the leases are whole, and the last worker ends as cleanly as the others did."""
        self.finish()
        self.check_leases()
        last.process.terminate()
        self.wait("the last worker's end", 30, last.ended_well)
        self.check_logs()

    def close(self):
        self.feeder.stopping.set()
        for process in [self.feeder.process, *(worker.process for worker in self.workers)]:
            if process.poll() is None:
                process.kill()
                process.wait()


def java_2(fleet):
    """A fleet of 2.x: each worker takes for itself."""
    (version,) = fleet.java
    java = fleet.start(version, "java-1")
    fleet.step("a Java worker alone makes the table", 90, lambda: fleet.has(java, SHARDS), repeats=0)
    ours = fleet.start("ours", "ours-1")
    fleet.step("ours joins and takes its half", 60, lambda: fleet.share(ours, java))
    leases_only(fleet)
    fleet.step("the Java worker stops, ours has all", 40, lambda: fleet.has(ours, SHARDS), repeats=0, stop=java)
    java = fleet.start(version, "java-2")
    fleet.step("a Java worker comes back and takes its half", 90, lambda: fleet.share(ours, java))
    fleet.step("ours is killed, the Java worker has all", 60, lambda: fleet.has(java, SHARDS), kill=ours)
    ours = fleet.start("ours", "ours-2")
    fleet.step("ours joins again", 60, lambda: fleet.share(ours, java))
    fleet.step("ours stops, the Java worker has all", 60, lambda: fleet.has(java, SHARDS), repeats=0, stop=ours)
    fleet.end(java)


def java_3(fleet):
    """A fleet of 3.x: a leader assigns, and leases are handed over."""
    (version,) = fleet.java
    java = fleet.start(version, "java-1")
    fleet.step("a Java worker alone makes the table, and leads", 120, lambda: fleet.has(java, SHARDS), repeats=0)
    ours = fleet.start("ours", "ours-1")
    fleet.step("ours joins as a follower, is handed its share", 90, lambda: fleet.share(ours, java), repeats=0)
    expect("Leader", fleet.leader(), java.name)
    report = fleet.row(ours.name)
    if report is None or "lut" not in report:
        raise Broken("ours has no row of metrics")
    fleet.step(
        "the Java worker stops, ours has all and leads", 60,
        lambda: fleet.has(ours, SHARDS) and fleet.leader() == ours.name, repeats=0, stop=java,
    )
    java = fleet.start(version, "java-2")
    fleet.step("a Java worker comes back, ours hands it its share", 90, lambda: fleet.share(ours, java), repeats=0)
    expect("Leader", fleet.leader(), ours.name)
    fleet.step("ours stops, the Java worker has all", 60, lambda: fleet.has(java, SHARDS), repeats=0, stop=ours)
    fleet.step("the Java worker leads", 90, lambda: fleet.leader() == java.name, repeats=0)
    ours = fleet.start("ours", "ours-2")
    fleet.step("ours joins again", 90, lambda: fleet.share(ours, java), repeats=0)
    fleet.step("ours is killed, the Java worker has all", 120, lambda: fleet.has(java, SHARDS), kill=ours)
    fleet.end(java)


def upgrade(fleet):
    """A fleet of 2.x becomes one of 3.x, one deployment after the other, as AWS says; ours is in it all the time, and follows."""
    old, new = fleet.java
    java = fleet.start(old, "java-1")
    fleet.step("a Java worker of 2.x alone makes the table", 90, lambda: fleet.has(java, SHARDS), repeats=0)
    ours = fleet.start("ours", "ours-1")
    fleet.step("ours joins and takes its half", 60, lambda: fleet.share(ours, java))
    # First deployment: 3.x in the ways of 2.x, beside workers of 2.x.
    phase_1 = fleet.start(new, "java-2", "--client-version", "COMPATIBLE_WITH_2X_PHASE1")
    both = [ours, java, phase_1]
    fleet.step(
        "a Java worker of 3.x joins in the ways of 2.x (PHASE1): each has something", 120,
        lambda: all(fleet.shares().get(worker.name, 0) >= 1 for worker in both),
    )
    leases_only(fleet)
    fleet.step("the one of 2.x leaves for ever", 90, lambda: fleet.share(ours, phase_1), stop=java)
    leases_only(fleet)
    # Second deployment: rows of metrics and an index, and the flip when all are ready.
    compatible = ["--client-version", "COMPATIBLE_WITH_2X", "--flip-after-s", "10"]
    fleet.step("the Java worker is deployed anew: ours has all", 60, lambda: fleet.has(ours, SHARDS), stop=phase_1)
    java = fleet.start(new, "java-3", *compatible)
    fleet.step("it is back, COMPATIBLE_WITH_2X, with its half", 120, lambda: fleet.share(ours, java))
    expect("what the fleet says", fleet.version(), ("UPGRADE_FROM_2X", java.name))
    fleet.step(
        "it has made the index, and ours reports too", 90,
        lambda: fleet.index() == "ACTIVE" and fleet.reports(ours) and fleet.reports(java),
    )
    expect("the leader's row", fleet.leader(), None)
    fleet.step(
        "it flips the fleet; ours follows and keeps its half", 360,
        lambda: (fleet.version() or [""])[0] == "3X_WITH_ROLLBACK" and fleet.leader() and fleet.share(ours, java),
        repeats=0,
    )
    expect("what the fleet says", fleet.version(), ("3X_WITH_ROLLBACK", java.name))
    # Back, as the script of the KCL writes it, and forth again.
    fleet.write_version("2X", "script-rollback")
    fleet.step(
        "rolled back: nobody leads, nobody reports, each keeps its half", 180,
        lambda: fleet.leader() is None and not fleet.reports(ours) and fleet.share(ours, java),
        repeats=0,
    )
    fleet.write_version("UPGRADE_FROM_2X", "script-rollforward")
    fleet.step(
        "rolled forward: the fleet is flipped again", 480,
        lambda: (fleet.version() or [""])[0] == "3X_WITH_ROLLBACK" and fleet.leader() and fleet.share(ours, java),
        repeats=0,
    )
    # Third deployment: there is no way back.
    fleet.step("the Java worker is deployed anew: ours has all, and leads", 90,
               lambda: fleet.has(ours, SHARDS) and fleet.leader() == ours.name, stop=java)
    java = fleet.start(new, "java-4", "--client-version", "3X")
    fleet.step("it is back, 3X, with its half", 120, lambda: fleet.share(ours, java), repeats=0)
    expect("what the fleet says", fleet.version(), ("3X", java.name))
    fleet.step("ours stops, the Java worker has all", 60, lambda: fleet.has(java, SHARDS), repeats=0, stop=ours)
    fleet.end(java)


def play_of(version):
    return java_2 if version.startswith("2.") else java_3


def leases_only(fleet):
    foreign = fleet.foreign()
    if foreign:
        raise Broken(f"rows that a worker of 2.x cannot list: {foreign}")


def expect(what, found, wanted):
    if found != wanted:
        raise Broken(f"{what} is {found}, not {wanted}")


def tail(log):
    return " | ".join(log.read_text(errors="replace").splitlines()[-5:])[-1000:]


def tell(verdict, text):
    print(f"  {verdict:6} {text}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=pathlib.Path, required=True, help="has kinesis-local, produce and consume")
    parser.add_argument("--folder", type=pathlib.Path, required=True, help="where workers write")
    parser.add_argument("--java", action="append", required=True, metavar="VERSION=CLASSPATH")
    parser.add_argument("--play", action="append", help="only that one: kcl-VERSION or kcl-upgrade")
    arguments = parser.parse_args()

    begin = time.monotonic()
    local = subprocess.Popen([arguments.programs / "kinesis-local"], stdout=subprocess.PIPE)
    broken = False
    try:
        endpoints = json.loads(local.stdout.readline())
        java = dict(java.split("=", 1) for java in arguments.java)
        java = {
            version: ["java", "-Xmx256m", "-Dorg.slf4j.simpleLogger.showDateTime=true", "-cp", classpath, "toolkit.Worker"]
            for version, classpath in sorted(java.items())
        }
        plays = [(f"kcl-{version}", {version: command}, play_of(version)) for version, command in java.items()]
        if [version[0] for version in java] == ["2", "3"]:
            plays.append(("kcl-upgrade", java, upgrade))
        for name, workers, play in plays:
            if arguments.play and name not in arguments.play:
                continue
            versions = " and ".join(workers)
            print(f"KCL for Java {versions}, {SHARDS} shards, failover {FAILOVER_MS / 1000:g} s: {play.__doc__}", flush=True)
            fleet = Fleet(name, workers, arguments.programs, endpoints, arguments.folder)
            try:
                play(fleet)
            except Broken as error:
                broken = True
                tell("BROKEN", str(error))
            finally:
                fleet.close()
    finally:
        local.kill()
        local.wait()
    print(f"java-fleet: {'not as promised' if broken else 'all as promised'}, {time.monotonic() - begin:.0f} s", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
