//! The budget of records in flight, in bytes of memory and in records. Callers wait here, and nowhere else.

use std::sync::Arc;

use tokio::sync::{Semaphore, TryAcquireError};

use crate::config::ProducerConfig;
use crate::error::PutError;
use crate::record::Record;

/// What a record counts in the budget beyond its data and key: its place in the queue, its ticket, the counters of
/// its shared buffers. Measured on a 64-bit machine, rounded up.
pub const RECORD_OVERHEAD: usize = 256;

/// The whole budget of one producer.
#[derive(Debug)]
pub(crate) struct Permits {
    bytes: Semaphore,
    records: Semaphore,
    max_bytes: usize,
    max_record: usize,
}

/// Room for one record or, once [merged](Permit::absorb), for several. Dropping it gives the room back.
#[derive(Debug)]
#[must_use]
pub(crate) struct Permit {
    pool: Arc<Permits>,
    // Small, since each record on its way carries one. Sums stay within the budget, which fits as well.
    bytes: u32,
    records: u32,
}

impl Permits {
    pub(crate) fn new(config: &ProducerConfig) -> Self {
        Self {
            bytes: Semaphore::new(config.max_in_flight_bytes()),
            records: Semaphore::new(config.max_in_flight_records()),
            max_bytes: config.max_in_flight_bytes(),
            max_record: config.streams().max_user_record_size().unwrap_or(1 << 20),
        }
    }

    /// Waits for room, first come first served. Dropping the future gives back what it held and its place in line.
    pub(crate) async fn acquire(self: &Arc<Self>, record: &Record) -> Result<Permit, PutError> {
        let cost = self.cost(record)?;
        // A plain semaphore: it is fair, its waits are cancel safe, and the two parts cannot deadlock, since whoever
        // holds bytes and waits for a record is waiting for outcomes, not for another waiter.
        let bytes = self
            .bytes
            .acquire_many(cost)
            .await
            .map_err(|_| PutError::Closed)?;
        let records = self.records.acquire().await.map_err(|_| PutError::Closed)?;
        bytes.forget();
        records.forget();
        Ok(self.permit(cost))
    }

    /// Takes room if there is some now: `Ok(None)` when there is none.
    pub(crate) fn try_acquire(self: &Arc<Self>, record: &Record) -> Result<Option<Permit>, PutError> {
        let cost = self.cost(record)?;
        let bytes = match self.bytes.try_acquire_many(cost) {
            Ok(bytes) => bytes,
            Err(TryAcquireError::NoPermits) => return Ok(None),
            Err(TryAcquireError::Closed) => return Err(PutError::Closed),
        };
        let records = match self.records.try_acquire() {
            Ok(records) => records,
            Err(TryAcquireError::NoPermits) => return Ok(None),
            Err(TryAcquireError::Closed) => return Err(PutError::Closed),
        };
        bytes.forget();
        records.forget();
        Ok(Some(self.permit(cost)))
    }

    /// Lets nobody in any more: who waits, and who comes, learns that the producer is closed.
    pub(crate) fn close(&self) {
        self.bytes.close();
        self.records.close();
    }

    fn permit(self: &Arc<Self>, cost: u32) -> Permit {
        Permit {
            pool: Arc::clone(self),
            bytes: cost,
            records: 1,
        }
    }

    fn cost(&self, record: &Record) -> Result<u32, PutError> {
        let size = record.size();
        if size > self.max_record {
            return Err(PutError::RecordTooLarge {
                size,
                limit: self.max_record,
            });
        }
        let cost = size + RECORD_OVERHEAD;
        match u32::try_from(cost) {
            Ok(permits) if cost <= self.max_bytes => Ok(permits),
            _ => Err(PutError::ExceedsBudget {
                cost,
                budget: self.max_bytes,
            }),
        }
    }

    #[cfg(test)]
    fn free(&self) -> (usize, usize) {
        (self.bytes.available_permits(), self.records.available_permits())
    }
}

impl Permit {
    /// Joins another permit of the same producer to this one, so that both are given back in one go.
    pub(crate) fn absorb(&mut self, mut other: Self) {
        debug_assert!(Arc::ptr_eq(&self.pool, &other.pool));
        self.bytes += std::mem::take(&mut other.bytes);
        self.records += std::mem::take(&mut other.records);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.records > 0 {
            self.pool.bytes.add_permits(self.bytes as usize);
            self.pool.records.add_permits(self.records as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn permits(bytes: usize, records: usize) -> Arc<Permits> {
        let config = ProducerConfig::builder()
            .max_in_flight_bytes(bytes)
            .max_in_flight_records(records)
            .build()
            .expect("valid");
        Arc::new(Permits::new(&config))
    }

    fn record(data: usize) -> Record {
        Record::new("k", vec![0; data]).expect("valid")
    }

    #[tokio::test]
    async fn room_is_taken_and_given_back() {
        let pool = permits(65_536, 10);
        let permit = pool.acquire(&record(99)).await.expect("room");
        assert_eq!(pool.free(), (65_536 - 100 - RECORD_OVERHEAD, 9));
        drop(permit);
        assert_eq!(pool.free(), (65_536, 10));
    }

    #[tokio::test]
    async fn merged_permits_come_back_together() {
        let pool = permits(65_536, 10);
        let mut first = pool.acquire(&record(99)).await.expect("room");
        first.absorb(pool.acquire(&record(99)).await.expect("room"));
        assert_eq!(pool.free(), (65_536 - 2 * (100 + RECORD_OVERHEAD), 8));
        drop(first);
        assert_eq!(pool.free(), (65_536, 10));
    }

    #[tokio::test]
    async fn waits_for_bytes_and_for_records() {
        for (bytes, records, data) in [(65_536, 10, 65_000), (1 << 20, 1, 10)] {
            let pool = permits(bytes, records);
            let held = pool.acquire(&record(data)).await.expect("room");
            let record = record(data);
            let mut waiting = Box::pin(pool.acquire(&record));
            assert!(waiting.as_mut().now_or_never().is_none(), "no room");
            assert!(pool.try_acquire(&record).expect("fits the budget").is_none());
            drop(held);
            assert!(waiting.as_mut().now_or_never().expect("room now").is_ok());
        }
    }

    #[tokio::test]
    async fn a_cancelled_wait_leaves_nothing_behind() {
        let pool = permits(1 << 20, 1);
        let held = pool.acquire(&record(10)).await.expect("room");
        let second = record(10);
        {
            let mut waiting = Box::pin(pool.acquire(&second));
            assert!(waiting.as_mut().now_or_never().is_none());
        }
        assert_eq!(pool.free(), ((1 << 20) - 11 - RECORD_OVERHEAD, 0));
        drop(held);
        assert_eq!(pool.free(), (1 << 20, 1));
    }

    #[tokio::test]
    async fn what_could_never_fit_is_refused() {
        let pool = permits(65_536, 10);
        assert_eq!(
            pool.acquire(&record(65_536)).await.map(drop),
            Err(PutError::ExceedsBudget {
                cost: 65_537 + RECORD_OVERHEAD,
                budget: 65_536
            })
        );
        assert_eq!(
            pool.acquire(&record(1 << 20)).await.map(drop),
            Err(PutError::RecordTooLarge {
                size: (1 << 20) + 1,
                limit: 1 << 20
            })
        );
        assert_eq!(pool.free(), (65_536, 10));
    }

    #[tokio::test]
    async fn closing_wakes_the_waiting() {
        let pool = permits(1 << 20, 1);
        let held = pool.acquire(&record(10)).await.expect("room");
        let second = record(10);
        let mut waiting = Box::pin(pool.acquire(&second));
        assert!(waiting.as_mut().now_or_never().is_none());
        pool.close();
        assert_eq!(waiting.await.map(drop), Err(PutError::Closed));
        assert_eq!(pool.try_acquire(&second).map(drop), Err(PutError::Closed));
        drop(held);
    }
}
