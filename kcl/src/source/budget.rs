//! What reading may take: memory, records, requests, and of each shard its rate. One handle for as many consumers as share it.

use std::collections::HashMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use kinesis_aggregation::ShardId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use crate::shard::cadence::Cadence;
use crate::shard::rate::{RateLimits, ShardRate};

/// What all consumers that share it may take together: give a clone to each of a process's consumers by
/// [`ConsumerBuilder::read_budget`](crate::ConsumerBuilder::read_budget). A consumer without one has its own of
/// [`prefetch_bytes`](crate::ConsumerConfigBuilder::prefetch_bytes).
///
/// Applications of one process that read the same stream and share this also share the rate at which its shards may be
/// polled, which the service counts over all of them. Cheap to clone.
///
/// ```
/// use std::num::NonZeroUsize;
/// use kcl::ReadBudget;
///
/// let budget = ReadBudget::of_bytes(NonZeroUsize::new(256 << 20).expect("not zero"));
/// let (for_billing, for_search) = (budget.clone(), budget);
/// # let _ = (for_billing, for_search);
/// ```
#[derive(Debug, Clone)]
pub struct ReadBudget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    kib: Pool,
    records: Pool,
    requests: Arc<Semaphore>,
    limits: RateLimits,
    rates: Mutex<HashMap<ShardOfStream, Arc<Mutex<ShardRate>>>>,
    /// Begins with the first shard that is polled.
    cadence: OnceLock<Cadence>,
}

/// Region and stream, and which of its shards.
type ShardOfStream = (String, ShardId);

/// A number of things to be held, and how many are held beyond it.
#[derive(Debug)]
struct Pool {
    free: Arc<Semaphore>,
    total: u32,
    /// Held without a permit, because it had come already. Whoever asks next waits for as much more.
    overdraft: Arc<AtomicUsize>,
}

impl ReadBudget {
    /// A budget of so many bytes of records read and not yet processed, and the defaults: 1,000,000 records, 64 requests at
    /// a time, five calls and 2 MiB a second for each shard. Counted in KiB; at least 1 MiB.
    #[must_use]
    pub fn of_bytes(bytes: NonZeroUsize) -> Self {
        Self::new(bytes.get(), RECORDS, REQUESTS, RateLimits::default())
    }

    fn new(bytes: usize, records: u32, requests: u32, limits: RateLimits) -> Self {
        Self(Arc::new(Shared {
            kib: Pool::new(kib_of(bytes)),
            records: Pool::new(records),
            requests: Arc::new(Semaphore::new(requests as usize)),
            limits,
            rates: Mutex::default(),
            cadence: OnceLock::new(),
        }))
    }

    /// The same with at most so many user records read and not yet processed. Call it before the budget is shared:
    /// what comes of it shares nothing with this one.
    #[must_use]
    pub fn with_records(self, records: NonZeroU32) -> Self {
        self.changed(|changed| changed.records = Pool::new(records.get()))
    }

    /// The same with at most so many GetRecords calls at a time. Call it before the budget is shared.
    #[must_use]
    pub fn with_requests(self, requests: NonZeroU32) -> Self {
        self.changed(|changed| changed.requests = Arc::new(Semaphore::new(requests.get() as usize)))
    }

    /// The same without a rate of bytes for each shard, for endpoints that have none. Call it before the budget is
    /// shared. Against the service it makes calls fail that need not.
    #[must_use]
    pub fn without_byte_rate(self) -> Self {
        self.changed(|changed| changed.limits.bytes_per_second = None)
    }

    fn changed(self, change: impl FnOnce(&mut Shared)) -> Self {
        let Shared {
            kib,
            records,
            requests,
            limits,
            ..
        } = &*self.0;
        let mut changed = Shared {
            kib: Pool::new(kib.total),
            records: Pool::new(records.total),
            requests: Arc::new(Semaphore::new(requests.available_permits())),
            limits: *limits,
            rates: Mutex::default(),
            cadence: OnceLock::new(),
        };
        change(&mut changed);
        Self(Arc::new(changed))
    }

    /// Bytes held at the moment, of records read and not yet processed and of pages that are on their way.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        let Pool {
            free,
            total,
            overdraft,
        } = &self.0.kib;
        let within = (*total as usize).saturating_sub(free.available_permits());
        (within + overdraft.load(Ordering::Relaxed)) * 1024
    }

    /// The whole memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.0.kib.total as usize * 1024
    }

    /// Waits until this much is free; a budget smaller than that is asked for as a whole.
    ///
    /// # Cancel safety
    /// A dropped call has taken nothing.
    pub(crate) async fn reserve(&self, bytes: usize, records: usize) -> Reservation {
        let records = u32::try_from(records).unwrap_or(u32::MAX);
        Reservation {
            kib: self.0.kib.take(kib_of(bytes)).await,
            records: self.0.records.take(records).await,
        }
    }

    /// Waits for a turn at requests.
    pub(crate) async fn request(&self) -> OwnedSemaphorePermit {
        let permit = Arc::clone(&self.0.requests).acquire_owned().await;
        permit.expect("the semaphore is never closed")
    }

    /// When shards at rest are polled.
    pub(crate) fn cadence(&self) -> Cadence {
        *self.0.cadence.get_or_init(|| Cadence::from(now()))
    }

    /// The rate of one shard of a stream, shared with all who ask for the same.
    pub(crate) fn rate(&self, stream: String, shard: ShardId) -> SharedRate {
        let mut rates = lock(&self.0.rates);
        let of = (stream, shard);
        if let Some(known) = rates.get(&of) {
            return SharedRate(Arc::clone(known));
        }
        // A shard that nobody reads any more is forgotten with the next new one, when all that was taken of it is paid for: the service
        // does not care who took it.
        rates.retain(|_, rate| Arc::strong_count(rate) > 1 || !lock(rate).is_paid(now()));
        let rate = Arc::new(Mutex::new(ShardRate::new(self.0.limits)));
        rates.insert(of, Arc::clone(&rate));
        SharedRate(rate)
    }

    #[cfg(test)]
    pub(crate) fn free_kib(&self) -> usize {
        self.0.kib.free.available_permits()
    }
}

impl Pool {
    fn new(total: u32) -> Self {
        Self {
            free: Arc::new(Semaphore::new(total as usize)),
            total,
            overdraft: Arc::default(),
        }
    }

    async fn take(&self, wanted: u32) -> Held {
        let beyond = u32::try_from(self.overdraft.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        let asked = wanted.saturating_add(beyond).min(self.total);
        let acquired = Arc::clone(&self.free).acquire_many_owned(asked).await;
        let mut permit = acquired.expect("the semaphore is never closed");
        // What was asked for beyond was only to see it free.
        drop(permit.split(asked.saturating_sub(wanted) as usize));
        Held {
            permit,
            beyond: Beyond {
                count: 0,
                of: Arc::clone(&self.overdraft),
            },
        }
    }

    fn settle(&self, held: &mut Held, actual: u32) {
        let has = u32::try_from(held.permit.num_permits()).unwrap_or(u32::MAX);
        if let Some(surplus) = has.checked_sub(actual) {
            drop(held.permit.split(surplus as usize));
            return;
        }
        let missing = actual - has;
        let free = u32::try_from(self.free.available_permits()).unwrap_or(u32::MAX);
        let there = Arc::clone(&self.free).try_acquire_many_owned(missing.min(free));
        let got = there.map_or(0, |more| {
            let got = more.num_permits();
            held.permit.merge(more);
            got
        });
        held.beyond.raise(missing as usize - got);
    }
}

/// A share of a [`Pool`], given back when dropped.
#[derive(Debug)]
struct Held {
    permit: OwnedSemaphorePermit,
    beyond: Beyond,
}

/// What is held without a permit.
#[derive(Debug)]
struct Beyond {
    count: usize,
    of: Arc<AtomicUsize>,
}

impl Beyond {
    fn raise(&mut self, more: usize) {
        self.count += more;
        self.of.fetch_add(more, Ordering::Relaxed);
    }
}

impl Drop for Beyond {
    fn drop(&mut self) {
        self.of.fetch_sub(self.count, Ordering::Relaxed);
    }
}

impl Held {
    fn merge(&mut self, other: Self) {
        let Self { permit, mut beyond } = other;
        self.permit.merge(permit);
        self.beyond.count += std::mem::take(&mut beyond.count);
    }
}

/// Memory and records held until it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    kib: Held,
    records: Held,
}

impl Reservation {
    /// Makes it fit what came. What came beyond it is taken if it is free, and if not, whoever asks next waits for it.
    pub(crate) fn settle(&mut self, budget: &ReadBudget, bytes: usize, records: usize) {
        budget.0.kib.settle(&mut self.kib, kib_of(bytes));
        let records = u32::try_from(records).unwrap_or(u32::MAX);
        budget.0.records.settle(&mut self.records, records);
    }

    /// Two of one budget become one.
    pub(crate) fn merge(&mut self, other: Self) {
        self.kib.merge(other.kib);
        self.records.merge(other.records);
    }
}

/// The rate of one shard. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct SharedRate(Arc<Mutex<ShardRate>>);

impl SharedRate {
    /// Waits for a turn at the shard.
    ///
    /// # Cancel safety
    /// A dropped call has taken none.
    pub(crate) async fn turn(&self) {
        loop {
            let asked = lock(&self.0).ask(now());
            match asked {
                Ok(()) => return,
                Err(at) => sleep_until(at.into()).await,
            }
        }
    }

    pub(crate) fn on_page(&self, bytes: usize) {
        lock(&self.0).on_page(bytes, now());
    }
}

/// Each holder leaves it whole, so a thread that died with it took nothing along.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

fn kib_of(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).max(1)
}

/// Ours: records of 64 bytes fill the default memory sooner.
const RECORDS: u32 = 1_000_000;
/// Ours: at 20 ms a call some 3,000 calls a second.
const REQUESTS: u32 = 64;

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
