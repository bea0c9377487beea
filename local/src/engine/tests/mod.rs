//! The engine as a whole, one file per behaviour.

mod consumers;
mod determinism;
mod lifecycle;
mod lineage;
mod listing;
mod puts;
mod reads;
mod settings;
mod subscriptions;

use std::fmt::Debug;

use bytes::Bytes;

use super::api::*;
use super::error::ServiceError;
use super::*;

/// A moment in November 2023, where most tests begin.
const START: u64 = 1_700_000_000_000;
const STREAM: &str = "orders";

fn engine_of(shards: i64, settings: Settings) -> Engine {
    let mut engine = Engine::new(settings);
    create(&mut engine, STREAM, shards, START);
    engine
}

fn engine(shards: i64) -> Engine {
    engine_of(shards, Settings::default())
}

fn limited(shards: i64) -> Engine {
    let settings = Settings {
        limits: Limits::service(),
        ..Settings::default()
    };
    engine_of(shards, settings)
}

fn create(engine: &mut Engine, name: &str, shards: i64, now_ms: u64) {
    let request = CreateStreamRequest {
        stream_name: Some(name.to_owned()),
        shard_count: Some(shards),
        ..CreateStreamRequest::default()
    };
    engine.create_stream(request, now_ms).unwrap();
}

fn create_on_demand(engine: &mut Engine, name: &str, now_ms: u64) {
    let request = CreateStreamRequest {
        stream_name: Some(name.to_owned()),
        stream_mode: Some("ON_DEMAND".to_owned()),
        ..CreateStreamRequest::default()
    };
    engine.create_stream(request, now_ms).unwrap();
}

fn here() -> StreamAddress {
    StreamAddress::name(STREAM)
}

fn stream_arn() -> String {
    format!("arn:aws:kinesis:us-east-1:000000000000:stream/{STREAM}")
}

fn id(number: u64) -> String {
    kinesis_aggregation::ShardId::from_number(number)
        .as_str()
        .to_owned()
}

fn entry(key: &str, data: impl Into<Bytes>) -> PutEntry {
    PutEntry {
        data: Some(data.into()),
        partition_key: Some(key.into()),
        explicit_hash_key: None,
    }
}

fn entry_at(hash_key: u128, data: impl Into<Bytes>) -> PutEntry {
    PutEntry {
        explicit_hash_key: Some(hash_key.to_string()),
        ..entry("key", data)
    }
}

fn put_request(entry: PutEntry) -> PutRecordRequest {
    PutRecordRequest {
        stream: here(),
        entry,
        ..PutRecordRequest::default()
    }
}

fn put(engine: &mut Engine, entry: PutEntry, now_ms: u64) -> PutRecordResponse {
    engine.put_record(put_request(entry), now_ms).unwrap()
}

fn put_all(
    engine: &mut Engine,
    entries: Vec<PutEntry>,
    now_ms: u64,
) -> Result<PutRecordsResponse, ServiceError> {
    let request = PutRecordsRequest {
        stream: here(),
        records: Some(entries),
        dry_run: false,
    };
    engine.put_records(request, now_ms)
}

fn iterator_request(shard: u64, position: &str) -> GetShardIteratorRequest {
    GetShardIteratorRequest {
        stream: here(),
        shard_id: Some(id(shard)),
        iterator_type: Some(position.to_owned()),
        ..GetShardIteratorRequest::default()
    }
}

fn iterator(engine: &mut Engine, shard: u64, position: &str, now_ms: u64) -> String {
    let request = iterator_request(shard, position);
    engine.get_shard_iterator(request, now_ms).unwrap().shard_iterator
}

fn iterator_at(engine: &mut Engine, position: &str, number: impl ToString, now_ms: u64) -> String {
    let request = GetShardIteratorRequest {
        starting_sequence_number: Some(number.to_string()),
        ..iterator_request(0, position)
    };
    engine.get_shard_iterator(request, now_ms).unwrap().shard_iterator
}

fn get_request(iterator: &str, limit: Option<i64>) -> GetRecordsRequest {
    GetRecordsRequest {
        shard_iterator: Some(iterator.to_owned()),
        limit,
        ..GetRecordsRequest::default()
    }
}

fn get(engine: &mut Engine, iterator: &str, now_ms: u64) -> GetRecordsResponse {
    engine.get_records(get_request(iterator, None), now_ms).unwrap()
}

/// What a shard holds, read from the horizon to its end or its tip.
fn read_shard(
    engine: &mut Engine,
    shard: u64,
    limit: i64,
    now_ms: u64,
) -> (Vec<Record>, Option<Vec<ChildShard>>) {
    let mut next = Some(iterator(engine, shard, "TRIM_HORIZON", now_ms));
    let mut records = Vec::new();
    while let Some(iterator) = next {
        let page = engine
            .get_records(get_request(&iterator, Some(limit)), now_ms)
            .unwrap();
        records.extend(page.records);
        if page.child_shards.is_some() {
            assert_eq!(page.next_shard_iterator, None);
            return (records, page.child_shards);
        }
        if page.millis_behind_latest == 0 {
            return (records, None);
        }
        next = page.next_shard_iterator;
    }
    panic!("an iterator ended without child shards");
}

fn texts(records: &[Record]) -> Vec<&str> {
    records
        .iter()
        .map(|record| std::str::from_utf8(&record.data).unwrap())
        .collect()
}

fn split(engine: &mut Engine, shard: u64, at: u128, now_ms: u64) -> Result<(), ServiceError> {
    let request = SplitShardRequest {
        stream: here(),
        shard_to_split: Some(id(shard)),
        new_starting_hash_key: Some(at.to_string()),
    };
    engine.split_shard(request, now_ms)
}

fn merge(engine: &mut Engine, shard: u64, adjacent: u64, now_ms: u64) -> Result<(), ServiceError> {
    let request = MergeShardsRequest {
        stream: here(),
        shard_to_merge: Some(id(shard)),
        adjacent_shard_to_merge: Some(id(adjacent)),
    };
    engine.merge_shards(request, now_ms)
}

fn scale(engine: &mut Engine, target: i64, now_ms: u64) -> Result<UpdateShardCountResponse, ServiceError> {
    let request = UpdateShardCountRequest {
        stream: here(),
        target_shard_count: Some(target),
        scaling_type: Some("UNIFORM_SCALING".to_owned()),
    };
    engine.update_shard_count(request, now_ms)
}

fn list(engine: &mut Engine, filter: Option<ShardFilter>, now_ms: u64) -> Vec<ShardDescription> {
    let request = ListShardsRequest {
        stream: here(),
        shard_filter: filter,
        ..ListShardsRequest::default()
    };
    engine.list_shards(request, now_ms).unwrap().shards
}

fn filter(filter_type: &str, timestamp_ms: Option<u64>) -> Option<ShardFilter> {
    Some(ShardFilter {
        filter_type: Some(filter_type.to_owned()),
        shard_id: None,
        timestamp_ms,
    })
}

fn numbers(shards: &[ShardDescription]) -> Vec<u64> {
    shards
        .iter()
        .map(|shard| shard.shard_id.number().unwrap())
        .collect()
}

fn summary(engine: &mut Engine, now_ms: u64) -> StreamDescriptionSummary {
    let request = StreamRequest { stream: here() };
    engine.describe_stream_summary(request, now_ms).unwrap()
}

#[track_caller]
fn assert_refused<T: Debug>(answer: Result<T, ServiceError>, code: &str, part: &str) {
    let refused = answer.unwrap_err();
    assert_eq!(refused.code(), code, "{refused}");
    assert!(refused.to_string().contains(part), "{refused}");
}
