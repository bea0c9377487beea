//! The ways to build a consumer that handles records one by one.

use std::future::Future;

use super::answers::{IntoOutcome, IntoOutcomes};
use super::shared::Handler;
use super::{ByRecord, ReceivedRecord};
use crate::config::{BatchOptions, RecordOptions};
use crate::consumer::{Consumer, ConsumerBuilder};
use crate::dead_letter::{DeadLetters, Sink};
use crate::error::ConfigError;
use crate::lanes::rules::{CallSize, Rules};

impl ConsumerBuilder {
    /// How records are handled one by one. Default: [`RecordOptions::default`].
    pub fn record_options(mut self, options: RecordOptions) -> Self {
        self.records = options;
        self
    }

    /// Where records go that could not be handled: an async closure, a [file](crate::dead_letter::DeadLetterFile), a
    /// [stream](crate::dead_letter::DeadLetterStream), or a store of your own. Default: nowhere; then a handler that asks
    /// for a dead letter has failed.
    pub fn dead_letters(mut self, letters: impl DeadLetters) -> Self {
        self.dead_letters = Some(Sink::new(letters));
        self
    }

    /// The consumer that calls `handler` with each record: many at a time, the records of one partition key one after the
    /// other. See [`by_record`](crate::by_record).
    ///
    /// The handler returns an [`Outcome`](crate::Outcome), nothing, or a `Result` of them; an error or a panic is a failed
    /// attempt. It must be ready to be dropped where it waits, when the lease is lost.
    ///
    /// # Errors
    /// As [`build`](Self::build), and [`ConfigError::MissingDeadLetters`].
    pub fn for_each_record<H, Fut>(self, handler: H) -> Result<Consumer<ByRecord>, ConfigError>
    where
        H: Fn(ReceivedRecord) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoOutcome> + Send + 'static,
    {
        let rules = self.records.rules(CallSize::ONE);
        self.by_record(Handler::of_records(handler), rules)
    }

    /// The consumer that calls `handler` with several records at once, of any keys, in the order of the shard: for stores
    /// that take many as cheaply as one.
    ///
    /// Several batches are under way at a time, never with the same key. The handler returns one
    /// [`Outcome`](crate::Outcome) for all, or one for each. A batch that fails as a whole comes again in halves, so that in
    /// the end only records fail that fail alone.
    ///
    /// # Errors
    /// As [`for_each_record`](Self::for_each_record).
    pub fn for_each_batch<H, Fut>(
        self,
        options: BatchOptions,
        handler: H,
    ) -> Result<Consumer<ByRecord>, ConfigError>
    where
        H: Fn(Vec<ReceivedRecord>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoOutcomes> + Send + 'static,
    {
        let rules = self.records.rules(options.call());
        self.by_record(Handler::of_batches(handler), rules)
    }

    pub(super) fn by_record(self, handler: Handler, rules: Rules) -> Result<Consumer<ByRecord>, ConfigError> {
        if self.records.needs_dead_letters() && self.dead_letters.is_none() {
            return Err(ConfigError::MissingDeadLetters);
        }
        self.assemble(|fittings| ByRecord::new(handler, rules, fittings))
    }
}
