//! SubscribeToShard, the call: whose turn it is, and from where the session reads.

use super::api::{ConsumerStatus, StartingPosition, SubscribeToShardRequest};
use super::arn::CONSUMER_PATTERN;
use super::constraint::Constraints;
use super::consumers::{self, Consumer};
use super::error::ServiceError;
use super::iterator::{Asked, Finder, PositionNames, readable_shard};
use super::operation::Operation;
use super::read_limits::FanOutLimit;
use super::subscription::{Session, State, SubscriptionId};
use super::{Engine, retention};

impl Engine {
    pub(crate) fn subscribe_to_shard(
        &mut self,
        request: SubscribeToShardRequest,
        now_ms: u64,
    ) -> Result<SubscriptionId, ServiceError> {
        let now_ms = self.begin(Operation::SubscribeToShard, now_ms)?;
        let position = request.starting_position.as_ref();
        let shard_id = check(&request, position)?;
        let arn = self
            .owner
            .parse_arn("consumerARN", request.consumer_arn.as_deref(), CONSUMER_PATTERN)?;
        let Some(named) = arn.consumer else {
            return Err(ServiceError::invalid_argument(
                "ConsumerARN does not name a consumer.",
            ));
        };
        let stream = super::find(
            &mut self.streams,
            &mut self.ledger,
            &self.owner,
            arn.stream,
            now_ms,
        )?;
        let number = readable_shard(stream, shard_id, &self.owner)?;
        retention::trim_expired(stream, number, &mut self.ledger, now_ms);
        let incarnation = stream.incarnation;
        let consumer = stream
            .consumer_mut(named, now_ms)
            .ok_or_else(|| consumers::not_found(named.name, arn.stream))?;
        let turn = Turn {
            consumer_arn: request.consumer_arn.as_deref().unwrap_or_default(),
            shard_id,
            shard: number,
            rate_ms: if self.settings.limits.control { CALL_MS } else { 0 },
            now_ms,
        };
        let fan_out = self.settings.fan_out;
        let previous = turn.take(consumer, fan_out.resubscribe_ms)?;
        let consumer_created_ms = consumer.created_ms;
        let shard = stream.shard(number).ok_or_else(ServiceError::internal_failure)?;
        let finder = Finder {
            shard,
            stream: arn.stream,
            owner: &self.owner,
            trimmed: self.settings.trimmed_positions,
            names: NAMES,
            now_ms,
        };
        let next = finder.find(&asked(position))?;
        if request.dry_run {
            return Err(ServiceError::dry_run());
        }
        let id = self.sessions.open(Session {
            stream: arn.stream.to_owned(),
            incarnation,
            shard: number,
            consumer: named.name.to_owned(),
            consumer_created_ms,
            next,
            ends_ms: now_ms.saturating_add(fan_out.session_ms),
            heartbeat_ms: now_ms.saturating_add(fan_out.heartbeat_ms),
            rate: self.settings.limits.reads.then(|| FanOutLimit::new(now_ms)),
            state: State::Live,
            again: None,
        });
        if let Some(consumer) = stream.consumer_mut(named, now_ms) {
            consumer.subscribed.insert(number, (now_ms, id));
        }
        if let Some(shard) = stream.shard_mut(number) {
            shard.subscriptions.push(id);
        }
        if let Some(previous) = previous {
            self.sessions.take_over(previous);
        }
        Ok(id)
    }
}

/// One consumer's call for one shard.
struct Turn<'a> {
    consumer_arn: &'a str,
    shard_id: &'a str,
    shard: u32,
    /// The least time between two calls.
    rate_ms: u64,
    now_ms: u64,
}

impl Turn<'_> {
    /// Whether it is this call's turn, and which subscription it would take over.
    fn take(
        &self,
        consumer: &mut Consumer,
        resubscribe_ms: u64,
    ) -> Result<Option<SubscriptionId>, ServiceError> {
        let Self {
            consumer_arn,
            shard_id,
            now_ms,
            ..
        } = *self;
        let status = consumer.status(now_ms);
        if status != ConsumerStatus::Active {
            return Err(ServiceError::in_use(format!(
                "Consumer {consumer_arn} not ACTIVE, instead in state {}",
                status.as_str()
            )));
        }
        let asked_ms = consumer.asked.get(&self.shard);
        if asked_ms.is_some_and(|at| now_ms < at.saturating_add(self.rate_ms)) {
            return Err(ServiceError::limit_exceeded(format!(
                "Rate exceeded for consumer {consumer_arn} and shard {shard_id} in operation SubscribeToShard."
            )));
        }
        consumer.asked.insert(self.shard, now_ms);
        let before = consumer.subscribed.get(&self.shard).copied();
        if before.is_some_and(|(at, _)| now_ms < at.saturating_add(resubscribe_ms)) {
            return Err(ServiceError::in_use(format!(
                "Another active subscription exists for consumer {consumer_arn} and shard {shard_id}."
            )));
        }
        Ok(before.map(|(_, previous)| previous))
    }
}

fn check<'a>(
    request: &'a SubscribeToShardRequest,
    position: Option<&StartingPosition>,
) -> Result<&'a str, ServiceError> {
    let mut constraints = Constraints::new();
    constraints.required("consumerARN", request.consumer_arn.as_deref());
    let shard_id = constraints.required("shardId", request.shard_id.as_deref());
    if let Some(shard_id) = shard_id {
        constraints.name("shardId", shard_id);
    }
    if constraints.required("startingPosition", position).is_some() {
        asked(position).check(NAMES, &mut constraints);
    }
    constraints.finish()?;
    Ok(shard_id.unwrap_or_default())
}

fn asked(position: Option<&StartingPosition>) -> Asked<'_> {
    Asked {
        position_type: position.and_then(|position| position.position_type.as_deref()),
        number: position.and_then(|position| position.sequence_number.as_deref()),
        timestamp_ms: position.and_then(|position| position.timestamp_ms),
    }
}

const NAMES: PositionNames = PositionNames {
    position_type: "startingPosition.type",
    number: "startingPosition.sequenceNumber",
    operation: "SubscribeToShard",
};
/// Source: AWS API reference, SubscribeToShard: one call per second per consumer and shard.
const CALL_MS: u64 = 1_000;
