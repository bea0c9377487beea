//! Each setting of the KPL: its range, and what it is here.

use std::time::Duration;

use kinesis_properties::{NoteKind, Notes, Property, PropertyNote, Value, ValueError};

use super::connection::{KplConnection, host, port, region};
use super::error::PropertiesError;
use crate::config::{
    Aggregation, MetricsConfig, MetricsGranularity, MetricsLevel, ProducerConfig, ProducerConfigBuilder,
    RateLimit, RetryPolicy, StreamConfig,
};

/// Every setting that a properties file of the KPL 1.0 may hold.
pub const KPL_SETTINGS: &[&str] = &[
    "AggregationEnabled",
    "AggregationMaxCount",
    "AggregationMaxSize",
    "CaCertFile",
    "CaCertPath",
    "CloudwatchEndpoint",
    "CloudwatchPort",
    "CollectionMaxCount",
    "CollectionMaxSize",
    "ConnectTimeout",
    "CredentialsRefreshDelay",
    "DaemonHealthCheckTimeoutMs",
    "EnableCoreDumps",
    "EnableDaemonHealthCheck",
    "EnableOldestFutureTracker",
    "FailIfThrottled",
    "GlueSchemaRegistryPropertiesFilePath",
    "KinesisEndpoint",
    "KinesisPort",
    "LogLevel",
    "MaxConnections",
    "MaxUserRecordSize",
    "MetricsGranularity",
    "MetricsLevel",
    "MetricsNamespace",
    "MetricsUploadDelay",
    "MinConnections",
    "NativeExecutable",
    "ProxyHost",
    "ProxyPassword",
    "ProxyPort",
    "ProxyUserName",
    "RateLimit",
    "RecordMaxBufferedTime",
    "RecordTtl",
    "Region",
    "RequestTimeout",
    "ReturnUserRecordOnFailure",
    "StsEndpoint",
    "StsPort",
    "TempDirectory",
    "ThreadPoolSize",
    "ThreadingModel",
    "UserRecordTimeoutInMillis",
    "VerifyCertificate",
];

/// A file being read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    builder: ProducerConfigBuilder,
    metrics: MetricsConfig,
    connection: KplConnection,
    proxy: super::KplProxy,
    notes: Notes,
}

impl Reading {
    pub(super) fn apply(&mut self, property: &Property) -> Result<(), PropertiesError> {
        self.notes.begin(property);
        let mut settings = KPL_SETTINGS.iter().copied();
        let Some(setting) = settings.find(|known| *known == property.name()) else {
            self.notes.add_unknown(property, KPL_SETTINGS);
            return Ok(());
        };
        let value = Value::new(property.line(), setting, property.value().trim_end());
        let note = if let Some(note) = self.packing(&value)? {
            note
        } else if let Some(note) = self.records(&value)? {
            note
        } else if let Some(note) = self.connecting(&value)? {
            note
        } else {
            self.observing(&value)?
        };
        if let Some(kind) = note {
            self.notes.add(property, kind);
        }
        Ok(())
    }

    pub(super) fn finish(
        mut self,
    ) -> Result<(ProducerConfig, KplConnection, Vec<PropertyNote>), PropertiesError> {
        if !self.proxy.host.is_empty() {
            self.connection.proxy = Some(self.proxy);
        }
        let config = self.builder.metrics(self.metrics).build()?;
        Ok((config, self.connection, self.notes.finish()))
    }

    fn build(&mut self, change: impl FnOnce(ProducerConfigBuilder) -> ProducerConfigBuilder) {
        self.builder = change(std::mem::take(&mut self.builder));
    }

    /// How records are packed. `None` if the setting is not about that.
    fn packing(&mut self, value: &Value<'_>) -> Result<Option<Option<NoteKind>>, ValueError> {
        let mut note = None;
        match value.setting() {
            "AggregationEnabled" => {
                let aggregation = match value.flag()? {
                    true => Aggregation::Enabled,
                    false => Aggregation::Disabled,
                };
                self.build(|b| b.aggregation(aggregation));
            }
            "AggregationMaxCount" => {
                let count = value.number(1, MAX)?.min(u64::from(u32::MAX));
                self.build(|b| b.aggregation_max_count(as_size(count)));
            }
            "AggregationMaxSize" => {
                let size = as_size(value.number(64, 10 * MIB)?);
                self.build(|b| b.aggregation_max_size(size));
            }
            "CollectionMaxCount" => {
                let count = as_size(value.number(1, 500)?);
                self.build(|b| b.collection_max_count(count));
            }
            "CollectionMaxSize" => {
                let size = value.number(52_224, MAX)?;
                if size > 10 * MIB {
                    note = Some(NoteKind::Adjusted(
                        "the service takes no more than 10 MiB a request",
                    ));
                }
                self.build(|b| b.collection_max_size(as_size(size.min(10 * MIB))));
            }
            _ => return Ok(None),
        }
        Ok(Some(note))
    }

    /// What becomes of records. `None` if the setting is not about that.
    fn records(&mut self, value: &Value<'_>) -> Result<Option<Option<NoteKind>>, ValueError> {
        let mut note = None;
        match value.setting() {
            "RecordMaxBufferedTime" => {
                let linger = value.ms(0, MAX)?;
                if linger > HOUR {
                    note = Some(NoteKind::Adjusted("a record lingers for an hour at most"));
                }
                self.build(|b| b.linger(linger.min(HOUR)));
            }
            "RecordTtl" => {
                let ttl = value.ms(100, MAX)?;
                let is_endless = ttl > HOUR * 24;
                if is_endless {
                    note = Some(NoteKind::Adjusted(
                        "more than a day counts as no time to live at all",
                    ));
                }
                self.build(|b| b.record_ttl(if is_endless { StreamConfig::NO_TTL } else { ttl }));
            }
            "RateLimit" => {
                let percent = u32::try_from(value.number(1, MAX)?).unwrap_or(u32::MAX);
                self.build(|b| b.rate_limit(RateLimit::percent(percent)));
            }
            "FailIfThrottled" => {
                let policy = match value.flag()? {
                    true => RetryPolicy::default().failing_if_throttled(),
                    false => RetryPolicy::default(),
                };
                self.build(|b| b.retry(policy));
            }
            "MaxUserRecordSize" => {
                let size = as_size(value.number(64, 10 * MIB)?);
                note = Some(NoteKind::Adjusted(
                    "the partition key counts as well, as it does for the service",
                ));
                self.build(|b| b.max_user_record_size(size));
            }
            "MaxConnections" => {
                let requests = as_size(value.number(1, 256)?);
                note = Some(NoteKind::Adjusted(
                    "it is the number of requests on the way, for each stream",
                ));
                self.build(|b| b.max_in_flight_requests(requests));
            }
            "ReturnUserRecordOnFailure" => {
                value.flag()?;
                note = Some(NoteKind::Moot(
                    "a failed record is always handed back, and is not copied for it",
                ));
            }
            "UserRecordTimeoutInMillis" => {
                value.number(0, MAX)?;
                note = Some(NoteKind::Moot(
                    "RecordTtl ends every record; bound the wait for a ticket where you wait",
                ));
            }
            _ => return Ok(None),
        }
        Ok(Some(note))
    }

    /// The way to the service. `None` if the setting is not about that.
    fn connecting(&mut self, value: &Value<'_>) -> Result<Option<Option<NoteKind>>, ValueError> {
        let mut note = None;
        match value.setting() {
            "ConnectTimeout" => {
                let timeout = value.ms(100, 300_000)?;
                self.build(|b| b.connect_timeout(timeout));
            }
            "RequestTimeout" => {
                let timeout = value.ms(100, 600_000)?;
                self.build(|b| b.request_timeout(timeout));
            }
            "Region" => self.connection.region = region(value)?,
            "KinesisEndpoint" => self.connection.kinesis.host = host(value)?,
            "KinesisPort" => self.connection.kinesis.port = Some(port(value)?),
            "CloudwatchEndpoint" => self.connection.cloudwatch.host = host(value)?,
            "CloudwatchPort" => self.connection.cloudwatch.port = Some(port(value)?),
            "StsEndpoint" => {
                host(value)?;
                note = Some(NoteKind::Moot(
                    "STS is not called; the KPL ignores it as well since 1.0.5",
                ));
            }
            "StsPort" => {
                value.number(1, 65_535)?;
                note = Some(NoteKind::Moot(
                    "STS is not called; the KPL ignores it as well since 1.0.5",
                ));
            }
            "VerifyCertificate" => {
                if !value.flag()? {
                    note = Some(NoteKind::Refused(
                        "certificates are always verified; name the one of a test endpoint in CaCertFile, or give the \
                         SDK an http:// endpoint",
                    ));
                }
            }
            "CaCertFile" => self.connection.ca_file = value.filled().map(Into::into),
            "CaCertPath" => self.connection.ca_path = value.filled().map(Into::into),
            "ProxyHost" => self.proxy.host = value.text().to_owned(),
            "ProxyPort" => self.proxy.port = port(value)?,
            "ProxyUserName" => self.proxy.user = value.filled(),
            "ProxyPassword" => self.proxy.password = value.filled(),
            "MinConnections" => {
                value.number(1, 16)?;
                note = Some(NoteKind::Moot(
                    "the SDK opens connections as they are needed; nor does the KPL use it",
                ));
            }
            "CredentialsRefreshDelay" => {
                value.number(1, 300_000)?;
                note = Some(NoteKind::Moot(
                    "the SDK's provider is asked itself, and knows when credentials expire",
                ));
            }
            "ThreadingModel" => {
                value.one_of(&["PER_REQUEST", "POOLED"], "PER_REQUEST or POOLED")?;
                note = Some(NoteKind::Moot(
                    "requests are futures on the application's runtime",
                ));
            }
            "ThreadPoolSize" => {
                value.number(0, MAX)?;
                note = Some(NoteKind::Moot(
                    "requests are futures on the application's runtime",
                ));
            }
            _ => return Ok(None),
        }
        Ok(Some(note))
    }

    /// Metrics, logs, and the child process that does not exist here.
    fn observing(&mut self, value: &Value<'_>) -> Result<Option<NoteKind>, ValueError> {
        let metrics = self.metrics.clone();
        let moot = |why| Ok(Some(NoteKind::Moot(why)));
        match value.setting() {
            "MetricsLevel" => {
                let level = value.one_of(&["none", "summary", "detailed"], "none, summary or detailed")?;
                let levels = [MetricsLevel::None, MetricsLevel::Summary, MetricsLevel::Detailed];
                self.metrics = metrics.with_level(levels[level]);
            }
            "MetricsGranularity" => {
                let place = value.one_of(&["global", "stream", "shard"], "global, stream or shard")?;
                let all = [
                    MetricsGranularity::Global,
                    MetricsGranularity::Stream,
                    MetricsGranularity::Shard,
                ];
                self.metrics = metrics.with_granularity(all[place]);
            }
            "MetricsNamespace" => {
                let length = value.text().chars().count();
                if !(1..=255).contains(&length) || value.text().starts_with("AWS/") {
                    return Err(value.unexpected("1 to 255 characters, not beginning with AWS/"));
                }
                self.metrics = metrics.with_namespace(value.text());
            }
            "MetricsUploadDelay" => self.metrics = metrics.with_upload_delay(value.ms(1, 60_000)?),
            "LogLevel" => {
                let levels = ["trace", "debug", "info", "warning", "error"];
                value.one_of(&levels, "trace, debug, info, warning or error")?;
                return moot("the application's tracing subscriber chooses: RUST_LOG=kpl=info, say");
            }
            "EnableOldestFutureTracker" => {
                value.flag()?;
                return moot("BufferingTime tells how long records wait; nothing is tracked for it");
            }
            "EnableCoreDumps" | "EnableDaemonHealthCheck" => {
                value.flag()?;
                return moot(NO_CHILD);
            }
            "DaemonHealthCheckTimeoutMs" => {
                value.number(5_000, MAX)?;
                return moot(NO_CHILD);
            }
            "NativeExecutable" | "TempDirectory" => return moot(NO_CHILD),
            "GlueSchemaRegistryPropertiesFilePath" => {
                if value.filled().is_some() {
                    return Ok(Some(NoteKind::Refused(
                        "records are not encoded for a schema registry; encode them before they are put",
                    )));
                }
            }
            _ => debug_assert!(false, "{} is in the list of settings only", value.setting()),
        }
        Ok(None)
    }
}

/// Values were checked to be within 10 MiB or 32 bits.
fn as_size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

const NO_CHILD: &str = "there is no child process";
/// The KPL's greatest value: Java's.
const MAX: u64 = i64::MAX.unsigned_abs();
const MIB: u64 = 1024 * 1024;
const HOUR: Duration = Duration::from_secs(3600);
