//! SubscribeToShard: sessions that push records to one consumer of one shard, polled with the time.
//!
//! ```text
//!  subscribe ──> live ──poll──> Event   records, or nothing every 5 s: the continuation number moves on
//!                  │            Wait    until a moment, or until a put wakes it
//!                  ├─ 5 minutes, or the shard's last event ────────> End
//!                  └─ taken over, consumer or stream gone, fault ──> Fail, or Cut
//! ```
//!
//! A session that has ended, failed or been cut is forgotten with the poll that says so.

use std::collections::{BTreeMap, BTreeSet};

use super::api::{ConsumerStatus, StartingPosition, SubscribeToShardRequest, SubscriptionEvent};
use super::arn::{CONSUMER_PATTERN, Owner};
use super::constraint::Constraints;
use super::consumers::{self, Consumer};
use super::error::ServiceError;
use super::fault::{Effect, Occasion, Stage};
use super::iterator::{Asked, Finder, PositionNames, readable_shard};
use super::operation::Operation;
use super::read_limits::FanOutLimit;
use super::stream::Stream;
use super::{Engine, retention};

/// Names a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SubscriptionId(u64);

/// What a session has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SubscriptionPoll {
    /// To be sent; then poll again.
    Event(SubscriptionEvent),
    /// Nothing until this moment, or until the session is among the woken.
    Wait { until_ms: u64 },
    /// The event stream ends as it should.
    End,
    /// The event stream ends with this exception.
    Fail(ServiceError),
    /// The connection breaks. Only by a fault.
    Cut,
}

/// All sessions of an engine.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    live: BTreeMap<SubscriptionId, Session>,
    woken: BTreeSet<SubscriptionId>,
    opened: u64,
}

#[derive(Debug)]
struct Session {
    stream: String,
    incarnation: u64,
    shard: u32,
    consumer: String,
    consumer_created_ms: u64,
    next: u64,
    ends_ms: u64,
    heartbeat_ms: u64,
    rate: Option<FanOutLimit>,
    state: State,
    /// The event to be sent once more.
    again: Option<SubscriptionEvent>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Live,
    /// The shard's last event is out.
    Finished,
    /// A later subscription has taken its place.
    TakenOver,
    /// A fault has silenced it.
    Silent,
}

impl Sessions {
    pub(crate) fn wake(&mut self, sessions: impl IntoIterator<Item = SubscriptionId>) {
        self.woken.extend(sessions);
    }

    pub(crate) fn take_woken(&mut self) -> Vec<SubscriptionId> {
        let woken = std::mem::take(&mut self.woken);
        woken
            .into_iter()
            .filter(|id| self.live.contains_key(id))
            .collect()
    }
}

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
        self.sessions.opened += 1;
        let id = SubscriptionId(self.sessions.opened);
        let session = Session {
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
        };
        if let Some(consumer) = stream.consumer_mut(named, now_ms) {
            consumer.subscribed.insert(number, (now_ms, id));
        }
        if let Some(shard) = stream.shard_mut(number) {
            shard.subscriptions.push(id);
        }
        self.sessions.live.insert(id, session);
        if let Some(previous) = previous {
            self.take_over(previous);
        }
        Ok(id)
    }

    /// What a session has to say now. `End` for one that is not known, or no longer.
    pub(crate) fn poll_subscription(&mut self, id: SubscriptionId, now_ms: u64) -> SubscriptionPoll {
        let now_ms = self.advance(now_ms);
        let Some(session) = self.sessions.live.get_mut(&id) else {
            return SubscriptionPoll::End;
        };
        if session.state != State::Silent
            && let Some(event) = session.again.take()
        {
            return SubscriptionPoll::Event(event);
        }
        let found = self.streams.get_mut(session.stream.as_str());
        let poll = match (session.state, found) {
            (State::Silent, _) => return SubscriptionPoll::Wait { until_ms: u64::MAX },
            (State::Finished, _) => SubscriptionPoll::End,
            (State::TakenOver, _) => SubscriptionPoll::Fail(taken_over(session)),
            (State::Live, Some(stream)) if session.is_served_by(stream, now_ms) => {
                retention::forget_expired_shards(stream, &mut self.ledger, now_ms);
                retention::trim_expired(stream, session.shard, &mut self.ledger, now_ms);
                session.poll(stream, &self.settings.fan_out, now_ms)
            }
            (State::Live, _) => SubscriptionPoll::Fail(gone(session, &self.owner)),
        };
        let poll = match poll {
            SubscriptionPoll::Event(event) => self.event_with_faults(id, event, now_ms),
            other => other,
        };
        if matches!(
            poll,
            SubscriptionPoll::End | SubscriptionPoll::Fail(_) | SubscriptionPoll::Cut
        ) {
            self.cancel_subscription(id);
        }
        poll
    }

    /// The client has hung up. The shard stays taken for as long as the rule of re-subscribing says.
    pub(crate) fn cancel_subscription(&mut self, id: SubscriptionId) {
        self.sessions.woken.remove(&id);
        let Some(session) = self.sessions.live.remove(&id) else {
            return;
        };
        let stream = self.streams.get_mut(session.stream.as_str());
        if let Some(shard) = stream.and_then(|stream| stream.shard_mut(session.shard)) {
            shard.subscriptions.retain(|&other| other != id);
        }
    }

    /// Sessions that have not ended.
    pub(crate) fn subscription_count(&self) -> usize {
        self.sessions.live.len()
    }

    fn take_over(&mut self, previous: SubscriptionId) {
        if let Some(session) = self.sessions.live.get_mut(&previous) {
            if session.state == State::Live {
                session.state = State::TakenOver;
            }
            self.sessions.woken.insert(previous);
        }
    }

    fn event_with_faults(
        &mut self,
        id: SubscriptionId,
        event: SubscriptionEvent,
        now_ms: u64,
    ) -> SubscriptionPoll {
        let Some(session) = self.sessions.live.get_mut(&id) else {
            return SubscriptionPoll::End;
        };
        let shard = kinesis_aggregation::ShardId::from_number(u64::from(session.shard));
        let at = Occasion {
            operation: Operation::SubscribeToShard,
            stream: Some(&session.stream),
            shard: Some(shard.as_str()),
            now_ms,
        };
        for effect in self.faults.draw(Stage::Event, at, &mut self.dice) {
            match effect {
                Effect::HalfOpen => {
                    session.state = State::Silent;
                    return SubscriptionPoll::Wait { until_ms: u64::MAX };
                }
                Effect::FailEvents(error) => return SubscriptionPoll::Fail(error),
                Effect::CutEvents => return SubscriptionPoll::Cut,
                Effect::DuplicateEvent => session.again = Some(event.clone()),
                _ => {}
            }
        }
        SubscriptionPoll::Event(event)
    }
}

impl Session {
    fn is_served_by(&self, stream: &Stream, now_ms: u64) -> bool {
        let consumer = stream.consumers.get(&self.consumer);
        stream.incarnation == self.incarnation
            && stream.is_usable()
            && stream.shard(self.shard).is_some()
            && consumer.is_some_and(|consumer| {
                consumer.created_ms == self.consumer_created_ms
                    && consumer.status(now_ms) == ConsumerStatus::Active
            })
    }

    fn poll(&mut self, stream: &Stream, fan_out: &super::FanOut, now_ms: u64) -> SubscriptionPoll {
        if now_ms >= self.ends_ms {
            return SubscriptionPoll::End;
        }
        let Some(shard) = stream.shard(self.shard) else {
            return SubscriptionPoll::End;
        };
        let has_records = self.next.max(shard.oldest()) < shard.next();
        let ends = !has_records && !shard.is_open();
        if !has_records && !ends && now_ms < self.heartbeat_ms {
            let until_ms = self.heartbeat_ms.min(self.ends_ms);
            return SubscriptionPoll::Wait { until_ms };
        }
        let wait_ms = self.rate.as_mut().map_or(0, |rate| rate.wait_ms(now_ms));
        if has_records && wait_ms > 0 {
            let until_ms = now_ms.saturating_add(wait_ms).min(self.ends_ms);
            return SubscriptionPoll::Wait { until_ms };
        }
        let page = shard.page(self.next, MAX_EVENT_RECORDS, fan_out.event_bytes);
        if let Some(rate) = &mut self.rate {
            rate.sent(page.bytes);
        }
        self.next = page.next;
        self.heartbeat_ms = now_ms.saturating_add(fan_out.heartbeat_ms);
        let ends = !shard.is_open() && self.next >= shard.next();
        if ends {
            self.state = State::Finished;
        }
        SubscriptionPoll::Event(SubscriptionEvent {
            records: page.records,
            continuation_sequence_number: shard.continuation(self.next, now_ms),
            millis_behind_latest: shard.millis_behind(self.next, now_ms),
            child_shards: ends.then(|| stream.children_of(shard)),
        })
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

fn taken_over(session: &Session) -> ServiceError {
    ServiceError::in_use(format!(
        "Another subscription of consumer {} to the same shard of stream {} has taken over.",
        session.consumer, session.stream
    ))
}

fn gone(session: &Session, owner: &Owner) -> ServiceError {
    ServiceError::not_found(format!(
        "Consumer {} of stream {} under account {} no longer exists.",
        session.consumer,
        session.stream,
        owner.account()
    ))
}

const NAMES: PositionNames = PositionNames {
    position_type: "startingPosition.type",
    number: "startingPosition.sequenceNumber",
    operation: "SubscribeToShard",
};
/// Source: AWS API reference, SubscribeToShard: one call per second per consumer and shard.
const CALL_MS: u64 = 1_000;
/// As GetRecords; not documented for events.
const MAX_EVENT_RECORDS: usize = 10_000;
