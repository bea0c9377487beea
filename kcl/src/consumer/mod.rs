//! The consumer as its user sees it: built, run, asked to stop.

mod builder;
mod handle;

use std::future::Future;
use std::pin::pin;

pub use self::builder::ConsumerBuilder;
#[cfg(feature = "cloudwatch")]
pub(crate) use self::builder::complete;
pub use self::handle::ConsumerHandle;
use crate::config::{ChildShards, Streams};
use crate::coordinator::Worker;
use crate::cost::{self, CostForecast, Outlook};
use crate::error::RunError;
use crate::fleet::{NewFleet, VersionSetting};
use crate::processor::RecordProcessorFactory;
use crate::source::kinesis::KinesisStream;

/// One worker of a consumer application (KCL: `Scheduler`).
#[derive(Debug)]
#[must_use = "a consumer does nothing until it is run"]
pub struct Consumer<F> {
    worker: Worker<KinesisStream, F>,
    tableless: bool,
}

impl<F: RecordProcessorFactory> Consumer<F> {
    /// A handle to stop the consumer and to look at it from elsewhere.
    #[must_use]
    pub fn handle(&self) -> ConsumerHandle {
        ConsumerHandle::of(&self.worker)
    }

    /// What a fleet of `workers` such workers, at rest over `leases` unfinished shards, will ask of DynamoDB, and how often it will
    /// list shards. Where a new application would have a leader, with one, and with the index of owners where this worker has it
    /// built. Checkpoints are not counted: they take the place of heartbeats. Listings are those of one stream; for several set
    /// [`Outlook::streams`] and forecast anew.
    #[must_use]
    pub fn cost_forecast(&self, leases: u32, workers: u32) -> CostForecast {
        let config = &self.worker.shop.config;
        let private = config.membership.private;
        let led = config.membership.new_fleet == NewFleet::ThreeX
            || config.membership.version == VersionSetting::ThreeX;
        let mut outlook = Outlook::new(leases, workers);
        outlook.failover = config.leasing.failover;
        outlook.scan_interval = config.coordination.scan_interval;
        outlook.index_of_owners = config.membership.index_of_owners;
        outlook.report_interval = config.membership.report_interval;
        outlook.lock = config.membership.lock;
        outlook.stream_list_interval = match &config.streams {
            Streams::One(_) => None,
            Streams::Several(several) => Some(several.settings.interval),
        };
        outlook.audit_interval = config.coordination.shard_sync_interval;
        outlook.children_at_once = config.children == ChildShards::AtOnce;
        outlook.coordination = match (self.tableless, private, led) {
            (true, _, _) => cost::Coordination::NoTable,
            (false, true, _) => cost::Coordination::Private,
            (false, false, true) => cost::Coordination::Leader,
            (false, false, false) => cost::Coordination::EachForItself,
        };
        CostForecast::new(outlook)
    }

    /// Reads the stream until [`ConsumerHandle::shutdown`] is called.
    ///
    /// On a runtime with several threads heartbeats run on a thread of their own, which a processor that blocks its thread
    /// cannot hold up. Everything else runs on the caller's runtime.
    ///
    /// # Errors
    /// [`RunError`], if it cannot start. Once started it rides out failures, and ends by itself only when it could never
    /// again do anything: the lease table is gone or refuses it, or another live worker has its id. The error says which.
    ///
    /// # Cancel safety
    /// Dropping the future drops the processors wherever they are and leaves the leases to expire, as a crash would: records
    /// since the last checkpoints come again. Use the handle to stop cleanly.
    pub async fn run(self) -> Result<RunSummary, RunError> {
        self.worker.run().await
    }

    /// Reads the stream until `shutdown` is ready, e.g. a signal handler; then stops cleanly.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    /// As [`run`](Self::run).
    pub async fn run_until(self, shutdown: impl Future<Output = ()> + Send) -> Result<RunSummary, RunError> {
        let stop = self.worker.stop.clone();
        let mut run = pin!(self.worker.run());
        tokio::select! {
            biased;
            ended = &mut run => ended,
            () = shutdown => {
                stop.cancel();
                run.await
            }
        }
    }
}

/// What a consumer did, from [`Consumer::run`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunSummary {
    pub(crate) end: RunEnd,
    pub(crate) records: u64,
    pub(crate) batches: u64,
    pub(crate) leases_taken: u64,
    pub(crate) leases_lost: u64,
    pub(crate) shards_finished: u64,
    pub(crate) panics: u64,
}

/// Why a consumer ended that did not fail. What makes it fail is [`RunError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum RunEnd {
    /// It was asked to, by its handle or by the future given to [`Consumer::run_until`].
    #[default]
    ShutdownRequested,
}

impl RunSummary {
    /// Why the consumer ended.
    #[must_use]
    pub fn end(&self) -> RunEnd {
        self.end
    }

    /// User records that were processed without error.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Calls of `process_records` that succeeded.
    #[must_use]
    pub fn batches(&self) -> u64 {
        self.batches
    }

    /// Leases taken.
    #[must_use]
    pub fn leases_taken(&self) -> u64 {
        self.leases_taken
    }

    /// Leases lost without being given up.
    #[must_use]
    pub fn leases_lost(&self) -> u64 {
        self.leases_lost
    }

    /// Shards read to their end.
    #[must_use]
    pub fn shards_finished(&self) -> u64 {
        self.shards_finished
    }

    /// Processors that panicked.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.panics
    }
}
