//! Where reading starts.

use std::time::Duration;

use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::ShardIteratorType;

use super::subject::{FIRST, Subject, text};
use super::violation::{INVALID, refused, same};
use super::{Case, Violation};

pub(super) const CASES: &[Case] = &[
    case(
        "TRIM_HORIZON, AT, AFTER and LATEST start where they say",
        "API GetShardIterator",
        |s| Box::pin(kinds(s)),
    ),
    case(
        "AT_TIMESTAMP starts with the next later record",
        "API GetShardIterator",
        |s| Box::pin(at_time(s)),
    ),
    case(
        "AT_TIMESTAMP before the horizon is TRIM_HORIZON",
        "API GetShardIterator",
        |s| Box::pin(before_horizon(s)),
    ),
    case("a closed shard has iterators", "API GetShardIterator", |s| {
        Box::pin(of_closed(s))
    }),
    case(
        "StreamARN addresses a stream for reading",
        "API GetShardIterator",
        |s| Box::pin(by_arn(s)),
    ),
    case(
        "AT_SEQUENCE_NUMBER without a number is refused",
        "API GetShardIterator",
        |s| Box::pin(without_number(s)),
    ),
    case(
        "AT_TIMESTAMP without a time is refused",
        "API GetShardIterator",
        |s| Box::pin(without_time(s)),
    ),
    case(
        "a shard that is not there is ResourceNotFoundException",
        "API GetShardIterator",
        |s| Box::pin(no_shard(s)),
    ),
    case("an iterator that is none is refused", "API GetRecords", |s| {
        Box::pin(forged(s))
    }),
    case(
        "an iterator expires after 5 minutes",
        "API GetShardIterator",
        |s| Box::pin(expires(s)),
    )
    .with_clock(),
];

const fn case(name: &'static str, source: &'static str, check: super::Check) -> Case {
    Case::new("Iterators", name, source, check)
}

async fn kinds(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let mut middle = String::new();
    for data in ["a", "b", "c"] {
        let put = s.put("k", data).await?;
        if data == "b" {
            put.sequence_number().clone_into(&mut middle);
        }
    }
    let mut made = Vec::new();
    for (kind, number, expected) in [
        (ShardIteratorType::TrimHorizon, None, "abcd"),
        (ShardIteratorType::AtSequenceNumber, Some(middle.as_str()), "bcd"),
        (
            ShardIteratorType::AfterSequenceNumber,
            Some(middle.as_str()),
            "cd",
        ),
        (ShardIteratorType::Latest, None, "d"),
    ] {
        made.push((s.iterator_at(FIRST, kind, number).await?, expected));
    }
    s.put("k", "d").await?;
    for (iterator, expected) in made {
        let page = s.read(&iterator).await?;
        same(
            "records",
            page.records().iter().map(text).collect::<String>(),
            expected,
        )?;
    }
    Ok(())
}

async fn at_time(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    for data in ["a", "b", "c"] {
        s.put("k", data).await?;
        s.pause(60).await;
    }
    let page = s
        .read(&s.iterator(FIRST, ShardIteratorType::TrimHorizon).await?)
        .await?;
    let arrival = page
        .records()
        .get(1)
        .and_then(|record| record.approximate_arrival_timestamp());
    let arrival = arrival.ok_or(Violation::Missing("ApproximateArrivalTimestamp"))?;
    let between = DateTime::from_millis(arrival.to_millis().unwrap_or(0) - 20);
    let page = s.read(&iterator_of_time(&s, between).await?).await?;
    same(
        "records",
        page.records().iter().map(text).collect::<String>(),
        "bc",
    )
}

async fn before_horizon(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    s.put("k", "a").await?;
    let long_ago = DateTime::from_secs(Duration::from_secs(1_000_000_000).as_secs().cast_signed());
    let page = s.read(&iterator_of_time(&s, long_ago).await?).await?;
    same(
        "records",
        page.records().iter().map(text).collect::<String>(),
        "a",
    )
}

async fn iterator_of_time(s: &Subject, time: DateTime) -> Result<String, Violation> {
    let get = s
        .client
        .get_shard_iterator()
        .stream_name(&s.stream)
        .shard_id(FIRST);
    let get = get
        .shard_iterator_type(ShardIteratorType::AtTimestamp)
        .timestamp(time);
    let answer = get.send().await?;
    answer.shard_iterator.ok_or(Violation::Missing("ShardIterator"))
}

async fn of_closed(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let first = s.put("k", "a").await?;
    s.put("k", "b").await?;
    s.split().await?;
    let number = Some(first.sequence_number());
    for (kind, number, expected) in [
        (ShardIteratorType::TrimHorizon, None, "ab"),
        (ShardIteratorType::AfterSequenceNumber, number, "b"),
        (ShardIteratorType::Latest, None, ""),
    ] {
        let page = s.read(&s.iterator_at(FIRST, kind, number).await?).await?;
        same(
            "records",
            page.records().iter().map(text).collect::<String>(),
            expected,
        )?;
    }
    Ok(())
}

async fn by_arn(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    s.put("k", "a").await?;
    let arn = s.arn().await?;
    let get = s.client.get_shard_iterator().stream_arn(&arn).shard_id(FIRST);
    let made = get
        .shard_iterator_type(ShardIteratorType::TrimHorizon)
        .send()
        .await?;
    let read = s.client.get_records().stream_arn(&arn);
    let page = read.set_shard_iterator(made.shard_iterator).send().await?;
    same(
        "records",
        page.records().iter().map(text).collect::<String>(),
        "a",
    )
}

async fn without_number(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let get = s
        .client
        .get_shard_iterator()
        .stream_name(&s.stream)
        .shard_id(FIRST);
    let get = get.shard_iterator_type(ShardIteratorType::AtSequenceNumber);
    refused("AT_SEQUENCE_NUMBER without a number", get.send().await, INVALID)
}

async fn without_time(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let get = s
        .client
        .get_shard_iterator()
        .stream_name(&s.stream)
        .shard_id(FIRST);
    let get = get.shard_iterator_type(ShardIteratorType::AtTimestamp);
    refused("AT_TIMESTAMP without a time", get.send().await, INVALID)
}

async fn no_shard(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let get = s.client.get_shard_iterator().stream_name(&s.stream);
    let get = get.shard_id("shardId-000000000007");
    let answer = get.shard_iterator_type(ShardIteratorType::Latest).send().await;
    refused(
        "a shard that is not there",
        answer,
        &["ResourceNotFoundException"],
    )
}

async fn forged(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    for iterator in ["nonsense", "AAAAAAAAAAHH"] {
        let answer = s.client.get_records().shard_iterator(iterator).send().await;
        refused("an iterator that is none", answer, INVALID)?;
    }
    Ok(())
}

async fn expires(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    s.put("k", "a").await?;
    let iterator = s.iterator(FIRST, ShardIteratorType::TrimHorizon).await?;
    s.advance(4 * 60 + 50);
    same("records before", s.read(&iterator).await?.records().len(), 1)?;
    s.advance(11);
    let answer = s.client.get_records().shard_iterator(iterator).send().await;
    refused(
        "an iterator after 5 minutes",
        answer,
        &["ExpiredIteratorException"],
    )
}
