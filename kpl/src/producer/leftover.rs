//! What a close could not finish in time.

use crate::error::DeliveryError;
use crate::record::Record;
use crate::stream::StreamName;

/// What had no outcome when a close ran out of time. From [`Producer::close_within`](crate::Producer::close_within).
///
/// Each record is there once, as the error that its ticket says too: it tells the stream and the attempts so far, and
/// whether the record [may have been stored](DeliveryError::may_have_been_stored) all the same. Those of one stream
/// are in the order they were put.
#[derive(Debug, Default)]
#[must_use = "these records were not delivered"]
pub struct Leftover {
    errors: Vec<DeliveryError>,
    failed: Vec<StreamName>,
}

impl Leftover {
    pub(super) fn new(errors: Vec<DeliveryError>, failed: Vec<StreamName>) -> Self {
        Self { errors, failed }
    }

    /// Whether all was delivered, or had failed before and said so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty() && self.failed.is_empty()
    }

    /// Records handed back.
    #[must_use]
    pub fn len(&self) -> usize {
        self.errors.len()
    }

    /// The records, as errors.
    #[must_use]
    pub fn errors(&self) -> &[DeliveryError] {
        &self.errors
    }

    /// The records, taken out as errors.
    #[must_use]
    pub fn into_errors(self) -> Vec<DeliveryError> {
        self.errors
    }

    /// The records, taken out, each with its stream.
    pub fn into_records(self) -> impl Iterator<Item = (StreamName, Record)> {
        self.errors.into_iter().filter_map(|error| {
            let stream = error.stream().clone();
            Some((stream, error.into_record()?))
        })
    }

    /// Streams whose tasks had failed, which is a defect of this library: their records are not among these, their
    /// tickets say [`ProducerGone`](crate::DeliveryErrorKind::ProducerGone).
    #[must_use]
    pub fn failed_streams(&self) -> &[StreamName] {
        &self.failed
    }
}
