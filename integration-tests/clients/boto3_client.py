"""boto3 as applications use it: writes, reads, splits a shard, reads what follows, has everything pushed.

Takes the endpoint's URL and prints counts. Ends with 1 and a reason if anything is not as the service would have it.
"""

import sys
import time
import uuid

import boto3
from botocore.config import Config

RECORDS = 300
AFTER_SPLIT = 50
HIGHEST = 2**128 - 1


def check(holds, otherwise):
    if not holds:
        raise AssertionError(otherwise)


class Client:
    def __init__(self, url):
        self.kinesis = boto3.client(
            "kinesis",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="boto3",
            aws_secret_access_key="local",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=20),
        )
        self.stream = f"boto3-{uuid.uuid4().hex[:12]}"
        self.written = {}

    def run(self):
        kinesis, stream = self.kinesis, self.stream
        kinesis.create_stream(StreamName=stream, ShardCount=2)
        kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
        self.put(0, RECORDS)
        check(self.polled() == self.written, "what was put is not what was read")
        self.missing_stream()

        parent = self.shards()[0]
        middle = int(parent["HashKeyRange"]["EndingHashKey"]) // 2
        kinesis.split_shard(StreamName=stream, ShardToSplit=parent["ShardId"], NewStartingHashKey=str(middle))
        self.until(lambda: self.summary()["StreamStatus"] == "ACTIVE", "the stream is not active again")
        children = [shard["ShardId"] for shard in self.shards() if shard.get("ParentShardId") == parent["ShardId"]]
        check(len(children) == 2, f"{len(children)} children")
        self.put(RECORDS, AFTER_SPLIT)
        named = self.read(parent["ShardId"], {})
        check(sorted(named) == sorted(children), f"the closed shard names {named}, not {children}")
        polled = self.polled()
        check(polled == self.written, "after the split: what was put is not what was read")
        of_children = {}
        for child in children:
            self.read(child, of_children)
        check(of_children, "nothing landed on the children")

        pushed = self.pushed()
        check(pushed == self.written, f"{len(pushed)} records were pushed, not {len(self.written)}")
        kinesis.delete_stream(StreamName=stream, EnforceConsumerDeletion=True)
        print(
            f"boto3 client: {len(self.written)} records put as JSON, {len(polled)} polled "
            f"({len(of_children)} from children), {len(pushed)} pushed"
        )

    def put(self, first, count):
        entries = []
        for i in range(first, first + count):
            key, data = f"key-{i}", f"data of {i} \u00e4\u6c34".encode()
            self.written[key] = data
            entries.append({"PartitionKey": key, "Data": data})
        answer = self.kinesis.put_records(StreamName=self.stream, Records=entries)
        check(answer["FailedRecordCount"] == 0, f"{answer['FailedRecordCount']} records failed")
        check(len(answer["Records"]) == count, "not every entry is answered")

    def shards(self):
        return self.kinesis.list_shards(StreamName=self.stream)["Shards"]

    def summary(self):
        return self.kinesis.describe_stream_summary(StreamName=self.stream)["StreamDescriptionSummary"]

    def polled(self):
        read = {}
        for shard in self.shards():
            self.read(shard["ShardId"], read)
        return read

    def read(self, shard, into):
        """Reads a shard to its tip or its end; gives the children that its end names."""
        iterator = self.kinesis.get_shard_iterator(
            StreamName=self.stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while True:
            page = self.kinesis.get_records(ShardIterator=iterator, Limit=100)
            keep(page["Records"], into)
            iterator = page.get("NextShardIterator")
            if iterator is None:
                check(page.get("ChildShards"), f"{shard} ended without children")
                return [child["ShardId"] for child in page["ChildShards"]]
            if page["MillisBehindLatest"] == 0:
                return []

    def missing_stream(self):
        try:
            self.kinesis.describe_stream_summary(StreamName="missing")
        except self.kinesis.exceptions.ResourceNotFoundException:
            return
        raise AssertionError("a missing stream was described")

    def pushed(self):
        """All shards by enhanced fan-out, to their end or their tip."""
        registered = self.kinesis.register_stream_consumer(
            StreamARN=self.summary()["StreamARN"], ConsumerName="boto3"
        )["Consumer"]
        arn = registered["ConsumerARN"]

        def active():
            described = self.kinesis.describe_stream_consumer(ConsumerARN=arn)
            return described["ConsumerDescription"]["ConsumerStatus"] == "ACTIVE"

        self.until(active, "the consumer does not become active")
        read = {}
        for shard in self.shards():
            subscription = self.kinesis.subscribe_to_shard(
                ConsumerARN=arn, ShardId=shard["ShardId"], StartingPosition={"Type": "TRIM_HORIZON"}
            )["EventStream"]
            closed = "EndingSequenceNumber" in shard["SequenceNumberRange"]
            children = []
            for event in subscription:
                event = event["SubscribeToShardEvent"]
                keep(event["Records"], read)
                children += event.get("ChildShards", [])
                if not closed and event["MillisBehindLatest"] == 0:
                    break
            subscription.close()
            check(bool(children) == closed, f"{shard['ShardId']}: children {children}")
        return read

    @staticmethod
    def until(condition, otherwise):
        end = time.monotonic() + 20
        while not condition():
            check(time.monotonic() < end, otherwise)
            time.sleep(0.02)


def keep(records, into):
    for record in records:
        check(record["PartitionKey"] not in into, f"{record['PartitionKey']} was read twice")
        into[record["PartitionKey"]] = record["Data"]


def main():
    if len(sys.argv) != 2:
        print("usage: boto3_client.py URL", file=sys.stderr)
        return 2
    try:
        Client(sys.argv[1]).run()
    except Exception as failure:  # noqa: BLE001 - whatever it is, it is the reason
        print(f"boto3 client: {type(failure).__name__}: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
