//! Records go in: where they land, what is told of them, how large a request may be.

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, ShardIteratorType};
use kinesis_aggregation::HashKey;

use super::number::Number;
use super::subject::{FIRST, HIGHEST, Subject, entry, text};
use super::violation::{holds, same};
use super::{Case, Violation};

pub(super) const CASES: &[Case] = &[
    case(
        "a record comes back with its key, data and number",
        "API GetRecords",
        |s| Box::pin(round_trip(s)),
    ),
    case("data may be empty", "API PutRecord, Data", |s| Box::pin(empty(s))),
    case("MD5 of the key chooses the shard", "API PutRecord", |s| {
        Box::pin(hashed(s))
    }),
    case("ExplicitHashKey overrides the key", "API PutRecord", |s| {
        Box::pin(explicit(s))
    }),
    case(
        "PutRecords answers in the order of its entries",
        "API PutRecords",
        |s| Box::pin(in_order(s)),
    ),
    case("sequence numbers climb within a shard", "API PutRecord", |s| {
        Box::pin(climbing(s))
    }),
    case(
        "SequenceNumberForOrdering orders two puts",
        "API PutRecord",
        |s| Box::pin(ordering(s)),
    ),
    case(
        "StreamARN addresses a stream for writing",
        "API PutRecords",
        |s| Box::pin(by_arn(s)),
    ),
    case(
        "a key has 256 Unicode characters",
        "API PutRecord, PartitionKey",
        |s| Box::pin(long_key(s)),
    ),
    case(
        "a request takes 500 records and almost 10 MiB",
        "API PutRecords",
        |s| Box::pin(full_request(s)),
    ),
];

const fn case(name: &'static str, source: &'static str, check: super::Check) -> Case {
    Case::new("Writing", name, source, check)
}

async fn round_trip(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let data = vec![0, 255, 10, 128];
    let put = s.put("ключ", data.clone()).await?;
    let page = s
        .read(&s.iterator(FIRST, ShardIteratorType::TrimHorizon).await?)
        .await?;
    let [record] = page.records() else {
        return same("records", page.records().len(), 1);
    };
    same("ShardId", put.shard_id(), FIRST)?;
    same("PartitionKey", record.partition_key(), Some("ключ"))?;
    same("Data", record.data().as_ref(), data.as_slice())?;
    same("SequenceNumber", record.sequence_number(), put.sequence_number())?;
    let arrival = record.approximate_arrival_timestamp();
    holds(
        "ApproximateArrivalTimestamp",
        arrival.is_some(),
        arrival,
        "a time",
    )
}

async fn empty(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    s.put("k", "").await?;
    same("records", s.all_of(FIRST).await?, [""])
}

async fn hashed(s: Subject) -> Result<(), Violation> {
    s.create(4).await?;
    let shards = s.shards().await?;
    for i in 0..40 {
        let key = format!("key-{i}");
        let landed = s.put(&key, "x").await?;
        let hash = HashKey::of_partition_key(&key).get();
        let expected = shards.iter().find(|shard| {
            let bounds = shard.hash_key_range().map(|range| {
                let low = range.starting_hash_key().parse::<u128>();
                (low, range.ending_hash_key().parse::<u128>())
            });
            matches!(bounds, Some((Ok(low), Ok(high))) if (low..=high).contains(&hash))
        });
        let expected = expected.ok_or(Violation::Missing("a shard for each hash key"))?;
        same("ShardId", landed.shard_id(), expected.shard_id())?;
    }
    Ok(())
}

async fn explicit(s: Subject) -> Result<(), Violation> {
    s.create(2).await?;
    for shard in s.shards().await? {
        let range = shard.hash_key_range().ok_or(Violation::Missing("HashKeyRange"))?;
        for hash_key in [range.starting_hash_key(), range.ending_hash_key()] {
            let hash_key = hash_key
                .parse()
                .map_err(|_| Violation::Missing("a decimal hash key"))?;
            same(
                "ShardId",
                s.put_at(hash_key, "x").await?.shard_id(),
                shard.shard_id(),
            )?;
        }
    }
    Ok(())
}

async fn in_order(s: Subject) -> Result<(), Violation> {
    s.create(2).await?;
    let entries: Result<Vec<_>, Violation> = (0..20_u32)
        .map(|i| {
            let hash_key = if i % 2 == 0 { 0 } else { HIGHEST };
            let entry = PutRecordsRequestEntry::builder().partition_key("k");
            let entry = entry.data(Blob::new(i.to_string()));
            Ok(entry.explicit_hash_key(hash_key.to_string()).build()?)
        })
        .collect();
    let answer = s.put_all(entries?).await?;
    let landed: Vec<_> = answer.records().iter().map(|record| record.shard_id()).collect();
    let expected: Vec<_> = (0..10)
        .flat_map(|_| [Some(FIRST), Some("shardId-000000000001")])
        .collect();
    same("shards of the entries", landed, expected)?;
    let even: Vec<_> = (0..20).step_by(2).map(|i: u32| i.to_string()).collect();
    same("records of the first shard", s.all_of(FIRST).await?, even)
}

async fn climbing(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let mut last = Number::parse("0")?;
    for _ in 0..5 {
        let number = Number::parse(s.put("k", "x").await?.sequence_number())?;
        holds("SequenceNumber", number > last, &number, "a higher one")?;
        last = number;
    }
    let many: Result<Vec<_>, _> = (0..50).map(|_| entry("k", "x")).collect();
    for record in s.put_all(many?).await?.records() {
        let number = Number::parse(record.sequence_number().unwrap_or_default())?;
        holds("SequenceNumber", number > last, &number, "a higher one")?;
        last = number;
    }
    Ok(())
}

async fn ordering(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let first = s.put("k", "a").await?;
    let put = s.client.put_record().stream_name(&s.stream);
    let put = put.partition_key("k").data(Blob::new("b"));
    let second = put
        .sequence_number_for_ordering(first.sequence_number())
        .send()
        .await?;
    let first = Number::parse(first.sequence_number())?;
    let second = Number::parse(second.sequence_number())?;
    holds("SequenceNumber", second > first, second, "a higher one")?;
    same("records", s.all_of(FIRST).await?, ["a", "b"])
}

async fn by_arn(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let arn = s.arn().await?;
    let put = s.client.put_record().stream_arn(&arn);
    put.partition_key("k").data(Blob::new("a")).send().await?;
    let put = s.client.put_records().stream_arn(&arn);
    put.records(entry("k", "b")?).send().await?;
    same("records", s.all_of(FIRST).await?, ["a", "b"])
}

async fn long_key(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let key = "水".repeat(256);
    s.put(&key, "x").await?;
    let page = s
        .read(&s.iterator(FIRST, ShardIteratorType::TrimHorizon).await?)
        .await?;
    let read = page.records().first().and_then(|record| record.partition_key());
    same("PartitionKey", read, Some(key.as_str()))
}

async fn full_request(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    // Keys count: 500 records of 20 KiB with them.
    let entries: Result<Vec<_>, _> = (100..600)
        .map(|i| entry(&i.to_string(), vec![b'x'; 20 * 1024 - 3]))
        .collect();
    same(
        "records answered",
        s.put_all(entries?).await?.records().len(),
        500,
    )?;
    let page = s
        .read(&s.iterator(FIRST, ShardIteratorType::TrimHorizon).await?)
        .await?;
    let lengths: Vec<_> = page.records().iter().map(|record| text(record).len()).collect();
    same(
        "data of the first record",
        lengths.first(),
        Some(&(20 * 1024 - 3)),
    )
}
