//! The bounds and patience of one shard's lanes, as values.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use super::outcome::WhenExhausted;

/// Everything that lanes go by.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// Calls of the handler at the same time.
    pub(crate) in_flight: NonZeroUsize,
    /// Records accepted from the first unfinished one on.
    pub(crate) window: NonZeroUsize,
    pub(crate) call: CallSize,
    pub(crate) order: Order,
    /// Failed attempts of one record before it is given up. `None`: it never is.
    pub(crate) attempts: Option<NonZeroU32>,
    pub(crate) exhausted: WhenExhausted,
    pub(crate) min_pause: Duration,
    pub(crate) max_pause: Duration,
}

/// How many records one call of the handler gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CallSize {
    pub(crate) records: NonZeroUsize,
    pub(crate) bytes: usize,
    /// How long a record waits for company.
    pub(crate) linger: Duration,
}

impl CallSize {
    pub(crate) const ONE: Self = Self {
        records: NonZeroUsize::MIN,
        bytes: usize::MAX,
        linger: Duration::ZERO,
    };
}

/// Which records wait for which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Order {
    /// Records of one partition key come one after the other; different keys at the same time. Records without a key wait
    /// for nobody. The default.
    #[default]
    PartitionKey,
    /// All records of a shard come one after the other, as with a [`RecordProcessor`](crate::RecordProcessor).
    Shard,
    /// No record waits for another one.
    Any,
}

/// What keeps its order: the records of one lane are handled one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum LaneKey {
    Key(Arc<str>),
    Shard,
    /// Of one record alone, by its ticket.
    Alone(u64),
}

impl LaneKey {
    pub(super) fn of(order: Order, partition_key: Option<Arc<str>>, ticket: u64) -> Self {
        match (order, partition_key) {
            (Order::Shard, _) => Self::Shard,
            (Order::PartitionKey, Some(key)) => Self::Key(key),
            (Order::PartitionKey, None) | (Order::Any, _) => Self::Alone(ticket),
        }
    }
}

impl Rules {
    /// The pause before attempt `attempt + 1`: doubled each time, less up to half of it by `chance` (0 to 1).
    pub(super) fn pause(&self, attempt: u32, chance: f64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(MAX_DOUBLINGS);
        let whole = self.min_pause.saturating_mul(1 << doublings).min(self.max_pause);
        whole.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 2.0)
    }

    pub(super) fn is_exhausted(&self, failures: u32) -> bool {
        self.attempts.is_some_and(|attempts| failures >= attempts.get())
    }
}

/// Ours: a factor of a million is past every longest pause.
const MAX_DOUBLINGS: u32 = 20;
