//! Settings of watching: when reading counts as stuck, when a call of the processor does.

use std::time::Duration;

use super::ConsumerConfigBuilder;
use crate::error::ConfigError;

#[derive(Debug, Clone)]
pub(crate) struct Watching {
    pub(crate) stall: Duration,
    pub(crate) report_calls: Duration,
    pub(crate) cancel_calls: Option<Duration>,
}

impl Default for Watching {
    fn default() -> Self {
        Self {
            stall: Duration::from_secs(60),
            report_calls: Duration::from_secs(60),
            cancel_calls: None,
        }
    }
}

impl Watching {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        ConfigError::check_range("stall_timeout", self.stall, second * 5, hour)?;
        ConfigError::check_range("report_calls_after", self.report_calls, second, hour * 24)?;
        match self.cancel_calls {
            Some(after) => ConfigError::check_range("cancel_calls_after", after, second, hour * 24),
            None => Ok(()),
        }
    }
}

impl ConsumerConfigBuilder {
    /// How long the reading of a shard may stand still while its processor waits for records: no answer of the service, or
    /// answers that say that there is more and bring neither records nor a smaller lag (KCL: `MAX_TIME_BETWEEN_REQUEST_RESPONSE`, always
    /// 60 s). Then the shard is read anew, and after as long again its lease is given up, so that another worker may try; this one leaves the
    /// lease alone for a failover time. Both are told as [`ShardStalled`](crate::events::ConsumerEvent::ShardStalled). Default 60 s; 5 s to 1 h.
    pub fn stall_timeout(mut self, after: Duration) -> Self {
        self.watching.stall = after;
        self
    }

    /// When a call of a processor's method that has not returned is reported as
    /// [`ProcessorSlow`](crate::events::ConsumerEvent::ProcessorSlow), and again whenever it has taken twice as long (KCL:
    /// `logWarningForTaskAfterMillis`, by default never). Also where the call blocks its thread, on a runtime with
    /// several. Default 60 s; 1 s to 24 h.
    pub fn report_calls_after(mut self, after: Duration) -> Self {
        self.watching.report_calls = after;
        self
    }

    /// When a call of a processor's method is dropped where it waits, and counts as failed: the same records come again after a
    /// pause, while `shutdown_requested` and `lease_lost` are not called again. A call that blocks its thread cannot be dropped.
    /// Default: never, as the KCL; 1 s to 24 h.
    pub fn cancel_calls_after(mut self, after: Duration) -> Self {
        self.watching.cancel_calls = Some(after);
        self
    }
}
