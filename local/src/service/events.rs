//! The body of SubscribeToShard: polls the engine for events whenever the client's side polls for bytes.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::time::{Instant, Sleep};

use super::history::{describe, fingerprint};
use super::kinesis::KinesisService;
use super::reply::Cut;
use crate::engine::api::SubscriptionEvent;
use crate::engine::{SubscriptionId, SubscriptionPoll};
use crate::faults::{Call, Caller, FaultService};
use crate::wire::{Format, event_stream};

/// One subscription as a stream of frames. Ends the subscription when dropped.
pub(crate) struct Events {
    service: KinesisService,
    subject: Subject,
    phase: Phase,
    /// Frames on their way, each with the moment it arrives.
    travelling: VecDeque<(Instant, Bytes)>,
    timer: Pin<Box<Sleep>>,
}

/// What a subscription is about.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) id: SubscriptionId,
    pub(crate) format: Format,
    pub(crate) caller: Caller,
    pub(crate) stream: Option<String>,
    pub(crate) shard: Option<String>,
    pub(crate) skew_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Live,
    /// Silent for good, and open.
    HalfOpen,
    /// What travels is the last there is.
    Ending,
    /// As above, and then the connection is cut.
    Cutting,
}

impl Events {
    pub(crate) fn new(service: KinesisService, subject: Subject) -> Self {
        let first = event_stream::initial_response(subject.format);
        let now = Instant::now();
        Self {
            service,
            subject,
            phase: Phase::Live,
            travelling: VecDeque::from([(now, first)]),
            timer: Box::pin(tokio::time::sleep_until(now)),
        }
    }

    /// The next frame, or the end.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        loop {
            if let Some(frame) = self.arrived() {
                return Poll::Ready(Some(Ok(frame)));
            }
            let ours = match self.phase {
                Phase::Live if self.travelling.len() < MOST_TRAVELLING => self.ask(context),
                Phase::Ending if self.travelling.is_empty() => return Poll::Ready(None),
                Phase::Cutting if self.travelling.is_empty() => {
                    self.phase = Phase::Ending;
                    return Poll::Ready(Some(Err(Cut)));
                }
                _ => Asked::Wait(None),
            };
            let Asked::Wait(until) = ours else { continue };
            let arrival = self.travelling.front().map(|(arrival, _)| *arrival);
            let Some(wake) = [until, arrival].into_iter().flatten().min() else {
                // Half open: nothing will ever come.
                return Poll::Pending;
            };
            self.timer.as_mut().reset(wake);
            if self.timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn arrived(&mut self) -> Option<Bytes> {
        let (arrival, _) = self.travelling.front()?;
        if *arrival > Instant::now() {
            return None;
        }
        self.travelling.pop_front().map(|(_, frame)| frame)
    }

    fn ask(&mut self, context: &Context<'_>) -> Asked {
        match self.service.poll_subscription(self.subject.id, context.waker()) {
            (SubscriptionPoll::Event(event), _) => self.take(event),
            (SubscriptionPoll::Wait { .. }, until) => return Asked::Wait(Some(until)),
            (SubscriptionPoll::End, _) => {
                self.record(None, "end");
                self.phase = Phase::Ending;
            }
            // Faults of events are decided here and not in the engine.
            (SubscriptionPoll::Cut, _) => self.phase = Phase::Cutting,
            (SubscriptionPoll::Fail(error), _) => {
                self.record(None, error.code());
                self.travelling.push_back((
                    Instant::now(),
                    event_stream::exception(&error, self.subject.format),
                ));
                self.phase = Phase::Ending;
            }
        }
        Asked::Again
    }

    fn take(&mut self, mut event: SubscriptionEvent) {
        let world = self.service.world();
        let verdict = world
            .faults()
            .decide_event(&self.subject.call(), world.clock().since_start());
        if verdict.half_open {
            self.record(None, "half open");
            self.phase = Phase::HalfOpen;
            return;
        }
        if verdict.cut {
            self.record(None, "cut");
            self.phase = Phase::Cutting;
            return;
        }
        for record in &mut event.records {
            record.arrival_ms = super::verdict::seen(record.arrival_ms, self.subject.skew_ms);
        }
        let frame = event_stream::event(&event, self.subject.format);
        // Frames of one connection do not overtake each other.
        let last = self.travelling.back().map(|(arrival, _)| *arrival);
        let arrival = (Instant::now() + world.event_latency()).max(last.unwrap_or_else(Instant::now));
        for _ in 0..=usize::from(verdict.duplicate) {
            self.record(Some(&frame), "sent");
            self.travelling.push_back((arrival, frame.clone()));
        }
    }

    fn record(&self, frame: Option<&Bytes>, outcome: &str) {
        let world = self.service.world();
        if !world.history().is_on() {
            return;
        }
        let names = [
            ("stream", self.subject.stream.as_deref()),
            ("shard", self.subject.shard.as_deref()),
        ];
        world.history().record(
            world.clock().since_start(),
            self.subject.caller.name(),
            "SubscribeToShard.Event",
            describe(&names, frame.map_or(0, |frame| fingerprint(frame))),
            outcome.to_owned(),
        );
    }
}

enum Asked {
    Again,
    Wait(Option<Instant>),
}

impl Subject {
    fn call(&self) -> Call<'_> {
        Call {
            service: FaultService::Kinesis,
            operation: "SubscribeToShard",
            resource: self.stream.as_deref(),
            shard: self.shard.as_deref(),
            caller: &self.caller,
            is_conditional: false,
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("subject", &self.subject)
            .field("phase", &self.phase)
            .field("travelling", &self.travelling.len())
            .finish_non_exhaustive()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.service.end_subscription(self.subject.id);
    }
}

/// Events taken from the engine and not yet arrived; at 70 ms each and 1 MiB, 100 MiB/s.
const MOST_TRAVELLING: usize = 8;
