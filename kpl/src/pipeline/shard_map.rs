//! Which shards there are: when to list them, what of an answer to believe, and how to wait when listing fails.
//!
//! The last good answer stays in force while a new one is fetched, and when fetching fails. There are two exceptions:
//!
//! ```text
//!           nothing was put for longer than answers are good for:
//! Full ────────────────────────────► Doubted ──────────────────► Full   any answer, or a failure to get one
//!   │       the stream is said not to exist:
//!   └──────────────────────────────► Lost ─────────────────────► Full   an answer that was asked for later
//! ```
//!
//! A stream that is deleted and made anew has the same shard ids, with other ranges perhaps. Aggregates by the old map
//! would be stored under ids that look right, and be dropped by consumers. So nothing is sent by a map that is in doubt;
//! for the first records after a pause the answer mostly comes before they are due.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use kinesis_aggregation::{HashKey, HashKeyRange, ShardId};
use rand::Rng;

use super::action::ListedShard;
use crate::failure::{Failure, FailureKind};

/// The state of listing, and the ranges of the shards listed last.
pub(super) struct ShardMap {
    listing: Listing,
    /// Start of the listing that the present answer came from. Younger observations make it stale.
    valid_from: Option<Instant>,
    /// The youngest observation that something else is true.
    stale_at: Option<Instant>,
    /// Shards that were listed lately, closed ones included, and when they were listed last.
    ranges: HashMap<ShardId, (HashKeyRange, Instant)>,
    trust: Trust,
    refresh: Duration,
    traffic_at: Option<Instant>,
    /// When the answer is to be fetched again, if there is traffic.
    refresh_at: Option<Instant>,
    /// After a failure: no listing before.
    not_before: Option<Instant>,
    backoff: Option<ExponentialBackoff>,
    seed: u64,
}

/// Whether records may be sent by the present answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// They may.
    Full,
    /// Not before the next listing has ended.
    Doubted,
    /// Not before an answer that is younger than this.
    Lost {
        /// When the stream was said not to exist.
        since: Instant,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listing {
    Unwanted,
    Wanted { at: Instant },
    Running { since: Instant },
}

impl ShardMap {
    /// Answers are refreshed about every `refresh`.
    pub(super) fn new(refresh: Duration, seed: u64) -> Self {
        Self {
            listing: Listing::Unwanted,
            valid_from: None,
            stale_at: None,
            ranges: HashMap::new(),
            trust: Trust::Full,
            refresh,
            traffic_at: None,
            refresh_at: None,
            not_before: None,
            backoff: None,
            seed,
        }
    }

    /// Somebody needs the first answer.
    pub(super) fn want(&mut self, now: Instant) {
        if self.listing == Listing::Unwanted {
            let at = self.not_before.map_or(now, |earliest| earliest.max(now));
            self.listing = Listing::Wanted { at };
        }
    }

    /// A record is put. Asks for a new answer when the present one is old; tells whether it may be used meanwhile.
    pub(super) fn on_traffic(&mut self, now: Instant) -> Trust {
        // As long as something is put, a stream that was deleted would have said so.
        let since = self.traffic_at.replace(now).or(self.valid_from);
        if self.refresh_at.is_some_and(|at| at <= now) {
            self.want(now);
            let is_pause = since.is_some_and(|at| now.saturating_duration_since(at) >= self.refresh);
            if is_pause && self.trust == Trust::Full {
                self.trust = Trust::Doubted;
            }
        }
        if self.trust != Trust::Full {
            self.want(now);
        }
        self.trust
    }

    /// The stream was said not to exist, in the reply to a request of `seen_at`.
    pub(super) fn lose(&mut self, seen_at: Instant, now: Instant) {
        if self.valid_from.is_none_or(|from| seen_at >= from) {
            self.trust = Trust::Lost { since: now };
            self.invalidate(now, now);
        }
    }

    /// Whether records may be sent by the present answer.
    pub(super) fn trust(&self) -> Trust {
        self.trust
    }

    /// Something was seen at `seen_at` that the present answer does not explain. Of many such reports at most one
    /// leads to a listing: what was seen before the present answer was asked for is explained by it.
    pub(super) fn invalidate(&mut self, seen_at: Instant, now: Instant) {
        if self.valid_from.is_some_and(|from| seen_at < from) {
            return;
        }
        self.stale_at = self.stale_at.max(Some(seen_at));
        if self.listing == Listing::Unwanted {
            let earliest = self.valid_from.map_or(now, |from| from + MIN_INTERVAL);
            self.listing = Listing::Wanted {
                at: earliest.max(now),
            };
        }
    }

    /// Whether to list the shards now; if so, the listing counts as running.
    pub(super) fn poll(&mut self, now: Instant) -> bool {
        match self.listing {
            Listing::Wanted { at } if at <= now => {
                self.listing = Listing::Running { since: now };
                true
            }
            _ => false,
        }
    }

    /// When time next matters.
    pub(super) fn timeout(&self) -> Option<Instant> {
        match self.listing {
            Listing::Wanted { at } => Some(at),
            _ => None,
        }
    }

    /// The listing's end. Gives the open shards, sorted, if they make a usable map.
    ///
    /// # Errors
    /// Why there is no new map. Another listing follows after a while.
    pub(super) fn on_listed(
        &mut self,
        listed: Result<Vec<ListedShard>, Failure>,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Result<Vec<ListedShard>, Failure> {
        let since = match self.listing {
            Listing::Running { since } => since,
            _ => now,
        };
        match listed.and_then(Answer::check) {
            Ok(answer) => {
                self.backoff = None;
                self.not_before = None;
                self.valid_from = Some(since);
                // So that many producers do not ask together for ever after.
                self.refresh_at = Some(now + self.refresh.mul_f64(rng.random_range(0.8..=1.0)));
                self.remember(&answer.ranges, now);
                self.listing = Listing::Unwanted;
                match self.trust {
                    Trust::Lost { since: lost } if since < lost => {}
                    _ => self.trust = Trust::Full,
                }
                if let Some(seen_at) = self.stale_at.take() {
                    self.invalidate(seen_at, now);
                }
                Ok(answer.open)
            }
            Err(failure) => {
                let seed = self.seed;
                let backoff = self.backoff.get_or_insert_with(|| waits(seed));
                let wait = backoff.next().unwrap_or(MAX_WAIT);
                self.listing = Listing::Wanted { at: now + wait };
                self.not_before = Some(now + wait);
                if self.trust == Trust::Doubted {
                    self.trust = Trust::Full;
                }
                Err(failure)
            }
        }
    }

    /// Nobody waits for an answer any more: do not ask again until somebody does.
    pub(super) fn unwant(&mut self) {
        if matches!(self.listing, Listing::Wanted { .. }) {
            self.listing = Listing::Unwanted;
        }
    }

    /// The range of a shard, as far as it is known.
    pub(super) fn range(&self, shard: &ShardId) -> Option<HashKeyRange> {
        self.ranges.get(shard).map(|(range, _)| *range)
    }

    fn remember(&mut self, listed: &HashMap<ShardId, HashKeyRange>, now: Instant) {
        let is_other_stream = listed
            .iter()
            .any(|(id, range)| self.range(id).is_some_and(|known| known != *range));
        if is_other_stream {
            self.ranges.clear();
        }
        self.ranges
            .retain(|_, (_, listed_at)| now.saturating_duration_since(*listed_at) < KEPT_CLOSED);
        for (id, range) in listed {
            self.ranges.insert(id.clone(), (*range, now));
        }
    }

    /// Start of the listing that the present answer came from.
    pub(super) fn valid_from(&self) -> Option<Instant> {
        self.valid_from
    }
}

impl fmt::Debug for ShardMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardMap")
            .field("listing", &self.listing)
            .field("valid_from", &self.valid_from)
            .field("stale_at", &self.stale_at)
            .field("trust", &self.trust)
            .field("shards", &self.ranges.len())
            .finish_non_exhaustive()
    }
}

/// An answer that makes sense.
struct Answer {
    open: Vec<ListedShard>,
    ranges: HashMap<ShardId, HashKeyRange>,
}

impl Answer {
    /// The open shards must cover each hash key once: else records would have no place, or two.
    fn check(listed: Vec<ListedShard>) -> Result<Self, Failure> {
        let ranges = listed
            .iter()
            .map(|shard| (shard.id.clone(), shard.range))
            .collect();
        let mut open: Vec<_> = listed.into_iter().filter(|shard| shard.is_open).collect();
        open.sort_by_key(|shard| shard.range.end());
        let mut next = Some(HashKey::MIN);
        for shard in &open {
            if next != Some(shard.range.start()) {
                return Err(unusable(&format!("hole or overlap at {}", shard.id.as_str())));
            }
            next = shard.range.end().get().checked_add(1).map(HashKey::new);
        }
        if open.is_empty() || next.is_some() {
            return Err(unusable("the last hash keys have no shard"));
        }
        Ok(Self { open, ranges })
    }
}

fn unusable(why: &str) -> Failure {
    Failure::new(
        FailureKind::BadAnswer,
        "ShardList",
        format!("listed shards do not cover the hash keys: {why}"),
    )
}

fn waits(seed: u64) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(MIN_WAIT)
        .with_factor(1.5)
        .with_max_delay(MAX_WAIT)
        .without_max_times()
        .with_jitter()
        .with_jitter_seed(seed)
        .build()
}

/// First wait after a failed listing; jitter makes it up to twice as long. The KPL begins with a second: a stream's
/// first records wait for the answer here, so a first hiccup must cost less.
const MIN_WAIT: Duration = Duration::from_millis(250);
/// Longest wait between listings, before jitter. The KPL waits up to 30 s; a stream that has no map yet would stay
/// shut for as long after an outage has ended.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// Between the starts of listings that succeed: while a reshard spreads, answers may lag behind what was seen.
const MIN_INTERVAL: Duration = Duration::from_millis(500);
/// How long the range of a shard is known after it was listed last. Source: KPL, which forgets closed shards after a
/// minute; whoever asks for one asks about a request, and those end sooner.
const KEPT_CLOSED: Duration = Duration::from_secs(60);
