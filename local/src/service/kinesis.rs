//! The Kinesis half: reads a request, lets the engine do it, and answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use axum::http::{HeaderMap, Request};
use bytes::Bytes;
use tokio::time::Instant;

use super::events::{Events, Subject};
use super::history::{describe, fingerprint};
use super::latency::LatencyKind;
use super::replies::{Replies, outcome, unsigned};
use super::reply::{Answer, Cut, ReplyBody};
use super::verdict::{inject, service_error, shift_reply, shift_request};
use super::world::{Entry, World, pause};
use crate::engine::{Engine, Settings, SubscriptionId, SubscriptionPoll};
use crate::faults::{Call, Caller, Ending, FaultService, Reshard, ScriptedReshard, Verdict};
use crate::wire::{self, Format, Reply, event_stream};

/// A Kinesis that answers requests. Cheap to clone; all clones are one account.
#[derive(Clone, Debug)]
pub(crate) struct KinesisService {
    world: World,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    engine: Engine,
    /// Who waits for which subscription.
    waiting: BTreeMap<SubscriptionId, Waker>,
    /// Reshards to come, by moment and then by the order in which they were asked for.
    reshards: BTreeMap<(u64, u64), (String, Reshard)>,
    asked: u64,
}

impl KinesisService {
    pub(crate) fn new(settings: Settings, world: World, script: &[ScriptedReshard]) -> Self {
        let service = Self {
            state: Arc::new(Mutex::new(State {
                engine: Engine::new(settings),
                waiting: BTreeMap::new(),
                reshards: BTreeMap::new(),
                asked: 0,
            })),
            world,
        };
        for scripted in script {
            service.reshard_after(scripted.after, scripted.stream.clone(), scripted.reshard.clone());
        }
        service
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// Answers one request; see [`Endpoint::answer`](super::Endpoint::answer).
    pub(crate) async fn answer(&self, request: Request<Bytes>) -> Result<Answer, Cut> {
        let (head, body) = request.into_parts();
        let caller = caller(&head.headers);
        let request_id = self.world.request_id();
        let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let reply = Replies {
            world: &self.world,
            request_id: &request_id,
        };
        let decoded = wire::decode(text(TARGET), text(CONTENT_TYPE.as_str()), &body);
        let (operation, format, request) = match decoded {
            Ok(decoded) => decoded,
            Err(refusal) => return Ok(reply.refused(&refusal)),
        };
        if !is_signed(&head.headers, head.uri.query()) {
            return Ok(reply.error(&unsigned(), format, 0));
        }
        let place = self.place(&request);
        let call = Call {
            service: FaultService::Kinesis,
            operation: operation.as_str(),
            resource: place.stream.as_deref(),
            shard: place.shard.as_deref(),
            caller: &caller,
            is_conditional: false,
        };
        let opening = self
            .world
            .open(&call, LatencyKind::of_kinesis(operation.as_str()));
        let mut entry = Entry {
            world: &self.world,
            caller: &caller,
            operation: operation.as_str(),
            request: self.describe(&place, &body),
            outcome: None,
        };
        drop(body);
        let verdict = opening.verdict;
        pause(opening.inward).await;
        let answer = match &verdict.ending {
            Some(Ending::Cut) => {
                entry.outcome = Some("cut".to_owned());
                return Err(Cut);
            }
            Some(Ending::Refuse(refusal)) => reply.error(&service_error(refusal), format, verdict.skew_ms),
            Some(Ending::LoseReply) | None => self.done(request, &verdict, format, &place, &caller, &reply),
        };
        pause(opening.outward).await;
        entry.outcome = Some(outcome(&answer, self.world.history().is_on()));
        if verdict.ending == Some(Ending::LoseReply) {
            entry.outcome = entry.outcome.take().map(|outcome| format!("lost {outcome}"));
            return Err(Cut);
        }
        Ok(answer)
    }

    /// Has the engine do it.
    fn done(
        &self,
        mut request: wire::Request,
        verdict: &Verdict,
        format: Format,
        place: &Place,
        caller: &Caller,
        reply: &Replies<'_>,
    ) -> Answer {
        let skew_ms = verdict.skew_ms;
        shift_request(&mut request, skew_ms);
        let done = self.with_engine(|engine, now_ms| {
            let injected = inject(engine, verdict);
            let done = wire::dispatch(engine, request, now_ms);
            let struck: Vec<_> = injected
                .into_iter()
                .map(|(entry, id)| {
                    let struck = engine.faults_mut().struck(id).unwrap_or(0);
                    engine.faults_mut().remove(id);
                    (entry, struck)
                })
                .collect();
            (done, struck)
        });
        let (done, struck) = done;
        for (id, struck) in struck {
            if let Some(id) = id {
                self.world.faults().settle(id, struck);
            }
        }
        match done {
            Err(error) => reply.error(&error, format, skew_ms),
            Ok(Reply::SubscribeToShard(id)) => {
                let subject = Subject {
                    id,
                    format,
                    caller: caller.clone(),
                    stream: place.stream.clone(),
                    shard: place.shard.clone(),
                    skew_ms,
                };
                let events = Events::new(self.clone(), subject);
                reply.ok(
                    event_stream::CONTENT_TYPE,
                    ReplyBody::Events(Box::new(events)),
                    skew_ms,
                )
            }
            Ok(mut done) => {
                shift_reply(&mut done, skew_ms);
                let body = ReplyBody::full(wire::encode(&done, format));
                reply.ok(format.content_type(), body, skew_ms)
            }
        }
    }

    /// Runs `work` on the engine at the present time, after everything that is due, and wakes whom it concerns.
    pub(crate) fn with_engine<T>(&self, work: impl FnOnce(&mut Engine, u64) -> T) -> T {
        let now_ms = self.world.clock().now_ms();
        let (result, woken) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.reshard_due(now_ms);
            let result = work(&mut state.engine, now_ms);
            (result, state.take_woken())
        };
        woken.into_iter().for_each(Waker::wake);
        result
    }

    /// Asks the engine for a subscription's next event. If there is none, `waker` is told when there may be, and
    /// the instant says when to ask again at the latest.
    pub(super) fn poll_subscription(&self, id: SubscriptionId, waker: &Waker) -> (SubscriptionPoll, Instant) {
        let clock = self.world.clock();
        let now_ms = clock.now_ms();
        let (poll, due_ms, woken) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.reshard_due(now_ms);
            let poll = state.engine.poll_subscription(id, now_ms);
            // Before this one waits: if it is among the woken, it has just been answered.
            let woken = state.take_woken();
            let mut due_ms = now_ms;
            if let SubscriptionPoll::Wait { until_ms } = poll {
                // What is due in the engine may concern this subscription, and nobody else drives it.
                let scripted = state.reshards.first_key_value().map(|((at_ms, _), _)| *at_ms);
                let due = [Some(until_ms), state.engine.next_due_ms(), scripted];
                due_ms = due
                    .into_iter()
                    .flatten()
                    .min()
                    .unwrap_or(until_ms)
                    .max(now_ms + 1);
                state.waiting.insert(id, waker.clone());
            }
            (poll, due_ms, woken)
        };
        woken.into_iter().for_each(Waker::wake);
        (poll, clock.instant_of(due_ms))
    }

    /// The client has hung up, or the subscription is over.
    pub(super) fn end_subscription(&self, id: SubscriptionId) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting.remove(&id);
        state.engine.cancel_subscription(id);
    }

    /// Scripts a reshard.
    pub(crate) fn reshard_after(&self, after: Duration, stream: String, reshard: Reshard) {
        let clock = self.world.clock();
        let at_ms = clock.at_ms(clock.since_start().saturating_add(after));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.asked += 1;
        let key = (at_ms, state.asked);
        state.reshards.insert(key, (stream, reshard));
        // Whoever sleeps has to hear of the new moment.
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_values().for_each(Waker::wake);
    }

    /// Moves the clock on, and lets everyone who waits for a moment look again.
    pub(crate) fn advance_clock(&self, by: Duration) {
        self.world.clock().advance(by);
        let waiting = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_values().for_each(Waker::wake);
        self.with_engine(Engine::tick);
    }

    /// The stream and shard a request is about.
    fn place(&self, request: &wire::Request) -> Place {
        let facts = wire::facts(request);
        let mut place = Place {
            stream: facts.stream.map(str::to_owned),
            shard: facts.shard.map(str::to_owned),
        };
        if let Some(iterator) = facts.iterator {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((stream, shard)) = state.engine.iterator_target(iterator) {
                place.stream = Some(stream);
                place.shard = Some(shard.as_str().to_owned());
            }
        }
        place
    }

    fn describe(&self, place: &Place, body: &Bytes) -> String {
        if !self.world.history().is_on() {
            return String::new();
        }
        let names = [
            ("stream", place.stream.as_deref()),
            ("shard", place.shard.as_deref()),
        ];
        describe(&names, fingerprint(body))
    }
}

impl State {
    /// Hands scripted reshards whose moment has come to the engine.
    fn reshard_due(&mut self, now_ms: u64) {
        while let Some(entry) = self.reshards.first_entry() {
            let (at_ms, _) = *entry.key();
            if at_ms > now_ms {
                return;
            }
            let (stream, reshard) = entry.remove();
            // Earlier ones first, so that a later one finds the shards they made.
            self.engine.tick(at_ms);
            let engine = &self.engine;
            if let Some(change) = reshard.resolve(|shard| engine.middle_of(&stream, shard)) {
                self.engine.schedule_reshard(&stream, change, at_ms);
                self.engine.tick(at_ms);
            }
        }
    }

    fn take_woken(&mut self) -> Vec<Waker> {
        let woken = self.engine.take_woken();
        woken.iter().filter_map(|id| self.waiting.remove(id)).collect()
    }
}

/// Which stream and shard.
struct Place {
    stream: Option<String>,
    shard: Option<String>,
}

/// Who sends these headers.
pub(crate) fn caller(headers: &HeaderMap) -> Caller {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    Caller::from_headers(
        text(AUTHORIZATION.as_str()),
        [text(AMZ_USER_AGENT), text(USER_AGENT.as_str())],
    )
}

/// Whether a request carries a signature, by header or by query. It is not checked.
fn is_signed(headers: &HeaderMap, query: Option<&str>) -> bool {
    headers.contains_key(AUTHORIZATION) || query.is_some_and(|query| query.contains("X-Amz-Signature="))
}

const TARGET: &str = "x-amz-target";
const AMZ_USER_AGENT: &str = "x-amz-user-agent";
