//! What the service refuses for being asked too much, on endpoints that have such limits.

use aws_sdk_kinesis::error::SdkError;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{ScalingType, ShardIteratorType};

use super::subject::{FIRST, Subject, entry};
use super::violation::{code_of, holds, refused, same};
use super::{Case, Violation};

pub(super) const CASES: &[Case] = &[
    case(
        "1,000 records per second and shard: the rest fails one by one",
        "API PutRecords",
        |s| Box::pin(records(s)),
    ),
    case(
        "1 MiB per second and shard: then PutRecord is refused",
        "API PutRecord",
        |s| Box::pin(bytes(s)),
    ),
    case(
        "another shard is not touched by a throttled one",
        "API PutRecords",
        |s| Box::pin(other_shard(s)),
    ),
    case("5 GetRecords per second and shard", "API GetRecords", |s| {
        Box::pin(reads(s))
    }),
    case("after a page of 10 MiB reading pauses", "API GetRecords", |s| {
        Box::pin(pause(s))
    }),
    case(
        "5 GetShardIterator per second and shard",
        "API GetShardIterator",
        |s| Box::pin(iterators(s)),
    ),
    case(
        "5 calls of SplitShard and the like per second",
        "API SplitShard",
        |s| Box::pin(control(s)),
    ),
    case(
        "UpdateShardCount more than doubles nothing",
        "API UpdateShardCount",
        |s| Box::pin(doubling(s)),
    ),
];

const fn case(name: &'static str, source: &'static str, check: super::Check) -> Case {
    Case::new("Limits", name, source, check).with_limits()
}

const THROTTLED: &str = "ProvisionedThroughputExceededException";

async fn records(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let (mut stored, mut failed) = (0, 0);
    for _ in 0..6 {
        let entries: Result<Vec<_>, _> = (0..500).map(|_| entry("k", "x")).collect();
        let put = s.client.put_records().stream_name(&s.stream);
        let answer = put.set_records(Some(entries?)).send().await?;
        let refusals = answer
            .records()
            .iter()
            .filter(|record| record.error_code().is_some());
        let codes: Vec<_> = refusals.filter_map(|record| record.error_code()).collect();
        same(
            "code of an entry",
            codes.iter().find(|code| **code != THROTTLED),
            None,
        )?;
        same(
            "FailedRecordCount",
            answer.failed_record_count(),
            i32::try_from(codes.len()).ok(),
        )?;
        let numbers = answer
            .records()
            .iter()
            .filter(|record| record.sequence_number().is_some());
        same("entries with a number", numbers.count(), 500 - codes.len())?;
        stored += 500 - codes.len();
        failed += codes.len();
    }
    holds(
        "entries that failed, of 3,000 at once",
        failed > 0,
        failed,
        "some",
    )?;
    holds(
        "entries that were stored",
        stored >= 1_000,
        stored,
        "1,000 at least",
    )
}

async fn bytes(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    for _ in 0..8 {
        let put = s.client.put_record().stream_name(&s.stream).partition_key("k");
        let answer = put.data(Blob::new(vec![0; 900_000])).send().await;
        if answer.is_err() {
            return refused("7 MB at once", answer, &[THROTTLED]);
        }
    }
    Err(Violation::Allowed("7 MB at once"))
}

async fn other_shard(s: Subject) -> Result<(), Violation> {
    s.create(2).await?;
    let low = || entry_at(0, vec![0; 900_000]);
    let put = s.client.put_records().stream_name(&s.stream);
    let put = put
        .records(low()?)
        .records(low()?)
        .records(low()?)
        .records(low()?);
    let answer = put.records(entry_at(u128::MAX, vec![0; 900_000])?).send().await?;
    let failed: Vec<_> = answer
        .records()
        .iter()
        .map(|record| record.error_code().is_some())
        .collect();
    same("whether entries failed", failed, [false, true, true, true, false])
}

fn entry_at(
    hash_key: u128,
    data: Vec<u8>,
) -> Result<aws_sdk_kinesis::types::PutRecordsRequestEntry, Violation> {
    let entry = aws_sdk_kinesis::types::PutRecordsRequestEntry::builder().partition_key("k");
    Ok(entry
        .explicit_hash_key(hash_key.to_string())
        .data(Blob::new(data))
        .build()?)
}

async fn reads(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let start = s.iterator(FIRST, ShardIteratorType::TrimHorizon).await?;
    for answered in 0..40 {
        let answer = s.client.get_records().shard_iterator(&start).send().await;
        if answer.is_err() {
            refused("reading at once", answer, &[THROTTLED])?;
            return holds("calls answered before", answered >= 5, answered, "5 at least");
        }
    }
    Err(Violation::Allowed("40 calls of GetRecords at once"))
}

async fn pause(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    // One record fills a page: the shard takes it at once from its burst.
    let update = s.client.update_max_record_size().stream_arn(s.arn().await?);
    update.max_record_size_in_kib(10_240).send().await?;
    s.until_active().await?;
    s.put("k", vec![0; 10 * 1024 * 1024 - 1]).await?;
    let start = s.iterator(FIRST, ShardIteratorType::TrimHorizon).await?;
    same("records", s.read(&start).await?.records().len(), 1)?;
    s.pause(2_000).await;
    let answer = s.client.get_records().shard_iterator(start).send().await;
    refused("reading 2 s after a page of 10 MiB", answer, &[THROTTLED])
}

async fn iterators(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    for _ in 0..40 {
        let get = s
            .client
            .get_shard_iterator()
            .stream_name(&s.stream)
            .shard_id(FIRST);
        let answer = get.shard_iterator_type(ShardIteratorType::Latest).send().await;
        if answer.is_err() {
            return refused("iterators at once", answer, &[THROTTLED]);
        }
    }
    Err(Violation::Allowed("40 calls of GetShardIterator at once"))
}

async fn control(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    for _ in 0..40 {
        let split = s
            .client
            .split_shard()
            .stream_name(&s.stream)
            .shard_to_split("shardId-000000000009");
        let answer = split.new_starting_hash_key("1").send().await;
        match answer {
            Err(error) if code_of(&error) == "LimitExceededException" => return Ok(()),
            // There is no such shard: that is the answer to those within the rate.
            Err(SdkError::ServiceError(_)) => {}
            other => return refused("a split of no shard", other, &["LimitExceededException"]),
        }
    }
    Err(Violation::Allowed("40 calls of SplitShard at once"))
}

async fn doubling(s: Subject) -> Result<(), Violation> {
    s.create(2).await?;
    let update = s.client.update_shard_count().stream_name(&s.stream);
    let update = update
        .target_shard_count(5)
        .scaling_type(ScalingType::UniformScaling);
    let codes = &[
        "LimitExceededException",
        "InvalidArgumentException",
        "ValidationException",
    ];
    refused("from 2 shards to 5", update.send().await, codes)
}
