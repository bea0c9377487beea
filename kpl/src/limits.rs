//! How large a record of one stream may be. Asked by each put before anything is buffered; told by the stream's task.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kinesis_aggregation::{ENVELOPE_LEN, looks_like_aggregate};
use tokio::sync::watch;

use crate::config::StreamConfig;
use crate::error::PutError;
use crate::pipeline::RecordLimit;
use crate::record::Record;

/// The limits of one stream: the user's, and the stream's own as far as it has told.
#[derive(Debug)]
pub(crate) struct RecordLimits {
    /// The user's.
    cap: Option<usize>,
    /// Up to this many bytes nothing needs to be looked at: the one thing that most puts read.
    sure: AtomicUsize,
    told: watch::Sender<RecordLimit>,
    /// How long a large record waits for the stream to tell.
    patience: Duration,
}

/// Whether a record may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Granted,
    /// The stream must be asked first.
    Unknown,
}

impl RecordLimits {
    pub(crate) fn new(config: &StreamConfig) -> Self {
        let limits = Self {
            cap: config.max_user_record_size(),
            sure: AtomicUsize::new(0),
            told: watch::Sender::new(RecordLimit::Unknown),
            patience: config.first_contact_timeout(),
        };
        limits.tell(&RecordLimit::Unknown);
        limits
    }

    /// What the stream has told. Wakes whoever waits, also if it is nothing new.
    pub(crate) fn tell(&self, limit: &RecordLimit) {
        let most = match limit {
            RecordLimit::Bytes(bytes) => self.cap.map_or(*bytes, |cap| cap.min(*bytes)),
            RecordLimit::Withheld => self.cap.unwrap_or(EVERY_STREAM_TAKES),
            RecordLimit::Unknown | RecordLimit::Unanswered(_) => self
                .cap
                .map_or(EVERY_STREAM_TAKES, |cap| cap.min(EVERY_STREAM_TAKES)),
        };
        self.sure.store(most, Ordering::Relaxed);
        self.told.send_replace(limit.clone());
    }

    /// Whether the record may be taken, as far as is known.
    ///
    /// # Errors
    /// It is too large.
    pub(crate) fn check(&self, record: &Record) -> Result<Admission, PutError> {
        let sure = self.sure.load(Ordering::Relaxed);
        let size = record.size();
        if size + WRAPPING <= sure {
            return Ok(Admission::Granted);
        }
        // Data that consumers would take for an aggregate is sent inside of one.
        let size = if looks_like_aggregate(record.data()) {
            size + WRAPPING + record.partition_key().len()
        } else {
            size
        };
        if size <= sure {
            return Ok(Admission::Granted);
        }
        let most = match &*self.told.borrow() {
            RecordLimit::Bytes(_) | RecordLimit::Withheld => sure,
            RecordLimit::Unknown | RecordLimit::Unanswered(_) => self.cap.unwrap_or(NO_STREAM_TAKES),
        };
        if size > most {
            return Err(PutError::RecordTooLarge { size, limit: most });
        }
        Ok(Admission::Unknown)
    }

    /// To be told what the stream says from now on.
    pub(crate) fn news(&self) -> watch::Receiver<RecordLimit> {
        self.told.subscribe()
    }

    /// Waits until it is known whether the record may be taken.
    ///
    /// # Errors
    /// It is too large, or the stream does not tell in time.
    pub(crate) async fn decide(
        &self,
        record: &Record,
        mut news: watch::Receiver<RecordLimit>,
    ) -> Result<(), PutError> {
        let unknown = |failure| PutError::RecordLimitUnknown {
            size: record.size(),
            failure,
        };
        let told = async {
            loop {
                if self.check(record)? == Admission::Granted {
                    return Ok(());
                }
                // The sender is ours, so that this does not fail.
                if news.changed().await.is_err() {
                    return Err(unknown(None));
                }
                if let RecordLimit::Unanswered(failure) = &*news.borrow_and_update() {
                    return Err(unknown(Some(Box::new(failure.clone()))));
                }
            }
        };
        let in_time = tokio::time::timeout(self.patience, told).await;
        in_time.unwrap_or_else(|_| Err(unknown(None)))
    }
}

/// Most bytes that an aggregate of one record has beyond that record, its outer key not counted.
const WRAPPING: usize = ENVELOPE_LEN + 62;
/// Source: AWS API reference, UpdateMaxRecordSize. Applies to: one record with its partition key.
const EVERY_STREAM_TAKES: usize = 1 << 20;
const NO_STREAM_TAKES: usize = 10 << 20;

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use kinesis_aggregation::{AggregateBuilder, AggregateLimits, HashKey};

    use super::*;
    use crate::failure::Failure;

    const MIB: usize = 1 << 20;

    fn limits(cap: Option<usize>) -> RecordLimits {
        let config = StreamConfig::default();
        RecordLimits::new(&match cap {
            Some(cap) => config.with_max_user_record_size(cap),
            None => config,
        })
    }

    /// A record of so many bytes in all.
    fn record(size: usize) -> Record {
        Record::new("k", vec![0; size - 1]).expect("valid")
    }

    #[test]
    fn the_smaller_of_both_limits_rules() {
        use Admission::{Granted, Unknown};
        let unanswered = RecordLimit::Unanswered(Failure::of_code("ResourceNotFoundException", ""));
        let too_large = |limit| Err(limit);
        let cases = [
            (None, RecordLimit::Unknown, MIB, Ok(Granted)),
            (None, RecordLimit::Unknown, MIB + 1, Ok(Unknown)),
            (None, RecordLimit::Unknown, 10 * MIB, Ok(Unknown)),
            (None, RecordLimit::Unknown, 10 * MIB + 1, too_large(10 * MIB)),
            (None, unanswered.clone(), MIB, Ok(Granted)),
            (None, unanswered.clone(), MIB + 1, Ok(Unknown)),
            (None, RecordLimit::Withheld, MIB, Ok(Granted)),
            (None, RecordLimit::Withheld, MIB + 1, too_large(MIB)),
            (None, RecordLimit::Bytes(MIB), MIB, Ok(Granted)),
            (None, RecordLimit::Bytes(MIB), MIB + 1, too_large(MIB)),
            (None, RecordLimit::Bytes(10 * MIB), 10 * MIB, Ok(Granted)),
            (
                None,
                RecordLimit::Bytes(10 * MIB),
                10 * MIB + 1,
                too_large(10 * MIB),
            ),
            (Some(100), RecordLimit::Unknown, 100, Ok(Granted)),
            (Some(100), RecordLimit::Unknown, 101, too_large(100)),
            (Some(100), RecordLimit::Bytes(10 * MIB), 101, too_large(100)),
            (Some(2 * MIB), RecordLimit::Unknown, 2 * MIB, Ok(Unknown)),
            (
                Some(2 * MIB),
                RecordLimit::Unknown,
                2 * MIB + 1,
                too_large(2 * MIB),
            ),
            (Some(2 * MIB), RecordLimit::Bytes(MIB), MIB + 1, too_large(MIB)),
            (Some(2 * MIB), RecordLimit::Withheld, 2 * MIB, Ok(Granted)),
            (Some(2 * MIB), unanswered, 2 * MIB, Ok(Unknown)),
        ];
        for (cap, told, size, expected) in cases {
            let limits = limits(cap);
            limits.tell(&told);
            let expected = expected.map_err(|limit| PutError::RecordTooLarge { size, limit });
            assert_eq!(limits.check(&record(size)), expected, "{cap:?} {told:?} {size}");
        }
    }

    #[test]
    fn what_must_be_wrapped_counts_its_wrapping() {
        let limits = limits(None);
        limits.tell(&RecordLimit::Bytes(MIB));
        let large = AggregateLimits::DEFAULT.with_max_bytes(2 * MIB).expect("valid");
        let aggregate = |data: usize| {
            let mut builder = AggregateBuilder::new(large);
            for part in [data, 0] {
                builder
                    .try_push("k", None, HashKey::MIN, &vec![0; part])
                    .expect("fits");
            }
            let data = builder.seal().expect("two inside").into_data();
            Record::new("k", data).expect("valid")
        };
        let just_fits = aggregate(MIB - 200);
        assert_eq!(limits.check(&just_fits), Ok(Admission::Granted));
        let wrapped_too_large = aggregate(MIB - 60);
        assert!(wrapped_too_large.size() <= MIB);
        assert!(matches!(
            limits.check(&wrapped_too_large),
            Err(PutError::RecordTooLarge { size, limit: MIB }) if size > MIB
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_record_waits_for_the_stream() {
        let large = record(2 * MIB);
        let failure = Failure::of_code("ResourceNotFoundException", "");
        let size = 2 * MIB;
        let cases = [
            (RecordLimit::Bytes(10 * MIB), Ok(())),
            (
                RecordLimit::Bytes(MIB),
                Err(PutError::RecordTooLarge { size, limit: MIB }),
            ),
            (
                RecordLimit::Withheld,
                Err(PutError::RecordTooLarge { size, limit: MIB }),
            ),
            (
                RecordLimit::Unanswered(failure.clone()),
                Err(PutError::RecordLimitUnknown {
                    size,
                    failure: Some(Box::new(failure)),
                }),
            ),
        ];
        for (told, expected) in cases {
            let limits = limits(None);
            let mut waiting = Box::pin(limits.decide(&large, limits.news()));
            assert_eq!(waiting.as_mut().now_or_never(), None);
            limits.tell(&told);
            assert_eq!(
                waiting.as_mut().now_or_never(),
                Some(expected.clone()),
                "{told:?}"
            );
            if !matches!(told, RecordLimit::Unanswered(_)) {
                let later = limits.decide(&large, limits.news());
                assert_eq!(later.now_or_never(), Some(expected), "{told:?}, told before");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_does_not_wait_for_ever() {
        let limits = limits(None);
        let large = record(2 * MIB);
        let start = tokio::time::Instant::now();
        let refused = limits.decide(&large, limits.news()).await;
        let unknown = PutError::RecordLimitUnknown {
            size: 2 * MIB,
            failure: None,
        };
        assert_eq!(refused, Err(unknown));
        assert_eq!(start.elapsed(), Duration::from_secs(10));
    }
}
