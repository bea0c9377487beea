//! Rates of the control operations.

use std::collections::BTreeMap;

use super::bucket::CallWindow;
use super::error::ServiceError;
use super::operation::Operation;

/// Calls of the last second, by operation, and by stream where that counts.
#[derive(Debug, Default)]
pub(crate) struct CallLimits {
    windows: BTreeMap<(Operation, String), CallWindow>,
    swept_ms: u64,
}

impl CallLimits {
    /// Counts a call of an operation whose rate is the account's, or the stream's if one is named.
    ///
    /// # Errors
    ///
    /// `LimitExceededException`: too many within a second.
    pub(crate) fn admit(
        &mut self,
        operation: Operation,
        stream: &str,
        now_ms: u64,
    ) -> Result<(), ServiceError> {
        let Some(rate) = operation.rate() else {
            return Ok(());
        };
        // Each call comes by here twice, without and with its stream; one of the two counts.
        if rate.of_stream == stream.is_empty() {
            return Ok(());
        }
        self.sweep(now_ms);
        let window = self.windows.entry((operation, stream.to_owned())).or_default();
        if window.admit(rate.per_second, now_ms) {
            return Ok(());
        }
        let whose = if rate.of_stream { "stream" } else { "account" };
        Err(ServiceError::limit_exceeded(format!(
            "Rate exceeded for {whose} in operation {}.",
            operation.as_str()
        )))
    }

    /// Forgets streams nobody asks about, so that names do not pile up.
    fn sweep(&mut self, now_ms: u64) {
        if now_ms.saturating_sub(self.swept_ms) >= 1_000 {
            self.swept_ms = now_ms;
            self.windows.retain(|_, window| !window.is_idle(now_ms));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_the_accounts_or_the_streams() {
        let mut limits = CallLimits::default();
        let mut admitted = |operation, stream: &str, calls: usize, now| {
            (0..calls)
                .filter(|_| limits.admit(operation, stream, now).is_ok())
                .count()
        };
        assert_eq!(admitted(Operation::DescribeStreamSummary, "", 30, 0), 20);
        assert_eq!(admitted(Operation::DescribeStreamSummary, "", 30, 999), 0);
        assert_eq!(admitted(Operation::DescribeStreamSummary, "", 30, 1_000), 20);
        assert_eq!(admitted(Operation::ListShards, "", 2_000, 1_000), 2_000);
        assert_eq!(admitted(Operation::ListShards, "a", 2_000, 1_000), 1_000);
        assert_eq!(admitted(Operation::ListShards, "b", 10, 1_000), 10);
        assert_eq!(admitted(Operation::PutRecords, "", 5_000, 1_000), 5_000);
        let refused = limits.admit(Operation::ListShards, "a", 1_500).unwrap_err();
        assert_eq!(refused.code(), "LimitExceededException");
    }

    #[test]
    fn idle_windows_are_forgotten() {
        let mut limits = CallLimits::default();
        for stream in 0..100 {
            limits
                .admit(Operation::ListShards, &stream.to_string(), 0)
                .unwrap();
        }
        limits.admit(Operation::ListShards, "x", 5_000).unwrap();
        assert_eq!(limits.windows.len(), 1);
    }
}
