//! What a record must pass before it is queued: the stream's limit, and its cost in the budget.

use std::sync::Arc;

use super::{Command, Intake};
use crate::error::PutError;
use crate::limits::{Admission, RecordLimits};
use crate::producer::permits::{Amount, RECORD_OVERHEAD};
use crate::producer::ticket::Origin;
use crate::record::Record;

/// A record, and the room that it takes.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) record: Record,
    pub(crate) amount: Amount,
    pub(crate) origin: Origin,
}

/// Why a record is not ready.
#[derive(Debug)]
pub(crate) enum Unprepared {
    /// The stream must be asked whether it takes so large a record.
    Unknown(Record),
    /// It cannot be taken.
    Refused(Record, PutError),
}

impl Intake {
    /// How large a record may be.
    pub(crate) fn limits(&self) -> &RecordLimits {
        &self.limits
    }

    /// What some records take of the budget, with `bytes` of data and keys.
    pub(crate) fn cost_of(&self, records: usize, bytes: usize) -> Result<Amount, PutError> {
        let whole = self.room.whole();
        let (budget, most) = (whole.bytes as usize, whole.records as usize);
        let cost = records.saturating_mul(RECORD_OVERHEAD).saturating_add(bytes);
        match (u32::try_from(cost), u32::try_from(records)) {
            (_, _) if records > most => Err(PutError::TooManyRecords {
                records,
                budget: most,
            }),
            (Ok(bytes), Ok(records)) if cost <= budget => Ok(Amount { bytes, records }),
            _ => Err(PutError::ExceedsBudget { cost, budget }),
        }
    }

    /// A record, ready to be queued.
    pub(crate) fn prepare(&self, record: Record) -> Result<Prepared, Unprepared> {
        match self.limits.check(&record) {
            Ok(Admission::Granted) => self
                .prepare_admitted(record)
                .map_err(|(record, error)| Unprepared::Refused(record, error)),
            Ok(Admission::Unknown) => Err(Unprepared::Unknown(record)),
            Err(error) => Err(Unprepared::Refused(record, error)),
        }
    }

    /// The same for a record of which the stream must tell first whether it takes so large a one.
    pub(crate) async fn prepare_unknown(
        self: Arc<Self>,
        record: Record,
    ) -> Result<Prepared, (Record, PutError)> {
        // Before the question, so that the answer cannot be missed.
        let news = self.limits.news();
        if !self.ask(Command::AskLimit) {
            let refusal = self.refusal();
            return Err((record, refusal));
        }
        let decided = tokio::select! {
            biased;
            decided = self.limits.decide(&record, news) => decided,
            () = self.gone.cancelled() => Err(self.refusal()),
        };
        match decided {
            Ok(()) => self.prepare_admitted(record),
            Err(error) => Err((record, error)),
        }
    }

    fn prepare_admitted(&self, record: Record) -> Result<Prepared, (Record, PutError)> {
        match self.cost_of(1, record.size()) {
            Ok(amount) => Ok(Prepared {
                record,
                amount,
                origin: Origin::Caller,
            }),
            Err(error) => Err((record, error)),
        }
    }
}
