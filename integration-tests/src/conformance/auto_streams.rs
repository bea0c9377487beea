//! Streams that place records themselves: keys choose nothing.

use std::collections::BTreeSet;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{RecordDistributionStrategy, StreamMode, StreamModeDetails};

use super::subject::Subject;
use super::violation::{INVALID, holds, refused, same};
use super::{Case, Violation};

pub(super) const CASES: &[Case] = &[
    case(
        "an on-demand stream begins with 4 shards and user keys",
        "API CreateStream, DescribeStreamSummary",
        |s| Box::pin(begins(s)),
    ),
    case(
        "AUTO spreads one key over the shards",
        "API UpdateStreamRecordDistributionStrategy",
        |s| Box::pin(spreads(s)),
    ),
    case(
        "AUTO takes records without key",
        "API PutRecord, PartitionKey",
        |s| Box::pin(keyless(s)),
    ),
    case(
        "without AUTO a record must have a key",
        "API PutRecord, PartitionKey",
        |s| Box::pin(key_needed(s)),
    ),
    case(
        "switched back, a key has one shard again",
        "API UpdateStreamRecordDistributionStrategy",
        |s| Box::pin(back(s)),
    ),
    case(
        "a provisioned stream refuses AUTO",
        "API UpdateStreamRecordDistributionStrategy",
        |s| Box::pin(provisioned(s)),
    ),
    case("an on-demand stream refuses SplitShard", "API SplitShard", |s| {
        Box::pin(no_split(s))
    }),
];

const fn case(name: &'static str, source: &'static str, check: super::Check) -> Case {
    Case::new("On-demand and AUTO", name, source, check)
}

async fn on_demand(s: &Subject) -> Result<(), Violation> {
    let mode = StreamModeDetails::builder()
        .stream_mode(StreamMode::OnDemand)
        .build()?;
    let create = s.client.create_stream().stream_name(&s.stream);
    create.stream_mode_details(mode).send().await?;
    s.until_active().await
}

async fn distribute(s: &Subject, strategy: RecordDistributionStrategy) -> Result<(), Violation> {
    let update = s.client.update_stream_record_distribution_strategy();
    let update = update.stream_arn(s.arn().await?);
    update.record_distribution_strategy(strategy).send().await?;
    s.until_active().await
}

/// Where 40 records of one key land.
async fn landed(s: &Subject) -> Result<BTreeSet<String>, Violation> {
    let mut shards = BTreeSet::new();
    for _ in 0..40 {
        shards.insert(s.put("one key", "x").await?.shard_id().to_owned());
    }
    Ok(shards)
}

async fn begins(s: Subject) -> Result<(), Violation> {
    on_demand(&s).await?;
    let summary = s.summary().await?;
    same("OpenShardCount", summary.open_shard_count(), 4)?;
    let mode = summary
        .stream_mode_details()
        .map(|mode| mode.stream_mode().clone());
    same("StreamMode", mode, Some(StreamMode::OnDemand))?;
    let strategy = summary.record_distribution_strategy();
    same(
        "RecordDistributionStrategy",
        strategy,
        Some(&RecordDistributionStrategy::UserPartitionKey),
    )
}

async fn spreads(s: Subject) -> Result<(), Violation> {
    on_demand(&s).await?;
    same("shards of one key before", landed(&s).await?.len(), 1)?;
    distribute(&s, RecordDistributionStrategy::Auto).await?;
    let strategy = s.summary().await?.record_distribution_strategy;
    same(
        "RecordDistributionStrategy",
        strategy,
        Some(RecordDistributionStrategy::Auto),
    )?;
    let shards = landed(&s).await?.len();
    holds("shards of one key in AUTO", shards > 1, shards, "several")
}

async fn keyless(s: Subject) -> Result<(), Violation> {
    on_demand(&s).await?;
    distribute(&s, RecordDistributionStrategy::Auto).await?;
    let put = s.client.put_record().stream_name(&s.stream).data(Blob::new("x"));
    let shard = put.send().await?.shard_id;
    same("records", s.all_of(&shard).await?, ["x"])
}

async fn key_needed(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let put = s.client.put_record().stream_name(&s.stream).data(Blob::new("x"));
    // No document gives the code.
    let codes = &[INVALID, &["SerializationException"]].concat();
    refused("a record without key", put.send().await, codes)
}

async fn back(s: Subject) -> Result<(), Violation> {
    on_demand(&s).await?;
    let before = landed(&s).await?;
    distribute(&s, RecordDistributionStrategy::Auto).await?;
    distribute(&s, RecordDistributionStrategy::UserPartitionKey).await?;
    same("shards of one key", landed(&s).await?, before)
}

async fn provisioned(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let update = s.client.update_stream_record_distribution_strategy();
    let update = update.stream_arn(s.arn().await?);
    let answer = update
        .record_distribution_strategy(RecordDistributionStrategy::Auto)
        .send()
        .await;
    refused("AUTO on a provisioned stream", answer, INVALID)
}

async fn no_split(s: Subject) -> Result<(), Violation> {
    on_demand(&s).await?;
    let split = s.client.split_shard().stream_name(&s.stream);
    let split = split
        .shard_to_split(super::subject::FIRST)
        .new_starting_hash_key("1");
    refused("a split of an on-demand stream", split.send().await, INVALID)
}
