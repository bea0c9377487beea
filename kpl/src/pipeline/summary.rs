//! What the stream says of itself: when to ask, and how records travel by what it said.
//!
//! ```text
//!          first record                     an answer, a refusal, or patience is over
//!  silent ──────────────► records wait ──────────────────────────────────────────────► records go ◄───┐
//!            list of shards and summary are                                                 │         │
//!            asked for at the same time                                                     └─────────┘
//!                                                     asked again: traffic and it is time, aggregates that
//!                                                     stray, requests refused, a large record that waits
//! ```
//!
//! Only [`Aggregation::Enabled`] waits: there the stream decides whether user records are packed. Otherwise the answer
//! tells the largest record and no more.

use std::time::{Duration, Instant};

use rand::Rng;

use super::action::{Distribution, Notice, RecordLimit, StreamSummary};
use crate::config::{Aggregation, StreamConfig};
use crate::failure::{Failure, FailureKind};

/// The asking, and what is known.
#[derive(Debug)]
pub(super) struct Summary {
    aggregation: Aggregation,
    refresh: Duration,
    /// How long a large record waits for an answer.
    wait: Duration,
    /// How long records are held for the first one.
    patience: Duration,
    asking: Asking,
    /// Whether records wait for the first answer.
    is_first: bool,
    /// Since when they wait for nothing else.
    holds_since: Option<Instant>,
    last_asked: Option<Instant>,
    /// Failures in a row.
    failures: u32,
    records_go: bool,
    distribution: Option<Distribution>,
    limit: RecordLimit,
    /// Since when a record waits for the limit.
    awaited_since: Option<Instant>,
    /// Aggregates in a row that landed elsewhere than predicted.
    strays: u32,
    told: Told,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    /// Due with the next traffic after this time; at once when there is none.
    Rests {
        until: Option<Instant>,
    },
    Wanted {
        at: Instant,
    },
    Running,
}

/// What was said to the operator.
#[derive(Debug, Default)]
struct Told {
    not_permitted: bool,
    always_on_auto: bool,
}

/// How records travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Manner {
    /// Whether user records may be packed together.
    pub(super) may_pack: bool,
    pub(super) distribution: Distribution,
    /// Most bytes of a Kinesis record, its partition key included.
    pub(super) max_record_size: Option<usize>,
}

impl Summary {
    pub(super) fn new(config: &StreamConfig) -> Self {
        Self {
            aggregation: config.aggregation(),
            refresh: config.summary_refresh(),
            wait: config.first_contact_timeout(),
            // Records must not fail for want of an answer that they can do without.
            patience: PATIENCE.min(config.first_contact_timeout() / 2),
            asking: Asking::Rests { until: None },
            is_first: false,
            holds_since: None,
            last_asked: None,
            failures: 0,
            records_go: config.aggregation() != Aggregation::Enabled,
            distribution: None,
            limit: RecordLimit::Unknown,
            awaited_since: None,
            strays: 0,
            told: Told::default(),
        }
    }

    /// Whether records need not wait for an answer, or for another one.
    pub(super) fn lets_records_go(&self) -> bool {
        self.records_go
    }

    /// Whether the service distributes records, as far as is known.
    pub(super) fn is_auto(&self) -> bool {
        self.distribution == Some(Distribution::ByService)
    }

    pub(super) fn record_limit(&self) -> &RecordLimit {
        &self.limit
    }

    pub(super) fn manner(&self) -> Manner {
        let distribution = self.distribution.unwrap_or(Distribution::ByKey);
        let max_record_size = match self.limit {
            RecordLimit::Bytes(bytes) => Some(bytes),
            _ => None,
        };
        match self.aggregation {
            Aggregation::Enabled => Manner {
                may_pack: self.distribution == Some(Distribution::ByKey),
                distribution,
                max_record_size,
            },
            Aggregation::Always => Manner {
                may_pack: true,
                distribution: Distribution::ByKey,
                max_record_size,
            },
            Aggregation::Disabled => Manner {
                may_pack: false,
                distribution,
                max_record_size,
            },
        }
    }

    /// A record came: the stream is asked when it is time.
    pub(super) fn on_traffic(&mut self, now: Instant) {
        self.is_first |= !self.records_go;
        if let Asking::Rests { until } = self.asking
            && until.is_none_or(|until| until <= now)
        {
            self.asking = Asking::Wanted { at: now };
        }
    }

    /// A record waits for the limit.
    pub(super) fn want(&mut self, now: Instant) {
        if matches!(self.limit, RecordLimit::Bytes(_) | RecordLimit::Withheld) {
            return;
        }
        self.awaited_since = Some(now);
        self.hurry(now);
    }

    /// An aggregate was stored, where it was predicted or elsewhere.
    pub(super) fn on_landed(&mut self, as_predicted: bool, now: Instant) {
        if as_predicted {
            self.strays = 0;
            return;
        }
        self.strays = self.strays.saturating_add(1);
        if self.strays >= MANY_STRAYS {
            self.hurry(now);
        }
    }

    /// A request was refused as invalid: perhaps the limit is lower by now.
    pub(super) fn on_refused(&mut self, now: Instant) {
        self.hurry(now);
    }

    /// Asks soon, whatever the traffic.
    fn hurry(&mut self, now: Instant) {
        if let Asking::Rests { .. } = self.asking {
            let earliest = self.last_asked.map_or(now, |last| last + MIN_INTERVAL);
            self.asking = Asking::Wanted {
                at: earliest.max(now),
            };
        }
    }

    /// Whether to ask now; if so, the asking counts as running.
    pub(super) fn poll(&mut self, now: Instant) -> bool {
        match self.asking {
            Asking::Wanted { at } if at <= now => {
                self.asking = Asking::Running;
                self.last_asked = Some(now);
                true
            }
            _ => false,
        }
    }

    /// When time next matters.
    pub(super) fn timeout(&self) -> Option<Instant> {
        let asking = match self.asking {
            Asking::Wanted { at } => Some(at),
            Asking::Rests { .. } | Asking::Running => None,
        };
        let patience = self.holds_since.map(|since| since + self.patience);
        asking.into_iter().chain(patience).min()
    }

    /// Time has passed.
    pub(super) fn on_time(&mut self, now: Instant) {
        if self.holds_since.is_some_and(|since| since + self.patience <= now) {
            self.let_records_go();
        }
    }

    /// The shards are known: what records wait for now is the answer alone.
    pub(super) fn on_shards_known(&mut self, now: Instant) {
        if self.is_first {
            self.holds_since.get_or_insert(now);
        }
    }

    /// No record waits any more: do not ask again until one does.
    pub(super) fn unwant(&mut self) {
        self.is_first = false;
        self.holds_since = None;
        if let Asking::Wanted { at } = self.asking
            && self.awaited_since.is_none()
        {
            self.asking = Asking::Rests { until: Some(at) };
        }
    }

    fn let_records_go(&mut self) {
        self.records_go = true;
        self.is_first = false;
        self.holds_since = None;
    }

    /// The answer.
    pub(super) fn on_answer(
        &mut self,
        answer: Result<StreamSummary, Failure>,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<Notice> {
        self.strays = 0;
        match answer {
            Ok(summary) => {
                self.failures = 0;
                self.rest(self.refresh, now, rng);
                self.awaited_since = None;
                self.let_records_go();
                self.limit = summary
                    .max_record_size
                    .map_or(RecordLimit::Withheld, RecordLimit::Bytes);
                self.told.not_permitted = false;
                let before = self.distribution.replace(summary.distribution);
                self.notice_of(before, summary.distribution)
            }
            Err(failure) if failure.kind() == FailureKind::AccessDenied => {
                self.failures = 0;
                self.rest(self.refresh, now, rng);
                self.awaited_since = None;
                self.let_records_go();
                // What was known may have changed since, and nobody will tell.
                self.distribution = None;
                self.limit = RecordLimit::Withheld;
                let is_news = !std::mem::replace(&mut self.told.not_permitted, true);
                (is_news && self.aggregation == Aggregation::Enabled).then_some(Notice::NotPermitted(failure))
            }
            Err(failure) => {
                self.on_failure(failure, now, rng);
                None
            }
        }
    }

    fn notice_of(&mut self, before: Option<Distribution>, after: Distribution) -> Option<Notice> {
        match (self.aggregation, after) {
            (Aggregation::Always, Distribution::ByService) => {
                let is_news = !std::mem::replace(&mut self.told.always_on_auto, true);
                is_news.then_some(Notice::PackedOnAuto)
            }
            (_, Distribution::ByService) if before != Some(after) => Some(Notice::Auto),
            (_, Distribution::ByKey) if before == Some(Distribution::ByService) => {
                self.told.always_on_auto = false;
                Some(Notice::ByKey)
            }
            _ => None,
        }
    }

    fn on_failure(&mut self, failure: Failure, now: Instant, rng: &mut impl Rng) {
        self.failures = self.failures.saturating_add(1);
        let longest = if self.is_first { MAX_FIRST_WAIT } else { MAX_WAIT };
        let wait = MIN_WAIT
            .saturating_mul(2_u32.saturating_pow(self.failures - 1))
            .min(longest);
        self.rest(wait.min(self.refresh), now, rng);
        if !failure.is_retryable() {
            // An answer after all: whoever waits for the limit need not wait for another.
            if !matches!(self.limit, RecordLimit::Bytes(_)) {
                self.limit = RecordLimit::Unanswered(failure);
            }
            self.awaited_since = None;
        }
        let gives_up = self.awaited_since.is_some_and(|since| now >= since + self.wait);
        if gives_up {
            self.awaited_since = None;
        }
        // Somebody waits: time alone must bring the next try.
        if let Asking::Rests { until: Some(at) } = self.asking
            && (self.is_first || self.awaited_since.is_some())
        {
            self.asking = Asking::Wanted { at };
        }
    }

    /// Rests for about `time`: producers that started together shall not ask together.
    fn rest(&mut self, time: Duration, now: Instant, rng: &mut impl Rng) {
        let time = time.mul_f64(rng.random_range(0.9..1.1));
        self.asking = Asking::Rests {
            until: Some(now + time),
        };
    }
}

/// How long records wait for the first answer before they go unpacked: an answer takes some milliseconds, and a few
/// tries fit in.
const PATIENCE: Duration = Duration::from_secs(2);
/// Aggregates in a row that must stray before the stream is asked early. A reshard strays as many as one request
/// holds, which costs one question.
const MANY_STRAYS: u32 = 3;
/// Between questions, however many reasons there are. Source: AWS API reference, DescribeStreamSummary: 20 a second
/// for a whole account.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// First wait after a failed question; each further one doubles it.
const MIN_WAIT: Duration = Duration::from_millis(250);
const MAX_WAIT: Duration = Duration::from_secs(30);
/// The same while records wait for the first answer.
const MAX_FIRST_WAIT: Duration = Duration::from_secs(2);

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
