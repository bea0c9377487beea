//! SplitShard and MergeShards.

use kinesis_aggregation::HashKey;

use super::Engine;
use super::api::{MergeShardsRequest, SplitShardRequest, StreamMode};
use super::constraint::Constraints;
use super::error::ServiceError;
use super::lifecycle;
use super::operation::Operation;
use super::stream::Stream;
use super::transition::{Change, Reshard};

impl Engine {
    pub(crate) fn split_shard(
        &mut self,
        request: SplitShardRequest,
        now_ms: u64,
    ) -> Result<(), ServiceError> {
        let now_ms = self.begin(Operation::SplitShard, now_ms)?;
        let mut constraints = Constraints::new();
        let shard_id = constraints.required("shardToSplit", request.shard_to_split.as_deref());
        let at = constraints.required("newStartingHashKey", request.new_starting_hash_key.as_deref());
        if let Some(shard_id) = shard_id {
            constraints.name("shardToSplit", shard_id);
        }
        if let Some(at) = at {
            let fits = at.len() <= 39 && super::sequence::is_decimal(at);
            constraints.pattern("newStartingHashKey", at, fits, r"0|([1-9]\d{0,38})");
        }
        constraints.finish()?;
        let (shard_id, at) = (shard_id.unwrap_or_default(), at.unwrap_or_default());
        let (name, shard) = {
            let account = self.owner.account().to_owned();
            let stream = self.stream_mut(&request.stream, now_ms)?;
            require_provisioned(stream, &account, "SplitShard")?;
            lifecycle::require_active(stream, &account)?;
            let shard = open_shard(stream, shard_id, &account)?;
            let range = stream.shard(shard).map(super::shard::Shard::range);
            let fits = at.parse::<HashKey>().ok().zip(range).is_some_and(|(at, range)| {
                // Both halves need a key, and the key must be one of the shard's.
                range.contains(at) && at > range.start()
            });
            if !fits {
                return Err(ServiceError::invalid_argument(format!(
                    "NewStartingHashKey {at} used in SplitShard() on shard {shard_id} in stream {} under account \
                     {account} is not both greater than one plus the shard's StartingHashKey {} and less than the \
                     shard's EndingHashKey {}.",
                    stream.name,
                    range.map_or(HashKey::MIN, |range| range.start()),
                    range.map_or(HashKey::MAX, |range| range.end())
                )));
            }
            (stream.name.to_string(), shard)
        };
        self.check_shards(1)?;
        let at = at.parse().unwrap_or(HashKey::MIN);
        self.updating_to(&name, Change::Resharded(Reshard::Split { shard, at }), now_ms);
        Ok(())
    }

    pub(crate) fn merge_shards(
        &mut self,
        request: MergeShardsRequest,
        now_ms: u64,
    ) -> Result<(), ServiceError> {
        let now_ms = self.begin(Operation::MergeShards, now_ms)?;
        let mut constraints = Constraints::new();
        let mut checked = |member: &str, id: &Option<String>| {
            let id = constraints.required(member, id.as_deref()).map(str::to_owned);
            if let Some(id) = &id {
                constraints.name(member, id);
            }
            id.unwrap_or_default()
        };
        let one = checked("shardToMerge", &request.shard_to_merge);
        let other = checked("adjacentShardToMerge", &request.adjacent_shard_to_merge);
        constraints.finish()?;
        let account = self.owner.account().to_owned();
        let stream = self.stream_mut(&request.stream, now_ms)?;
        require_provisioned(stream, &account, "MergeShards")?;
        lifecycle::require_active(stream, &account)?;
        let shard = open_shard(stream, &one, &account)?;
        let adjacent = open_shard(stream, &other, &account)?;
        let ranges = stream.shard(shard).zip(stream.shard(adjacent));
        let touch = ranges.is_some_and(|(one, other)| {
            let (one, other) = (one.range(), other.range());
            let follows = |first: HashKey, second: HashKey| first.get().checked_add(1) == Some(second.get());
            follows(one.end(), other.start()) || follows(other.end(), one.start())
        });
        if !touch {
            return Err(ServiceError::invalid_argument(format!(
                "Shards {one} and {other} in stream {} under account {account} are not an adjacent pair of shards \
                 eligible for merging",
                stream.name
            )));
        }
        let name = stream.name.to_string();
        let reshard = Reshard::Merge { shard, adjacent };
        self.updating_to(&name, Change::Resharded(reshard), now_ms);
        Ok(())
    }
}

/// On-demand streams change their shards themselves.
pub(super) fn require_provisioned(
    stream: &Stream,
    account: &str,
    operation: &str,
) -> Result<(), ServiceError> {
    match stream.mode {
        StreamMode::Provisioned => Ok(()),
        StreamMode::OnDemand => Err(ServiceError::validation(format!(
            "Request is invalid. Stream {} under account {account} is in On-Demand mode. {operation} is only \
             supported for streams in Provisioned mode.",
            stream.name
        ))),
    }
}

fn open_shard(stream: &Stream, shard_id: &str, account: &str) -> Result<u32, ServiceError> {
    let shard = stream.shard_called(shard_id).ok_or_else(|| {
        ServiceError::not_found(format!(
            "Could not find shard {shard_id} in stream {} under account {account}.",
            stream.name
        ))
    })?;
    if !shard.is_open() {
        return Err(ServiceError::invalid_argument(format!(
            "Shard {shard_id} in stream {} under account {account} is already closed.",
            stream.name
        )));
    }
    Ok(shard.number())
}
