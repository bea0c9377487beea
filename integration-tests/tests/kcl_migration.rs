//! The migration guide of the consumer: every setting, metric and trap of the KCL has its row, and the tests that rows name
//! are there.

use std::fs;
use std::path::{Path, PathBuf};

/// Source: KCL 3.5, its configuration classes; those of coordination and leases are in the guide's first part.
const SETTINGS: &[(&str, &str)] = &[
    (
        "CoordinatorConfig",
        "maxInitializationAttempts schedulerInitializationBackoffTimeMillis parentShardPollIntervalMillis \
         skipShardSyncAtWorkerInitializationIfLeasesExist shardConsumerDispatchPollIntervalMillis shardPrioritization \
         clientVersionConfig migrateAllEntitiesToLeaseTable tableMigrationCompleteBakeTimeSeconds \
         coordinatorStateTableConfig workerStateChangeListener gracefulShutdownCoordinator coordinatorFactory",
    ),
    (
        "LeaseManagementConfig",
        "failoverTimeMillis leaseAssignmentIntervalMillis enablePriorityLeaseAssignment leaseAssignmentStrategy \
         shardSyncIntervalMillis cleanupLeasesUponShardCompletion leaseCleanupConfig maxLeasesForWorker \
         maxLeasesToStealAtOneTime initialLeaseTableReadCapacity initialLeaseTableWriteCapacity billingMode \
         leaseTableDeletionProtectionEnabled leaseTablePitrEnabled maxLeaseRenewalThreads leaseTableScanTotalSegments \
         ignoreUnexpectedChildShards consistentReads listShardsBackoffTimeInMillis maxListShardsRetryAttempts \
         maxCacheMissesBeforeReload listShardsCacheAllowedAgeInSeconds cacheMissWarningModulus epsilonMillis \
         dynamoDbRequestTimeout leasesRecoveryAuditorExecutionFrequencyMillis \
         leasesRecoveryAuditorInconsistencyConfidenceThreshold initialPositionInStream \
         dynamoDbLockBasedLeaderLeaseDurationInMillis dynamoDbLockBasedLeaderHeartbeatPeriodInMillis streamInfoMode \
         streamIdOnboardingState customShardDetectorProvider consumerTaskFactory tableCreatorCallback \
         hierarchicalShardSyncer leaseManagementFactory executorService isGracefulLeaseHandoffEnabled \
         gracefulLeaseHandoffTimeoutMillis",
    ),
    (
        "WorkerUtilizationAwareAssignmentConfig",
        "inMemoryWorkerMetricsCaptureFrequencyMillis workerMetricsReporterFreqInMillis \
         noOfPersistedMetricsPerWorkerMetrics disableWorkerMetrics workerMetricList maxThroughputPerHostKBps \
         dampeningPercentage reBalanceThresholdPercentage allowThroughputOvershoot varianceBalancingFrequency \
         workerMetricsEMAAlpha staleWorkerMetricsEntryCleanupDuration workerMetricsTableConfig",
    ),
    (
        "LifecycleConfig",
        "taskBackoffTimeMillis logWarningForTaskAfterMillis readTimeoutsToIgnoreBeforeWarning aggregatorUtil \
         taskExecutionListener",
    ),
    (
        "ProcessorConfig",
        "callProcessRecordsEvenForEmptyRecordList checkpointFactory",
    ),
    (
        "RetrievalConfig",
        "retrievalSpecificConfig streamTracker appStreamTracker initialPositionInStreamExtended \
         glueSchemaRegistryDeserializer streamArnConstructor",
    ),
    (
        "PollingConfig",
        "maxRecords idleTimeBetweenReadsInMillis maxPendingProcessRecordsInput \
         millisBehindLatestThresholdForReducedTps kinesisRequestTimeout recordsFetcherFactory sleepTimeController \
         dataFetcherProvider retryGetRecordsInSeconds maxGetRecordsThreadPool",
    ),
    (
        "FanOutConfig",
        "consumerArn consumerName maxDescribeStreamSummaryRetries maxDescribeStreamConsumerRetries \
         registerStreamConsumerRetries retryBackoffMillis",
    ),
    (
        "MetricsConfig",
        "metricsLevel metricsEnabledDimensions metricsBufferTimeMillis metricsMaxQueueSize publisherFlushBuffer \
         metricsBackend",
    ),
    (
        "DdbTableConfig",
        "tableName billingMode readCapacity writeCapacity pointInTimeRecoveryEnabled deletionProtectionEnabled tags",
    ),
];

/// Source: KCL 3.5, the operations under which it publishes metrics.
const OPERATIONS: &str = "ProcessTask ApplicationTracker InitializeTask ShutdownTask ShardSyncTask RenewAllLeases \
     LeaseRenewerInitialize TakeLeases LeaseDiscovery LeaseAssignmentManager WorkerMetricStatsReporter WorkerMetrics \
     LeaderDecider PeriodicShardSyncManager MultiStreamTracker Scheduler:Initialize Migration TableMigration \
     TableMigrationInitialize TableMigrationAsyncMove StreamIdFetch";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_path_buf()
}

fn guide() -> String {
    fs::read_to_string(root().join("docs/kcl-migration.md")).expect("the guide")
}

/// What is wrong with the guide's traps.
fn faults_of_traps(guide: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut traps = Vec::new();
    for line in guide.lines() {
        let Some(trap) = line.strip_prefix("| J.") else {
            continue;
        };
        traps.extend(
            trap.split(' ')
                .next()
                .and_then(|number| number.parse::<u32>().ok()),
        );
        let last = line
            .trim_end_matches(" |")
            .rsplit(" | ")
            .next()
            .unwrap_or_default();
        let is_excused = ["moot: ", "not yet: "]
            .iter()
            .any(|start| last.starts_with(start));
        let named: Vec<_> = last.split('`').filter(|part| part.contains(".rs::")).collect();
        if named.is_empty() && !is_excused {
            faults.push(format!("no test and no reason: {line}"));
        }
        faults.extend(
            named
                .into_iter()
                .filter(|test| !exists(test))
                .map(|test| format!("{test} is not there")),
        );
    }
    if traps != (1..=50).collect::<Vec<_>>() {
        faults.push(format!("each trap once, in order: {traps:?}"));
    }
    faults
}

/// Whether a test is in its file, as a test.
fn exists(test: &str) -> bool {
    let Some((file, name)) = test.split_once("::") else {
        return false;
    };
    let Ok(source) = fs::read_to_string(root().join(file)) else {
        return false;
    };
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        let is_fn = [format!("fn {name}("), format!("fn {name}<")]
            .iter()
            .any(|start| line.contains(start));
        if is_fn {
            // The parts of the suite for stores are called by its one test.
            return is_test || file.contains("/conformance/");
        }
        is_test = line.starts_with("#[test]")
            || line.starts_with("#[tokio::test")
            || (is_test && (line.starts_with("#[") || line.starts_with("//")));
    }
    false
}

/// What a table of the guide lacks: the first cells below a heading.
fn lacking(guide: &str, heading: &str, names: &str) -> Vec<String> {
    let section = guide.split("\n#").find(|section| {
        let title = section.lines().next().unwrap_or_default();
        title.contains(heading)
    });
    let rows: Vec<&str> = section
        .unwrap_or_default()
        .lines()
        .filter(|line| line.starts_with("| "))
        .filter_map(|line| line.trim_start_matches("| ").split(" | ").next())
        .collect();
    let has = |name: &str| rows.iter().any(|row| row.contains(&format!("`{name}`")));
    names
        .split_whitespace()
        .filter(|name| !has(name))
        .map(|name| format!("{heading}: {name}"))
        .collect()
}

#[test]
fn every_trap_names_a_test_that_exists_or_says_why_there_is_none() {
    let faults = faults_of_traps(&guide());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_setting_has_its_row() {
    let guide = guide();
    let lacking: Vec<_> = SETTINGS
        .iter()
        .flat_map(|(heading, names)| lacking(&guide, &format!("`{heading}`"), names))
        .collect();
    assert!(lacking.is_empty(), "{}", lacking.join("\n"));
}

#[test]
fn every_metric_has_its_row_and_every_row_its_metric() {
    let guide = guide();
    assert_eq!(lacking(&guide, "# Metrics", OPERATIONS), Vec::<String>::new());
    let section = guide
        .split("\n## ")
        .find(|section| section.starts_with("Metrics"))
        .expect("the section");
    for metric in kcl::metrics::Metric::ALL {
        if metric.operation() == "MetricsUpload" {
            continue;
        }
        let row = section
            .lines()
            .find(|line| line.starts_with(&format!("| `{}` |", metric.operation())));
        let row = row.unwrap_or_else(|| panic!("no row for {}", metric.operation()));
        let counted = row.split("none: ").next().unwrap_or_default();
        assert!(
            counted.contains(&format!("`{}`", metric.name())),
            "{metric:?} is not in its row"
        );
    }
}

#[test]
fn a_guide_that_lies_is_found_out() {
    let honest = guide();
    let lies = [
        ("| J.27 ", "| J.28 "),
        (
            "children.rs::a_merge_needs_both_parents_or_none",
            "children.rs::no_such_test",
        ),
        (
            "children.rs::a_merge_needs_both_parents_or_none",
            "children.rs::child_leases",
        ),
        ("| not yet: there is no daemon", "| there is no daemon"),
    ];
    for (true_words, lie) in lies {
        assert!(honest.contains(true_words), "{true_words}");
        let faults = faults_of_traps(&honest.replacen(true_words, lie, 1));
        assert!(!faults.is_empty(), "{lie} went through");
    }
    let without = honest.replacen("`idleTimeBetweenReadsInMillis`", "`idle`", 1);
    assert_eq!(
        lacking(
            &without,
            "`PollingConfig`",
            "maxRecords idleTimeBetweenReadsInMillis"
        )
        .len(),
        1
    );
}
