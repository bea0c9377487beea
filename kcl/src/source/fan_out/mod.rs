//! Reading one shard by subscriptions, and by polling where that does not work. What is done when is decided in
//! `shard::fan_out`.

mod connections;
mod registration;
mod subscription;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kinesis_aggregation::{HashKeyRange, ShardId};
use rand::Rng as _;
use rand::rngs::SmallRng;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::{debug, info, warn};

pub(crate) use self::connections::Connections;
pub(crate) use self::registration::Registrar;
use self::subscription::{Event, OPERATION, Received, Subscription};
use super::failure::{Failure, Kind};
use super::kinesis::KinesisStream;
use super::polling::{PollingReader, Reached, SAME_FOR};
use super::{Batch, Reader, ShardEnd, Switch, unpack};
use crate::config::Retrieval;
use crate::metrics::{Meter, Metric};
use crate::position::SequenceNumber;
use crate::process::keeper::chain;
use crate::processor::RecordBatch;
use crate::shard::fan_out::{Course, Obstacle, Step, Turn};
use crate::shard::progress::{Heard, Nature, RetrievalMode, Trouble};
use crate::shard::start::StartAt;
use crate::stream::Stream;

/// A reader of one shard, by whatever way works.
#[derive(Debug)]
pub(crate) struct ShardReader {
    source: KinesisStream,
    stream: Stream,
    shard: ShardId,
    range: HashKeyRange,
    start: StartAt,
    meter: Meter,
    reached: Reached,
    /// Where the next subscription goes on, if nothing was polled since the last one.
    continuation: Option<SequenceNumber>,
    course: Course,
    subscription: Option<Subscription>,
    polling: Option<PollingReader>,
    /// What is to be told before anything is read.
    pending: Option<Batch>,
    rng: SmallRng,
}

impl ShardReader {
    pub(crate) fn new(
        source: KinesisStream,
        stream: Stream,
        shard: ShardId,
        range: HashKeyRange,
        start: StartAt,
        meter: Meter,
    ) -> Self {
        let course = match source.config().fan_out.retrieval {
            Retrieval::Polling => Course::of_polling(),
            Retrieval::FanOut => Course::of_fan_out(false),
            Retrieval::Auto => Course::of_fan_out(true),
        };
        let rng = source
            .config()
            .rng(&format!("subscribe/{}", stream.lease_key(&shard)));
        Self {
            source,
            stream,
            shard,
            range,
            start,
            meter,
            reached: Reached::default(),
            continuation: None,
            course,
            subscription: None,
            polling: None,
            pending: None,
            rng,
        }
    }

    /// Where the next subscription begins.
    fn place(&self) -> StartAt {
        match &self.continuation {
            Some(number) => StartAt::AfterSequence(number.clone()),
            None => self
                .start
                .resume(self.reached.fetched.as_ref(), self.reached.first_asked),
        }
    }

    async fn subscribe(&mut self) {
        let place = self.place();
        match self.open(&place).await {
            Ok(subscription) => {
                debug!(shard_id = %self.shard, position = ?place, "subscribed");
                self.meter.tried(Metric::SubscribeSuccess, true);
                self.subscription = Some(subscription);
                self.polling = None;
                let turn = self.course.on_subscribed(now());
                self.tell(turn, RetrievalMode::FanOut, "Subscribed", None);
            }
            Err((failure, obstacle)) => {
                self.meter.tried(Metric::SubscribeSuccess, false);
                let turn = self.course.on_obstacle(now(), obstacle, self.rng.random());
                // That there is no consumer is no incident where it need not be there; nor is one that was let go a moment ago.
                let usual = matches!(
                    obstacle,
                    Obstacle::NoConsumer | Obstacle::InUse | Obstacle::Preparing
                );
                // While the shard is polled, the next attempt is of no interest.
                let silent = turn == Turn::Quiet && (usual || self.polling.is_some());
                if silent {
                    debug!(shard_id = %self.shard, error = %chain(&*failure), "not subscribed");
                } else {
                    info!(shard_id = %self.shard, error = %chain(&*failure), "not subscribed");
                }
                let heard = (!silent && obstacle != Obstacle::Refused).then(|| failure.trouble());
                self.tell(turn, RetrievalMode::Polling, &failure.code, heard);
            }
        }
    }

    async fn open(&mut self, place: &StartAt) -> Result<Subscription, (Arc<Failure>, Obstacle)> {
        // What is read must be of the stream that the lease is of. The consumer that a subscription goes on with went with its stream.
        let sure_for = match self.continuation {
            Some(_) => STILL_SAME_FOR,
            None => SAME_FOR,
        };
        if let Err(failure) = self.source.ensure_same(&self.stream, sure_for).await {
            return Err((Arc::new(failure), Obstacle::Passing));
        }
        // A consumer takes seconds to be made, in which the shard can be polled.
        let consumer = self.source.registrar().consumer(&self.stream);
        let consumer = match timeout(LOOK_UP_PATIENCE, consumer).await {
            Err(_) => {
                let failure = Failure::bad_answer(OPERATION, "the consumer is not ready");
                return Err((Arc::new(failure), Obstacle::Preparing));
            }
            Ok(Ok(consumer)) => consumer,
            Ok(Err(failure)) => {
                let obstacle = match failure.kind {
                    Kind::NotFound => Obstacle::NoConsumer,
                    Kind::Throttled | Kind::Unavailable | Kind::InUse => Obstacle::Passing,
                    _ => Obstacle::Refused,
                };
                return Err((failure, obstacle));
            }
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the service compares it with its own wall clock"
        )]
        let asked = SystemTime::now();
        let patience = self.source.config().retrieval.request_timeout.min(OPEN_TIMEOUT);
        let seat = self.source.connections().seat();
        match Subscription::open(seat, &consumer, &self.shard, place, patience).await {
            Ok(subscription) => {
                self.reached.first_asked.get_or_insert(asked);
                Ok(subscription)
            }
            Err(failure) => {
                let obstacle = self.obstacle(&failure).await;
                Err((Arc::new(failure), obstacle))
            }
        }
    }

    /// What a failure of a subscription means. A shard that is gone is told as its end.
    async fn obstacle(&mut self, failure: &Failure) -> Obstacle {
        match failure.kind {
            Kind::InUse => Obstacle::InUse,
            Kind::Throttled => Obstacle::Throttled,
            Kind::NotFound => match self.source.end_of_missing(&self.stream, &self.shard).await {
                Ok(Some(end)) => {
                    warn!(shard_id = %self.shard, "shard is gone, with what was not read of it");
                    self.pending = Some(Batch {
                        end: Some(end),
                        ..Batch::default()
                    });
                    Obstacle::Passing
                }
                Ok(None) => {
                    self.source.registrar().forget(&self.stream);
                    match self.source.config().fan_out.arn_of(self.stream.name()) {
                        // Nothing else can be looked up.
                        Some(_) => Obstacle::Refused,
                        None => Obstacle::NoConsumer,
                    }
                }
                Err(listing) => {
                    debug!(shard_id = %self.shard, error = %chain(&listing), "shards cannot be listed");
                    Obstacle::Passing
                }
            },
            // A place that is not accepted is dealt with where iterators are asked for.
            Kind::InvalidArgument => Obstacle::Refused,
            kind if kind.is_transient() => Obstacle::Passing,
            _ => Obstacle::Refused,
        }
    }

    /// Leaves word for whoever reads next.
    fn tell(&mut self, turn: Turn, to: RetrievalMode, reason: &str, trouble: Option<Trouble>) {
        let switched = (turn != Turn::Quiet).then(|| Switch {
            to,
            reason: reason.to_owned(),
        });
        if switched.is_none() && trouble.is_none() {
            return;
        }
        let pending = self.pending.get_or_insert_default();
        if switched.is_some() {
            pending.switched = switched;
        }
        if let Some(trouble) = trouble {
            pending.heard = Heard::Failure(trouble);
        }
    }

    /// A batch from an event. Nothing is awaited from here on, so a dropped call has either received the event or not.
    fn accept(&mut self, event: Event) -> Batch {
        self.course.on_event();
        let end = event.is_end();
        let Event {
            mut records,
            continuation,
            behind,
            children,
        } = event;
        self.reached.accept(&mut records);
        self.continuation = continuation;
        if end {
            self.subscription = None;
        }
        let policy = self.source.config().strays.policy();
        let unpacked = unpack(&self.shard, &self.range, policy, records);
        Batch {
            bytes: unpacked.bytes,
            records: RecordBatch::new(unpacked.records, behind).with_dropped(unpacked.dropped),
            strays: unpacked.strays,
            end: end.then(|| ShardEnd::of(children)),
            heard: Heard::Answer,
            ..Batch::default()
        }
    }

    async fn receive(&mut self) -> Batch {
        let silence = self.source.config().fan_out.silence;
        let Some(subscription) = &mut self.subscription else {
            self.course.on_end(now());
            return Batch::default();
        };
        match subscription.next(silence).await {
            Received::Event(event) => return self.accept(event),
            Received::End => {
                debug!(shard_id = %self.shard, "subscription ended");
                self.course.on_end(now());
            }
            Received::Silence => {
                self.meter.add(Metric::SilentSubscriptions, 1);
                let turn = self.course.on_silence(now(), self.rng.random());
                let trouble = Trouble {
                    operation: OPERATION,
                    code: "Silent".to_owned(),
                    nature: Nature::Silent,
                };
                self.tell(turn, RetrievalMode::Polling, "Silent", Some(trouble));
            }
            Received::Failure(failure) => {
                let obstacle = self.obstacle(&failure).await;
                info!(shard_id = %self.shard, error = %chain(&failure), "subscription failed");
                let turn = self.course.on_obstacle(now(), obstacle, self.rng.random());
                let trouble = failure.trouble();
                self.tell(turn, RetrievalMode::Polling, &trouble.code.clone(), Some(trouble));
            }
        }
        self.subscription = None;
        self.pending.take().unwrap_or_default()
    }

    fn polling(&mut self) -> &mut PollingReader {
        self.polling.get_or_insert_with(|| {
            // A continuation is for subscriptions only.
            self.continuation = None;
            PollingReader::from_place(
                self.source.clone(),
                self.stream.clone(),
                self.shard.clone(),
                self.range,
                self.start.clone(),
                self.reached.clone(),
                self.meter.clone(),
            )
        })
    }

    async fn poll(&mut self) -> Batch {
        let batch = self.polling().read().await;
        if let Some(polling) = &self.polling {
            self.reached = polling.reached().clone();
        }
        batch
    }
}

impl Reader for ShardReader {
    async fn due(&mut self) {
        while self.pending.is_none() {
            match self.course.next(now()) {
                Step::Receive => return,
                Step::Wait(until) => sleep_until(until.into()).await,
                Step::Subscribe => self.subscribe().await,
                Step::Poll { until: None } => return self.polling().due().await,
                Step::Poll { until: Some(until) } => {
                    if timeout_at(until.into(), self.polling().due()).await.is_ok() {
                        return;
                    }
                }
            }
        }
    }

    async fn read(&mut self) -> Batch {
        if let Some(told) = self.pending.take() {
            return told;
        }
        match self.course.next(now()) {
            Step::Receive => self.receive().await,
            Step::Poll { .. } => self.poll().await,
            // The moment has passed while memory was waited for.
            Step::Wait(_) | Step::Subscribe if self.polling.is_some() => self.poll().await,
            Step::Wait(_) | Step::Subscribe => Batch::default(),
        }
    }

    fn mode(&self) -> RetrievalMode {
        match self.course.next(now()) {
            Step::Receive => RetrievalMode::FanOut,
            Step::Poll { .. } => RetrievalMode::Polling,
            Step::Wait(_) | Step::Subscribe => match self.polling {
                Some(_) => RetrievalMode::Polling,
                None => RetrievalMode::FanOut,
            },
        }
    }

    fn rest(&mut self) {
        if self.subscription.take().is_some() {
            debug!(shard_id = %self.shard, "no room for records, subscription let go");
            self.course.on_rest(now());
        }
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// Ours: subscriptions end each five minutes, each shard's at another time.
const STILL_SAME_FOR: Duration = Duration::from_secs(120);
/// Ours: a look-up takes two round trips.
const LOOK_UP_PATIENCE: Duration = Duration::from_secs(1);
/// Ours: with the time a silence takes to be noticed it stays below 15 s.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
