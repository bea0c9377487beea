//! Shards and streams are listed and described.

use aws_sdk_kinesis::types::{Shard, StreamStatus};

use super::subject::{FIRST, HIGHEST, Subject};
use super::violation::{INVALID, holds, refused, same};
use super::{Case, Violation};

pub(super) const CASES: &[Case] = &[
    case(
        "shards share out all hash keys without gap",
        "API ListShards, HashKeyRange",
        |s| Box::pin(whole(s)),
    ),
    case(
        "ListShards pages by a token that stands alone",
        "API ListShards, NextToken",
        |s| Box::pin(pages(s)),
    ),
    case(
        "ListShards refuses a token with a stream's name",
        "API ListShards, NextToken",
        |s| Box::pin(token_and_name(s)),
    ),
    case("ListShards by ARN", "API ListShards, StreamARN", |s| {
        Box::pin(by_arn(s))
    }),
    case("ListShards after ExclusiveStartShardId", "API ListShards", |s| {
        Box::pin(exclusive(s))
    }),
    case(
        "a token expires after 300 seconds",
        "API ListShards, NextToken",
        |s| Box::pin(expires(s)),
    )
    .with_clock(),
    case(
        "DescribeStream pages by HasMoreShards",
        "API DescribeStream",
        |s| Box::pin(describe(s)),
    ),
    case(
        "DescribeStreamSummary counts open shards",
        "API DescribeStreamSummary",
        |s| Box::pin(summary(s)),
    ),
    case("ListStreams has a new stream", "API ListStreams", |s| {
        Box::pin(streams(s))
    }),
    case("a stream's name is taken once", "API CreateStream", |s| {
        Box::pin(taken(s))
    }),
];

const fn case(name: &'static str, source: &'static str, check: super::Check) -> Case {
    Case::new("Listing", name, source, check)
}

pub(super) fn ids(shards: &[Shard]) -> Vec<&str> {
    shards.iter().map(Shard::shard_id).collect()
}

async fn whole(s: Subject) -> Result<(), Violation> {
    s.create(3).await?;
    let mut next = Some(0_u128);
    for shard in s.shards().await? {
        let range = shard.hash_key_range().ok_or(Violation::Missing("HashKeyRange"))?;
        let expected = next.map(|key| key.to_string());
        same(
            "StartingHashKey",
            Some(range.starting_hash_key()),
            expected.as_deref(),
        )?;
        let end = range.ending_hash_key().parse::<u128>().ok();
        next = end.and_then(|end| end.checked_add(1));
        let numbers = shard.sequence_number_range();
        holds("SequenceNumberRange", numbers.is_some(), numbers, "a range")?;
        same(
            "end of an open shard",
            numbers.and_then(|range| range.ending_sequence_number()),
            None,
        )?;
    }
    same("hash key after the last shard", next, None)
}

async fn pages(s: Subject) -> Result<(), Violation> {
    s.create(5).await?;
    let list = s.client.list_shards().stream_name(&s.stream).max_results(2);
    let mut page = list.send().await?;
    let mut listed = Vec::new();
    let mut sizes = Vec::new();
    loop {
        sizes.push(page.shards().len());
        listed.extend(ids(page.shards()).into_iter().map(str::to_owned));
        let (Some(token), true) = (page.next_token(), sizes.len() < 5) else {
            break;
        };
        page = s
            .client
            .list_shards()
            .next_token(token)
            .max_results(2)
            .send()
            .await?;
    }
    same("sizes of the pages", sizes, [2, 2, 1])?;
    listed.dedup();
    same("shards", listed.len(), 5)
}

async fn token_and_name(s: Subject) -> Result<(), Violation> {
    let token = token(&s).await?;
    let list = s.client.list_shards().stream_name(&s.stream).next_token(token);
    refused("a token with a name", list.send().await, INVALID)
}

async fn token(s: &Subject) -> Result<String, Violation> {
    s.create(3).await?;
    let list = s.client.list_shards().stream_name(&s.stream).max_results(1);
    list.send()
        .await?
        .next_token
        .ok_or(Violation::Missing("NextToken"))
}

async fn by_arn(s: Subject) -> Result<(), Violation> {
    s.create(2).await?;
    let list = s.client.list_shards().stream_arn(s.arn().await?);
    same("shards", list.send().await?.shards().len(), 2)
}

async fn exclusive(s: Subject) -> Result<(), Violation> {
    s.create(3).await?;
    let list = s.client.list_shards().stream_name(&s.stream);
    let list = list.exclusive_start_shard_id(FIRST).send().await?;
    same(
        "shards",
        ids(list.shards()),
        ["shardId-000000000001", "shardId-000000000002"],
    )
}

async fn expires(s: Subject) -> Result<(), Violation> {
    let token = token(&s).await?;
    s.advance(301);
    let answer = s.client.list_shards().next_token(token).send().await;
    refused("a token after 301 s", answer, &["ExpiredNextTokenException"])
}

async fn describe(s: Subject) -> Result<(), Violation> {
    s.create(3).await?;
    let describe = s.client.describe_stream().stream_name(&s.stream).limit(2);
    let first = describe.send().await?.stream_description;
    let first = first.ok_or(Violation::Missing("StreamDescription"))?;
    same("shards of the first page", ids(first.shards()).len(), 2)?;
    same("HasMoreShards", first.has_more_shards(), true)?;
    let describe = s.client.describe_stream().stream_name(&s.stream);
    let last = first.shards().last().map(Shard::shard_id).unwrap_or_default();
    let second = describe
        .exclusive_start_shard_id(last)
        .send()
        .await?
        .stream_description;
    let second = second.ok_or(Violation::Missing("StreamDescription"))?;
    same(
        "shards of the second page",
        ids(second.shards()),
        ["shardId-000000000002"],
    )?;
    same("HasMoreShards", second.has_more_shards(), false)
}

async fn summary(s: Subject) -> Result<(), Violation> {
    s.create(2).await?;
    s.split_at(FIRST, HIGHEST / 4).await?;
    let summary = s.summary().await?;
    same("OpenShardCount", summary.open_shard_count(), 3)?;
    same("RetentionPeriodHours", summary.retention_period_hours(), 24)?;
    same("StreamStatus", summary.stream_status(), &StreamStatus::Active)?;
    same("StreamName", summary.stream_name(), s.stream.as_str())?;
    let end = format!(":stream/{}", s.stream);
    holds(
        "StreamARN",
        summary.stream_arn().ends_with(&end),
        summary.stream_arn(),
        &end,
    )
}

async fn streams(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let mut list = s.client.list_streams().send().await?;
    for _ in 0..20 {
        if list.stream_names().contains(&s.stream) {
            return Ok(());
        }
        let Some(last) = list.stream_names().last() else {
            break;
        };
        let next = s.client.list_streams().exclusive_start_stream_name(last);
        list = next.send().await?;
    }
    Err(Violation::Missing("the stream in ListStreams"))
}

async fn taken(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let create = s.client.create_stream().stream_name(&s.stream).shard_count(1);
    refused(
        "a name that is taken",
        create.send().await,
        &["ResourceInUseException"],
    )
}
