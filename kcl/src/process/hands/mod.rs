//! Carries out the steps of one shard: calls the user's code, the source, the keeper. Decides nothing.

mod begin;
mod leave;
mod read;
mod work;

use std::any::Any;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use rand::Rng as _;
use rand::rngs::SmallRng;
use tokio::time::sleep;
use tracing::{error, warn};

use super::Checkpointer;
use super::beside::beside;
use super::call::Broken;
use super::failing::Failing;
use super::keeper::{KeeperHandle, chain};
use super::opening::Opening;
use super::pulse::Pulse;
use super::rooms::Rooms;
use super::strays::Strays;
use super::told::Told;
use super::unasked::Unasked;
use crate::config::{Backoff, CheckpointPolicy};
use crate::dead_letter::panic_message;
use crate::events::ConsumerEvent;
use crate::lease::Lease;
use crate::position::SequenceNumber;
use crate::processor::{RecordProcessor, RecordProcessorFactory};
use crate::shard::machine::{Event, Step};
use crate::shard::progress::Watch;
use crate::source::ahead::{HeldBatch, ReadAhead};
use crate::source::{ShardEnd, Source};
use crate::stream::{ShardContext, Stream};

pub(crate) use super::workshop::{Tally, Workshop};

/// Everything that the steps of one shard touch.
pub(super) struct Hands<S: Source, F: RecordProcessorFactory> {
    shop: Arc<Workshop<S, F>>,
    rooms: Rooms,
    stream: Stream,
    shard: ShardContext,
    /// As it was taken.
    lease: Lease,
    keeper: KeeperHandle,
    checkpointer: Checkpointer,
    processor: Option<F::Processor>,
    pulse: Pulse,
    watch: Watch,
    reading: Option<ReadAhead>,
    /// The last Kinesis record that was taken from the reader.
    taken: Option<SequenceNumber>,
    /// When reading began, by the wall clock.
    opened: Option<SystemTime>,
    in_hand: Option<HeldBatch>,
    told: Told,
    end: ShardEnd,
    opening: Opening,
    unasked: Unasked,
    strays: Strays,
    pauses: Option<ExponentialBackoff>,
    rng: SmallRng,
    /// In a row, of the step that is repeated.
    failures: u32,
    failing: Failing,
}

impl<S: Source, F: RecordProcessorFactory> Hands<S, F> {
    pub(super) fn new(
        shop: Arc<Workshop<S, F>>,
        rooms: Rooms,
        stream: Stream,
        shard: ShardContext,
        lease: Lease,
        keeper: KeeperHandle,
        pulse: Pulse,
    ) -> Self {
        let (watching, reads) = (&shop.config.watching, &shop.config.retrieval);
        let watch = Watch::new(watching.stall, reads.idle, reads.request_timeout);
        let rng = shop.config.rng(&format!("process/{}", shard.lease_key()));
        let policy = match F::Processor::BY_RECORD {
            // Such a processor checkpoints what is acknowledged, and sees to the policy itself.
            true => CheckpointPolicy::Manual,
            false => shop.config.checkpointing.policy,
        };
        let stream_position = stream.position();
        Self {
            shop,
            rooms,
            stream,
            shard,
            opening: Opening::of(&lease, stream_position),
            unasked: Unasked::new(policy, Checkpointer::new(keeper.clone())),
            strays: Strays::default(),
            lease,
            checkpointer: Checkpointer::new(keeper.clone()),
            keeper,
            processor: None,
            pulse,
            watch,
            reading: None,
            taken: None,
            opened: None,
            in_hand: None,
            told: Told::default(),
            end: ShardEnd::default(),
            pauses: None,
            rng,
            failures: 0,
            failing: Failing::default(),
        }
    }

    /// Carries a step out. Where the keeper is gone it waits for ever: the driver hears of it and drops the call.
    pub(super) async fn act(&mut self, step: Step) -> Event {
        let event = match step {
            Step::CheckParents => self.check_parents().await,
            Step::WaitForParents => {
                sleep(self.shop.config.coordination.parent_poll).await;
                Event::Paused
            }
            Step::Pause => {
                let pause = sleep(self.next_pause());
                match beside(&mut self.processor, &self.checkpointer, pause).await {
                    Ok(()) => Event::Paused,
                    Err(panic) => self.panicked("work_on", &*panic),
                }
            }
            Step::Initialize => self.initialize().await,
            Step::Read => self.read().await,
            Step::Process => self.process().await,
            Step::Finish { hurry } => self.finish(hurry).await,
            Step::RecordChildren => self.record_children().await,
            Step::EndShard => self.end_shard().await,
            Step::RequestShutdown => self.request_shutdown().await,
            Step::TellLost => self.tell_lost().await,
            Step::GiveUp => self.give_up().await,
            // The driver ends before it comes here.
            Step::Done(_) => pending().await,
        };
        if !matches!(event, Event::Failed | Event::Paused) {
            self.pauses = None;
            self.failures = 0;
        }
        event
    }

    fn failed(&mut self, what: &'static str, error: &(dyn std::error::Error + 'static)) -> Event {
        self.failures = self.failures.saturating_add(1);
        warn!(shard_id = %self.shard.shard_id(), attempt = self.failures, error = %chain(error), "{what}");
        Event::Failed
    }

    fn broken(&mut self, method: &'static str, broken: &Broken) -> Event {
        match broken {
            Broken::Panicked(panic) => self.panicked(method, &**panic),
            Broken::Cancelled(overdue) => {
                self.shop.bell.ring(ConsumerEvent::ProcessorCancelled {
                    lease_key: self.shard.lease_key().clone(),
                    method,
                    running_for: overdue.after,
                });
                self.failed("call of the processor cancelled", overdue)
            }
        }
    }

    fn panicked(&mut self, method: &'static str, panic: &(dyn Any + Send)) -> Event {
        let message = panic_message(panic);
        error!(shard_id = %self.shard.shard_id(), error = message, "processor panicked in {method}, its lease is given up");
        self.processor = None;
        self.reading = None;
        self.in_hand = None;
        Event::Panicked
    }

    fn next_pause(&mut self) -> Duration {
        let Backoff { min, max } = self.shop.config.coordination.retry_backoff;
        let pauses = self.pauses.get_or_insert_with(|| {
            ExponentialBuilder::new()
                .with_min_delay(min)
                .with_max_delay(max)
                .with_jitter()
                .with_jitter_seed(self.rng.random())
                .without_max_times()
                .build()
        });
        pauses.next().unwrap_or(max)
    }
}
