//! What a running endpoint holds, as JSON.

use serde_json::{Value, json};

use crate::engine::{Engine, ShardOverview, StreamOverview};
use crate::service::KinesisService;

/// Streams, shards, memory and time.
pub(super) fn state(kinesis: &KinesisService) -> Value {
    let (streams, held_bytes, subscriptions) = kinesis.with_engine(|engine, now_ms| {
        let streams = engine.overview(now_ms);
        (streams, Engine::held_bytes(engine), engine.subscription_count())
    });
    let streams: Vec<Value> = streams.iter().map(stream).collect();
    let clock = kinesis.world().clock();
    json!({
        "now_ms": clock.now_ms(),
        "uptime_ms": u64::try_from(clock.since_start().as_millis()).unwrap_or(u64::MAX),
        "held_bytes": held_bytes,
        "subscriptions": subscriptions,
        "streams": streams,
    })
}

fn stream(stream: &StreamOverview) -> Value {
    let shards: Vec<Value> = stream.shards.iter().map(shard).collect();
    json!({
        "name": stream.name,
        "status": stream.status.as_str(),
        "mode": stream.mode.as_str(),
        "retention_hours": stream.retention_hours,
        "shards": shards,
    })
}

fn shard(shard: &ShardOverview) -> Value {
    let described = &shard.description;
    let parents = [&described.parent_shard_id, &described.adjacent_parent_shard_id];
    let parents: Vec<&str> = parents.into_iter().flatten().map(|id| id.as_str()).collect();
    json!({
        "id": described.shard_id.as_str(),
        "open": described.ending_sequence_number.is_none(),
        "parents": parents,
        "starting_hash_key": described.hash_key_range.start().to_string(),
        "ending_hash_key": described.hash_key_range.end().to_string(),
        "records": shard.records,
        "subscriptions": shard.subscriptions,
    })
}

/// What happened, oldest first.
pub(super) fn history(kinesis: &KinesisService) -> Value {
    let history = kinesis.world().history().snapshot();
    let entries: Vec<Value> = history
        .entries()
        .iter()
        .map(|entry| {
            json!({
                "at_ms": u64::try_from(entry.at().as_millis()).unwrap_or(u64::MAX),
                "client": entry.client(),
                "operation": entry.operation(),
                "request": entry.request(),
                "outcome": entry.outcome(),
            })
        })
        .collect();
    json!({ "dropped": history.dropped(), "entries": entries })
}
