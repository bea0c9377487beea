//! The handles: take records, wait for room, hand them to the stream's task. They decide nothing.

pub(crate) mod attachments;
mod builder;
mod leftover;
pub(crate) mod permits;
mod put_all;
mod reservation;
mod sink;
mod stream;
pub(crate) mod ticket;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_types::SdkConfig;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::config::ProducerConfig;
use crate::driver::intake::{Command, Intake, Phase};
use crate::driver::streams::Streams;
use crate::driver::transport::Transport;
use crate::error::{CloseError, ConfigError, FlushError, PutError, TryPutError};
use crate::metrics::MetricsSnapshot;
use crate::record::Record;
use crate::stream::StreamName;
use attachments::{Attached, Attachments};
use ticket::DeliveryTicket;

pub use builder::ProducerBuilder;
pub use leftover::Leftover;
pub use put_all::PutAll;
pub use reservation::Reservation;
pub use sink::RecordSink;
pub use stream::StreamProducer;

/// Puts records into Kinesis data streams: packs, sends, retries, and reports on each record.
///
/// A cheap handle; clones share the tasks and the budget of records in flight. [`stream`](Self::stream) gives a handle
/// of one stream, through which puts cost least. Background work is one task for each stream, started with the stream's
/// first handle or put, and ends with [`close`](Self::close). Dropping the last handle without it ends the tasks at
/// once: records that have no outcome yet are given up, their tickets say
/// [`ProducerGone`](crate::DeliveryErrorKind::ProducerGone), and a warning tells for each stream how many there were.
#[derive(Debug, Clone)]
pub struct Producer {
    shared: Arc<Shared>,
}

/// What all handles of one producer share.
#[derive(Debug)]
pub(crate) struct Shared {
    streams: Streams,
    attached: Arc<Attached>,
}

/// Making one.
impl Producer {
    /// A producer with the credentials, Region and endpoint that the environment has: variables, profile files,
    /// container and instance metadata, as of `aws-config`'s defaults.
    ///
    /// For sign-in by SSO or `aws login`, or with anything else than defaults, load an [`SdkConfig`] with the features
    /// of `aws-config` that it takes, and use [`builder`](Self::builder).
    ///
    /// # Errors
    /// [`ConfigError`] when the environment names no Region, or outside of a tokio runtime.
    #[cfg(feature = "aws-config")]
    pub async fn from_env() -> Result<Self, ConfigError> {
        let behavior = aws_config::BehaviorVersion::v2026_01_12();
        let sdk_config = aws_config::load_defaults(behavior).await;
        Self::builder(&sdk_config).build()
    }

    /// Makes a producer with credentials, Region and endpoint of an SDK configuration.
    ///
    /// It builds a Kinesis client of its own with the SDK's retries switched off (they would multiply with the
    /// producer's) and the configured timeouts set. Proxies and certificate authorities are those of the
    /// configuration's HTTP client.
    pub fn builder(sdk_config: &SdkConfig) -> ProducerBuilder {
        ProducerBuilder::configured(sdk_config.clone())
    }

    /// Makes a producer that calls through `client`: for callers with their own HTTP client, interceptors or mocks.
    ///
    /// The client's settings are taken over, except for retries and timeouts, which become the producer's.
    pub fn builder_with_client(client: Client) -> ProducerBuilder {
        ProducerBuilder::with_client(client)
    }

    /// Short for [`builder`](Self::builder) with settings.
    ///
    /// # Errors
    /// [`ConfigError`] when Region or behaviour version are missing, or outside of a tokio runtime.
    pub fn new(sdk_config: &SdkConfig, config: ProducerConfig) -> Result<Self, ConfigError> {
        Self::builder(sdk_config).config(config).build()
    }

    /// Short for [`builder_with_client`](Self::builder_with_client) with settings.
    ///
    /// # Errors
    /// [`ConfigError::NoRuntime`] outside of a tokio runtime.
    pub fn from_client(client: Client, config: ProducerConfig) -> Result<Self, ConfigError> {
        Self::builder_with_client(client).config(config).build()
    }

    #[cfg(test)]
    pub(crate) fn with_transport(
        transport: Arc<dyn Transport>,
        config: ProducerConfig,
    ) -> Result<Self, ConfigError> {
        Self::with_attachments(transport, config, Attachments::default())
    }

    pub(crate) fn with_attachments(
        transport: Arc<dyn Transport>,
        config: ProducerConfig,
        attachments: Attachments,
    ) -> Result<Self, ConfigError> {
        let runtime = Handle::try_current().map_err(|_| ConfigError::NoRuntime)?;
        let attached = Arc::new(attachments.attach(config.metrics(), &runtime));
        let streams = Streams::new(transport, Arc::new(config), Arc::clone(&attached), runtime);
        Ok(Self {
            shared: Arc::new(Shared { streams, attached }),
        })
    }
}

/// Putting records, and waiting for them.
impl Producer {
    /// The handle of one stream, with which a put needs no name. Starts the stream's task, which calls nothing before
    /// the first put.
    #[must_use]
    pub fn stream(&self, stream: &StreamName) -> StreamProducer {
        StreamProducer::new(Arc::clone(&self.shared), self.shared.streams.intake(stream))
    }

    /// Takes a record for a stream: see [`StreamProducer::put`].
    ///
    /// # Errors
    /// [`PutError`] when the record is too large or the producer is closed.
    ///
    /// # Cancel safety
    /// Dropping the future before it is ready means that the record is not sent.
    pub async fn put(&self, stream: &StreamName, record: Record) -> Result<DeliveryTicket, PutError> {
        self.stream(stream).put(record).await
    }

    /// Takes a record for a stream if there is room now: see [`StreamProducer::try_put`].
    ///
    /// # Errors
    /// [`TryPutError`] hands the record back: because there is no room, or because it cannot be taken at all.
    pub fn try_put(&self, stream: &StreamName, record: Record) -> Result<DeliveryTicket, TryPutError> {
        self.stream(stream).try_put(record)
    }

    /// Waits for room for several records of a stream: see [`StreamProducer::reserve`].
    ///
    /// # Errors
    /// [`PutError`] when so much exceeds the whole budget, or the producer is closed.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place in line, and leaves nothing reserved.
    pub async fn reserve(
        &self,
        stream: &StreamName,
        records: usize,
        bytes: usize,
    ) -> Result<Reservation, PutError> {
        self.stream(stream).reserve(records, bytes).await
    }

    /// Sends what is buffered without lingering, and waits until every record put before has its outcome (KPL:
    /// `flushSync`, which polls and waits for later records as well).
    ///
    /// A barrier, not an end: records may be put meanwhile and are not waited for. Whether records were delivered is
    /// their tickets' to say. Sends nothing when nothing is buffered.
    ///
    /// # Errors
    /// [`FlushError`] when a stream's task failed before.
    ///
    /// # Cancel safety
    /// Dropping the future gives up waiting; records that were hurried stay hurried.
    pub async fn flush(&self) -> Result<(), FlushError> {
        let mut flushes = Vec::new();
        for intake in self.shared.streams.all() {
            let flushing = self.shared.begin_flush(&intake);
            flushes.push((intake, flushing));
        }
        for (intake, flushing) in flushes {
            self.shared.end_flush(&intake, flushing).await?;
        }
        Ok(())
    }

    /// Flushes one stream: see [`StreamProducer::flush`]. Does nothing for a stream to which nothing was put.
    ///
    /// # Errors
    /// [`FlushError`] when the stream's task failed before.
    ///
    /// # Cancel safety
    /// As of [`flush`](Self::flush).
    pub async fn flush_stream(&self, stream: &StreamName) -> Result<(), FlushError> {
        match self.shared.streams.known(stream) {
            Some(intake) => {
                let flushing = self.shared.begin_flush(&intake);
                self.shared.end_flush(&intake, flushing).await
            }
            None => Ok(()),
        }
    }

    /// Records of all streams that have no outcome yet (KPL: `getOutstandingRecordsCount`).
    ///
    /// A record is counted until its ticket has the outcome, not less: when it is 0, no outcome is missing.
    #[must_use]
    pub fn outstanding_records(&self) -> u64 {
        let streams = self.shared.streams.all();
        streams.iter().map(|intake| intake.outstanding()).sum()
    }

    /// For how long the oldest record that has no outcome yet has been waiting for it; `None` if there is none (KPL:
    /// `getOldestRecordTimeInMillis`).
    ///
    /// # Cancel safety
    /// It only asks.
    pub async fn oldest_record_age(&self) -> Option<Duration> {
        let mut oldest = None;
        for intake in self.shared.streams.all() {
            let stream = StreamProducer::new(Arc::clone(&self.shared), intake);
            oldest = oldest.max(stream.oldest_record_age().await);
        }
        oldest
    }
}

/// Looking on.
impl Producer {
    /// All metrics as they are now, since the start and of the last minute (KPL: `getMetrics`).
    ///
    /// While a stream is busy they may be a second old; when all records have their outcome they are complete.
    #[must_use]
    pub fn metrics(&self) -> MetricsSnapshot {
        self.metrics_of_last(Duration::from_secs(60))
    }

    /// As [`metrics`](Self::metrics), with [`recent`](crate::MetricSeries::recent) values of the last `window`, rounded
    /// up to tens of seconds, at most a minute (KPL: `getMetrics(windowSeconds)`).
    #[must_use]
    pub fn metrics_of_last(&self, window: Duration) -> MetricsSnapshot {
        self.shared.attached.snapshot(window)
    }
}

/// Ending.
impl Producer {
    /// Takes nothing more, delivers what was taken, and ends the tasks (no KPL equal: `destroy` drops what it holds).
    ///
    /// Returns when every record has its outcome. Puts that wait for room fail with [`PutError::Closed`]. Closing again,
    /// or at the same time from another handle, waits for the same end.
    ///
    /// # Errors
    /// [`CloseError`] when a stream's task had failed before.
    ///
    /// # Cancel safety
    /// Closing begins when the future is first polled and goes on without it; only the waiting is given up.
    pub async fn close(&self) -> Result<(), CloseError> {
        self.shared.streams.begin_close();
        self.shared.streams.ended().await;
        self.shared.attached.finish().await;
        match self.shared.streams.failed().into_iter().next() {
            Some(stream) => Err(CloseError::StreamGone { stream }),
            None => Ok(()),
        }
    }

    /// Closes, and gives what has no outcome when the time is over. It ends in time: then nothing more is waited for,
    /// requests on their way are abandoned, and the tickets of these records say
    /// [`Unfinished`](crate::DeliveryErrorKind::Unfinished).
    ///
    /// With a limit of zero, only what has its outcome already is not handed back. Of several closes at the same time
    /// the shortest limit counts, and one of them gets the records.
    ///
    /// # Cancel safety
    /// Closing begins when the future is first polled and goes on without it, then without a limit.
    pub async fn close_within(&self, limit: Duration) -> Leftover {
        let streams = &self.shared.streams;
        streams.begin_close();
        if tokio::time::timeout(limit, streams.ended()).await.is_err() {
            streams.stop();
            streams.ended().await;
        }
        self.shared.attached.finish_in_time().await;
        Leftover::new(streams.take_leftover(), streams.failed())
    }
}

impl Shared {
    /// Asks for a flush; `None` when the stream's task answers no more.
    fn begin_flush(&self, intake: &Intake) -> Option<oneshot::Receiver<()>> {
        let (done, flushed) = oneshot::channel();
        intake.ask(Command::Flush(done)).then_some(flushed)
    }

    async fn end_flush(
        &self,
        intake: &Intake,
        flushing: Option<oneshot::Receiver<()>>,
    ) -> Result<(), FlushError> {
        let gone = || FlushError::StreamGone {
            stream: intake.stream().clone(),
        };
        if let Some(flushed) = flushing
            && flushed.await.is_ok()
        {
            return Ok(());
        }
        if intake.phase() == Phase::Failed {
            return Err(gone());
        }
        // A closed stream has nothing left to flush once its task has ended.
        self.streams.ended().await;
        if intake.phase() == Phase::Failed {
            return Err(gone());
        }
        Ok(())
    }
}
