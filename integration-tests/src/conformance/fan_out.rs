//! Subscriptions: what is pushed, how they go on, how they end.

use std::time::Duration;

use aws_sdk_kinesis::operation::subscribe_to_shard::SubscribeToShardOutput;
use aws_sdk_kinesis::types::{
    ShardIteratorType, StartingPosition, SubscribeToShardEvent, SubscribeToShardEventStream,
};
use tokio::time::{Instant, timeout};

use super::consumers::register;
use super::subject::{FIRST, Subject, text};
use super::violation::{holds, refused, same};
use super::{Case, Violation};

pub(super) const CASES: &[Case] = &[
    case(
        "records are pushed, also those put later",
        "API SubscribeToShard",
        |s| Box::pin(pushed(s)),
    ),
    case(
        "AFTER the continuation number nothing is lost or repeated",
        "API SubscribeToShardEvent",
        |s| Box::pin(resumed(s)),
    ),
    case(
        "an idle shard's continuation number is given too",
        "API SubscribeToShardEvent",
        |s| Box::pin(idle(s)),
    ),
    case(
        "a second call within 5 s is ResourceInUseException",
        "API SubscribeToShard",
        |s| Box::pin(too_soon(s)),
    ),
    case("a call after 5 s takes over", "API SubscribeToShard", |s| {
        Box::pin(taken_over(s))
    }),
    case(
        "a subscription ends after 5 minutes",
        "API SubscribeToShard",
        |s| Box::pin(ends(s)),
    )
    .with_clock(),
    case(
        "a closed shard's subscription names the children and ends",
        "API SubscribeToShardEvent",
        |s| Box::pin(closed(s)),
    ),
    case(
        "a subscription sees its shard being split",
        "API SubscribeToShardEvent",
        |s| Box::pin(split_meanwhile(s)),
    ),
    case(
        "a consumer that is not there is ResourceNotFoundException",
        "API SubscribeToShard",
        |s| Box::pin(no_consumer(s)),
    ),
];

const fn case(name: &'static str, source: &'static str, check: super::Check) -> Case {
    Case::new("Fan-out", name, source, check)
}

async fn start(s: &Subject) -> Result<String, Violation> {
    s.create(1).await?;
    Ok(register(s, "billing").await?.consumer_arn().to_owned())
}

fn from(kind: ShardIteratorType, number: Option<&str>) -> Result<StartingPosition, Violation> {
    let position = StartingPosition::builder().r#type(kind);
    Ok(position.set_sequence_number(number.map(str::to_owned)).build()?)
}

async fn subscribe(
    s: &Subject,
    consumer: &str,
    position: StartingPosition,
) -> Result<SubscribeToShardOutput, Violation> {
    let subscribe = s
        .client
        .subscribe_to_shard()
        .consumer_arn(consumer)
        .shard_id(FIRST);
    Ok(subscribe.starting_position(position).send().await?)
}

/// The next event, or `None` at the end.
async fn next(subscription: &mut SubscribeToShardOutput) -> Result<Option<SubscribeToShardEvent>, Violation> {
    let received = timeout(SOON, subscription.event_stream.recv()).await;
    let received = received.map_err(|_| Violation::Silent(SOON.as_secs()))?;
    Ok(match received? {
        Some(SubscribeToShardEventStream::SubscribeToShardEvent(event)) => Some(event),
        _ => None,
    })
}

/// Events until so many records have come.
async fn records(
    subscription: &mut SubscribeToShardOutput,
    count: usize,
) -> Result<(Vec<String>, String), Violation> {
    let mut seen = Vec::new();
    loop {
        let event = next(subscription).await?;
        let event = event.ok_or(Violation::Missing("an event before the end"))?;
        seen.extend(event.records().iter().map(text));
        if seen.len() >= count {
            return Ok((seen, event.continuation_sequence_number));
        }
    }
}

async fn pushed(s: Subject) -> Result<(), Violation> {
    let consumer = start(&s).await?;
    s.put("k", "a").await?;
    let mut subscription = subscribe(&s, &consumer, from(ShardIteratorType::TrimHorizon, None)?).await?;
    same("records", records(&mut subscription, 1).await?.0, ["a"])?;
    s.put("k", "b").await?;
    same("records", records(&mut subscription, 1).await?.0, ["b"])
}

async fn resumed(s: Subject) -> Result<(), Violation> {
    let consumer = start(&s).await?;
    s.put("k", "a").await?;
    let mut first = subscribe(&s, &consumer, from(ShardIteratorType::TrimHorizon, None)?).await?;
    let continuation = records(&mut first, 1).await?.1;
    drop(first);
    s.put("k", "b").await?;
    s.pause(PAST_RULE).await;
    let position = from(ShardIteratorType::AfterSequenceNumber, Some(&continuation))?;
    let mut second = subscribe(&s, &consumer, position).await?;
    same("records", records(&mut second, 1).await?.0, ["b"])
}

async fn idle(s: Subject) -> Result<(), Violation> {
    let consumer = start(&s).await?;
    let mut subscription = subscribe(&s, &consumer, from(ShardIteratorType::Latest, None)?).await?;
    let event = next(&mut subscription).await?;
    let event = event.ok_or(Violation::Missing("an event before the end"))?;
    let number = event.continuation_sequence_number();
    holds(
        "ContinuationSequenceNumber",
        !number.is_empty(),
        number,
        "a number",
    )
}

async fn too_soon(s: Subject) -> Result<(), Violation> {
    let consumer = start(&s).await?;
    let _first = subscribe(&s, &consumer, from(ShardIteratorType::Latest, None)?).await?;
    s.pause(1_500).await;
    let again = s
        .client
        .subscribe_to_shard()
        .consumer_arn(&consumer)
        .shard_id(FIRST);
    let again = again.starting_position(from(ShardIteratorType::Latest, None)?);
    refused(
        "a call after 1.5 s",
        again.send().await,
        &["ResourceInUseException"],
    )
}

async fn taken_over(s: Subject) -> Result<(), Violation> {
    let consumer = start(&s).await?;
    let mut first = subscribe(&s, &consumer, from(ShardIteratorType::Latest, None)?).await?;
    s.pause(PAST_RULE).await;
    let mut second = subscribe(&s, &consumer, from(ShardIteratorType::Latest, None)?).await?;
    s.put("k", "a").await?;
    same("records of the second", records(&mut second, 1).await?.0, ["a"])?;
    let mut seen = Vec::new();
    loop {
        match timeout(SOON, first.event_stream.recv()).await {
            Err(_) => return Err(Violation::Missing("the end of the first")),
            Ok(Err(_) | Ok(None)) => return same("records of the first", seen, [""; 0]),
            Ok(Ok(Some(SubscribeToShardEventStream::SubscribeToShardEvent(event)))) => {
                seen.extend(event.records().iter().map(text));
            }
            Ok(Ok(Some(_))) => {}
        }
    }
}

async fn ends(s: Subject) -> Result<(), Violation> {
    let consumer = start(&s).await?;
    let mut subscription = subscribe(&s, &consumer, from(ShardIteratorType::Latest, None)?).await?;
    s.advance(4 * 60 + 50);
    s.put("k", "a").await?;
    same("records before", records(&mut subscription, 1).await?.0, ["a"])?;
    s.advance(11);
    s.put("k", "b").await?;
    loop {
        let Some(event) = next(&mut subscription).await? else {
            return Ok(());
        };
        same("records after 5 minutes", event.records().len(), 0)?;
    }
}

async fn closed(s: Subject) -> Result<(), Violation> {
    let consumer = start(&s).await?;
    s.put("k", "a").await?;
    s.split().await?;
    let subscription = subscribe(&s, &consumer, from(ShardIteratorType::TrimHorizon, None)?).await?;
    to_the_end(subscription, &["a"]).await
}

async fn split_meanwhile(s: Subject) -> Result<(), Violation> {
    let consumer = start(&s).await?;
    s.put("k", "a").await?;
    let mut subscription = subscribe(&s, &consumer, from(ShardIteratorType::TrimHorizon, None)?).await?;
    same("records", records(&mut subscription, 1).await?.0, ["a"])?;
    s.split().await?;
    to_the_end(subscription, &[]).await
}

/// These records, both children, then the end.
async fn to_the_end(mut subscription: SubscribeToShardOutput, expected: &[&str]) -> Result<(), Violation> {
    let (mut seen, mut children) = (Vec::new(), Vec::new());
    let end = Instant::now() + SOON;
    while let Some(event) = next(&mut subscription).await? {
        seen.extend(event.records().iter().map(text));
        children.extend(
            event
                .child_shards()
                .iter()
                .map(|child| child.shard_id().to_owned()),
        );
        if Instant::now() > end {
            return Err(Violation::Missing("the end of a closed shard's subscription"));
        }
    }
    same("records", seen, expected)?;
    // They may be told by more than one event at the end.
    children.sort_unstable();
    children.dedup();
    same(
        "ChildShards",
        children,
        ["shardId-000000000001", "shardId-000000000002"],
    )
}

async fn no_consumer(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let arn = format!("{}/consumer/nobody:1700000000", s.arn().await?);
    let subscribe = s.client.subscribe_to_shard().consumer_arn(arn).shard_id(FIRST);
    let subscribe = subscribe.starting_position(from(ShardIteratorType::Latest, None)?);
    refused(
        "a consumer that is not there",
        subscribe.send().await,
        &["ResourceNotFoundException"],
    )
}

const SOON: Duration = Duration::from_secs(12);

/// A little over the 5 seconds in which a consumer may not subscribe again.
const PAST_RULE: u64 = 5_300;
