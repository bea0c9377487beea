//! Where metrics are uploaded to.

use std::error::Error;
use std::future::Future;
use std::time::SystemTime;

use super::counting::MetricDatum;

/// Takes metrics away: CloudWatch under the feature `cloudwatch`, or a system of your own.
///
/// Called by one task, every [interval](crate::MetricsConfig::with_upload_interval) and once at the end, with one batch
/// after the other. A call that fails or takes longer than ten seconds is given up: its batch is lost, counted in
/// [`MetricsLost`](super::Metric::MetricsLost), and warned of; consuming goes on as if nothing had happened.
pub trait MetricsSink: Send + Sync + 'static {
    /// Why an upload failed.
    type Error: Error + Send + Sync + 'static;

    /// Takes one batch: at most 1,000 datums of less than 1 MB together.
    fn upload(&self, upload: MetricsUpload<'_>) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// One batch of an upload.
#[derive(Debug, Clone, Copy)]
pub struct MetricsUpload<'a> {
    pub(super) namespace: &'a str,
    pub(super) at: SystemTime,
    pub(super) datums: &'a [MetricDatum],
}

impl<'a> MetricsUpload<'a> {
    /// The namespace of the settings, else the application's name.
    #[must_use]
    pub fn namespace(&self) -> &'a str {
        self.namespace
    }

    /// The end of the time in which the values were counted.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        self.at
    }

    /// The values.
    #[must_use]
    pub fn datums(&self) -> &'a [MetricDatum] {
        self.datums
    }
}
