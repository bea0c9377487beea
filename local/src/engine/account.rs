//! DescribeLimits, DescribeAccountSettings and UpdateAccountSettings.

use super::Engine;
use super::api::{AccountSettings, DescribeLimitsResponse, StreamMode, UpdateAccountSettingsRequest};
use super::constraint::Constraints;
use super::error::ServiceError;
use super::lifecycle::MAX_ON_DEMAND;
use super::operation::Operation;

impl Engine {
    pub(crate) fn describe_limits(&mut self, now_ms: u64) -> Result<DescribeLimitsResponse, ServiceError> {
        self.begin(Operation::DescribeLimits, now_ms)?;
        let streams = self.streams.values();
        Ok(DescribeLimitsResponse {
            shard_limit: self.settings.limits.account_shards,
            open_shard_count: self.open_shards(),
            on_demand_stream_count: streams
                .filter(|stream| stream.mode == StreamMode::OnDemand)
                .count(),
            on_demand_stream_count_limit: u32::try_from(MAX_ON_DEMAND).unwrap_or(u32::MAX),
        })
    }

    pub(crate) fn describe_account_settings(&mut self, now_ms: u64) -> Result<AccountSettings, ServiceError> {
        self.begin(Operation::DescribeAccountSettings, now_ms)?;
        Ok(self.commitment.describe())
    }

    pub(crate) fn update_account_settings(
        &mut self,
        request: UpdateAccountSettingsRequest,
        now_ms: u64,
    ) -> Result<AccountSettings, ServiceError> {
        let now_ms = self.begin(Operation::UpdateAccountSettings, now_ms)?;
        let member = "minimumThroughputBillingCommitment.status";
        let mut constraints = Constraints::new();
        let status = constraints.required(member, request.billing_commitment.as_deref());
        if let Some(status) = status {
            constraints.one_of(member, status, &["ENABLED", "DISABLED"]);
        }
        constraints.finish()?;
        match status {
            Some("ENABLED") => self.commitment = Commitment::Since(now_ms),
            _ => self.commitment.end(now_ms)?,
        }
        Ok(self.commitment.describe())
    }
}

/// Consumers a stream may have. Source: AWS API reference, RegisterStreamConsumer: On-demand Advantage has 50.
pub(super) fn max_consumers(mode: StreamMode, commitment: Commitment) -> usize {
    if mode == StreamMode::OnDemand && commitment.is_enabled() {
        50
    } else {
        20
    }
}

/// `MinimumThroughputBillingCommitment`: whether the account is On-demand Advantage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Commitment {
    #[default]
    None,
    Since(u64),
    Ended(u64),
}

impl Commitment {
    pub(crate) fn is_enabled(self) -> bool {
        matches!(self, Self::Since(_))
    }

    fn end(&mut self, now_ms: u64) -> Result<(), ServiceError> {
        if let Self::Since(started) = *self {
            if started.saturating_add(LEAST_MS) > now_ms {
                return Err(ServiceError::validation(
                    "MinimumThroughputBillingCommitment cannot be disabled within 24 hours after it was enabled.",
                ));
            }
            *self = Self::Ended(now_ms);
        }
        Ok(())
    }

    fn describe(self) -> AccountSettings {
        let started_ms = match self {
            Self::Since(started) => Some(started),
            _ => None,
        };
        AccountSettings {
            billing_commitment: if self.is_enabled() { "ENABLED" } else { "DISABLED" },
            started_ms,
            ended_ms: match self {
                Self::Ended(ended) => Some(ended),
                _ => None,
            },
            earliest_allowed_end_ms: started_ms.map(|started| started.saturating_add(LEAST_MS)),
        }
    }
}

/// Source: AWS API reference, UpdateAccountSettings: 24 hours.
const LEAST_MS: u64 = 86_400_000;
