//! The handle: takes records, waits for room, hands them to the stream's task. Decides nothing.

pub(crate) mod permits;
pub(crate) mod ticket;

use std::sync::Arc;

use aws_sdk_kinesis::Client;
use aws_types::SdkConfig;
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use crate::config::ProducerConfig;
use crate::driver::Command;
use crate::driver::sdk::SdkTransport;
use crate::driver::streams::Streams;
use crate::driver::transport::Transport;
use crate::error::{CloseError, ConfigError, FlushError, PutError, TryPutError};
use crate::record::Record;
use crate::stream::StreamName;
use permits::{Permit, Permits};
use ticket::{DeliveryTicket, ticket};

/// Puts records into Kinesis data streams: packs, sends, retries, and reports on each record.
///
/// A cheap handle; clones share the tasks and the budget of records in flight. Background work starts with the first
/// put to a stream, one task for each, and ends with [`close`](Self::close). Dropping the last handle without it ends
/// the tasks at once: records that have no outcome yet are given up, their tickets say
/// [`ProducerGone`](crate::DeliveryErrorKind::ProducerGone), and a warning tells how many there were.
#[derive(Debug, Clone)]
pub struct Producer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    permits: Arc<Permits>,
    streams: Streams,
}

impl Producer {
    /// A producer with credentials, Region and endpoint of an SDK configuration.
    ///
    /// It builds a Kinesis client of its own with the SDK's retries switched off (they would multiply with the
    /// producer's) and the configured timeouts set. Nothing is called before the first put.
    ///
    /// # Errors
    /// [`ConfigError`] when Region or behaviour version are missing, or outside of a tokio runtime.
    pub fn new(sdk_config: &SdkConfig, config: ProducerConfig) -> Result<Self, ConfigError> {
        let transport = SdkTransport::from_sdk_config(sdk_config, &config)?;
        Self::with_transport(Arc::new(transport), config)
    }

    /// A producer that calls through `client`: for callers with their own HTTP client, interceptors or mocks.
    ///
    /// The client's settings are taken over, except for retries and timeouts, which become the producer's.
    ///
    /// # Errors
    /// [`ConfigError::NoRuntime`] outside of a tokio runtime.
    pub fn from_client(client: Client, config: ProducerConfig) -> Result<Self, ConfigError> {
        let transport = SdkTransport::from_client(&client, &config);
        Self::with_transport(Arc::new(transport), config)
    }

    pub(crate) fn with_transport(
        transport: Arc<dyn Transport>,
        config: ProducerConfig,
    ) -> Result<Self, ConfigError> {
        let runtime = Handle::try_current().map_err(|_| ConfigError::NoRuntime)?;
        let permits = Arc::new(Permits::new(&config));
        let streams = Streams::new(transport, Arc::new(config), runtime);
        Ok(Self {
            inner: Arc::new(Inner { permits, streams }),
        })
    }

    /// Takes a record, after waiting for room in the budget of bytes and records in flight.
    ///
    /// Returns once the record is queued; the ticket tells its outcome. Records of one partition key that one caller
    /// puts one after the other are stored in that order.
    ///
    /// # Errors
    /// [`PutError`] when the record is too large or the producer is closed.
    ///
    /// # Cancel safety
    /// Dropping the future before it is ready means that the record is not sent: it waits for room in the budget and
    /// for a place in the stream's queue, and holds neither afterwards.
    pub async fn put(&self, stream: &StreamName, record: Record) -> Result<DeliveryTicket, PutError> {
        let permit = self.inner.permits.acquire(&record).await?;
        let commands = self.inner.streams.commands(stream).ok_or(PutError::Closed)?;
        let (command, ticket) = put_command(stream, record, permit);
        match commands.send(command).await {
            Ok(()) => Ok(ticket),
            Err(_) => Err(self.inner.streams.refusal(stream)),
        }
    }

    /// Takes a record if there is room now, and never waits.
    ///
    /// # Errors
    /// [`TryPutError`] hands the record back: because there is no room, or because it cannot be taken at all.
    pub fn try_put(&self, stream: &StreamName, record: Record) -> Result<DeliveryTicket, TryPutError> {
        let permit = match self.inner.permits.try_acquire(&record) {
            Ok(Some(permit)) => permit,
            Ok(None) => return Err(TryPutError::Full { record }),
            Err(source) => return Err(TryPutError::Refused { record, source }),
        };
        let Some(commands) = self.inner.streams.commands(stream) else {
            return Err(TryPutError::Refused {
                record,
                source: PutError::Closed,
            });
        };
        let (command, ticket) = put_command(stream, record, permit);
        match commands.try_send(command) {
            Ok(()) => Ok(ticket),
            Err(TrySendError::Full(command)) => Err(TryPutError::Full {
                record: taken_back(command),
            }),
            Err(TrySendError::Closed(command)) => Err(TryPutError::Refused {
                record: taken_back(command),
                source: PutError::Closed,
            }),
        }
    }

    /// Sends what is buffered without lingering, and waits until every record put before has its outcome.
    ///
    /// A barrier, not an end: records may be put meanwhile and are not waited for. Whether records were delivered is
    /// their tickets' to say. Sends nothing when nothing is buffered.
    ///
    /// # Errors
    /// [`FlushError`] when a stream's task ended before.
    ///
    /// # Cancel safety
    /// Dropping the future gives up waiting; records that were hurried stay hurried.
    pub async fn flush(&self) -> Result<(), FlushError> {
        let mut flushes = Vec::new();
        for (stream, commands) in self.inner.streams.all() {
            let (done, flushed) = oneshot::channel();
            if commands.send(Command::Flush(done)).await.is_err() {
                self.end_of(&stream).await?;
                continue;
            }
            flushes.push((stream, flushed));
        }
        for (stream, flushed) in flushes {
            flushed.await.map_err(|_| FlushError::StreamGone { stream })?;
        }
        Ok(())
    }

    /// A closed stream has nothing left to flush once its task has ended.
    async fn end_of(&self, stream: &StreamName) -> Result<(), FlushError> {
        if matches!(self.inner.streams.refusal(stream), PutError::StreamGone { .. }) {
            return Err(FlushError::StreamGone {
                stream: stream.clone(),
            });
        }
        self.inner
            .streams
            .ended()
            .await
            .map_err(|stream| FlushError::StreamGone { stream })
    }

    /// Takes nothing more, delivers what was taken, and ends the tasks.
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
        self.inner.permits.close();
        self.inner.streams.begin_close();
        self.inner
            .streams
            .ended()
            .await
            .map_err(|stream| CloseError::StreamGone { stream })
    }
}

fn put_command(stream: &StreamName, record: Record, permit: Permit) -> (Command, DeliveryTicket) {
    let (token, ticket) = ticket(stream.clone(), permit);
    // Hashed here, on the caller's thread: the stream's task has all the records to care for.
    let hash_key = record.hash_key();
    (
        Command::Put {
            record,
            hash_key,
            token,
        },
        ticket,
    )
}

fn taken_back(command: Command) -> Record {
    match command {
        Command::Put { record, .. } => record,
        Command::Flush(_) => unreachable!("only puts are taken back"),
    }
}
