//! Splits a stream's shards, one after the other, and merges when there are too many.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::Shard;
use kinesis_aggregation::HashKeyRange;
use rand::Rng as _;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use tokio::time::sleep;

use super::error::TrialError;
use super::reader::{list, range_of};

/// How a stream is resharded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resharding {
    /// How long after one change the next comes.
    pub every: Duration,
    /// With so many open shards, two neighbours are merged in place of a split.
    pub most_shards: usize,
}

/// Reshards until it is dropped, or cannot.
pub(super) async fn reshard(
    client: &Client,
    stream: &str,
    resharding: Resharding,
    seed: u64,
) -> Result<(), TrialError> {
    let mut rng = SmallRng::seed_from_u64(seed);
    loop {
        sleep(resharding.every).await;
        let mut open: Vec<(HashKeyRange, String)> = list(client, stream)
            .await?
            .iter()
            .filter(|shard| is_open(shard))
            .filter_map(|shard| Some((range_of(shard)?, shard.shard_id().to_owned())))
            .collect();
        open.sort_by_key(|(range, _)| range.start());
        if open.len() < resharding.most_shards {
            let (range, shard) = &open[rng.random_range(0..open.len())];
            split(client, stream, shard, range, &mut rng).await?;
        } else {
            let at = rng.random_range(0..open.len() - 1);
            merge(client, stream, &open[at].1, &open[at + 1].1).await?;
        }
    }
}

/// Somewhere in the middle half: equal halves are a special case.
async fn split(
    client: &Client,
    stream: &str,
    shard: &str,
    range: &HashKeyRange,
    rng: &mut SmallRng,
) -> Result<(), TrialError> {
    let (start, end) = (range.start().get(), range.end().get());
    let quarter = (end - start) / 4;
    if quarter == 0 {
        return Ok(());
    }
    let at = rng.random_range(start + quarter..=end - quarter);
    let call = client
        .split_shard()
        .stream_name(stream)
        .shard_to_split(shard)
        .new_starting_hash_key(at.to_string());
    call.send()
        .await
        .map_err(|error| TrialError::call("SplitShard")(error.into()))?;
    Ok(())
}

async fn merge(client: &Client, stream: &str, shard: &str, adjacent: &str) -> Result<(), TrialError> {
    let call = client
        .merge_shards()
        .stream_name(stream)
        .shard_to_merge(shard)
        .adjacent_shard_to_merge(adjacent);
    call.send()
        .await
        .map_err(|error| TrialError::call("MergeShards")(error.into()))?;
    Ok(())
}

fn is_open(shard: &Shard) -> bool {
    shard
        .sequence_number_range()
        .is_some_and(|range| range.ending_sequence_number().is_none())
}
