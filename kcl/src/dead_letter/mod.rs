//! Dead letters: a last place for records that could not be handled.
//!
//! ```text
//!  record failed for good ──> DeadLetters::take ──> written ──> the record is passed
//!                                   ^   │
//!                                   └───┘ failed: again after a pause, told by an event; the record holds the checkpoint
//! ```
//!
//! Unlike a producer's dead letters none is ever lost: a record is passed only when its letter was taken.

mod file;
mod stream;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

pub use self::file::DeadLetterFile;
pub use self::stream::{DeadLetterStream, DeadLetterStreamError};
use crate::by_record::ReceivedRecord;
use crate::error::BoxError;
use crate::lanes::outcome::Reason;

/// A record that could not be handled, and why.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    record: ReceivedRecord,
    reason: Reason,
}

impl DeadLetter {
    pub(crate) fn new(record: ReceivedRecord, reason: Reason) -> Self {
        Self { record, reason }
    }

    /// A letter for testing a [`DeadLetters`] of your own.
    #[must_use]
    pub fn for_test(record: ReceivedRecord, reason: Reason) -> Self {
        Self::new(record, reason)
    }

    /// The record.
    #[must_use]
    pub fn record(&self) -> &ReceivedRecord {
        &self.record
    }

    /// Why it could not be handled.
    #[must_use]
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// How many attempts were made.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.record.attempt()
    }

    /// The record and the reason.
    #[must_use]
    pub fn into_parts(self) -> (ReceivedRecord, Reason) {
        (self.record, self.reason)
    }

    /// Everything but the data.
    fn header(&self) -> Map<String, Value> {
        let record = &self.record;
        let position = record.position();
        let mut header = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                header.insert(name.to_owned(), value);
            }
        };
        put("record", json!(record.id().to_string()));
        put("reason", json!(self.reason.to_string()));
        put("kind", json!(self.reason.kind()));
        put("attempts", json!(self.attempts()));
        put("partition_key", json!(record.partition_key()));
        put(
            "arrived_ms",
            json!(record.approximate_arrival().and_then(epoch_ms)),
        );
        put(
            "stream",
            json!(record.shard().map(|shard| shard.stream().as_str())),
        );
        put(
            "shard_id",
            json!(record.shard().map(|shard| shard.shard_id().as_str())),
        );
        put(
            "worker_id",
            json!(record.shard().map(|shard| shard.worker_id().as_str())),
        );
        put(
            "sequence_number",
            json!(position.map(|place| place.sequence_number().as_str())),
        );
        put(
            "sub_sequence_number",
            json!(position.map(crate::Position::sub_sequence_number)),
        );
        header
    }
}

fn epoch_ms(time: SystemTime) -> Option<u64> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}

/// Takes records that could not be handled (no KCL equal): an async closure, a [file](DeadLetterFile), a
/// [stream](DeadLetterStream), or a store of your own.
///
/// A record is passed only when `take` has returned `Ok`. A call that fails, panics or takes longer than 30 s is repeated, with
/// growing pauses, for as long as the lease is held; meanwhile the record holds the checkpoint. So a letter may come twice: its
/// [`id`](ReceivedRecord::id) tells.
pub trait DeadLetters: Send + Sync + 'static {
    /// Why letters were not taken.
    type Error: Into<BoxError>;

    /// Takes letters, and returns when they are safe.
    fn take(&self, letters: Vec<DeadLetter>) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// A closure gets one letter after the other.
impl<F, Fut, E> DeadLetters for F
where
    F: Fn(DeadLetter) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), E>> + Send,
    E: Into<BoxError>,
{
    type Error = BoxError;

    async fn take(&self, letters: Vec<DeadLetter>) -> Result<(), BoxError> {
        for letter in letters {
            self(letter).await.map_err(Into::into)?;
        }
        Ok(())
    }
}

/// Where a consumer's dead letters go. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sink(Arc<dyn Take>);

trait Take: Send + Sync {
    fn take(&self, letters: Vec<DeadLetter>) -> BoxFuture<'_, Result<(), BoxError>>;
}

impl<D: DeadLetters> Take for D {
    fn take(&self, letters: Vec<DeadLetter>) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async { DeadLetters::take(self, letters).await.map_err(Into::into) })
    }
}

/// A strange sink's failures, in our words.
#[derive(Debug, thiserror::Error)]
enum SinkError {
    #[error("taking dead letters took longer than {0:?}")]
    Late(Duration),
    #[error("taking dead letters panicked: {0}")]
    Panicked(String),
}

impl Sink {
    pub(crate) fn new(letters: impl DeadLetters) -> Self {
        Self(Arc::new(letters))
    }

    /// Hands letters over, and returns when they are safe.
    pub(crate) async fn take(&self, letters: Vec<DeadLetter>) -> Result<(), BoxError> {
        let taking = AssertUnwindSafe(async { self.0.take(letters).await }).catch_unwind();
        match tokio::time::timeout(PATIENCE, taking).await {
            Ok(Ok(taken)) => taken,
            Ok(Err(panic)) => Err(SinkError::Panicked(panic_message(&*panic)).into()),
            Err(_) => Err(SinkError::Late(PATIENCE).into()),
        }
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let message = panic.downcast_ref::<&str>().copied();
    let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    message.unwrap_or("no message").to_owned()
}

/// How long one call may take: as in the producer.
const PATIENCE: Duration = Duration::from_secs(30);
