//! Before the first record: the parents, the place to begin at, `initialize`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tracing::{debug, info};

use super::Hands;
use crate::config::ChildShards;
use crate::initialization::{Choice, FencingToken, Initialization};
use crate::process::call::watched;
use crate::process::children::unfinished_parent;
use crate::process::opening::{Opening, open};
use crate::processor::{RecordProcessor, RecordProcessorFactory};
use crate::shard::machine::Event;
use crate::source::Source;

impl<S: Source, F: RecordProcessorFactory> Hands<S, F> {
    pub(super) async fn check_parents(&mut self) -> Event {
        if self.shop.config.children == ChildShards::AtOnce {
            return Event::ParentsFinished;
        }
        let (store, stream) = (Arc::clone(&self.shop.store), self.stream.clone());
        let parents = self.lease.parents.clone();
        let look = async move { unfinished_parent(&*store, &stream, parents).await };
        match self.rooms.in_office(look).await {
            Ok(None) => Event::ParentsFinished,
            Ok(Some(parent)) => {
                debug!(%parent, "waiting for the parent shard");
                Event::ParentsUnfinished
            }
            Err(error) => self.failed("parent shard cannot be looked up", &error),
        }
    }

    pub(super) async fn initialize(&mut self) -> Event {
        if self.lease.is_finished() {
            // The machine begins a finished lease elsewhere.
            return Event::Panicked;
        }
        let (shop, stream, shard_id) = (&self.shop, &self.stream, self.shard.shard_id());
        match open(shop, stream, shard_id, &mut self.lease, &self.checkpointer).await {
            Ok(opening) => self.opening = opening,
            Err(error) => return self.failed("the start cannot be found", &*error),
        }
        if self.processor.is_none() {
            match catch_unwind(AssertUnwindSafe(|| self.shop.factory.create(&self.shard))) {
                Ok(processor) => self.processor = Some(processor),
                Err(panic) => return self.panicked("create", &*panic),
            }
        }
        let Some(processor) = &mut self.processor else {
            return Event::Panicked;
        };
        let choice = Choice::default();
        let input = Initialization {
            shard: &self.shard,
            checkpoint: &self.lease.checkpoint,
            pending: self.lease.pending.as_ref(),
            token: FencingToken::of(&self.lease),
            choice: &choice,
        };
        let (pulse, cancel) = (&self.pulse, self.shop.config.watching.cancel_calls);
        let call = async { processor.initialize(input).await };
        match watched(pulse, cancel, "initialize", call).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return self.failed("initialize failed", &*error),
            Err(broken) => return self.broken("initialize", &broken),
        }
        if let Some(chosen) = choice.take() {
            self.opening = Opening::after(chosen);
        }
        info!(position = %self.opening.done(), "processing starts");
        self.open_reader();
        Event::Initialized
    }
}
