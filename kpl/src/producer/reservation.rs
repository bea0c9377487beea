//! Room that was waited for once, for several records.

use super::permits::{Amount, Permit, RECORD_OVERHEAD};
use super::stream::StreamProducer;
use super::ticket::DeliveryTicket;
use crate::error::{PutError, TryPutError};
use crate::record::Record;

/// Room for some records of one stream: puts on it never wait. From [`StreamProducer::reserve`].
///
/// What is left of it is free for others once it is dropped.
#[derive(Debug)]
#[must_use = "a reservation keeps others waiting until it is used or dropped"]
pub struct Reservation {
    stream: StreamProducer,
    permit: Permit,
}

impl Reservation {
    pub(super) fn new(stream: StreamProducer, permit: Permit) -> Self {
        Self { stream, permit }
    }

    /// Takes a record into the room that was reserved.
    ///
    /// # Errors
    /// [`TryPutError`] hands the record back: `Full` when the reservation has no room left for it, `LimitUnknown` when
    /// the stream has not told yet whether it takes so large a record, `Refused` when it cannot be taken at all. The
    /// reservation is as it was before.
    pub fn put(&mut self, record: Record) -> Result<DeliveryTicket, TryPutError> {
        let refused = |(record, source): (Record, PutError)| TryPutError::Refused { record, source };
        let prepared = self.stream.prepare_now(record)?;
        let amount = prepared.amount;
        if !self.permit.split(amount) {
            return Err(TryPutError::Full {
                record: prepared.record,
            });
        }
        self.stream.intake().push(prepared).map_err(|back| {
            self.permit.join(amount);
            refused(back)
        })
    }

    /// Records for which there is room.
    #[must_use]
    pub fn records_left(&self) -> usize {
        self.permit.amount().records as usize
    }

    /// Bytes of data and keys for which there is room.
    #[must_use]
    pub fn bytes_left(&self) -> usize {
        let Amount { bytes, records } = self.permit.amount();
        (bytes as usize).saturating_sub(records as usize * RECORD_OVERHEAD)
    }
}
