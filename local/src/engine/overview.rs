//! What the engine holds, for whoever watches or steers it from outside: not operations of the service, so that
//! neither limits nor faults concern them.

use kinesis_aggregation::HashKey;

use super::Engine;
use super::api::{ShardDescription, StreamMode, StreamStatus};
use super::list_shards::number_of;

/// One stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamOverview {
    pub(crate) name: String,
    pub(crate) status: StreamStatus,
    pub(crate) mode: StreamMode,
    pub(crate) retention_hours: u32,
    /// Closed ones among them, oldest first.
    pub(crate) shards: Vec<ShardOverview>,
}

/// One shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShardOverview {
    pub(crate) description: ShardDescription,
    pub(crate) records: u64,
    pub(crate) subscriptions: usize,
}

impl Engine {
    /// Every stream, by name.
    pub(crate) fn overview(&mut self, now_ms: u64) -> Vec<StreamOverview> {
        let now_ms = self.advance(now_ms);
        let streams = self.streams.values();
        streams
            .map(|stream| StreamOverview {
                name: stream.name.to_string(),
                status: stream.status,
                mode: stream.mode,
                retention_hours: stream.retention_hours,
                shards: stream
                    .shards_after(None)
                    .map(|shard| ShardOverview {
                        description: shard.describe(now_ms),
                        records: shard.next() - shard.oldest(),
                        subscriptions: shard.subscriptions.len(),
                    })
                    .collect(),
            })
            .collect()
    }

    /// The hash key that halves an open shard. `None` if there is no such shard, or it is one hash key wide.
    pub(crate) fn middle_of(&self, stream: &str, shard_id: &str) -> Option<HashKey> {
        let shard = self.streams.get(stream)?.shard(number_of(shard_id).ok()?)?;
        let range = shard.range();
        let (start, end) = (range.start().get(), range.end().get());
        (shard.is_open() && start < end).then(|| HashKey::new(start + (end - start) / 2 + 1))
    }

    /// Drops the records of a stream, or of one shard of it, that came before a moment, as if their retention had
    /// ended. Returns how many; `None` if there is no such stream or shard.
    pub(crate) fn trim(
        &mut self,
        stream: &str,
        shard_id: Option<&str>,
        before_ms: u64,
        now_ms: u64,
    ) -> Option<u64> {
        self.advance(now_ms);
        let stream = self.streams.get_mut(stream)?;
        let numbers: Vec<u32> = match shard_id {
            Some(shard_id) => vec![stream.shard(number_of(shard_id).ok()?)?.number()],
            None => stream
                .shards_after(None)
                .map(super::shard::Shard::number)
                .collect(),
        };
        let name = std::sync::Arc::clone(&stream.name);
        let mut dropped = 0;
        for number in numbers {
            let Some(shard) = stream.shard_mut(number) else {
                continue;
            };
            let before = shard.oldest_ms();
            while shard.oldest_ms().is_some_and(|arrival| arrival < before_ms) {
                self.ledger.remove(shard.drop_oldest().unwrap_or(0));
                dropped += 1;
            }
            self.ledger.moved(&name, number, before, shard.oldest_ms());
        }
        Some(dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::super::api::{CreateStreamRequest, PutEntry, PutRecordRequest, StreamAddress};
    use super::super::{Reshard, Settings};
    use super::*;

    fn engine() -> Engine {
        let mut engine = Engine::new(Settings::default());
        let create = CreateStreamRequest {
            stream_name: Some("orders".to_owned()),
            shard_count: Some(2),
            ..CreateStreamRequest::default()
        };
        engine.create_stream(create, 1_000).unwrap();
        engine
    }

    fn put(engine: &mut Engine, key: &str, now_ms: u64) {
        let put = PutRecordRequest {
            stream: StreamAddress::name("orders"),
            entry: PutEntry {
                data: Some(bytes::Bytes::from_static(b"x")),
                partition_key: Some(key.into()),
                explicit_hash_key: Some(key.to_owned()),
            },
            ..PutRecordRequest::default()
        };
        engine.put_record(put, now_ms).unwrap();
    }

    #[test]
    fn the_middle_halves_open_shards_only() {
        let mut engine = engine();
        let middle = engine.middle_of("orders", "shardId-000000000000").unwrap();
        assert_eq!(middle.get(), 1 << 126);
        assert_eq!(engine.middle_of("orders", "shardId-000000000002"), None);
        assert_eq!(engine.middle_of("other", "shardId-000000000000"), None);
        assert_eq!(engine.middle_of("orders", "no shard"), None);
        engine.schedule_reshard("orders", Reshard::Split { shard: 0, at: middle }, 2_000);
        engine.tick(2_000);
        assert_eq!(engine.middle_of("orders", "shardId-000000000000"), None);
        let open = engine.overview(2_000)[0]
            .shards
            .iter()
            .filter(|shard| shard.description.ending_sequence_number.is_none())
            .count();
        assert_eq!(open, 3);
    }

    #[test]
    fn trimming_drops_what_came_before_and_nothing_else() {
        let mut engine = engine();
        let high = u128::MAX.to_string();
        put(&mut engine, "0", 1_000);
        put(&mut engine, "0", 2_000);
        put(&mut engine, &high, 1_000);
        let held = engine.held_bytes();
        assert_eq!(
            engine.trim("orders", Some("shardId-000000000000"), 2_000, 3_000),
            Some(1)
        );
        let records: Vec<u64> = engine.overview(3_000)[0]
            .shards
            .iter()
            .map(|shard| shard.records)
            .collect();
        assert_eq!(records, [1, 1]);
        assert!(engine.held_bytes() < held);
        assert_eq!(engine.trim("orders", None, u64::MAX, 3_000), Some(2));
        assert_eq!(engine.held_bytes(), 0);
        assert_eq!(engine.trim("other", None, 0, 3_000), None);
        assert_eq!(
            engine.trim("orders", Some("shardId-000000000009"), 0, 3_000),
            None
        );
    }
}
