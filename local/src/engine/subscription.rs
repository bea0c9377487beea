//! Subscriptions: sessions that push records to one consumer of one shard, polled with the time.
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

use super::api::{ConsumerStatus, SubscriptionEvent};
use super::arn::Owner;
use super::error::ServiceError;
use super::fault::{Effect, Occasion, Stage};
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
pub(super) struct Session {
    pub(super) stream: String,
    pub(super) incarnation: u64,
    pub(super) shard: u32,
    pub(super) consumer: String,
    pub(super) consumer_created_ms: u64,
    pub(super) next: u64,
    pub(super) ends_ms: u64,
    pub(super) heartbeat_ms: u64,
    pub(super) rate: Option<FanOutLimit>,
    pub(super) state: State,
    /// The event to be sent once more.
    pub(super) again: Option<SubscriptionEvent>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
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

    pub(super) fn open(&mut self, session: Session) -> SubscriptionId {
        self.opened += 1;
        let id = SubscriptionId(self.opened);
        self.live.insert(id, session);
        id
    }

    /// A later subscription takes the place of this one, if it still goes on.
    pub(super) fn take_over(&mut self, previous: SubscriptionId) {
        if let Some(session) = self.live.get_mut(&previous) {
            if session.state == State::Live {
                session.state = State::TakenOver;
            }
            self.woken.insert(previous);
        }
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

/// As GetRecords; not documented for events.
const MAX_EVENT_RECORDS: usize = 10_000;
