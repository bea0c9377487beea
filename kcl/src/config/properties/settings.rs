//! Each setting of the KCL: its range, and what it is here.

use std::time::{Duration, SystemTime};

use kinesis_properties::{NoteKind, Notes, Property, Value, ValueError};

use super::error::PropertiesError;
use super::moot::moot;
use super::tables::Tables;
use super::{KclConnection, KclProperties};
use crate::assign::central::UtilizationSettings;
use crate::config::{
    ConsumerConfig, ConsumerConfigBuilder, InitialPosition, MetricsConfig, MetricsDimension, MetricsLevel,
    Retrieval,
};
use crate::streams::arn::StreamArn;

/// Every setting that a properties file of the KCL 3.5 may hold, and what earlier ones called differently.
pub const KCL_SETTINGS: &[&str] = &[
    "applicationName",
    "tableName",
    "workerId",
    "workerIdentifier",
    "streamName",
    "streamArn",
    "regionName",
    "kinesisEndpoint",
    "dynamoDBEndpoint",
    "executableName",
    "processingLanguage",
    "maxActiveThreads",
    "timeoutInSeconds",
    "shutdownGraceMillis",
    "AwsCredentialsProvider",
    "AwsCredentialsProviderDynamoDB",
    "AwsCredentialsProviderCloudWatch",
    "initialPositionInStream",
    "initialPositionInStreamExtended",
    "retrievalMode",
    "maxRecords",
    "idleTimeBetweenReadsInMillis",
    "retryGetRecordsInSeconds",
    "maxGetRecordsThreadPool",
    "maxPendingProcessRecordsInput",
    "millisBehindLatestThresholdForReducedTps",
    "fanoutConfig.consumerArn",
    "fanoutConfig.consumerName",
    "fanoutConfig.maxDescribeStreamSummaryRetries",
    "fanoutConfig.maxDescribeStreamConsumerRetries",
    "fanoutConfig.registerStreamConsumerRetries",
    "fanoutConfig.retryBackoffMillis",
    "failoverTimeMillis",
    "leaseAssignmentIntervalMillis",
    "leaseAssignmentStrategy",
    "enablePriorityLeaseAssignment",
    "leaseTableDeletionProtectionEnabled",
    "leaseTablePitrEnabled",
    "shardSyncIntervalMillis",
    "cleanupLeasesUponShardCompletion",
    "ignoreUnexpectedChildShards",
    "maxLeasesForWorker",
    "maxLeasesToStealAtOneTime",
    "initialLeaseTableReadCapacity",
    "initialLeaseTableWriteCapacity",
    "billingMode",
    "leaseTableScanTotalSegments",
    "maxLeaseRenewalThreads",
    "listShardsBackoffTimeInMillis",
    "maxListShardsRetryAttempts",
    "isGracefulLeaseHandoffEnabled",
    "gracefulLeaseHandoffTimeoutMillis",
    "inMemoryWorkerMetricsCaptureFrequencyMillis",
    "workerMetricsReporterFreqInMillis",
    "noOfPersistedMetricsPerWorkerMetrics",
    "disableWorkerMetrics",
    "maxThroughputPerHostKBps",
    "dampeningPercentage",
    "reBalanceThresholdPercentage",
    "allowThroughputOvershoot",
    "varianceBalancingFrequency",
    "workerMetricsEMAAlpha",
    "staleWorkerMetricsEntryCleanupDuration",
    "workerMetricsTableName",
    "workerMetricsBillingMode",
    "workerMetricsReadCapacity",
    "workerMetricsWriteCapacity",
    "workerMetricsPointInTimeRecoveryEnabled",
    "workerMetricsDeletionProtectionEnabled",
    "workerMetricsTags",
    "coordinatorStateTableName",
    "coordinatorStateBillingMode",
    "coordinatorStateReadCapacity",
    "coordinatorStateWriteCapacity",
    "coordinatorStatePointInTimeRecoveryEnabled",
    "coordinatorStateDeletionProtectionEnabled",
    "coordinatorStateTags",
    "parentShardPollIntervalMillis",
    "shardPrioritization",
    "skipShardSyncAtWorkerInitializationIfLeasesExist",
    "schedulerInitializationBackoffTimeMillis",
    "clientVersionConfig",
    "migrateAllEntitiesToLeaseTable",
    "tableMigrationCompleteBakeTimeSeconds",
    "callProcessRecordsEvenForEmptyRecordList",
    "taskBackoffTimeMillis",
    "logWarningForTaskAfterMillis",
    "validateSequenceNumberBeforeCheckpointing",
    "metricsLevel",
    "metricsEnabledDimensions",
    "metricsBufferTimeMillis",
    "metricsMaxQueueSize",
];

/// A setting was this one's to take: what there is to say about it. `None`: it was not.
pub(super) type Taken = Result<Option<Option<NoteKind>>, ValueError>;

/// A file being read.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) builder: ConsumerConfigBuilder,
    pub(super) tables: Tables,
    pub(super) utilization: UtilizationSettings,
    pub(super) by_count: bool,
    pub(super) scan_interval: Option<Duration>,
    metrics: MetricsConfig,
    connection: KclConnection,
    arn: Option<StreamArn>,
    position: Option<InitialPosition>,
    timestamp: Option<SystemTime>,
    mode: Option<Retrieval>,
    polls: bool,
    notes: Notes,
}

impl Reading {
    pub(super) fn new() -> Self {
        Self {
            builder: ConsumerConfig::builder("", ""),
            tables: Tables::default(),
            utilization: UtilizationSettings::default(),
            by_count: false,
            scan_interval: None,
            metrics: MetricsConfig::default(),
            connection: KclConnection::default(),
            arn: None,
            position: None,
            timestamp: None,
            mode: None,
            polls: false,
            notes: Notes::default(),
        }
    }

    pub(super) fn apply(&mut self, property: &Property) -> Result<(), PropertiesError> {
        self.notes.begin(property);
        let name = property.name();
        let known = |is_it: &dyn Fn(&str) -> bool| KCL_SETTINGS.iter().copied().find(|known| is_it(known));
        let setting = known(&|known| known == name).or_else(|| {
            // The one family of names that the KCL takes in any case.
            let any_case = name.to_ascii_lowercase().starts_with("awscredentialsprovider");
            known(&|known| any_case && known.eq_ignore_ascii_case(name))
        });
        match setting {
            Some(setting) => {
                let value = Value::new(property.line(), setting, property.value().trim());
                if let Some(note) = self.set(value)? {
                    self.notes.add(property, note);
                }
            }
            None if is_nested_client(name) => self.notes.add(property, NoteKind::Moot(CLIENTS)),
            None => self.notes.add_unknown(property, KCL_SETTINGS),
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<KclProperties, PropertiesError> {
        let missing = |setting| PropertiesError::Missing { setting };
        if self.builder.application.is_empty() {
            return Err(missing("applicationName"));
        }
        if let Some(arn) = &self.arn {
            self.builder.read_only(arn.name().as_str());
            self.connection
                .region
                .get_or_insert_with(|| arn.region().to_owned());
        }
        if self.builder.names_no_stream() {
            return Err(missing("streamName"));
        }
        let position = self.timestamp.map(InitialPosition::AtTimestamp).or(self.position);
        let retrieval = self.mode.unwrap_or(match self.polls {
            true => Retrieval::Polling,
            false => Retrieval::FanOut,
        });
        let strategy = self.strategy();
        if let Some(interval) = self.scan_interval {
            let failover = self.builder.leasing.failover;
            self.build(|b| b.scan_interval(interval.min(failover)));
        }
        let builder = self
            .builder
            .initial_position(position.unwrap_or(InitialPosition::Latest))
            .retrieval(retrieval)
            .assignment_strategy(strategy)
            .metrics(self.metrics);
        let config = builder.clone().build()?;
        let (table_names, table_settings) = self.tables.finish(&config)?;
        Ok(KclProperties {
            builder,
            config,
            connection: self.connection,
            table_names,
            table_settings,
            notes: self.notes.finish(),
        })
    }

    pub(super) fn build(&mut self, change: impl FnOnce(ConsumerConfigBuilder) -> ConsumerConfigBuilder) {
        self.builder = change(self.builder.clone());
    }

    fn set(&mut self, value: Value<'_>) -> Result<Option<NoteKind>, ValueError> {
        if let Some(note) = moot(value.setting()) {
            return Ok(Some(note));
        }
        if let Some(note) = self.identity(&value)? {
            return Ok(note);
        }
        if let Some(note) = self.reading(&value)? {
            return Ok(note);
        }
        if let Some(note) = self.tables.set(&value)? {
            return Ok(note);
        }
        if let Some(note) = self.leases(&value)? {
            return Ok(note);
        }
        self.processing(&value)
    }

    /// Who reads what.
    fn identity(&mut self, value: &Value<'_>) -> Taken {
        match value.setting() {
            "applicationName" => value.text().clone_into(&mut self.builder.application),
            "streamName" => self.builder.read_only(value.text()),
            "streamArn" => {
                let arn =
                    StreamArn::parse(value.text()).map_err(|_| value.unexpected("the ARN of a stream"))?;
                self.arn = Some(arn);
            }
            "workerId" | "workerIdentifier" => self.build(|b| b.worker_id(value.text())),
            "tableName" => self.build(|b| b.lease_table_name(value.text())),
            "regionName" => self.connection.region = value.filled(),
            "kinesisEndpoint" => self.connection.kinesis_endpoint = value.filled(),
            "dynamoDBEndpoint" => self.connection.dynamodb_endpoint = value.filled(),
            _ => return Ok(None),
        }
        Ok(Some(None))
    }

    /// From where, and how.
    fn reading(&mut self, value: &Value<'_>) -> Taken {
        let mut note = None;
        match value.setting() {
            "initialPositionInStream" => {
                let expected = "TRIM_HORIZON or LATEST; a time is initialPositionInStreamExtended";
                let place = value.one_of(&["TRIM_HORIZON", "LATEST"], expected)?;
                self.position = Some([InitialPosition::TrimHorizon, InitialPosition::Latest][place]);
            }
            "initialPositionInStreamExtended" => {
                let seconds = value.number(0, MAX_SECONDS)?;
                self.timestamp = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
            }
            "retrievalMode" => {
                let modes = ["DEFAULT", "POLLING", "FANOUT"];
                let place = value.one_of(&modes, "FANOUT, POLLING or DEFAULT")?;
                self.mode = [None, Some(Retrieval::Polling), Some(Retrieval::FanOut)][place];
            }
            "maxRecords" => {
                let records = u32::try_from(value.number(1, 10_000)?).unwrap_or(u32::MAX);
                self.polls = true;
                self.build(|b| b.max_records(records));
            }
            "idleTimeBetweenReadsInMillis" => {
                let idle = value.ms(0, MAX)?;
                let ours = idle.clamp(Duration::from_millis(200), Duration::from_secs(60));
                if ours != idle {
                    note = Some(NoteKind::Adjusted(
                        "a shard is read five times a second to once a minute",
                    ));
                }
                self.polls = true;
                self.build(|b| b.idle_between_reads(ours));
            }
            "fanoutConfig.consumerArn" => self.build(|b| b.fan_out_consumer_arn(value.text())),
            "fanoutConfig.consumerName" => self.build(|b| b.fan_out_consumer_name(value.text())),
            _ => return Ok(None),
        }
        Ok(Some(note))
    }

    /// The user's code, and what is told.
    fn processing(&mut self, value: &Value<'_>) -> Result<Option<NoteKind>, ValueError> {
        let metrics = self.metrics.clone();
        let mut note = None;
        match value.setting() {
            "taskBackoffTimeMillis" => {
                let pause = value.ms(1, HOUR_MS)?;
                note = Some(NoteKind::Adjusted(
                    "it is the first pause; the next ones are longer",
                ));
                self.build(|b| b.retry_backoff(pause, pause.max(Duration::from_secs(30))));
            }
            "logWarningForTaskAfterMillis" => {
                let after = value.ms(0, 24 * HOUR_MS)?.max(Duration::from_secs(1));
                self.build(|b| b.report_calls_after(after));
            }
            "shutdownGraceMillis" => {
                let grace = value.ms(0, HOUR_MS)?;
                self.build(|b| b.shutdown_timeout(grace));
            }
            "metricsLevel" => {
                let place = value.one_of(&["NONE", "SUMMARY", "DETAILED"], "NONE, SUMMARY or DETAILED")?;
                let levels = [MetricsLevel::None, MetricsLevel::Summary, MetricsLevel::Detailed];
                self.metrics = metrics.with_level(levels[place]);
            }
            "metricsEnabledDimensions" => self.metrics = metrics.with_dimensions(dimensions(value)?),
            "metricsBufferTimeMillis" => {
                let interval = value.ms(0, HOUR_MS)?.max(Duration::from_secs(1));
                self.metrics = metrics.with_upload_interval(interval);
            }
            "metricsMaxQueueSize" => {
                let datums = value.size(MAX_DATUMS)?.get();
                self.metrics = metrics.with_max_datums(datums);
            }
            _ => debug_assert!(false, "{} is in the list of settings only", value.setting()),
        }
        Ok(note)
    }
}

fn dimensions(value: &Value<'_>) -> Result<Vec<MetricsDimension>, ValueError> {
    let mut chosen = Vec::new();
    for name in value.parts() {
        match MetricsDimension::ALL
            .iter()
            .find(|dimension| dimension.as_str() == name)
        {
            Some(dimension) => chosen.push(*dimension),
            None if name == "ALL" => chosen.extend(MetricsDimension::ALL),
            // It is always there.
            None if name == "Operation" => {}
            None => {
                return Err(
                    value.unexpected("ALL, or some of Operation, ShardId, StreamId, WorkerIdentifier")
                );
            }
        }
    }
    Ok(chosen)
}

fn is_nested_client(name: &str) -> bool {
    ["kinesisClient.", "dynamoDbClient.", "cloudWatchClient."]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

const CLIENTS: &str = "clients are the SDK's: give the consumer an SdkConfig, or a client";
/// The KCL's greatest value: Java's.
pub(super) const MAX: u64 = i64::MAX.unsigned_abs();
pub(super) const HOUR_MS: u64 = 3_600_000;
const MAX_DATUMS: usize = 100_000;
/// Ours: the end of the year 9999.
const MAX_SECONDS: u64 = 253_402_300_799;
