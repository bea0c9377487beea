//! Records that failed, kept in files until they can be put again.
//!
//! ```text
//!  dead letters ─► Spool::take ─► current segment ─┐ full, or a replay begins
//!                                                  ▼
//!  Spool::replay ◄── sealed segments, oldest first ┘    lock        one process at a time
//!       │ put again, in order                           *.segment   records to be put again
//!       └─► delivered: the segment is deleted           *.refused   records the service will never take
//! ```

mod config;
mod error;
mod frame;
mod replay;
mod segment;
mod store;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub use config::{SpoolConfig, SpoolSync};
pub use error::SpoolError;
pub use frame::SpooledRecord;
pub use replay::{Replay, ReplayReport};

use crate::dead_letter::{DeadLetter, DeadLetters};
use crate::error::DeliveryErrorKind;
use store::{Kind, Store};

/// A directory that keeps records which could not be delivered, and puts them again (no KPL equal).
///
/// Give a clone to the producer as its [dead letters](DeadLetters), and [`replay`](Self::replay) it when the program
/// starts, before anything new is put. It may be replayed again at any time: after an outage, say.
///
/// *At least once*: a record is deleted from the directory only after it was delivered, or written there anew. A program
/// that ends in between puts it again at its next start. A crash in the middle of a write loses at most what was being
/// written, which the next replay notices and reports.
///
/// What the service said it would never take ([`Rejected`](DeliveryErrorKind::Rejected)) would fail at each start
/// anew: it is kept apart, for people to look at with [`refused`](Self::refused), and is never replayed.
///
/// One process at a time: the directory is locked for as long as a `Spool` lives.
#[derive(Debug, Clone)]
pub struct Spool {
    store: Arc<Mutex<Store>>,
    directory: PathBuf,
}

impl Spool {
    /// Opens the directory, or creates it, and locks it. Reads names and sizes of what is there, not more.
    ///
    /// Blocks for as long as that takes.
    ///
    /// # Errors
    /// [`SpoolError::Locked`] when another process, or another `Spool` of this one, has it; [`SpoolError::Config`] for
    /// settings out of range; [`SpoolError::Io`].
    pub fn open(directory: impl AsRef<Path>, config: SpoolConfig) -> Result<Self, SpoolError> {
        let directory = directory.as_ref().to_path_buf();
        let store = Store::open(&directory, config)?;
        Ok(Self {
            store: Arc::new(Mutex::new(store)),
            directory,
        })
    }

    /// Bytes on disk. Waits for a write that is under way.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).size()
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The records which the service refused for good, oldest first.
    ///
    /// # Errors
    /// [`SpoolError::Io`].
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn refused(&self) -> Result<Vec<SpooledRecord>, SpoolError> {
        self.blocking(|store| {
            let mut records = Vec::new();
            for segment in store.sealed(Kind::Refused)? {
                records.extend(store.read(segment)?.records);
            }
            Ok(records)
        })
        .await
    }

    /// Writes records; all or none.
    async fn append(&self, kind: Kind, records: Vec<SpooledRecord>) -> Result<(), SpoolError> {
        if records.is_empty() {
            return Ok(());
        }
        self.blocking(move |store| store.append(kind, &records)).await
    }

    /// Does what takes its time where it may: not on the runtime's own threads.
    async fn blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<R, SpoolError> + Send + 'static,
    ) -> Result<R, SpoolError> {
        let store = Arc::clone(&self.store);
        let done = tokio::task::spawn_blocking(move || {
            // A panic inside leaves at worst a torn tail, which is noticed when it is read.
            work(&mut store.lock().unwrap_or_else(PoisonError::into_inner))
        });
        done.await.unwrap_or(Err(SpoolError::RuntimeEnded))
    }
}

impl DeadLetters for Spool {
    type Error = SpoolError;

    async fn take(&self, letters: Vec<DeadLetter>) -> Result<(), SpoolError> {
        let (refused, again): (Vec<_>, Vec<_>) = letters
            .iter()
            .partition(|letter| matches!(letter.error().kind(), DeliveryErrorKind::Rejected { .. }));
        let spooled = |letters: Vec<&DeadLetter>| {
            let all = letters.into_iter();
            all.map(|letter| SpooledRecord::new(letter.record(), letter.error()))
                .collect()
        };
        self.append(Kind::Again, spooled(again)).await?;
        self.append(Kind::Refused, spooled(refused)).await
    }
}
