//! Settings of handling records one by one: how many at a time, how patiently.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use super::Backoff;
use crate::error::ConfigError;
use crate::lanes::outcome::WhenExhausted;
use crate::lanes::rules::{CallSize, Order, Rules};

/// How records are handled by [`for_each_record`](crate::ConsumerBuilder::for_each_record),
/// [`for_each_batch`](crate::ConsumerBuilder::for_each_batch) and [`stream`](crate::ConsumerBuilder::stream). All bounds are for
/// each shard.
///
/// ```
/// use std::num::NonZeroU32;
/// use std::time::Duration;
/// use kcl::{RecordOptions, WhenExhausted};
///
/// let options = RecordOptions::builder()
///     .deadline(Duration::from_secs(5))
///     .attempts(NonZeroU32::new(5))
///     .when_exhausted(WhenExhausted::DeadLetter)
///     .build()?;
/// # Ok::<(), kcl::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct RecordOptions {
    in_flight: NonZeroUsize,
    window: NonZeroUsize,
    /// `None`: as is usual for how records are handed out.
    order: Option<Order>,
    attempts: Option<NonZeroU32>,
    exhausted: WhenExhausted,
    backoff: Backoff,
    pub(crate) deadline: Option<Duration>,
    pub(crate) on_deadline: OnDeadline,
    pub(crate) drain: Duration,
    pub(crate) checkpoint_interval: Duration,
}

/// What happens when a handler takes longer than its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnDeadline {
    /// It is counted and told by an event, and goes on. The default.
    #[default]
    Tell,
    /// Its future is dropped as well, and the attempt has failed.
    Cancel,
}

/// How many records one call of a handler gets; for [`for_each_batch`](crate::ConsumerBuilder::for_each_batch).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchOptions {
    call: CallSize,
}

impl Default for RecordOptions {
    fn default() -> Self {
        Self {
            in_flight: IN_FLIGHT,
            window: WINDOW,
            order: None,
            attempts: None,
            exhausted: WhenExhausted::default(),
            backoff: Backoff {
                min: Duration::from_millis(200),
                max: Duration::from_secs(30),
            },
            deadline: Some(Duration::from_secs(60)),
            on_deadline: OnDeadline::default(),
            drain: Duration::from_secs(10),
            checkpoint_interval: Duration::from_secs(1),
        }
    }
}

impl RecordOptions {
    /// Starts with the defaults.
    pub fn builder() -> RecordOptionsBuilder {
        RecordOptionsBuilder(Self::default())
    }

    /// Whether records may need a place for dead letters.
    pub(crate) fn needs_dead_letters(&self) -> bool {
        self.attempts.is_some() && self.exhausted == WhenExhausted::DeadLetter
    }

    pub(crate) fn rules(&self, call: CallSize) -> Rules {
        Rules {
            in_flight: self.in_flight,
            window: self.window,
            call,
            order: self.order.unwrap_or_default(),
            attempts: self.attempts,
            exhausted: self.exhausted,
            min_pause: self.backoff.min,
            max_pause: self.backoff.max,
        }
    }

    /// The same, bounded by the window alone.
    pub(crate) fn rules_of_stream(&self) -> Rules {
        Rules {
            in_flight: self.window,
            order: self.order.unwrap_or(Order::Any),
            ..self.rules(CallSize::ONE)
        }
    }
}

/// Builds [`RecordOptions`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct RecordOptionsBuilder(RecordOptions);

impl RecordOptionsBuilder {
    /// The most calls of the handler at a time, for each shard. Little's law tells how many are needed: 1,000 records a
    /// second at 100 ms each keep 100 calls busy. A [stream](crate::RecordStream) of records goes by the window instead.
    /// Default 128; 1 to 65,536.
    pub fn in_flight(mut self, calls: NonZeroUsize) -> Self {
        self.0.in_flight = calls;
        self
    }

    /// How far records are accepted past the first unfinished one, for each shard. A record that takes long, or is retried for
    /// long, holds the checkpoint, and what is done behind it comes again after a crash: this bounds how much. When the window
    /// is full, the shard is not read until that record is done. One batch may pass the bound. Default 10,000; 1 to
    /// 1,000,000.
    pub fn window(mut self, records: NonZeroUsize) -> Self {
        self.0.window = records;
        self
    }

    /// Which records wait for which. Default: [`Order::PartitionKey`]. A stream of records gives them out in the order of the
    /// shard and has [`Order::Any`] unless it is said otherwise.
    pub fn order(mut self, order: Order) -> Self {
        self.0.order = Some(order);
        self
    }

    /// How many attempts of one record may fail before [`when_exhausted`](Self::when_exhausted) applies. In a batch that
    /// fails as a whole nobody is to blame yet: its records come again in halves, and only what fails alone counts.
    /// `None`: a record is tried until it passes, and holds up its own key, and in the end the window. Default: `None`.
    pub fn attempts(mut self, attempts: Option<NonZeroU32>) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// What becomes of a record whose [`attempts`](Self::attempts) have all failed. Default: [`WhenExhausted::Stop`].
    pub fn when_exhausted(mut self, what: WhenExhausted) -> Self {
        self.0.exhausted = what;
        self
    }

    /// The pauses before a failed record comes again: `min` at first, doubled each time up to `max`, less up to half of it by
    /// chance. Default 200 ms to 30 s; 1 ms to 1 h.
    pub fn backoff(mut self, min: Duration, max: Duration) -> Self {
        self.0.backoff = Backoff { min, max };
        self
    }

    /// How long one call of the handler may take. `None`: for ever. What happens then is said by
    /// [`on_deadline`](Self::on_deadline). Default 60 s; 1 ms to 24 h.
    pub fn deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        self.0.deadline = deadline.into();
        self
    }

    /// What happens to a handler past its deadline. Default: [`OnDeadline::Tell`].
    pub fn on_deadline(mut self, what: OnDeadline) -> Self {
        self.0.on_deadline = what;
        self
    }

    /// How long a shard that is given up waits for its handlers. Only those go on, and only those records begin that lie
    /// before one that has begun, so that nothing comes twice; what is not done by then comes again. It should be below
    /// [`shutdown_timeout`](crate::ConsumerConfigBuilder::shutdown_timeout) and
    /// [`hand_over_timeout`](crate::ConsumerConfigBuilder::hand_over_timeout). Default 10 s; 0 to 1 h.
    pub fn drain(mut self, time: Duration) -> Self {
        self.0.drain = time;
        self
    }

    /// How often the checkpoint follows, for each shard, while records are done. Each is a write to the lease table, in place
    /// of a heartbeat; what is done in between comes again after a crash. Zero: as often as the table answers. A
    /// [`checkpoint_policy`](crate::ConsumerConfigBuilder::checkpoint_policy) other than the default goes before this.
    /// Default 1 s; 0 to 1 h.
    pub fn checkpoint_interval(mut self, interval: Duration) -> Self {
        self.0.checkpoint_interval = interval;
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting at fault and its valid range.
    pub fn build(self) -> Result<RecordOptions, ConfigError> {
        let options = self.0;
        let hour = Duration::from_secs(3600);
        ConfigError::check_range("in_flight", options.in_flight, NonZeroUsize::MIN, MAX_IN_FLIGHT)?;
        ConfigError::check_range("window", options.window, NonZeroUsize::MIN, MAX_WINDOW)?;
        let Backoff { min, max } = options.backoff;
        ConfigError::check_range("backoff max", max, MILLISECOND, hour)?;
        ConfigError::check_range("backoff min", min, MILLISECOND, max)?;
        if let Some(deadline) = options.deadline {
            ConfigError::check_range("deadline", deadline, MILLISECOND, 24 * hour)?;
        }
        ConfigError::check_range("drain", options.drain, Duration::ZERO, hour)?;
        ConfigError::check_range(
            "checkpoint_interval",
            options.checkpoint_interval,
            Duration::ZERO,
            hour,
        )?;
        Ok(options)
    }
}

impl BatchOptions {
    /// Batches of at most so many records and bytes, of any keys; the rest waits at most `linger` for company. A record
    /// above `bytes` goes alone. 1 to 100,000 records; 1 B to 1 GiB; 0 to 1 h.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`].
    pub fn new(records: usize, bytes: usize, linger: Duration) -> Result<Self, ConfigError> {
        ConfigError::check_range("batch records", records, 1, MAX_BATCH_RECORDS)?;
        ConfigError::check_range("batch bytes", bytes, 1, MAX_BATCH_BYTES)?;
        ConfigError::check_range("batch linger", linger, Duration::ZERO, Duration::from_secs(3600))?;
        Ok(Self {
            call: CallSize {
                records: NonZeroUsize::new(records).unwrap_or(NonZeroUsize::MIN),
                bytes,
                linger,
            },
        })
    }

    pub(crate) fn call(&self) -> CallSize {
        self.call
    }
}

const IN_FLIGHT: NonZeroUsize = NonZeroUsize::new(128).expect("not zero");
/// Ours: each call is a future of the handler's, with what it holds.
const MAX_IN_FLIGHT: NonZeroUsize = NonZeroUsize::new(65_536).expect("not zero");
/// Source: AWS API reference, GetRecords: one full batch.
const WINDOW: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
/// Ours: about 100 bytes are kept for each record that is done behind an unfinished one.
const MAX_WINDOW: NonZeroUsize = NonZeroUsize::new(1_000_000).expect("not zero");
const MILLISECOND: Duration = Duration::from_millis(1);
const MAX_BATCH_RECORDS: usize = 100_000;
const MAX_BATCH_BYTES: usize = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_has_a_range() {
        let options = RecordOptions::builder;
        let zero = Duration::ZERO;
        let cases = [
            (options().deadline(zero), "deadline"),
            (options().backoff(zero, MILLISECOND), "backoff min"),
            (options().backoff(2 * MILLISECOND, MILLISECOND), "backoff min"),
            (options().drain(Duration::from_secs(4000)), "drain"),
            (options().in_flight(NonZeroUsize::MAX), "in_flight"),
            (options().window(NonZeroUsize::MAX), "window"),
            (
                options().checkpoint_interval(Duration::from_secs(4000)),
                "checkpoint_interval",
            ),
        ];
        for (builder, name) in cases {
            let error = builder.build().unwrap_err();
            assert!(
                matches!(error, ConfigError::OutOfRange { setting, .. } if setting == name),
                "{error}"
            );
        }
        assert!(
            options()
                .deadline(None)
                .checkpoint_interval(zero)
                .drain(zero)
                .build()
                .is_ok()
        );
        assert!(BatchOptions::new(0, 1, zero).is_err());
        assert!(BatchOptions::new(1, 0, zero).is_err());
        assert!(BatchOptions::new(500, 1 << 20, zero).is_ok());
    }

    #[test]
    fn dead_letters_are_needed_where_they_may_be_written() {
        let options = |attempts, what| {
            let builder = RecordOptions::builder().attempts(NonZeroU32::new(attempts));
            builder.when_exhausted(what).build().unwrap().needs_dead_letters()
        };
        assert!(options(3, WhenExhausted::DeadLetter));
        assert!(!options(0, WhenExhausted::DeadLetter));
        assert!(!options(3, WhenExhausted::Skip));
    }
}
