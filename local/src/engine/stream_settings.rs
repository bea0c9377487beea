//! Settings of a stream that may be changed live: mode, largest record, record distribution, warm throughput.

use super::Engine;
use super::api::{
    Distribution, StreamMode, UpdateMaxRecordSizeRequest, UpdateRecordDistributionStrategyRequest,
    UpdateStreamModeRequest, UpdateWarmThroughputRequest, UpdateWarmThroughputResponse, WarmThroughput,
};
use super::constraint::Constraints;
use super::error::ServiceError;
use super::lifecycle;
use super::operation::Operation;
use super::scaling::forget_before;

impl Engine {
    pub(crate) fn update_stream_mode(
        &mut self,
        request: UpdateStreamModeRequest,
        now_ms: u64,
    ) -> Result<(), ServiceError> {
        let now_ms = self.begin(Operation::UpdateStreamMode, now_ms)?;
        let mut constraints = Constraints::new();
        let mode = constraints.required("streamModeDetails.streamMode", request.stream_mode.as_deref());
        if let Some(mode) = mode {
            constraints.one_of("streamModeDetails.streamMode", mode, StreamMode::ALL);
        }
        constraints.finish()?;
        let mode = mode.and_then(mode_of).unwrap_or(StreamMode::Provisioned);
        let quotas = self.settings.limits.quotas;
        let account = self.owner.account().to_owned();
        let stream = self.stream_mut(&request.stream, now_ms)?;
        lifecycle::require_active(stream, &account)?;
        if mode == StreamMode::Provisioned && stream.distribution == Distribution::Auto {
            return Err(ServiceError::invalid_argument(
                "A stream with the AUTO record distribution strategy cannot be switched to provisioned mode.",
            ));
        }
        forget_before(&mut stream.mode_changes, now_ms);
        if quotas && stream.mode_changes.len() >= MODE_CHANGES_PER_DAY {
            return Err(ServiceError::limit_exceeded(format!(
                "Stream {} under account {account} has switched modes {MODE_CHANGES_PER_DAY} times within a rolling \
                 24-hour period.",
                stream.name
            )));
        }
        stream.mode_changes.push_back(now_ms);
        stream.mode = mode;
        if let Some(mibps) = request.warm_throughput_mibps {
            stream.warm_mibps = u32::try_from(mibps).ok();
        }
        let name = stream.name.to_string();
        self.updating(&name, now_ms);
        Ok(())
    }

    pub(crate) fn update_max_record_size(
        &mut self,
        request: UpdateMaxRecordSizeRequest,
        now_ms: u64,
    ) -> Result<(), ServiceError> {
        let now_ms = self.begin(Operation::UpdateMaxRecordSize, now_ms)?;
        let mut constraints = Constraints::new();
        constraints.required("maxRecordSizeInKiB", request.max_record_size_in_kib.as_ref());
        check_record_size(request.max_record_size_in_kib, &mut constraints);
        constraints.finish()?;
        let account = self.owner.account().to_owned();
        let stream = self.stream_mut(&request.stream, now_ms)?;
        lifecycle::require_active(stream, &account)?;
        let kib = request
            .max_record_size_in_kib
            .and_then(|kib| u32::try_from(kib).ok());
        stream.max_record_kib = kib.unwrap_or(stream.max_record_kib);
        let name = stream.name.to_string();
        self.updating(&name, now_ms);
        Ok(())
    }

    /// Effective at once: the next record is distributed by it.
    pub(crate) fn update_stream_record_distribution_strategy(
        &mut self,
        request: UpdateRecordDistributionStrategyRequest,
        now_ms: u64,
    ) -> Result<(), ServiceError> {
        let now_ms = self.begin(Operation::UpdateStreamRecordDistributionStrategy, now_ms)?;
        let mut constraints = Constraints::new();
        let strategy = constraints.required("recordDistributionStrategy", request.strategy.as_deref());
        if let Some(strategy) = strategy {
            constraints.one_of("recordDistributionStrategy", strategy, Distribution::ALL);
        }
        constraints.finish()?;
        let strategy = strategy
            .and_then(distribution_of)
            .unwrap_or(Distribution::UserPartitionKey);
        let account = self.owner.account().to_owned();
        let stream = self.stream_mut(&request.stream, now_ms)?;
        lifecycle::require_active(stream, &account)?;
        if strategy == Distribution::Auto && stream.mode == StreamMode::Provisioned {
            return Err(ServiceError::invalid_argument(
                "The AUTO record distribution strategy is only supported for on-demand streams.",
            ));
        }
        stream.distribution = strategy;
        Ok(())
    }

    pub(crate) fn update_stream_warm_throughput(
        &mut self,
        request: UpdateWarmThroughputRequest,
        now_ms: u64,
    ) -> Result<UpdateWarmThroughputResponse, ServiceError> {
        let now_ms = self.begin(Operation::UpdateStreamWarmThroughput, now_ms)?;
        let mut constraints = Constraints::new();
        let mibps = constraints.required("warmThroughputMiBps", request.warm_throughput_mibps.as_ref());
        if let Some(&mibps) = mibps {
            constraints.range("warmThroughputMiBps", mibps, 0, MAX_WARM_MIBPS);
        }
        constraints.finish()?;
        let mibps = mibps
            .and_then(|&mibps| u32::try_from(mibps).ok())
            .unwrap_or_default();
        let account = self.owner.account().to_owned();
        let committed = self.commitment.is_enabled();
        let stream = self.stream_mut(&request.stream, now_ms)?;
        if stream.mode == StreamMode::Provisioned || !committed {
            return Err(ServiceError::validation(
                "Warm throughput is only supported for on-demand streams of an account with \
                 MinimumThroughputBillingCommitment enabled.",
            ));
        }
        lifecycle::require_active(stream, &account)?;
        let before = stream.warm_mibps.unwrap_or_default();
        stream.warm_mibps = Some(mibps);
        let name = stream.name.to_string();
        self.updating(&name, now_ms);
        Ok(UpdateWarmThroughputResponse {
            stream_arn: self.owner.stream_arn(&name),
            stream_name: name,
            warm_throughput: WarmThroughput {
                target_mibps: mibps,
                current_mibps: before,
            },
        })
    }
}

pub(super) fn mode_of(text: &str) -> Option<StreamMode> {
    [StreamMode::Provisioned, StreamMode::OnDemand]
        .into_iter()
        .find(|mode| mode.as_str() == text)
}

pub(super) fn distribution_of(text: &str) -> Option<Distribution> {
    [Distribution::Auto, Distribution::UserPartitionKey]
        .into_iter()
        .find(|strategy| strategy.as_str() == text)
}

pub(super) fn check_record_size(kib: Option<i64>, constraints: &mut Constraints) {
    if let Some(kib) = kib {
        // Source: AWS API reference, UpdateMaxRecordSize.
        constraints.range("maxRecordSizeInKiB", kib, 1_024, 10_240);
    }
}

/// Source: "Quotas and limits", Developer Guide.
const MODE_CHANGES_PER_DAY: usize = 2;
/// Source: AWS API reference, UpdateStreamWarmThroughput: 10 GiB/s.
const MAX_WARM_MIBPS: i64 = 10_240;
