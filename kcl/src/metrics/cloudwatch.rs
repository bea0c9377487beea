//! Upload to Amazon CloudWatch, under the KCL's names and dimensions.

use std::fmt;
use std::time::Duration;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::config::retry::RetryConfig;
use aws_sdk_cloudwatch::config::timeout::TimeoutConfig;
use aws_sdk_cloudwatch::error::SdkError;
use aws_sdk_cloudwatch::operation::put_metric_data::PutMetricDataError;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum as Datum, StandardUnit, StatisticSet};
use aws_types::SdkConfig;

use super::counting::{MetricDatum, MetricUnit};
use super::sink::{MetricsSink, MetricsUpload};
use crate::consumer::complete;
use crate::error::ConfigError;

/// Metrics in CloudWatch: a [`MetricsSink`]. Needs the permission `cloudwatch:PutMetricData`.
#[derive(Clone)]
pub struct CloudWatch {
    client: Client,
}

impl CloudWatch {
    /// Uploads with credentials, Region and endpoint of an SDK configuration, which need not be the consumer's
    /// (KCL: its CloudWatch client). A call is tried three times; the KCL tries once.
    ///
    /// # Errors
    /// [`ConfigError::IncompleteSdkConfig`] when Region or behaviour version are missing.
    pub fn new(sdk_config: &SdkConfig) -> Result<Self, ConfigError> {
        let sdk_config = complete("CloudWatch", sdk_config)?;
        let timeouts = TimeoutConfig::builder().operation_timeout(CALL).build();
        let config = aws_sdk_cloudwatch::config::Builder::from(sdk_config)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts)
            .build();
        Ok(Self::from_client(Client::from_conf(config)))
    }

    /// Uploads through `client` as it is.
    #[must_use]
    pub fn from_client(client: Client) -> Self {
        Self { client }
    }
}

impl MetricsSink for CloudWatch {
    type Error = CloudWatchError;

    async fn upload(&self, upload: MetricsUpload<'_>) -> Result<(), CloudWatchError> {
        let at = DateTime::from(upload.at());
        let datums = upload.datums().iter().map(|datum| sdk_datum(datum, at)).collect();
        self.client
            .put_metric_data()
            .namespace(upload.namespace())
            .set_metric_data(Some(datums))
            .send()
            .await
            .map_err(|error| CloudWatchError(Box::new(error)))?;
        Ok(())
    }
}

impl fmt::Debug for CloudWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudWatch").finish_non_exhaustive()
    }
}

/// Why CloudWatch did not take metrics.
#[derive(Debug, thiserror::Error)]
#[error("PutMetricData failed")]
pub struct CloudWatchError(#[source] Box<SdkError<PutMetricDataError>>);

fn sdk_datum(datum: &MetricDatum, at: DateTime) -> Datum {
    let statistics = datum.values();
    let set = StatisticSet::builder()
        .sample_count(as_number(statistics.count()))
        .sum(statistics.sum())
        .minimum(statistics.min().unwrap_or_default())
        .maximum(statistics.max().unwrap_or_default())
        .build();
    let dimensions = datum
        .dimensions()
        .iter()
        .map(|(name, value)| Dimension::builder().name(*name).value(value).build())
        .collect();
    Datum::builder()
        .metric_name(datum.name())
        .set_dimensions(Some(dimensions))
        .timestamp(at)
        .statistic_values(set)
        .unit(match datum.unit() {
            MetricUnit::Count => StandardUnit::Count,
            MetricUnit::Bytes => StandardUnit::Bytes,
            MetricUnit::Milliseconds => StandardUnit::Milliseconds,
        })
        .build()
}

#[expect(clippy::cast_precision_loss, reason = "counts of a minute are far below 2^53")]
fn as_number(count: u64) -> f64 {
    count as f64
}

/// Ours: what fails thrice in a minute is better counted as lost.
const ATTEMPTS: u32 = 3;
/// All attempts of one upload.
const CALL: Duration = Duration::from_secs(9);
