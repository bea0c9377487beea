//! What all drivers of a consumer share.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::watch;

use super::halt::Halt;
use crate::by_record::Counting;
use crate::config::ConsumerConfig;
use crate::dead_letter::Sink;
use crate::events::Bell;
use crate::metrics::Counters;
use crate::source::budget::ReadBudget;
use crate::store::LeaseStore;
use crate::streams::directory::Directory;

/// What all drivers of a consumer share.
#[derive(Debug)]
pub(crate) struct Workshop<S, F> {
    pub(crate) config: Arc<ConsumerConfig>,
    pub(crate) source: Arc<S>,
    pub(crate) store: Arc<dyn LeaseStore>,
    pub(crate) factory: Arc<F>,
    /// The streams that are read at the moment.
    pub(crate) streams: watch::Sender<Directory>,
    pub(crate) budget: ReadBudget,
    pub(crate) tally: Arc<Tally>,
    pub(crate) bell: Bell,
    pub(crate) counters: Counters,
    pub(crate) halt: Halt,
    /// Where records go that could not be handled.
    pub(crate) dead_letters: Option<Sink>,
    pub(crate) counting: Counting,
}

/// What was processed, over all shards.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) records: AtomicU64,
    pub(crate) batches: AtomicU64,
}
