//! Shards split, merge and scale.

use aws_sdk_kinesis::types::{ScalingType, Shard};

use super::number::Number;
use super::subject::{FIRST, HIGHEST, Subject};
use super::violation::{INVALID, holds, refused, same};
use super::{Case, Violation};

pub(super) const CASES: &[Case] = &[
    case(
        "a split closes the parent and opens two children",
        "API SplitShard",
        |s| Box::pin(split(s)),
    ),
    case(
        "a merge closes both parents and opens one child",
        "API MergeShards",
        |s| Box::pin(merge(s)),
    ),
    case(
        "records after a split land on the children",
        "API SplitShard",
        |s| Box::pin(landing(s)),
    ),
    case(
        "numbers of children are above their parent's",
        "API PutRecord says they climb; across shards: observed",
        |s| Box::pin(numbers(s)),
    ),
    case("a closed shard cannot be split", "API SplitShard", |s| {
        Box::pin(split_closed(s))
    }),
    case("a closed shard cannot be merged", "API MergeShards", |s| {
        Box::pin(merge_closed(s))
    }),
    case(
        "shards that do not touch cannot be merged",
        "API MergeShards",
        |s| Box::pin(merge_apart(s)),
    ),
    case(
        "a shard is split within its hash keys only",
        "API SplitShard",
        |s| Box::pin(split_outside(s)),
    ),
    case(
        "UpdateShardCount doubles the open shards",
        "API UpdateShardCount",
        |s| Box::pin(scale(s)),
    ),
    case(
        "retention rises to 8,760 hours and no further",
        "API IncreaseStreamRetentionPeriod",
        |s| Box::pin(retention(s)),
    ),
];

const fn case(name: &'static str, source: &'static str, check: super::Check) -> Case {
    Case::new("Resharding", name, source, check)
}

/// Whether the shard has no last number.
fn is_open(shard: &Shard) -> bool {
    let numbers = shard.sequence_number_range();
    numbers.is_some_and(|numbers| numbers.ending_sequence_number().is_none())
}

fn lineage(shard: &Shard) -> (&str, Option<&str>, Option<&str>, bool) {
    let (parent, adjacent) = (shard.parent_shard_id(), shard.adjacent_parent_shard_id());
    (shard.shard_id(), parent, adjacent, is_open(shard))
}

async fn split(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    s.split().await?;
    let shards = s.shards().await?;
    same(
        "id, parents and openness",
        shards.iter().map(lineage).collect::<Vec<_>>(),
        [
            (FIRST, None, None, false),
            ("shardId-000000000001", Some(FIRST), None, true),
            ("shardId-000000000002", Some(FIRST), None, true),
        ],
    )?;
    let ranges: Vec<_> = shards.iter().filter_map(Shard::hash_key_range).collect();
    let bounds: Vec<_> = ranges
        .iter()
        .map(|range| range.ending_hash_key().to_owned())
        .collect();
    same(
        "EndingHashKey",
        bounds,
        [HIGHEST, HIGHEST / 2, HIGHEST].map(|key| key.to_string()),
    )
}

async fn merge(s: Subject) -> Result<(), Violation> {
    s.create(2).await?;
    s.merge(FIRST, "shardId-000000000001").await?;
    let shards = s.shards().await?;
    same(
        "id, parents and openness",
        shards.iter().map(lineage).collect::<Vec<_>>(),
        [
            (FIRST, None, None, false),
            ("shardId-000000000001", None, None, false),
            (
                "shardId-000000000002",
                Some(FIRST),
                Some("shardId-000000000001"),
                true,
            ),
        ],
    )
}

async fn landing(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    s.put_at(0, "before").await?;
    s.split().await?;
    same(
        "ShardId",
        s.put_at(0, "low").await?.shard_id(),
        "shardId-000000000001",
    )?;
    same(
        "ShardId",
        s.put_at(HIGHEST, "high").await?.shard_id(),
        "shardId-000000000002",
    )?;
    same("records of the parent", s.all_of(FIRST).await?, ["before"])?;
    same(
        "records of a child",
        s.all_of("shardId-000000000002").await?,
        ["high"],
    )
}

async fn numbers(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let before = Number::parse(s.put_at(0, "before").await?.sequence_number())?;
    s.split().await?;
    let shards = s.shards().await?;
    let parent = shards.first().and_then(Shard::sequence_number_range);
    let end = parent.and_then(|numbers| numbers.ending_sequence_number());
    let end = Number::parse(end.ok_or(Violation::Missing("EndingSequenceNumber"))?)?;
    holds(
        "EndingSequenceNumber",
        end >= before,
        &end,
        "at least the last record's",
    )?;
    for hash_key in [0, HIGHEST] {
        let after = Number::parse(s.put_at(hash_key, "after").await?.sequence_number())?;
        holds(
            "SequenceNumber of a child",
            after > end,
            &after,
            "above the parent's end",
        )?;
    }
    Ok(())
}

async fn split_closed(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    s.split().await?;
    let split = s
        .client
        .split_shard()
        .stream_name(&s.stream)
        .shard_to_split(FIRST);
    let answer = split
        .new_starting_hash_key((HIGHEST / 3).to_string())
        .send()
        .await;
    refused("a split of a closed shard", answer, CLOSED)
}

async fn merge_closed(s: Subject) -> Result<(), Violation> {
    s.create(2).await?;
    s.split_at(FIRST, HIGHEST / 4).await?;
    let merge = s
        .client
        .merge_shards()
        .stream_name(&s.stream)
        .shard_to_merge(FIRST);
    let answer = merge.adjacent_shard_to_merge("shardId-000000000001").send().await;
    refused("a merge of a closed shard", answer, CLOSED)
}

async fn merge_apart(s: Subject) -> Result<(), Violation> {
    s.create(3).await?;
    let merge = s
        .client
        .merge_shards()
        .stream_name(&s.stream)
        .shard_to_merge(FIRST);
    let answer = merge.adjacent_shard_to_merge("shardId-000000000002").send().await;
    refused("a merge of shards apart", answer, INVALID)
}

async fn split_outside(s: Subject) -> Result<(), Violation> {
    s.create(2).await?;
    for hash_key in [0, HIGHEST] {
        let split = s
            .client
            .split_shard()
            .stream_name(&s.stream)
            .shard_to_split(FIRST);
        let answer = split.new_starting_hash_key(hash_key.to_string()).send().await;
        refused("a split outside the shard", answer, INVALID)?;
    }
    Ok(())
}

async fn scale(s: Subject) -> Result<(), Violation> {
    s.create(2).await?;
    let update = s.client.update_shard_count().stream_name(&s.stream);
    let update = update
        .target_shard_count(4)
        .scaling_type(ScalingType::UniformScaling);
    let answer = update.send().await?;
    same("CurrentShardCount", answer.current_shard_count(), Some(2))?;
    same("TargetShardCount", answer.target_shard_count(), Some(4))?;
    s.until_active().await?;
    let shards = s.shards().await?;
    same(
        "open shards",
        shards.iter().filter(|shard| is_open(shard)).count(),
        4,
    )?;
    same("all shards", shards.len(), 6)
}

async fn retention(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let increase = || s.client.increase_stream_retention_period().stream_name(&s.stream);
    increase().retention_period_hours(8_760).send().await?;
    s.until_active().await?;
    same(
        "RetentionPeriodHours",
        s.summary().await?.retention_period_hours(),
        8_760,
    )?;
    let answer = increase().retention_period_hours(8_761).send().await;
    refused("8,761 hours", answer, INVALID)?;
    let decrease = s.client.decrease_stream_retention_period().stream_name(&s.stream);
    let answer = decrease.retention_period_hours(23).send().await;
    refused("23 hours", answer, INVALID)
}

/// The page says that only open shards can be split or merged, and has two codes for a shard in the wrong state.
const CLOSED: &[&str] = &[
    "InvalidArgumentException",
    "ResourceInUseException",
    "ValidationException",
];
