//! Requests that are well formed and impossible.

use super::raw::{Raw, refused as refused_raw};
use super::subject::{FIRST, Subject};
use super::violation::{INVALID, refused};
use super::{Case, Violation};

pub(super) const CASES: &[Case] = &[
    case("neither name nor ARN is refused", "API PutRecord", |s| {
        Box::pin(unaddressed(s))
    }),
    case(
        "a stream's name outside its alphabet is refused",
        "API CreateStream, StreamName",
        |s| Box::pin(name(s)),
    ),
    case(
        "absurd counts are refused",
        "API ListShards, GetRecords, CreateStream",
        |s| Box::pin(counts(s)),
    ),
    case(
        "a type of iterator that is none is refused",
        "API GetShardIterator",
        |s| Box::pin(kind(s)),
    ),
    case(
        "a token that is none is refused",
        "API ListShards, NextToken",
        |s| Box::pin(token(s)),
    ),
    case(
        "an ARN that is none is refused",
        "API DescribeStreamSummary, StreamARN",
        |s| Box::pin(arn(s)),
    ),
    case(
        "numbers outside 32 bits are refused",
        "API ListShards, MaxResults",
        |s| Box::pin(huge(s)),
    ),
];

const fn case(name: &'static str, source: &'static str, check: super::Check) -> Case {
    Case::new("Bad values", name, source, check)
}

async fn unaddressed(s: Subject) -> Result<(), Violation> {
    for (operation, body) in [
        ("PutRecord", r#"{"PartitionKey":"k","Data":"eA=="}"#),
        ("DescribeStreamSummary", "{}"),
        ("ListShards", "{}"),
        (
            "SplitShard",
            r#"{"ShardToSplit":"shardId-000000000000","NewStartingHashKey":"1"}"#,
        ),
    ] {
        refused_raw(
            &s,
            "a request without a stream",
            Raw::json(operation, body),
            INVALID,
        )
        .await?;
    }
    Ok(())
}

async fn name(s: Subject) -> Result<(), Violation> {
    for name in ["", "a b", "ключ", &"n".repeat(129)] {
        let create = s.client.create_stream().stream_name(name).shard_count(1);
        refused("a name outside its alphabet", create.send().await, INVALID)?;
    }
    Ok(())
}

async fn counts(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    for count in [0, -1, i32::MAX] {
        let list = s.client.list_shards().stream_name(&s.stream).max_results(count);
        refused("an absurd count", list.send().await, INVALID)?;
        let read = s.client.get_records().shard_iterator("AAAA").limit(count);
        refused("an absurd limit", read.send().await, INVALID)?;
        let create = s.client.create_stream().stream_name("absurd").shard_count(count);
        refused("an absurd count of shards", create.send().await, TOO_MANY)?;
    }
    Ok(())
}

/// Above the account's quota is another matter than outside the range.
const TOO_MANY: &[&str] = &[
    "InvalidArgumentException",
    "ValidationException",
    "LimitExceededException",
];

async fn kind(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let get = s
        .client
        .get_shard_iterator()
        .stream_name(&s.stream)
        .shard_id(FIRST);
    let answer = get.shard_iterator_type("SOMEWHERE".into()).send().await;
    refused("a type that is none", answer, INVALID)
}

async fn token(s: Subject) -> Result<(), Violation> {
    let list = s.client.list_shards().next_token("nonsense");
    let codes = &[
        "InvalidArgumentException",
        "ValidationException",
        "ExpiredNextTokenException",
    ];
    refused("a token that is none", list.send().await, codes)
}

async fn arn(s: Subject) -> Result<(), Violation> {
    for arn in [
        "nonsense",
        "arn:aws:sqs:us-east-1:000000000000:queue",
        "arn:aws:kinesis:::stream/",
    ] {
        let describe = s.client.describe_stream_summary().stream_arn(arn);
        refused("an ARN that is none", describe.send().await, INVALID)?;
    }
    Ok(())
}

async fn huge(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    for number in ["4294967297", "1e99", "-99999999999999999999"] {
        let body = format!(r#"{{"StreamName":"{}","MaxResults":{number}}}"#, s.stream);
        let codes = &[
            "SerializationException",
            "ValidationException",
            "InvalidArgumentException",
        ];
        refused_raw(
            &s,
            "a number outside 32 bits",
            Raw::json("ListShards", body),
            codes,
        )
        .await?;
    }
    Ok(())
}
