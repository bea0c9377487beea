//! UpdateShardCount: from the shards there are to as many even ones, by splits and merges.

use std::collections::VecDeque;

use super::Engine;
use super::api::{UpdateShardCountRequest, UpdateShardCountResponse};
use super::constraint::Constraints;
use super::error::ServiceError;
use super::lifecycle::{self, MAX_STREAM_SHARDS};
use super::operation::Operation;
use super::reshard::require_provisioned;
use super::stream::{OpenShard, Stream, even_starts};
use super::transition::{Change, Reshard};

impl Engine {
    pub(crate) fn update_shard_count(
        &mut self,
        request: UpdateShardCountRequest,
        now_ms: u64,
    ) -> Result<UpdateShardCountResponse, ServiceError> {
        let now_ms = self.begin(Operation::UpdateShardCount, now_ms)?;
        let mut constraints = Constraints::new();
        let target = constraints.required("targetShardCount", request.target_shard_count.as_ref());
        if let Some(&target) = target {
            constraints.at_least("targetShardCount", target, 1);
        }
        if let Some(scaling) = constraints.required("scalingType", request.scaling_type.as_deref()) {
            constraints.one_of("scalingType", scaling, &["UNIFORM_SCALING"]);
        }
        constraints.finish()?;
        let target = target.map_or(0, |&target| u32::try_from(target).unwrap_or(u32::MAX));
        let quotas = self.settings.limits.quotas;
        let account = self.owner.account().to_owned();
        let stream = self.stream_mut(&request.stream, now_ms)?;
        require_provisioned(stream, &account, "UpdateShardCount")?;
        lifecycle::require_active(stream, &account)?;
        let current = stream.open().len();
        if target > MAX_STREAM_SHARDS {
            return Err(ServiceError::limit_exceeded(format!(
                "UpdateShardCount cannot scale a stream to more than {MAX_STREAM_SHARDS} shards."
            )));
        }
        let target_count = target as usize;
        if target_count == current {
            return Err(ServiceError::invalid_argument(format!(
                "Target shard count {target} for stream {} under account {account} is the current shard count.",
                stream.name
            )));
        }
        if quotas {
            check_quotas(stream, current, target_count, &account, now_ms)?;
        }
        let name = stream.name.to_string();
        self.check_shards(target_count.saturating_sub(current))?;
        if let Some(stream) = self.streams.get_mut(name.as_str()) {
            stream.scalings.push_back(now_ms);
        }
        self.updating_to(&name, Change::Resharded(Reshard::Scale { target }), now_ms);
        Ok(UpdateShardCountResponse {
            stream_arn: self.owner.stream_arn(&name),
            stream_name: name,
            current_shard_count: current,
            target_shard_count: target_count,
        })
    }
}

fn check_quotas(
    stream: &mut Stream,
    current: usize,
    target: usize,
    account: &str,
    now_ms: u64,
) -> Result<(), ServiceError> {
    let name = &stream.name;
    if target > current * 2 {
        return Err(ServiceError::limit_exceeded(format!(
            "UpdateShardCount cannot scale up over double your current open shard count. Current open shard count: \
             {current} Target shard count: {target}"
        )));
    }
    if target * 2 < current {
        return Err(ServiceError::limit_exceeded(format!(
            "UpdateShardCount cannot scale down below half your current open shard count. Current open shard \
             count: {current} Target shard count: {target}"
        )));
    }
    forget_before(&mut stream.scalings, now_ms);
    if stream.scalings.len() >= SCALINGS_PER_DAY {
        return Err(ServiceError::limit_exceeded(format!(
            "Stream {name} under account {account} has been scaled {SCALINGS_PER_DAY} times within a rolling 24-hour \
             period."
        )));
    }
    Ok(())
}

/// Drops moments more than a day ago.
pub(super) fn forget_before(moments: &mut VecDeque<u64>, now_ms: u64) {
    while moments
        .front()
        .is_some_and(|&at| at.saturating_add(DAY_MS) <= now_ms)
    {
        moments.pop_front();
    }
}

/// Makes the open shards `target` even ones. First every even boundary becomes a boundary, by splits; then what
/// lies between two of them becomes one shard, by merges of two. So shards come into being that do not last, as
/// with the service.
pub(super) fn scale(stream: &mut Stream, target: u32, now_ms: u64) {
    let starts = even_starts(target);
    let mut pieces: VecDeque<OpenShard> = stream.open().iter().copied().collect();
    let mut open = Vec::with_capacity(starts.len());
    for (index, &start) in starts.iter().enumerate() {
        let end = starts.get(index + 1);
        let mut merged: Option<OpenShard> = None;
        while let Some(mut piece) = pieces.pop_front() {
            if end.is_some_and(|&end| piece.start >= end) {
                pieces.push_front(piece);
                break;
            }
            // A piece that reaches beyond the end is cut there, and its rest waits for the next range.
            if let Some(&end) = end
                && stream
                    .shard(piece.shard)
                    .is_some_and(|shard| shard.range().contains(end))
                && let Some([inside, rest]) = stream.split_open(piece, end, now_ms)
            {
                pieces.push_front(rest);
                piece = inside;
            }
            merged = match merged {
                None => Some(piece),
                Some(so_far) => stream.merge_open(so_far, piece, now_ms),
            };
        }
        open.extend(merged.map(|shard| OpenShard { start, ..shard }));
    }
    stream.set_open(open);
}

const DAY_MS: u64 = 86_400_000;
/// Source: AWS API reference, UpdateShardCount.
const SCALINGS_PER_DAY: usize = 10;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kinesis_aggregation::HashKey;
    use proptest::prelude::*;

    use super::*;

    fn stream(shards: u32) -> Stream {
        let mut stream = Stream::new(Arc::from("orders"), 1, 5_000);
        stream.open_evenly(shards, 5_000);
        stream
    }

    fn is_even(stream: &Stream, count: u32) -> bool {
        let expected: Vec<_> = super::super::stream::even_ranges(count).collect();
        let found: Vec<_> = stream
            .open()
            .iter()
            .map(|open| stream.shard(open.shard).unwrap().range())
            .collect();
        expected == found
            && stream
                .open()
                .iter()
                .all(|open| stream.shard(open.shard).unwrap().is_open())
    }

    #[test]
    fn doubling_only_splits_and_halving_only_merges() {
        let mut doubled = stream(4);
        scale(&mut doubled, 8, 6_000);
        assert!(is_even(&doubled, 8));
        assert_eq!(doubled.shards_after(None).count(), 12);
        scale(&mut doubled, 4, 7_000);
        assert!(is_even(&doubled, 4));
        assert_eq!(doubled.shards_after(None).count(), 16);
    }

    #[test]
    fn an_odd_target_makes_shards_that_do_not_last() {
        let mut scaled = stream(2);
        scale(&mut scaled, 3, 6_000);
        assert!(is_even(&scaled, 3));
        let short_lived = scaled
            .shards_after(None)
            .filter(|shard| shard.closed_ms() == Some(6_000) && shard.created_ms() == 6_000)
            .count();
        assert!(short_lived > 0);
    }

    #[test]
    fn ten_thousand_shards_are_scaled() {
        let mut scaled = stream(5_000);
        scale(&mut scaled, 10_000, 6_000);
        assert!(is_even(&scaled, 10_000));
    }

    proptest! {
        #[test]
        fn any_count_is_reached_from_anywhere(
            from in 1_u32..40, splits in prop::collection::vec(any::<u128>(), 0..20), to in 1_u32..60,
        ) {
            let mut scaled = stream(from);
            for key in splits {
                let owner = scaled.route(HashKey::new(key)).unwrap();
                scaled.split(owner, HashKey::new(key), 5_500);
            }
            scale(&mut scaled, to, 6_000);
            prop_assert!(is_even(&scaled, to));
            for shard in scaled.shards_after(None) {
                for parent in shard.parents().ids() {
                    let parent = scaled.shard_called(parent.as_str()).unwrap();
                    let end = parent.describe(6_000).ending_sequence_number.unwrap();
                    prop_assert!(end < shard.describe(6_000).starting_sequence_number);
                }
            }
        }
    }
}
