//! EnableEnhancedMonitoring and DisableEnhancedMonitoring: which metrics were asked for. None are measured.

use std::collections::BTreeSet;

use super::Engine;
use super::api::{MonitoringRequest, MonitoringResponse};
use super::constraint::Constraints;
use super::error::ServiceError;
use super::lifecycle;
use super::operation::Operation;

impl Engine {
    pub(crate) fn enable_enhanced_monitoring(
        &mut self,
        request: MonitoringRequest,
        now_ms: u64,
    ) -> Result<MonitoringResponse, ServiceError> {
        let now_ms = self.begin(Operation::EnableEnhancedMonitoring, now_ms)?;
        self.monitor(&request, |before, asked| before | asked, now_ms)
    }

    pub(crate) fn disable_enhanced_monitoring(
        &mut self,
        request: MonitoringRequest,
        now_ms: u64,
    ) -> Result<MonitoringResponse, ServiceError> {
        let now_ms = self.begin(Operation::DisableEnhancedMonitoring, now_ms)?;
        self.monitor(&request, |before, asked| before - asked, now_ms)
    }

    fn monitor(
        &mut self,
        request: &MonitoringRequest,
        combine: fn(&BTreeSet<String>, &BTreeSet<String>) -> BTreeSet<String>,
        now_ms: u64,
    ) -> Result<MonitoringResponse, ServiceError> {
        let asked = asked_metrics(request.shard_level_metrics.as_deref())?;
        let account = self.owner.account().to_owned();
        let stream = self.stream_mut(&request.stream, now_ms)?;
        lifecycle::require_active(stream, &account)?;
        let before = stream.metrics.clone();
        stream.metrics = combine(&before, &asked);
        let response = MonitoringResponse {
            stream_name: stream.name.to_string(),
            stream_arn: String::new(),
            current_shard_level_metrics: before.into_iter().collect(),
            desired_shard_level_metrics: stream.metrics.iter().cloned().collect(),
        };
        self.updating(&response.stream_name, now_ms);
        Ok(MonitoringResponse {
            stream_arn: self.owner.stream_arn(&response.stream_name),
            ..response
        })
    }
}

/// `ALL` stands for each of them.
fn asked_metrics(metrics: Option<&[String]>) -> Result<BTreeSet<String>, ServiceError> {
    let mut constraints = Constraints::new();
    let metrics = constraints
        .required("shardLevelMetrics", metrics)
        .unwrap_or_default();
    let count = metrics.len();
    if count > 7 {
        constraints.violated(
            "shardLevelMetrics",
            &format!("[{count} metrics]"),
            "Member must have length less than or equal to 7",
        );
    }
    for metric in metrics.iter().take(8) {
        constraints.one_of("shardLevelMetrics", metric, &METRICS);
    }
    constraints.finish()?;
    if metrics.is_empty() {
        return Err(ServiceError::validation(
            "1 validation error detected: Value '[]' at 'shardLevelMetrics' failed to satisfy constraint: Member \
             must have length greater than or equal to 1",
        ));
    }
    let all = metrics.iter().any(|metric| metric == ALL);
    let named = METRICS
        .iter()
        .filter(|metric| **metric != ALL)
        .map(|&metric| metric.to_owned());
    Ok(if all {
        named.collect()
    } else {
        metrics.iter().cloned().collect()
    })
}

const ALL: &str = "ALL";
const METRICS: [&str; 8] = [
    "IncomingBytes",
    "IncomingRecords",
    "OutgoingBytes",
    "OutgoingRecords",
    "WriteProvisionedThroughputExceeded",
    "ReadProvisionedThroughputExceeded",
    "IteratorAgeMilliseconds",
    ALL,
];
