//! Records come out: pages, their bounds, how far behind they are, and how a closed shard ends.

use aws_sdk_kinesis::types::ShardIteratorType;

use super::subject::{FIRST, HIGHEST, Subject, entry, text};
use super::violation::{INVALID, holds, refused, same};
use super::{Case, Violation};

pub(super) const CASES: &[Case] = &[
    case(
        "a page ends at Limit and the next goes on",
        "API GetRecords, Limit",
        |s| Box::pin(limit(s)),
    ),
    case("Limit above 10,000 is refused", "API GetRecords, Limit", |s| {
        Box::pin(limit_too_high(s))
    }),
    case("a page has 10,000 records at most", "API GetRecords", |s| {
        Box::pin(many(s))
    }),
    case("a page has 10 MiB at most", "API GetRecords", |s| {
        Box::pin(large(s))
    }),
    case("an iterator may be used again", "API GetRecords", |s| {
        Box::pin(again(s))
    }),
    case("MillisBehindLatest is 0 at the tip", "API GetRecords", |s| {
        Box::pin(at_tip(s))
    }),
    case(
        "MillisBehindLatest is above 0 before the tip",
        "API GetRecords",
        |s| Box::pin(behind(s)),
    ),
    case(
        "a closed shard ends without a next iterator",
        "API GetRecords, NextShardIterator",
        |s| Box::pin(ends(s)),
    ),
    case(
        "the end of a closed shard names its children",
        "API GetRecords, ChildShards",
        |s| Box::pin(children(s)),
    ),
    case(
        "the end of a merged shard names the child and both parents",
        "API ChildShard",
        |s| Box::pin(merged(s)),
    ),
];

const fn case(name: &'static str, source: &'static str, check: super::Check) -> Case {
    Case::new("Reading", name, source, check)
}

async fn limit(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let entries: Result<Vec<_>, _> = (0..50).map(|i| entry("k", i.to_string())).collect();
    s.put_all(entries?).await?;
    let start = s.iterator(FIRST, ShardIteratorType::TrimHorizon).await?;
    let first = s
        .client
        .get_records()
        .shard_iterator(start)
        .limit(30)
        .send()
        .await?;
    same("records of the first page", first.records().len(), 30)?;
    let next = first
        .next_shard_iterator()
        .ok_or(Violation::Missing("NextShardIterator"))?;
    let second = s.read(next).await?;
    same("records of the second page", second.records().len(), 20)?;
    same(
        "its first",
        second.records().first().map(text).as_deref(),
        Some("30"),
    )
}

async fn limit_too_high(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let start = s.iterator(FIRST, ShardIteratorType::TrimHorizon).await?;
    let answer = s
        .client
        .get_records()
        .shard_iterator(start)
        .limit(10_001)
        .send()
        .await;
    refused("a limit of 10,001", answer, INVALID)
}

async fn many(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    for _ in 0..21 {
        let entries: Result<Vec<_>, _> = (0..500).map(|_| entry("k", "x")).collect();
        s.put_all(entries?).await?;
    }
    let first = s
        .read(&s.iterator(FIRST, ShardIteratorType::TrimHorizon).await?)
        .await?;
    let read = first.records().len();
    holds(
        "records of a page",
        (1..=10_000).contains(&read),
        read,
        "10,000 at most",
    )
}

async fn large(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    for _ in 0..3 {
        let entries: Result<Vec<_>, _> = (0..5).map(|_| entry("k", vec![0; 1_000_000])).collect();
        s.put_all(entries?).await?;
    }
    let mut next = Some(s.iterator(FIRST, ShardIteratorType::TrimHorizon).await?);
    let mut read = 0;
    while let (Some(at), true) = (next, read < 15) {
        let page = s.read(&at).await?;
        let bytes: usize = page
            .records()
            .iter()
            .map(|record| record.data().as_ref().len())
            .sum();
        holds(
            "bytes of a page",
            bytes <= 10 * 1024 * 1024,
            bytes,
            "10 MiB at most",
        )?;
        read += page.records().len();
        next = page.next_shard_iterator;
    }
    same("records of all pages", read, 15)
}

async fn again(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    s.put("k", "a").await?;
    let start = s.iterator(FIRST, ShardIteratorType::TrimHorizon).await?;
    for _ in 0..2 {
        let page = s.read(&start).await?;
        same(
            "records",
            page.records().iter().map(text).collect::<Vec<_>>(),
            ["a"],
        )?;
    }
    Ok(())
}

async fn at_tip(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    s.put("k", "a").await?;
    let page = s
        .read(&s.iterator(FIRST, ShardIteratorType::TrimHorizon).await?)
        .await?;
    same("records", page.records().len(), 1)?;
    same("MillisBehindLatest", page.millis_behind_latest(), Some(0))
}

async fn behind(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    for data in ["a", "b"] {
        s.put("k", data).await?;
        s.pause(60).await;
    }
    let start = s.iterator(FIRST, ShardIteratorType::TrimHorizon).await?;
    let page = s
        .client
        .get_records()
        .shard_iterator(start)
        .limit(1)
        .send()
        .await?;
    let behind = page.millis_behind_latest();
    holds("MillisBehindLatest", behind > Some(0), behind, "above 0")
}

async fn ends(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    s.put("k", "a").await?;
    s.split().await?;
    let mut read = Vec::new();
    let mut next = Some(s.iterator(FIRST, ShardIteratorType::TrimHorizon).await?);
    for _ in 0..PATIENCE {
        let Some(at) = next else {
            return same("records of the closed shard", read, ["a"]);
        };
        let page = s.read(&at).await?;
        read.extend(page.records().iter().map(text));
        next = page.next_shard_iterator;
    }
    Err(Violation::Missing("the end of a closed shard"))
}

async fn children(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    s.put("k", "a").await?;
    s.split().await?;
    let middle = HIGHEST / 2;
    let named = named_children(&s, FIRST).await?;
    let parents = vec![FIRST.to_owned()];
    let child =
        |id: &str, low: u128, high: u128| (id.to_owned(), parents.clone(), low.to_string(), high.to_string());
    same(
        "ChildShards",
        named,
        [
            child("shardId-000000000001", 0, middle),
            child("shardId-000000000002", middle + 1, HIGHEST),
        ],
    )
}

async fn merged(s: Subject) -> Result<(), Violation> {
    s.create(2).await?;
    s.merge(FIRST, "shardId-000000000001").await?;
    for parent in [FIRST, "shardId-000000000001"] {
        let [(id, mut parents, low, high)] = <[Named; 1]>::try_from(named_children(&s, parent).await?)
            .map_err(|children| differs(&children))?;
        parents.sort_unstable();
        same("ShardId of the child", id, "shardId-000000000002")?;
        same("ParentShards", parents, [FIRST, "shardId-000000000001"])?;
        same(
            "its hash keys",
            (low, high),
            ("0".to_owned(), HIGHEST.to_string()),
        )?;
    }
    Ok(())
}

fn differs(children: &[Named]) -> Violation {
    Violation::Differs {
        what: "children of a merged shard",
        expected: "1".to_owned(),
        found: children.len().to_string(),
    }
}

/// Child, parents, lowest and highest hash key.
type Named = (String, Vec<String>, String, String);

/// The children that the last page of a closed shard names, in the order of their ids.
async fn named_children(s: &Subject, shard: &str) -> Result<Vec<Named>, Violation> {
    let mut next = Some(s.iterator(shard, ShardIteratorType::TrimHorizon).await?);
    let mut named = Vec::new();
    for _ in 0..PATIENCE {
        let Some(at) = next else { break };
        let page = s.read(&at).await?;
        named.extend(page.child_shards().iter().map(|child| {
            let range = child.hash_key_range();
            (
                child.shard_id().to_owned(),
                child.parent_shards().to_vec(),
                range
                    .map(|range| range.starting_hash_key().to_owned())
                    .unwrap_or_default(),
                range
                    .map(|range| range.ending_hash_key().to_owned())
                    .unwrap_or_default(),
            )
        }));
        next = page.next_shard_iterator;
    }
    named.sort_unstable();
    Ok(named)
}

/// Pages after which a closed shard with one record must have ended: the service may give empty ones before.
const PATIENCE: usize = 10;
