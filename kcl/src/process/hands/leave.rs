//! The end of a shard, and the ways to leave one.

use std::future::pending;
use std::sync::Arc;

use futures::FutureExt as _;
use tokio::sync::oneshot;
use tracing::warn;

use super::Hands;
use crate::events::ConsumerEvent;
use crate::metrics::Metric;
use crate::position::Checkpoint;
use crate::process::beside::work_on;
use crate::process::call::watched;
use crate::process::children::{ChildrenError, record_children};
use crate::process::keeper::{Command, chain, tell};
use crate::process::unasked::NotCheckpointed;
use crate::processor::{RecordProcessor, RecordProcessorFactory, WorkUntil};
use crate::shard::machine::Event;
use crate::source::Source;

impl<S: Source, F: RecordProcessorFactory> Hands<S, F> {
    /// Waits until the processor has nothing left to do, or sees whether it has.
    pub(super) async fn finish(&mut self, hurry: bool) -> Event {
        let working = work_on(&mut self.processor, WorkUntil::Finished, &self.checkpointer);
        let finished = match hurry {
            true => working.now_or_never(),
            false => Some(working.await),
        };
        match finished {
            Some(Ok(())) => Event::Finished,
            Some(Err(panic)) => self.panicked("work_on", &*panic),
            None => Event::Unfinished,
        }
    }

    pub(super) async fn record_children(&mut self) -> Event {
        self.in_hand = None;
        let patient = self.failures < CHILDREN_PATIENCE;
        let (source, store) = (Arc::clone(&self.shop.source), Arc::clone(&self.shop.store));
        let (finished, end) = (self.shard.shard_id().clone(), self.end.clone());
        let stream = self.stream.clone();
        let recording =
            async move { record_children(&*source, &*store, &stream, &finished, &end, patient).await };
        match self.rooms.in_office(recording).await {
            Ok(leases_created) => {
                self.shop
                    .counters
                    .succeeded(Metric::ChildLeasesCreated, leases_created);
                self.shop.bell.ring(ConsumerEvent::ChildrenCreated {
                    parent: self.shard.shard_id().clone(),
                    leases_created,
                });
                if self.end.stream_gone {
                    self.shop.bell.ring(ConsumerEvent::StreamDeleted {
                        stream: self.stream.name().clone(),
                        lease_key: self.lease.key.clone(),
                    });
                }
                tell(&self.keeper, Command::ShardEnded).await;
                Event::ChildrenRecorded
            }
            Err(error) => {
                let waits = matches!(error, ChildrenError::Waiting(_));
                self.shop
                    .counters
                    .add(Metric::MissingMergeParentLease, usize::from(waits));
                self.failed("leases of the next shards cannot be made", &error)
            }
        }
    }

    pub(super) async fn end_shard(&mut self) -> Event {
        let Some(processor) = &mut self.processor else {
            return Event::EndCheckpointed;
        };
        let (pulse, cancel) = (&self.pulse, self.shop.config.watching.cancel_calls);
        let call = async { processor.shard_ended(&self.checkpointer).await };
        match watched(pulse, cancel, "shard_ended", call).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return self.failed("shard_ended failed, it is called again", &*error),
            Err(broken) => return self.broken("shard_ended", &broken),
        }
        self.unasked.at_end().await;
        match self.keeper.written().await {
            Some(Checkpoint::ShardEnd) => Event::EndCheckpointed,
            Some(_) => self.failed(
                "shard_ended did not checkpoint, it is called again",
                &NotCheckpointed,
            ),
            None => pending().await,
        }
    }

    pub(super) async fn request_shutdown(&mut self) -> Event {
        self.reading = None;
        self.in_hand = None;
        if let Some(processor) = &mut self.processor {
            let (pulse, cancel) = (&self.pulse, self.shop.config.watching.cancel_calls);
            let call = async { processor.shutdown_requested(&self.checkpointer).await };
            match watched(pulse, cancel, "shutdown_requested", call).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    warn!(error = %chain(&*error), "shutdown_requested failed, the lease is given up");
                }
                Err(broken) => return self.broken("shutdown_requested", &broken),
            }
            self.unasked.at_leave().await;
        }
        Event::ShutdownAnswered
    }

    pub(super) async fn tell_lost(&mut self) -> Event {
        self.reading = None;
        self.in_hand = None;
        if let Some(processor) = &mut self.processor {
            let (pulse, cancel) = (&self.pulse, self.shop.config.watching.cancel_calls);
            let call = async { processor.lease_lost().await };
            if let Err(broken) = watched(pulse, cancel, "lease_lost", call).await {
                return self.broken("lease_lost", &broken);
            }
        }
        Event::LossAnswered
    }

    pub(super) async fn give_up(&mut self) -> Event {
        self.reading = None;
        let (reply, answer) = oneshot::channel();
        if self.keeper.send(Command::GiveUp { reply }).await {
            // An error is an answer too: the keeper has ended.
            let _ = answer.await;
        }
        Event::GivenUp
    }
}

/// Ours: how often a closed shard without listed children is taken for a listing behind the times.
const CHILDREN_PATIENCE: u32 = 5;
