//! Settings of stray aggregates: those with a record outside the hash range of the shard they were read from.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use kinesis_aggregation::OutOfRange;

use super::ConsumerConfigBuilder;
use crate::error::BoxError;
use crate::record::StrayAggregate;

/// What to do with an aggregate of which a record lies outside the shard's hash range.
///
/// That happens around a reshard: the producer packed for a shard that was closed before the aggregate arrived. A KPL producer notices
/// where it landed and sends the records again, so this copy is one too many. Other producers may not look, and then it is the only
/// one; on a stream whose records the service distributes ("AUTO") every aggregate may be one.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum OnStray {
    /// Drop it whole, the KCL's rule, and report it:
    /// [`ConsumerEvent::AggregateDropped`](crate::events::ConsumerEvent::AggregateDropped),
    /// [`RecordBatch::dropped`](crate::RecordBatch::dropped). The default.
    #[default]
    Drop,
    /// Deliver its records like any others.
    Deliver,
    /// Give it to a function instead; see [`OnStray::divert`].
    Divert(Diversion),
}

impl OnStray {
    /// Gives each stray aggregate to `function`, before the records that follow it are processed: to write it down, say, or to put it
    /// into another stream.
    ///
    /// While it fails it is called again with growing pauses, and the shard waits. It may get the same aggregate again, after a crash
    /// for one.
    pub fn divert<F, Fut>(function: F) -> Self
    where
        F: Fn(StrayAggregate) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        Self::Divert(Diversion(Arc::new(move |stray| function(stray).boxed())))
    }

    pub(crate) fn policy(&self) -> OutOfRange {
        match self {
            Self::Drop => OutOfRange::DropAggregate,
            Self::Deliver => OutOfRange::Deliver,
            Self::Divert(_) => OutOfRange::HandBack,
        }
    }
}

impl fmt::Debug for OnStray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Drop => "Drop",
            Self::Deliver => "Deliver",
            Self::Divert(_) => "Divert",
        })
    }
}

/// Where stray aggregates go.
#[derive(Clone)]
pub struct Diversion(Arc<dyn Fn(StrayAggregate) -> BoxFuture<'static, Result<(), BoxError>> + Send + Sync>);

impl Diversion {
    pub(crate) fn take(&self, stray: StrayAggregate) -> BoxFuture<'static, Result<(), BoxError>> {
        (self.0)(stray)
    }
}

impl fmt::Debug for Diversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Diversion")
    }
}

impl ConsumerConfigBuilder {
    /// What to do with aggregates that have a record outside their shard's hash range (KCL: it drops them without a word). Default
    /// [`OnStray::Drop`].
    pub fn on_stray_aggregate(mut self, policy: OnStray) -> Self {
        self.strays = policy;
        self
    }
}
