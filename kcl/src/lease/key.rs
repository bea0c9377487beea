//! The names in a lease row: its key, and the workers it mentions.

use std::fmt;
use std::sync::Arc;

use kinesis_aggregation::ShardId;

use super::StreamId;

/// The key of a lease row (`leaseKey`): the shard id in a single-stream application, `account:stream:epoch:shardId` in a
/// multi-stream one. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseKey(Arc<str>);

impl LeaseKey {
    /// A key as stored.
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self(Arc::from(key))
    }

    /// The key of a shard's lease in a single-stream application.
    #[must_use]
    pub fn of_shard(shard: &ShardId) -> Self {
        Self::new(shard.as_str())
    }

    /// The key of a shard's lease in a multi-stream application.
    #[must_use]
    pub fn of_stream_shard(stream: &StreamId, shard: &ShardId) -> Self {
        Self::new(&format!("{stream}:{shard}"))
    }

    /// The stream that the key names; `None` in a single-stream application, whose keys name none.
    #[must_use]
    pub fn stream(&self) -> Option<StreamId> {
        let (stream, shard) = self.0.rsplit_once(':')?;
        ShardId::new(shard).ok()?;
        StreamId::parse(stream).ok()
    }

    /// The shard that the key names; `None` for a key that is neither of the two forms.
    #[must_use]
    pub fn shard(&self) -> Option<ShardId> {
        match self.0.rsplit_once(':') {
            Some((stream, shard)) => {
                StreamId::parse(stream).ok()?;
                ShardId::new(shard).ok()
            }
            None => ShardId::new(&self.0).ok(),
        }
    }

    /// The stored text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LeaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of one worker, unique among the application's live workers (KCL: worker identifier).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(Arc<str>);

impl WorkerId {
    /// A worker id as stored in `leaseOwner`.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(Arc::from(id))
    }

    /// The stored text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a row of this worker in the lease table could meet another row there: the id reads like the key of a
    /// lease, a stream, or one of the fleet's own rows. In a table that holds everything the key of a worker's row is
    /// its id, so such a worker must not run.
    #[must_use]
    pub fn reads_like_a_row_key(&self) -> bool {
        let key = LeaseKey(Arc::clone(&self.0));
        self.0.starts_with("shardId-")
            || key.stream().is_some()
            || StreamId::parse(&self.0).is_ok()
            || RESERVED_KEYS.contains(&self.as_str())
            || self.0.starts_with(HEARTBEAT_PREFIX)
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Keys of the fleet's own rows. Source: KCL 3.5, `CoordinatorState` and its subclasses.
pub(crate) const LEADER_KEY: &str = "Leader";
pub(crate) const CLIENT_VERSION_KEY: &str = "Migration3.0";
pub(crate) const TABLE_MIGRATION_KEY: &str = "TableMigration3.5";
const RESERVED_KEYS: [&str; 3] = [LEADER_KEY, CLIENT_VERSION_KEY, TABLE_MIGRATION_KEY];

/// Ours: what the key of a private fleet's heartbeat row begins with.
pub(crate) const HEARTBEAT_PREFIX: &str = "heartbeat:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_stream_and_shard() {
        let stream: StreamId = "1:orders:17".parse().unwrap();
        let shard = ShardId::from_number(3);
        let key = LeaseKey::of_stream_shard(&stream, &shard);
        assert_eq!(key.as_str(), "1:orders:17:shardId-000000000003");
        assert_eq!((key.stream(), key.shard()), (Some(stream), Some(shard.clone())));
        let single = LeaseKey::of_shard(&shard);
        assert_eq!((single.stream(), single.shard()), (None, Some(shard)));
        for neither in [
            "",
            "a b",
            "x:y",
            "1:orders:17:",
            "1:orders:0:shardId-000000000003",
        ] {
            let key = LeaseKey::new(neither);
            assert_eq!((key.stream(), key.shard()), (None, None), "{neither}");
        }
    }

    #[test]
    fn worker_ids_that_would_meet_other_rows_are_known() {
        let bad = [
            "shardId-000000000003",
            "shardId-x",
            "1:orders:17",
            "1:orders:17:shardId-000000000003",
            "Leader",
            "Migration3.0",
            "TableMigration3.5",
            "heartbeat:w1",
        ];
        for id in bad {
            assert!(WorkerId::new(id).reads_like_a_row_key(), "{id}");
        }
        for id in ["w1", "host:8f0c6a1e", "leader", "ip-10-0-0-1:orders:x", "123"] {
            assert!(!WorkerId::new(id).reads_like_a_row_key(), "{id}");
        }
    }
}
