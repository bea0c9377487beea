//! What is tried again, how often, and after how long.

use std::num::NonZeroU32;
use std::time::Duration;

use super::range::{duration, size};
use crate::error::ConfigError;
use crate::failure::FailureKind;

/// What is done about failures, as a value: a rule for each class of them, and bounds on all together.
///
/// A record's time to live ends its attempts in any case. The Kinesis Producer Library (KPL) has fixed rules: each
/// failure is tried again after 50 ms, without end before the time to live.
///
/// ```
/// # use std::num::NonZeroU32;
/// # use std::time::Duration;
/// use kpl::{FailureKind, RetryPolicy, RetryRule};
///
/// let policy = RetryPolicy::default()
///     .with_max_attempts(NonZeroU32::new(5))
///     .with_rule(
///         FailureKind::StreamNotFound,
///         RetryRule::retry(Duration::from_secs(1), Duration::from_secs(5)),
///     );
/// assert!(policy.rule(FailureKind::StreamNotFound).retries());
/// assert!(!policy.rule(FailureKind::AccessDenied).retries());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    rules: [(FailureKind, RetryRule); FailureKind::ALL.len()],
    max_attempts: Option<NonZeroU32>,
    budget: RetryBudget,
}

impl RetryPolicy {
    /// Each record is sent once; whatever fails is handed back at once.
    ///
    /// A request that the service refuses as a whole for the sake of one record is still taken apart, so that only
    /// that record fails: nothing of such a request was stored.
    #[must_use]
    pub fn none() -> Self {
        Self {
            rules: FailureKind::ALL.map(|kind| (kind, RetryRule::fail())),
            max_attempts: Some(NonZeroU32::MIN),
            budget: RetryBudget::default(),
        }
    }

    /// What is done about failures of one class.
    ///
    /// By default the classes that waiting cannot heal fail at once ([`FailureKind::StreamNotFound`],
    /// [`AccessDenied`](FailureKind::AccessDenied), [`Credentials`](FailureKind::Credentials),
    /// [`Invalid`](FailureKind::Invalid), [`Encryption`](FailureKind::Encryption)), lapsed credentials are tried with
    /// for a minute after 250 ms to 5 s, throttling of the encryption key is waited out for 100 ms to 5 s, and all else
    /// is tried again after 50 ms to 2 s.
    ///
    /// A rule for [`Invalid`](FailureKind::Invalid) applies to a record that is refused by itself; of a request that is
    /// refused as a whole, the record which is to blame is looked for first.
    #[must_use]
    pub fn with_rule(mut self, kind: FailureKind, rule: RetryRule) -> Self {
        for (of, held) in &mut self.rules {
            if *of == kind {
                *held = rule;
            }
        }
        self
    }

    /// Throttled records fail at once, as [`Throttled`](crate::DeliveryErrorKind::Throttled) (KPL: `FailIfThrottled`).
    ///
    /// The KPL means one code, `ProvisionedThroughputExceededException`. This means each code by which the service says
    /// that a quota of the shard, the stream or the account is used up, and not the encryption key's.
    #[must_use]
    pub fn failing_if_throttled(self) -> Self {
        self.with_rule(FailureKind::Throttled, RetryRule::fail())
    }

    /// How often a record is sent at most (no KPL equal); `None` for as often as its time to live allows, the default.
    ///
    /// Attempts by which a refused request was taken apart do not count.
    #[must_use]
    pub fn with_max_attempts(mut self, attempts: Option<NonZeroU32>) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// How many attempts of a stream may be repetitions (no KPL equal).
    #[must_use]
    pub fn with_budget(mut self, budget: RetryBudget) -> Self {
        self.budget = budget;
        self
    }

    /// See [`with_rule`](Self::with_rule).
    #[must_use]
    pub fn rule(&self, kind: FailureKind) -> RetryRule {
        self.rules
            .iter()
            .find(|(of, _)| *of == kind)
            .map_or_else(RetryRule::fail, |(_, rule)| *rule)
    }

    /// See [`with_max_attempts`](Self::with_max_attempts).
    #[must_use]
    pub fn max_attempts(&self) -> Option<NonZeroU32> {
        self.max_attempts
    }

    /// See [`with_budget`](Self::with_budget).
    #[must_use]
    pub fn budget(&self) -> RetryBudget {
        self.budget
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let (ms, hour) = (Duration::from_millis(1), Duration::from_secs(3600));
        for (_, rule) in &self.rules {
            let Some(waits) = rule.waits else { continue };
            duration("retry.min_wait", waits.min, ms, hour)?;
            duration("retry.max_wait", waits.max, waits.min, hour)?;
            if let Some(within) = rule.within {
                duration("retry.within", within, ms, 24 * hour)?;
            }
        }
        if let RetryBudget::Share { percent, per_second } = self.budget {
            size("retry.budget.percent", percent as usize, 0, 1_000)?;
            size("retry.budget.per_second", per_second as usize, 1, 1_000_000)?;
        }
        Ok(())
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        let rule = |kind: FailureKind| match kind {
            FailureKind::CredentialsLapsed => {
                RetryRule::retry(LAPSED_MIN_WAIT, MAX_WAIT_LONG).within(LAPSED_FOR)
            }
            FailureKind::KeyThrottled => RetryRule::retry(KEY_MIN_WAIT, MAX_WAIT_LONG),
            kind if kind.is_retryable() => RetryRule::retry(MIN_WAIT, MAX_WAIT),
            _ => RetryRule::fail(),
        };
        Self {
            rules: FailureKind::ALL.map(|kind| (kind, rule(kind))),
            max_attempts: None,
            budget: RetryBudget::default(),
        }
    }
}

/// What is done about failures of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryRule {
    waits: Option<Waits>,
    within: Option<Duration>,
}

/// Bounds of the waits before attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waits {
    pub(crate) min: Duration,
    pub(crate) max: Duration,
}

impl RetryRule {
    /// The record fails, with the cause.
    #[must_use]
    pub const fn fail() -> Self {
        Self {
            waits: None,
            within: None,
        }
    }

    /// The record is sent again after a while: `min_wait` at least, more after each further failure, `max_wait` at most.
    ///
    /// The waits are drawn: between the shortest and three times the last one (decorrelated jitter), so that producers
    /// that failed together come back apart. With [`Ordering::PerKey`](crate::Ordering::PerKey) the record's shard waits
    /// with it. From 1 ms to 1 h.
    #[must_use]
    pub const fn retry(min_wait: Duration, max_wait: Duration) -> Self {
        Self {
            waits: Some(Waits {
                min: min_wait,
                max: max_wait,
            }),
            within: None,
        }
    }

    /// Only so long since the record's first failed attempt began. Default: as long as the record lives; 1 ms to 24 h.
    #[must_use]
    pub const fn within(mut self, time: Duration) -> Self {
        self.within = Some(time);
        self
    }

    /// Whether anything is sent again.
    #[must_use]
    pub const fn retries(&self) -> bool {
        self.waits.is_some()
    }

    pub(crate) const fn waits(&self) -> Option<Waits> {
        self.waits
    }

    pub(crate) const fn time(&self) -> Option<Duration> {
        self.within
    }
}

/// How many attempts of a stream may be repetitions, so that an outage does not multiply load.
///
/// Counted in Kinesis records. What exceeds the budget is held, not failed: its shard waits for its turn, in order, and
/// its records' time to live runs on. A repetition that is stored returns what it took and as much again, so that the end
/// of an outage is not slowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryBudget {
    /// As many repetitions as failures ask for.
    Unlimited,
    /// A share of the first attempts, and so many per second in any case; up to ten seconds' worth may be saved up.
    Share {
        /// Of the first attempts, in percent. Default 20, 0 to 1,000.
        percent: u32,
        /// In any case. Default 100, 1 to 1,000,000.
        per_second: u32,
    },
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::Share {
            percent: 20,
            per_second: 100,
        }
    }
}

/// Half of the default linger: what the KPL waits before each retry.
const MIN_WAIT: Duration = Duration::from_millis(50);
/// A shard's buckets refill within a second, so waiting much longer gains nothing.
const MAX_WAIT: Duration = Duration::from_secs(2);
/// Source: AWS KMS developer guide, request quotas: they are for a whole account, and so more crowded than a shard's.
const KEY_MIN_WAIT: Duration = Duration::from_millis(100);
/// New credentials come from another service, which does not like to be hurried.
const LAPSED_MIN_WAIT: Duration = Duration::from_millis(250);
const MAX_WAIT_LONG: Duration = Duration::from_secs(5);
/// Whoever provides credentials recovers within a minute, or somebody has to look.
const LAPSED_FOR: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ProducerConfig;

    fn setting(policy: RetryPolicy) -> &'static str {
        match ProducerConfig::builder().retry(policy).build() {
            Err(ConfigError::Duration { setting, .. } | ConfigError::Number { setting, .. }) => setting,
            other => panic!("expected an error about a range, got {other:?}"),
        }
    }

    #[test]
    fn by_default_what_may_heal_is_tried_again() {
        let policy = RetryPolicy::default();
        for kind in FailureKind::ALL {
            assert_eq!(policy.rule(kind).retries(), kind.is_retryable(), "{kind:?}");
        }
        assert_eq!(policy.max_attempts(), None);
        assert_eq!(
            policy.rule(FailureKind::CredentialsLapsed).time(),
            Some(LAPSED_FOR)
        );
    }

    #[test]
    fn each_rule_can_be_changed_and_only_that_one() {
        let rule = RetryRule::retry(MIN_WAIT, MAX_WAIT);
        for changed in FailureKind::ALL {
            let policy = RetryPolicy::none().with_rule(changed, rule);
            for kind in FailureKind::ALL {
                assert_eq!(policy.rule(kind).retries(), kind == changed, "{kind:?}");
            }
        }
        let policy = RetryPolicy::default().failing_if_throttled();
        assert!(!policy.rule(FailureKind::Throttled).retries());
        assert!(policy.rule(FailureKind::KeyThrottled).retries());
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let ms = Duration::from_millis;
        let with = |rule| RetryPolicy::default().with_rule(FailureKind::Timeout, rule);
        let budget = |percent, per_second| {
            RetryPolicy::default().with_budget(RetryBudget::Share { percent, per_second })
        };
        let cases = [
            (with(RetryRule::retry(ms(0), ms(10))), "retry.min_wait"),
            (with(RetryRule::retry(ms(11), ms(10))), "retry.max_wait"),
            (with(RetryRule::retry(ms(1), ms(3_600_001))), "retry.max_wait"),
            (with(RetryRule::retry(ms(1), ms(1)).within(ms(0))), "retry.within"),
            (budget(1_001, 1), "retry.budget.percent"),
            (budget(0, 0), "retry.budget.per_second"),
        ];
        for (policy, name) in cases {
            assert_eq!(setting(policy), name);
        }
        let ends = budget(0, 1).with_rule(FailureKind::Other, RetryRule::retry(ms(1), ms(3_600_000)));
        assert!(ProducerConfig::builder().retry(ends).build().is_ok());
        assert!(
            ProducerConfig::builder()
                .retry(RetryPolicy::none())
                .build()
                .is_ok()
        );
    }
}
