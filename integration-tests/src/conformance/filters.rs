//! Filters of ListShards, on a stream that has been split.

use std::collections::BTreeSet;

use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{ShardFilter, ShardFilterType, ShardIteratorType};

use super::listing::ids;
use super::subject::{FIRST, Subject};
use super::violation::{INVALID, refused, same};
use super::{Case, Violation};

pub(super) const CASES: &[Case] = &[
    case("no filter lists closed shards too", |s| Box::pin(unfiltered(s))),
    case("AT_LATEST lists open shards only", |s| Box::pin(at_latest(s))),
    case("AT_TRIM_HORIZON lists what was open at the horizon", |s| {
        Box::pin(at_horizon(s))
    }),
    case("FROM_TRIM_HORIZON lists all", |s| Box::pin(from_horizon(s))),
    case("AFTER_SHARD_ID lists those after it", |s| {
        Box::pin(after_shard(s))
    }),
    case("AT_TIMESTAMP lists what was open then", |s| Box::pin(at_time(s))),
    case("FROM_TIMESTAMP lists what was open then or later", |s| {
        Box::pin(from_time(s))
    }),
    case("a filter without what its type needs is refused", |s| {
        Box::pin(incomplete(s))
    }),
];

const fn case(name: &'static str, check: super::Check) -> Case {
    Case::new("Filters", name, "API ShardFilter", check)
}

const LEFT: &str = "shardId-000000000001";
const RIGHT: &str = "shardId-000000000002";

/// A time before the split, and one after.
async fn split_stream(s: &Subject) -> Result<(DateTime, DateTime), Violation> {
    s.create(1).await?;
    s.pause(50).await;
    s.put("k", "before").await?;
    s.pause(50).await;
    s.split().await?;
    s.pause(50).await;
    s.put_at(0, "after").await?;
    s.pause(50).await;
    Ok((arrival(s, FIRST).await?, arrival(s, LEFT).await?))
}

/// The endpoint's own time: when the first record of the shard arrived.
async fn arrival(s: &Subject, shard: &str) -> Result<DateTime, Violation> {
    let page = s
        .read(&s.iterator(shard, ShardIteratorType::TrimHorizon).await?)
        .await?;
    let first = page.records().first();
    let arrival = first.and_then(|record| record.approximate_arrival_timestamp());
    arrival
        .copied()
        .ok_or(Violation::Missing("ApproximateArrivalTimestamp"))
}

async fn expect(s: &Subject, filter: Option<ShardFilter>, expected: &[&str]) -> Result<(), Violation> {
    let list = s.client.list_shards().stream_name(&s.stream);
    let answer = list.set_shard_filter(filter).send().await?;
    let listed: BTreeSet<_> = ids(answer.shards()).into_iter().collect();
    same(
        "shards",
        listed,
        expected.iter().copied().collect::<BTreeSet<_>>(),
    )
}

fn of(kind: ShardFilterType) -> Result<Option<ShardFilter>, Violation> {
    Ok(Some(ShardFilter::builder().r#type(kind).build()?))
}

fn of_time(kind: ShardFilterType, time: DateTime) -> Result<Option<ShardFilter>, Violation> {
    Ok(Some(ShardFilter::builder().r#type(kind).timestamp(time).build()?))
}

async fn unfiltered(s: Subject) -> Result<(), Violation> {
    split_stream(&s).await?;
    expect(&s, None, &[FIRST, LEFT, RIGHT]).await
}

async fn at_latest(s: Subject) -> Result<(), Violation> {
    split_stream(&s).await?;
    expect(&s, of(ShardFilterType::AtLatest)?, &[LEFT, RIGHT]).await
}

async fn at_horizon(s: Subject) -> Result<(), Violation> {
    split_stream(&s).await?;
    expect(&s, of(ShardFilterType::AtTrimHorizon)?, &[FIRST]).await
}

async fn from_horizon(s: Subject) -> Result<(), Violation> {
    split_stream(&s).await?;
    expect(&s, of(ShardFilterType::FromTrimHorizon)?, &[FIRST, LEFT, RIGHT]).await
}

async fn after_shard(s: Subject) -> Result<(), Violation> {
    split_stream(&s).await?;
    let filter = ShardFilter::builder().r#type(ShardFilterType::AfterShardId);
    expect(&s, Some(filter.shard_id(LEFT).build()?), &[RIGHT]).await
}

async fn at_time(s: Subject) -> Result<(), Violation> {
    let (before, after) = split_stream(&s).await?;
    expect(&s, of_time(ShardFilterType::AtTimestamp, before)?, &[FIRST]).await?;
    expect(&s, of_time(ShardFilterType::AtTimestamp, after)?, &[LEFT, RIGHT]).await
}

async fn from_time(s: Subject) -> Result<(), Violation> {
    let (before, after) = split_stream(&s).await?;
    let all = &[FIRST, LEFT, RIGHT];
    expect(&s, of_time(ShardFilterType::FromTimestamp, before)?, all).await?;
    expect(
        &s,
        of_time(ShardFilterType::FromTimestamp, after)?,
        &[LEFT, RIGHT],
    )
    .await
}

async fn incomplete(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    for kind in [
        ShardFilterType::AfterShardId,
        ShardFilterType::AtTimestamp,
        ShardFilterType::FromTimestamp,
    ] {
        let list = s.client.list_shards().stream_name(&s.stream);
        let answer = list.set_shard_filter(of(kind)?).send().await;
        refused("a filter without its argument", answer, INVALID)?;
    }
    Ok(())
}
