//! Settings of the KCL for which there is nothing to set here, and why.

use kinesis_properties::NoteKind;

/// What is to be said of such a setting. `None`: it is not one.
pub(super) fn moot(setting: &str) -> Option<NoteKind> {
    let (_, why) = MOOT.iter().find(|(name, _)| *name == setting)?;
    Some(NoteKind::Moot(why))
}

const NO_CHILD: &str = "processors are part of the program, there is no child process";
const SDK: &str = "credentials and clients are the SDK's: give the consumer an SdkConfig";
const DEAD: &str = "the KCL does not use it either";
const LISTINGS: &str = "listings share one budget of ten calls a second in a process";
const REGISTRATION: &str =
    "registering the consumer is repeated with growing pauses, while shards are polled";
const STATISTICS: &str = "worker metrics are kept and smoothed with the KCL's defaults";

const MOOT: &[(&str, &str)] = &[
    ("executableName", NO_CHILD),
    ("processingLanguage", NO_CHILD),
    (
        "timeoutInSeconds",
        "a call of the processor is bounded by cancel_calls_after",
    ),
    ("maxActiveThreads", "shards are tasks, not threads"),
    ("AwsCredentialsProvider", SDK),
    ("AwsCredentialsProviderDynamoDB", SDK),
    ("AwsCredentialsProviderCloudWatch", SDK),
    ("retryGetRecordsInSeconds", DEAD),
    ("maxGetRecordsThreadPool", DEAD),
    ("validateSequenceNumberBeforeCheckpointing", DEAD),
    (
        "millisBehindLatestThresholdForReducedTps",
        "a shard is read at full pace while it is behind, and at idle_between_reads at its tip",
    ),
    (
        "maxPendingProcessRecordsInput",
        "reading ahead is bounded by bytes: prefetch_bytes",
    ),
    ("fanoutConfig.maxDescribeStreamSummaryRetries", REGISTRATION),
    ("fanoutConfig.maxDescribeStreamConsumerRetries", REGISTRATION),
    ("fanoutConfig.registerStreamConsumerRetries", REGISTRATION),
    ("fanoutConfig.retryBackoffMillis", REGISTRATION),
    (
        "enablePriorityLeaseAssignment",
        "what nobody takes for two failover times is taken beyond the shares",
    ),
    (
        "shardSyncIntervalMillis",
        "whoever finishes a shard makes the leases that follow; the rest is the audit's, shard_sync_interval",
    ),
    (
        "ignoreUnexpectedChildShards",
        "an open child of an open parent waits for the next listing",
    ),
    ("maxLeaseRenewalThreads", "one thread keeps all leases"),
    ("listShardsBackoffTimeInMillis", LISTINGS),
    ("maxListShardsRetryAttempts", LISTINGS),
    ("inMemoryWorkerMetricsCaptureFrequencyMillis", STATISTICS),
    ("noOfPersistedMetricsPerWorkerMetrics", STATISTICS),
    ("disableWorkerMetrics", STATISTICS),
    ("varianceBalancingFrequency", STATISTICS),
    ("workerMetricsEMAAlpha", STATISTICS),
    ("staleWorkerMetricsEntryCleanupDuration", STATISTICS),
    ("shardPrioritization", "parents come before their children"),
];

#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    MOOT.iter().map(|(name, _)| *name)
}
