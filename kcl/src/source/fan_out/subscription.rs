//! One subscription: opened, received from, each under a timeout.

use std::time::Duration;

use aws_sdk_kinesis::config::http::HttpResponse;
use aws_sdk_kinesis::error::SdkError;
use aws_sdk_kinesis::operation::subscribe_to_shard::{SubscribeToShardError, SubscribeToShardOutput};
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{
    ShardIteratorType, StartingPosition, SubscribeToShardEvent, SubscribeToShardEventStream,
};
use kinesis_aggregation::ShardId;
use tokio::time::timeout;

use super::connections::Seat;
use crate::position::SequenceNumber;
use crate::shard::start::StartAt;
use crate::shard_sync::children::ChildShard;
use crate::source::RawRecord;
use crate::source::failure::Failure;
use crate::source::kinesis::{child_shard, raw_records};

/// A subscription that stands. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Subscription {
    output: SubscribeToShardOutput,
    _seat: Seat,
}

/// What came.
#[derive(Debug)]
pub(super) enum Received {
    Event(Event),
    /// It ended as it should.
    End,
    /// Nothing came for so long.
    Silence,
    Failure(Failure),
}

/// One event.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) records: Vec<RawRecord>,
    /// Where the next subscription goes on. `None`: nowhere, the shard has ended.
    pub(super) continuation: Option<SequenceNumber>,
    pub(super) behind: Option<Duration>,
    pub(super) children: Vec<ChildShard>,
}

impl Subscription {
    pub(super) async fn open(
        seat: Seat,
        consumer: &str,
        shard: &ShardId,
        place: &StartAt,
        patience: Duration,
    ) -> Result<Self, Failure> {
        let position = position(place).map_err(|error| Failure::bad_answer(OPERATION, error))?;
        let call = seat
            .client
            .subscribe_to_shard()
            .consumer_arn(consumer)
            .shard_id(shard.as_str())
            .starting_position(position);
        // The SDK waits for the first frame outside of its own timeouts.
        let opened: Result<_, SdkError<SubscribeToShardError, HttpResponse>> =
            match timeout(patience, call.send()).await {
                Ok(opened) => opened,
                Err(elapsed) => Err(SdkError::timeout_error(elapsed)),
            };
        Ok(Self {
            output: opened.map_err(|error| Failure::of_sdk(OPERATION, error))?,
            _seat: seat,
        })
    }

    /// The next event.
    ///
    /// # Cancel safety
    /// A dropped call has received nothing.
    pub(super) async fn next(&mut self, patience: Duration) -> Received {
        loop {
            return match timeout(patience, self.output.event_stream.recv()).await {
                Err(_) => Received::Silence,
                Ok(Ok(None)) => Received::End,
                Ok(Ok(Some(SubscribeToShardEventStream::SubscribeToShardEvent(event)))) => {
                    Event::of(event).map_or_else(Received::Failure, Received::Event)
                }
                // Something that a later service says.
                Ok(Ok(Some(_))) => continue,
                Ok(Err(error)) => Received::Failure(Failure::of_event(OPERATION, error)),
            };
        }
    }
}

impl Event {
    fn of(event: SubscribeToShardEvent) -> Result<Self, Failure> {
        let bad = |source| Failure::bad_answer(OPERATION, source);
        let children = event.child_shards.unwrap_or_default();
        let continuation = match event.continuation_sequence_number.as_str() {
            "" => None,
            number => Some(SequenceNumber::parse(number).map_err(|error| bad(error.into()))?),
        };
        let behind = u64::try_from(event.millis_behind_latest).ok();
        Ok(Self {
            records: raw_records(event.records).map_err(bad)?,
            continuation,
            behind: behind.map(Duration::from_millis),
            children: children
                .iter()
                .map(child_shard)
                .collect::<Result<_, _>>()
                .map_err(bad)?,
        })
    }

    /// Whether it is the last one of a closed shard.
    pub(super) fn is_end(&self) -> bool {
        self.continuation.is_none() || !self.children.is_empty()
    }
}

fn position(place: &StartAt) -> Result<StartingPosition, aws_sdk_kinesis::error::BuildError> {
    let of = |kind| StartingPosition::builder().r#type(kind);
    match place {
        StartAt::TrimHorizon => of(ShardIteratorType::TrimHorizon),
        StartAt::Latest => of(ShardIteratorType::Latest),
        StartAt::AtTimestamp(time) => of(ShardIteratorType::AtTimestamp).timestamp(DateTime::from(*time)),
        StartAt::AtSequence(number) => {
            of(ShardIteratorType::AtSequenceNumber).sequence_number(number.as_str())
        }
        StartAt::AfterSequence(number) => {
            of(ShardIteratorType::AfterSequenceNumber).sequence_number(number.as_str())
        }
    }
    .build()
}

pub(super) const OPERATION: &str = "SubscribeToShard";
