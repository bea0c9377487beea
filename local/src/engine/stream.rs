//! One stream: its settings, its shards, and the open ones in the order of their hash keys.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use kinesis_aggregation::{HashKey, HashKeyRange, ShardId};

use super::api::{ChildShard, Distribution, EncryptionType, StreamMode, StreamStatus};
use super::consumers::Consumer;
use super::shard::{Parents, Shard, seconds};

/// A stream and all it holds.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) name: Arc<str>,
    /// Which of the streams that had this name in turn.
    pub(crate) incarnation: u64,
    pub(crate) created_ms: u64,
    pub(crate) status: StreamStatus,
    pub(crate) mode: StreamMode,
    pub(crate) distribution: Distribution,
    pub(crate) max_record_kib: u32,
    pub(crate) retention_hours: u32,
    pub(crate) warm_mibps: Option<u32>,
    pub(crate) encryption: EncryptionType,
    pub(crate) key_id: Option<String>,
    pub(crate) metrics: BTreeSet<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) policy: Option<String>,
    /// By name.
    pub(crate) consumers: BTreeMap<String, Consumer>,
    /// The latest creation, in seconds, of a consumer that is no more.
    pub(crate) last_gone_consumer_s: Option<u64>,
    /// When the shard count was changed, within a day.
    pub(crate) scalings: VecDeque<u64>,
    /// When the mode was changed, within a day.
    pub(crate) mode_changes: VecDeque<u64>,
    shards: BTreeMap<u32, Shard>,
    /// The open shards by the start of their ranges, which together cover all hash keys.
    open: Vec<OpenShard>,
    /// Closed shards in the order in which they closed.
    closed: VecDeque<u32>,
    next_shard: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenShard {
    pub(crate) start: HashKey,
    pub(crate) shard: u32,
}

impl Stream {
    /// A stream with settings as the service gives them, and no shards yet.
    pub(crate) fn new(name: Arc<str>, incarnation: u64, now_ms: u64) -> Self {
        Self {
            name,
            incarnation,
            created_ms: now_ms,
            status: StreamStatus::Creating,
            mode: StreamMode::Provisioned,
            distribution: Distribution::UserPartitionKey,
            max_record_kib: 1_024,
            retention_hours: 24,
            warm_mibps: None,
            encryption: EncryptionType::None,
            key_id: None,
            metrics: BTreeSet::new(),
            tags: BTreeMap::new(),
            policy: None,
            consumers: BTreeMap::new(),
            last_gone_consumer_s: None,
            scalings: VecDeque::new(),
            mode_changes: VecDeque::new(),
            shards: BTreeMap::new(),
            open: Vec::new(),
            closed: VecDeque::new(),
            next_shard: 0,
        }
    }

    /// Opens its first shards, which divide the hash keys evenly.
    pub(crate) fn open_evenly(&mut self, count: u32, now_ms: u64) {
        for range in even_ranges(count) {
            let number = self.add_shard(range, Parents::None, seconds(now_ms), now_ms);
            self.open.push(OpenShard {
                start: range.start(),
                shard: number,
            });
        }
    }

    pub(crate) fn is_usable(&self) -> bool {
        matches!(self.status, StreamStatus::Active | StreamStatus::Updating)
    }

    pub(crate) fn max_record_bytes(&self) -> u64 {
        u64::from(self.max_record_kib) << 10
    }

    pub(crate) fn retention_ms(&self) -> u64 {
        u64::from(self.retention_hours) * 3_600_000
    }

    pub(crate) fn shard(&self, number: u32) -> Option<&Shard> {
        self.shards.get(&number)
    }

    pub(crate) fn shard_mut(&mut self, number: u32) -> Option<&mut Shard> {
        self.shards.get_mut(&number)
    }

    /// The shard with exactly this id.
    pub(crate) fn shard_called(&self, id: &str) -> Option<&Shard> {
        let id = ShardId::new(id).ok()?;
        let shard = self.shards.get(&u32::try_from(id.number()?).ok()?)?;
        (*shard.id() == id).then_some(shard)
    }

    /// Shards that are open or not yet expired, by id, after this number.
    pub(crate) fn shards_after(&self, after: Option<u32>) -> impl Iterator<Item = &Shard> {
        let from = after.map_or(0, |number| number.saturating_add(1));
        self.shards.range(from..).map(|(_, shard)| shard)
    }

    pub(crate) fn shards_mut(&mut self) -> impl Iterator<Item = &mut Shard> {
        self.shards.values_mut()
    }

    pub(crate) fn open(&self) -> &[OpenShard] {
        &self.open
    }

    /// The open shard that owns a hash key. `None` only while the stream is being created.
    pub(crate) fn route(&self, key: HashKey) -> Option<u32> {
        let index = self.open.partition_point(|open| open.start <= key);
        Some(self.open.get(index.checked_sub(1)?)?.shard)
    }

    /// The shards that follow a closed one, as readers are told of them.
    pub(crate) fn children_of(&self, shard: &Shard) -> Vec<ChildShard> {
        let children = shard
            .children()
            .iter()
            .filter_map(|&child| self.shards.get(&child));
        children
            .map(|child| ChildShard {
                shard_id: child.id().clone(),
                parent_shards: child.parents().ids(),
                hash_key_range: child.range(),
            })
            .collect()
    }

    /// Closes an open shard and opens two: below the key, and from it on. Returns false and does nothing if the
    /// shard is not open, or the key does not lie inside its range, above its start.
    pub(crate) fn split(&mut self, number: u32, at: HashKey, now_ms: u64) -> bool {
        let Some(index) = self.open.iter().position(|open| open.shard == number) else {
            return false;
        };
        match self.split_open(self.open[index], at, now_ms) {
            Some(halves) => {
                self.open.splice(index..=index, halves);
                true
            }
            None => false,
        }
    }

    /// Closes two open shards whose ranges touch and opens one in their place. Returns false and does nothing if
    /// they are not that.
    pub(crate) fn merge(&mut self, number: u32, adjacent: u32, now_ms: u64) -> bool {
        let at = |wanted| self.open.iter().position(|open| open.shard == wanted);
        let (Some(one), Some(other)) = (at(number), at(adjacent)) else {
            return false;
        };
        if one.abs_diff(other) != 1 {
            return false;
        }
        let merged = self.merge_open(self.open[one], self.open[other], now_ms);
        let first = one.min(other);
        self.open.splice(first..=first + 1, merged);
        true
    }

    /// Replaces the list of open shards, after a change of many.
    pub(crate) fn set_open(&mut self, open: Vec<OpenShard>) {
        self.open = open;
    }

    /// Splits one shard, without taking it from the list of open ones.
    pub(crate) fn split_open(&mut self, open: OpenShard, at: HashKey, now_ms: u64) -> Option<[OpenShard; 2]> {
        let parent = self.shards.get(&open.shard)?;
        let (range, id, epoch) = (parent.range(), parent.id().clone(), parent.epoch());
        let below = HashKey::new(at.get().checked_sub(1)?);
        let lower = HashKeyRange::new(range.start(), below).ok()?;
        let upper = HashKeyRange::new(at, range.end()).ok()?;
        let created_s = seconds(now_ms).max(epoch.created_s + 1);
        let halves = [lower, upper].map(|half| OpenShard {
            start: half.start(),
            shard: self.add_shard(half, Parents::Split(id.clone()), created_s, now_ms),
        });
        self.close(open.shard, halves.iter().map(|half| half.shard).collect(), now_ms);
        Some(halves)
    }

    /// Merges two neighbours, without taking them from the list of open ones.
    pub(crate) fn merge_open(&mut self, one: OpenShard, other: OpenShard, now_ms: u64) -> Option<OpenShard> {
        let (first, second) = (self.shards.get(&one.shard)?, self.shards.get(&other.shard)?);
        let start = first.range().start().min(second.range().start());
        let end = first.range().end().max(second.range().end());
        let range = HashKeyRange::new(start, end).ok()?;
        let parents = Parents::Merge(first.id().clone(), second.id().clone());
        let latest = first.epoch().created_s.max(second.epoch().created_s);
        let created_s = seconds(now_ms).max(latest + 1);
        let shard = self.add_shard(range, parents, created_s, now_ms);
        self.close(one.shard, vec![shard], now_ms);
        self.close(other.shard, vec![shard], now_ms);
        Some(OpenShard { start, shard })
    }

    /// Forgets a closed shard whose records have all expired, and returns it. To be called until it returns none.
    pub(crate) fn take_expired(&mut self, now_ms: u64) -> Option<Shard> {
        let closed_ms = self.shards.get(self.closed.front()?)?.closed_ms()?;
        if closed_ms.saturating_add(self.retention_ms()) > now_ms {
            return None;
        }
        let number = self.closed.pop_front()?;
        self.shards.remove(&number)
    }

    fn add_shard(&mut self, range: HashKeyRange, parents: Parents, created_s: u64, now_ms: u64) -> u32 {
        let number = self.next_shard;
        self.next_shard += 1;
        self.shards
            .insert(number, Shard::new(number, range, parents, created_s, now_ms));
        number
    }

    fn close(&mut self, number: u32, children: Vec<u32>, now_ms: u64) {
        if let Some(shard) = self.shards.get_mut(&number) {
            shard.close(children, now_ms);
            self.closed.push_back(number);
        }
    }
}

/// Ranges that divide all hash keys evenly; the last takes what is left over.
pub(crate) fn even_ranges(count: u32) -> impl Iterator<Item = HashKeyRange> {
    let starts = even_starts(count);
    (0..starts.len()).filter_map(move |index| {
        let end = starts
            .get(index + 1)
            .map_or(HashKey::MAX, |next| HashKey::new(next.get() - 1));
        HashKeyRange::new(starts[index], end).ok()
    })
}

/// The first hash keys of the even ranges.
pub(crate) fn even_starts(count: u32) -> Vec<HashKey> {
    let count = u128::from(count.max(1));
    // 2^128 / count, without having 2^128; for one shard it wraps to 0, which no start is multiplied with.
    let width = (u128::MAX / count).wrapping_add(u128::from(u128::MAX % count == count - 1));
    (0..count)
        .map(|index| HashKey::new(width.wrapping_mul(index)))
        .collect()
}

#[cfg(test)]
#[path = "stream_test.rs"]
mod tests;
