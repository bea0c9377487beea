//! A producer of values of one type.

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::codec::{Codec, Json};
use crate::error::{PutError, TryPutError};
use crate::producer::StreamProducer;
use crate::producer::ticket::DeliveryTicket;
use crate::record::{Record, RecordError};

/// Puts values of type `T` into one stream, encoded by `C`.
///
/// ```no_run
/// use kpl::{Json, Producer, StreamName, TypedProducer};
///
/// #[derive(serde::Serialize)]
/// struct Sale {
///     till: u32,
///     cents: u64,
/// }
///
/// # async fn run(producer: Producer) -> Result<(), Box<dyn std::error::Error>> {
/// let sales: TypedProducer<Sale> = TypedProducer::new(producer.stream(&StreamName::new("sales")?), Json);
/// let ticket = sales.put("till-7", &Sale { till: 7, cents: 320 }).await?;
/// ticket.await?;
/// # Ok(())
/// # }
/// ```
pub struct TypedProducer<T: ?Sized, C = Json> {
    stream: StreamProducer,
    codec: C,
    values: PhantomData<fn(&T)>,
}

impl<T: ?Sized, C: Codec<T>> TypedProducer<T, C> {
    /// Puts into `stream` what `codec` makes of values.
    #[must_use]
    pub fn new(stream: StreamProducer, codec: C) -> Self {
        Self {
            stream,
            codec,
            values: PhantomData,
        }
    }

    /// The handle underneath.
    #[must_use]
    pub fn stream(&self) -> &StreamProducer {
        &self.stream
    }

    /// Encodes a value and takes the record, after waiting for room: see [`StreamProducer::put`].
    ///
    /// # Errors
    /// [`TypedPutError`]; nothing was buffered.
    ///
    /// # Cancel safety
    /// Dropping the future before it is ready means that the record is not sent.
    pub async fn put(
        &self,
        partition_key: impl AsRef<str> + Into<Arc<str>>,
        value: &T,
    ) -> Result<DeliveryTicket, TypedPutError<C::Error>> {
        // The value is not held while waiting: it need not be `Sync`.
        let record = self.record(partition_key, value)?;
        self.stream.put(record).await.map_err(TypedPutError::Put)
    }

    /// Encodes a value and takes the record if there is room now: see [`StreamProducer::try_put`].
    ///
    /// # Errors
    /// [`TryTypedPutError`]; what was encoded is handed back, so that it need not be encoded again.
    pub fn try_put(
        &self,
        partition_key: impl AsRef<str> + Into<Arc<str>>,
        value: &T,
    ) -> Result<DeliveryTicket, TryTypedPutError<C::Error>> {
        let record = self
            .record(partition_key, value)
            .map_err(TryTypedPutError::Unmade)?;
        self.stream.try_put(record).map_err(TryTypedPutError::Put)
    }

    /// The record of a value, for puts of another kind.
    ///
    /// # Errors
    /// [`TypedPutError::Encode`] and [`TypedPutError::Record`].
    pub fn record(
        &self,
        partition_key: impl AsRef<str> + Into<Arc<str>>,
        value: &T,
    ) -> Result<Record, TypedPutError<C::Error>> {
        let data = self.codec.encode(value).map_err(TypedPutError::Encode)?;
        Record::new(partition_key, data).map_err(TypedPutError::Record)
    }
}

impl<T: ?Sized, C: Clone> Clone for TypedProducer<T, C> {
    fn clone(&self) -> Self {
        Self {
            stream: self.stream.clone(),
            codec: self.codec.clone(),
            values: PhantomData,
        }
    }
}

impl<T: ?Sized, C> fmt::Debug for TypedProducer<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedProducer")
            .field("stream", self.stream.name())
            .finish_non_exhaustive()
    }
}

/// Why a value was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TypedPutError<E: Error + 'static> {
    /// The value cannot be encoded.
    #[error("encoding the value failed")]
    Encode(#[source] E),
    /// There is no such record: its key is empty or too long.
    #[error("the value makes no record")]
    Record(#[source] RecordError),
    /// The record was not taken.
    #[error("the record was not taken")]
    Put(#[source] PutError),
}

impl<E: Error + 'static> TypedPutError<E> {
    /// Whether the same value could be taken later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Put(error) if error.is_retryable())
    }
}

/// Why a value was not taken at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TryTypedPutError<E: Error + 'static> {
    /// There is no record of this value.
    #[error(transparent)]
    Unmade(TypedPutError<E>),
    /// The record was not taken; it is handed back.
    #[error("the record was not taken")]
    Put(#[source] TryPutError),
}

impl<E: Error + 'static> TryTypedPutError<E> {
    /// Whether the same value could be taken later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unmade(error) => error.is_retryable(),
            Self::Put(error) => error.is_retryable(),
        }
    }
}
