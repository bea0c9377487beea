//! CreateStream and DeleteStream, and what a stream's status allows.

use std::sync::Arc;

use super::Engine;
use super::api::{CreateStreamRequest, DeleteStreamRequest, Distribution, StreamMode, StreamStatus};
use super::constraint::Constraints;
use super::error::ServiceError;
use super::operation::Operation;
use super::stream::Stream;
use super::stream_settings::{check_record_size, distribution_of, mode_of};
use super::tags;
use super::transition::Change;

impl Engine {
    pub(crate) fn create_stream(
        &mut self,
        request: CreateStreamRequest,
        now_ms: u64,
    ) -> Result<(), ServiceError> {
        let now_ms = self.begin(Operation::CreateStream, now_ms)?;
        check(&request)?;
        let mode = request
            .stream_mode
            .as_deref()
            .and_then(mode_of)
            .unwrap_or(StreamMode::Provisioned);
        let name: Arc<str> = Arc::from(request.stream_name.unwrap_or_default());
        let shards = match (mode, request.shard_count) {
            (StreamMode::Provisioned, Some(count)) => u32::try_from(count).unwrap_or(u32::MAX),
            (StreamMode::Provisioned, None) => {
                return Err(ServiceError::validation(
                    "ShardCount is required for provisioned streams.",
                ));
            }
            (StreamMode::OnDemand, None) => ON_DEMAND_SHARDS,
            (StreamMode::OnDemand, Some(_)) => {
                return Err(ServiceError::validation(
                    "ShardCount must not be provided for on-demand streams.",
                ));
            }
        };
        let distribution = request
            .record_distribution_strategy
            .as_deref()
            .and_then(distribution_of)
            .unwrap_or(Distribution::UserPartitionKey);
        if mode == StreamMode::Provisioned && distribution == Distribution::Auto {
            return Err(ServiceError::invalid_argument(
                "The AUTO record distribution strategy is only supported for on-demand streams.",
            ));
        }
        if self.streams.contains_key(&name) {
            return Err(ServiceError::in_use(format!(
                "Stream {name} under account {} already exists.",
                self.owner.account()
            )));
        }
        self.check_room(shards, mode)?;
        self.incarnations += 1;
        let mut stream = Stream::new(Arc::clone(&name), self.incarnations, now_ms);
        stream.mode = mode;
        stream.distribution = distribution;
        stream.tags = request.tags.unwrap_or_default();
        stream.warm_mibps = request
            .warm_throughput_mibps
            .and_then(|mibps| u32::try_from(mibps).ok());
        if let Some(kib) = request.max_record_size_in_kib {
            stream.max_record_kib = u32::try_from(kib).unwrap_or(stream.max_record_kib);
        }
        stream.open_evenly(shards, now_ms);
        self.streams.insert(Arc::clone(&name), stream);
        let takes_ms = self.settings.durations.create_stream_ms;
        self.change_after(&name, Change::Created, takes_ms, now_ms);
        Ok(())
    }

    /// Deletes a stream. Its iterators, tokens and subscriptions are worthless from then on.
    pub(crate) fn delete_stream(
        &mut self,
        request: DeleteStreamRequest,
        now_ms: u64,
    ) -> Result<(), ServiceError> {
        let now_ms = self.begin(Operation::DeleteStream, now_ms)?;
        let account = self.owner.account().to_owned();
        let stream = self.stream_mut(&request.stream, now_ms)?;
        if stream.status == StreamStatus::Deleting {
            return Err(not_active(stream, &account));
        }
        stream.forget_gone_consumers(now_ms);
        if !stream.consumers.is_empty() && !request.enforce_consumer_deletion {
            return Err(ServiceError::in_use(format!(
                "Stream {} under account {account} has registered consumers. Deregister them, or set \
                 EnforceConsumerDeletion.",
                stream.name
            )));
        }
        stream.status = StreamStatus::Deleting;
        let name = Arc::clone(&stream.name);
        let takes_ms = self.settings.durations.delete_stream_ms;
        self.wake_all(&name);
        self.change_after(&name, Change::Deleted, takes_ms, now_ms);
        Ok(())
    }

    /// The end of DELETING.
    pub(super) fn remove_stream(&mut self, name: &str) {
        self.wake_all(name);
        let Some(mut stream) = self.streams.remove(name) else {
            return;
        };
        let name = Arc::clone(&stream.name);
        for shard in stream.shards_mut() {
            let before = shard.oldest_ms();
            while let Some(freed) = shard.drop_oldest() {
                self.ledger.remove(freed);
            }
            self.ledger.moved(&name, shard.number(), before, None);
        }
    }

    fn wake_all(&mut self, name: &str) {
        if let Some(stream) = self.streams.get(name) {
            let shards = stream.shards_after(None);
            self.sessions
                .wake(shards.flat_map(|shard| shard.subscriptions.iter().copied()));
        }
    }

    /// Whether the account may have this stream too.
    fn check_room(&self, shards: u32, mode: StreamMode) -> Result<(), ServiceError> {
        if shards > MAX_STREAM_SHARDS {
            return Err(ServiceError::limit_exceeded(format!(
                "A stream can have at most {MAX_STREAM_SHARDS} shards."
            )));
        }
        if !self.settings.limits.quotas {
            return Ok(());
        }
        let creating = |stream: &&Stream| stream.status == StreamStatus::Creating;
        if self.streams.values().filter(creating).count() >= MAX_CREATING {
            return Err(ServiceError::limit_exceeded(format!(
                "At most {MAX_CREATING} streams can be created simultaneously under account {}.",
                self.owner.account()
            )));
        }
        let on_demand = self
            .streams
            .values()
            .filter(|stream| stream.mode == StreamMode::OnDemand);
        if mode == StreamMode::OnDemand && on_demand.count() >= MAX_ON_DEMAND {
            return Err(ServiceError::limit_exceeded(format!(
                "At most {MAX_ON_DEMAND} on-demand streams can exist under account {}.",
                self.owner.account()
            )));
        }
        self.check_shards(shards as usize)
    }

    /// Whether the account may have so many more shards.
    pub(super) fn check_shards(&self, more: usize) -> Result<(), ServiceError> {
        let most = self.settings.limits.account_shards as usize;
        if self.settings.limits.quotas && self.open_shards() + more > most {
            return Err(ServiceError::limit_exceeded(format!(
                "This request would exceed the shard limit for the account {} in {}. Current shard count for the \
                 account: {}. Limit: {most}. Number of additional shards that would have resulted from this \
                 request: {more}. Refer to the AWS Service Limits page \
                 (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and \
                 how to request higher limits.",
                self.owner.account(),
                self.settings.region,
                self.open_shards()
            )));
        }
        Ok(())
    }

    pub(super) fn open_shards(&self) -> usize {
        self.streams.values().map(|stream| stream.open().len()).sum()
    }
}

/// Changes of a stream need it to be ACTIVE.
pub(super) fn require_active(stream: &Stream, account: &str) -> Result<(), ServiceError> {
    match stream.status {
        StreamStatus::Active => Ok(()),
        _ => Err(not_active(stream, account)),
    }
}

pub(super) fn not_active(stream: &Stream, account: &str) -> ServiceError {
    ServiceError::in_use(format!(
        "Stream {} under account {account} not ACTIVE, instead in state {}",
        stream.name,
        stream.status.as_str()
    ))
}

fn check(request: &CreateStreamRequest) -> Result<(), ServiceError> {
    let mut constraints = Constraints::new();
    if let Some(name) = constraints.required("streamName", request.stream_name.as_deref()) {
        constraints.name("streamName", name);
    }
    if let Some(count) = request.shard_count {
        constraints.at_least("shardCount", count, 1);
    }
    if let Some(mode) = &request.stream_mode {
        constraints.one_of("streamModeDetails.streamMode", mode, StreamMode::ALL);
    }
    if let Some(strategy) = &request.record_distribution_strategy {
        constraints.one_of("recordDistributionStrategy", strategy, Distribution::ALL);
    }
    if let Some(mibps) = request.warm_throughput_mibps {
        constraints.at_least("warmThroughputMiBps", mibps, 0);
    }
    check_record_size(request.max_record_size_in_kib, &mut constraints);
    if let Some(tags) = &request.tags {
        tags::check(tags, &mut constraints);
    }
    constraints.finish()?;
    tags::check_count(request.tags.as_ref().map_or(0, |tags| tags.len()))
}

/// Source: Developer Guide, "Choose the data stream capacity mode": 4 MB/s of writes.
const ON_DEMAND_SHARDS: u32 = 4;
/// Source: AWS API reference, UpdateShardCount. Enforced always: it bounds memory.
pub(super) const MAX_STREAM_SHARDS: u32 = 10_000;
/// Source: AWS API reference, CreateStream.
const MAX_CREATING: usize = 5;
/// Source: "Quotas and limits", Developer Guide.
pub(super) const MAX_ON_DEMAND: usize = 50;
