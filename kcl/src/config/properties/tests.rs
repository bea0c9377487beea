//! Real-looking files, ranges, and what becomes of each setting.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::*;
use crate::assign::central::Strategy;
use crate::config::{InitialPosition, MetricsDimension, MetricsLevel, Retrieval};
use crate::store::dynamodb::Billing;

fn read(text: &str) -> KclProperties {
    ConsumerConfig::from_kcl_properties(text).expect(text)
}

/// With the two settings that no file can do without, on the first two lines.
fn with(text: &str) -> Result<KclProperties, PropertiesError> {
    ConsumerConfig::from_kcl_properties(&format!("applicationName=stock\nstreamName=sales\n{text}"))
}

fn notes(read: &KclProperties) -> Vec<String> {
    read.notes().iter().map(ToString::to_string).collect()
}

/// In the manner of the sample that comes with the Python client of KCL 2.x and 3.x.
const SAMPLE: &str = "
# The script that abides by the multi-language protocol.
executableName = sample_kclpy_app.py

# The stream, by its ARN or its name.
streamName = words
streamArn = arn:aws:kinesis:eu-central-1:123456789012:stream/words

# Also the name of the lease table.
applicationName = PythonKCLSample

AwsCredentialsProvider = DefaultCredentialsProvider
processingLanguage = python/3.11

initialPositionInStream = TRIM_HORIZON
regionName = us-east-1
failoverTimeMillis = 10000
workerId = host-1
shardSyncIntervalMillis = 60000
maxRecords = 10000
idleTimeBetweenReadsInMillis = 1000
callProcessRecordsEvenForEmptyRecordList = false
parentShardPollIntervalMillis = 10000
cleanupLeasesUponShardCompletion = true
taskBackoffTimeMillis = 500
metricsBufferTimeMillis = 10000
metricsMaxQueueSize = 10000
validateSequenceNumberBeforeCheckpointing = true
maxActiveThreads = 0
shutdownGraceMillis = 20000
";

#[test]
fn the_sample_of_a_client_library_is_read() {
    let read = read(SAMPLE);
    let config = read.config();
    assert_eq!(config.application_name(), "PythonKCLSample");
    assert_eq!(config.stream().unwrap().as_str(), "words");
    assert_eq!(config.worker_id().as_str(), "host-1");
    assert_eq!(config.initial_position(), InitialPosition::TrimHorizon);
    assert_eq!(
        config.fan_out.retrieval,
        Retrieval::Polling,
        "since maxRecords is set"
    );
    assert_eq!(config.leasing.failover, Duration::from_secs(10));
    assert_eq!(config.coordination.shutdown_timeout, Duration::from_secs(20));
    assert_eq!(config.metrics.upload_interval(), Duration::from_secs(10));
    assert_eq!(
        read.connection().region(),
        Some("us-east-1"),
        "named comes before the ARN's"
    );
    assert_eq!(read.table_names().lease_table(), "PythonKCLSample");
    let unknown = read
        .notes()
        .iter()
        .find(|note| matches!(note.kind(), NoteKind::Unknown { .. }));
    assert_eq!(unknown, None);
    let moot = notes(&read)
        .into_iter()
        .find(|note| note.contains("executableName"));
    let expected =
        "line 3: executableName has no effect: processors are part of the program, there is no child process";
    assert_eq!(moot.as_deref(), Some(expected));
}

/// A file of KCL 1.x, with a provisioned table, and a time to start at.
const OLD: &str = "
applicationName=OldApp
streamName=orders
AWSCredentialsProvider=DefaultAWSCredentialsProviderChain
initialPositionInStream=LATEST
initialPositionInStreamExtended=1700000000
kinesisEndpoint=https://kinesis.example.com
dynamoDBEndpoint=http://localhost:8000
initialLeaseTableReadCapacity=20
metricsLevel=none
";

#[test]
fn a_file_of_kcl_1_is_read() {
    let read = read(OLD);
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    assert_eq!(
        read.config().initial_position(),
        InitialPosition::AtTimestamp(then)
    );
    assert_eq!(read.config().metrics.level(), MetricsLevel::None);
    assert_eq!(
        read.connection().kinesis_endpoint(),
        Some("https://kinesis.example.com")
    );
    assert_eq!(
        read.connection().dynamodb_endpoint(),
        Some("http://localhost:8000")
    );
    let billing = Billing::Provisioned { read: 20, write: 10 };
    let expected = TableSettings::builder().billing(billing).build().unwrap();
    assert_eq!(*read.table_settings(), expected);
    assert!(
        notes(&read)[0].starts_with("line 4: AWSCredentialsProvider has no effect"),
        "{read:?}"
    );
}

#[test]
fn a_file_of_kcl_3_is_read() {
    let read = with(
        "retrievalMode = fanout\nfanoutConfig.consumerName = billing\nclientVersionConfig = \
         CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X\nleaseAssignmentIntervalMillis = 90000\nfailoverTimeMillis=20000\n\
         dampeningPercentage=80\nallowThroughputOvershoot=false\nleaseTableDeletionProtectionEnabled=true\n\
         leaseTablePitrEnabled=true\ncoordinatorStateTableName=c\nworkerMetricsTags=team=sales,env=prod\n\
         coordinatorStateTags=env=test\nmetricsEnabledDimensions=Operation,ShardId\nmetricsLevel=DETAILED\n\
         gracefulLeaseHandoffTimeoutMillis=15000\nlogWarningForTaskAfterMillis=30000\n\
         tableMigrationCompleteBakeTimeSeconds=7200\nmigrateAllEntitiesToLeaseTable=true\n",
    )
    .unwrap();
    let config = read.config();
    assert_eq!(config.fan_out.retrieval, Retrieval::FanOut);
    assert_eq!(config.fan_out.consumer_name(), "billing");
    assert_eq!(
        config.membership.version,
        crate::fleet::VersionSetting::CompatibleWith2x
    );
    assert_eq!(
        config.coordination.scan_interval,
        Some(Duration::from_secs(20)),
        "at most failover"
    );
    assert_eq!(config.leasing.hand_over_timeout, Duration::from_secs(15));
    assert_eq!(config.watching.report_calls, Duration::from_secs(30));
    assert!(config.membership.migrate_all);
    assert_eq!(config.membership.bake.complete, Duration::from_secs(7_200));
    let Strategy::Utilization(utilization) = config.membership.strategy else {
        panic!("{:?}", config.membership.strategy)
    };
    assert_eq!(
        (utilization.dampening_percent, utilization.allow_overshoot),
        (80.0, false)
    );
    assert!(config.metrics.has(MetricsDimension::ShardId));
    assert!(!config.metrics.has(MetricsDimension::WorkerIdentifier));
    let expected = TableSettings::builder()
        .deletion_protection(true)
        .point_in_time_recovery(true)
        .tag("team", "sales")
        .tag("env", "test");
    assert_eq!(*read.table_settings(), expected.build().unwrap());
    assert_eq!(read.table_names().coordinator_table(), "c");
}

#[test]
fn where_the_file_is_silent_position_and_retrieval_are_the_kcls() {
    let silent = with("").unwrap();
    assert_eq!(silent.config().initial_position(), InitialPosition::Latest);
    assert_eq!(silent.config().fan_out.retrieval, Retrieval::FanOut);
    let polls = with("retrievalMode=DEFAULT\nidleTimeBetweenReadsInMillis=500").unwrap();
    assert_eq!(polls.config().fan_out.retrieval, Retrieval::Polling);
    let changed = silent
        .builder()
        .initial_position(InitialPosition::TrimHorizon)
        .build();
    assert_eq!(changed.unwrap().initial_position(), InitialPosition::TrimHorizon);
}

#[test]
fn every_setting_is_known_and_taken_once() {
    let value = |name: &str| match name {
        "applicationName" | "streamName" | "tableName" | "workerId" | "workerIdentifier" => {
            "some-name".to_owned()
        }
        "streamArn" => "arn:aws:kinesis:eu-central-1:123456789012:stream/words".to_owned(),
        "initialPositionInStream" => "latest".to_owned(),
        "retrievalMode" => "POLLING".to_owned(),
        "metricsLevel" => "SUMMARY".to_owned(),
        "metricsEnabledDimensions" => "ALL".to_owned(),
        "billingMode" => "PROVISIONED".to_owned(),
        "clientVersionConfig" => "CLIENT_VERSION_CONFIG_3X".to_owned(),
        "leaseAssignmentStrategy" => "LEASE_COUNT_BASED".to_owned(),
        "fanoutConfig.consumerArn" => {
            "arn:aws:kinesis:eu-central-1:123456789012:stream/words/consumer/c:1700000000".to_owned()
        }
        _ if name.ends_with("Tags") => "a=b".to_owned(),
        _ if ["is", "migrate", "cleanup", "call", "skip", "allow"]
            .iter()
            .any(|start| name.starts_with(start))
            || name.ends_with("Enabled") =>
        {
            "true".to_owned()
        }
        _ => "1000".to_owned(),
    };
    for name in KCL_SETTINGS {
        let text = format!(
            "applicationName=stock\nstreamName=sales\n{name}={}\n",
            value(name)
        );
        for note in read(&text).notes() {
            assert!(!matches!(note.kind(), NoteKind::Unknown { .. }), "{note}");
            assert_eq!(note.name(), *name);
        }
    }
    for name in moot::names() {
        assert!(KCL_SETTINGS.contains(&name), "{name} is no setting");
    }
}

#[test]
fn what_is_not_taken_is_told_with_its_line() {
    let read = with(
        "failovertimemillis=1\nnoSuchThing=1\nkinesisClient.maxConcurrency=10\nmaxRecords=5\nmaxRecords=6\n\
         isGracefulLeaseHandoffEnabled=false\nidleTimeBetweenReadsInMillis=50\n",
    )
    .unwrap();
    assert_eq!(
        notes(&read),
        [
            "line 3: failovertimemillis is unknown; failoverTimeMillis is meant, probably",
            "line 4: noSuchThing is unknown",
            "line 5: kinesisClient.maxConcurrency has no effect: clients are the SDK's: give the consumer an SdkConfig, \
             or a client",
            "line 6: maxRecords is set again further down",
            "line 8: isGracefulLeaseHandoffEnabled was refused: leases are always handed over where the other side can",
            "line 9: idleTimeBetweenReadsInMillis was adjusted: a shard is read five times a second to once a minute",
        ]
    );
    assert_eq!(read.config().retrieval.max_records, 6, "the last counts");
    assert_eq!(read.config().retrieval.idle, Duration::from_millis(200));
}

#[test]
fn what_no_setting_can_be_is_refused_with_its_line() {
    let cases = [
        (
            "maxRecords=10001",
            "line 3: maxRecords is \"10001\", allowed are 1 to 10000",
        ),
        (
            "initialPositionInStream=AT_TIMESTAMP",
            "line 3: initialPositionInStream is \"AT_TIMESTAMP\", expected TRIM_HORIZON or LATEST; a time is \
             initialPositionInStreamExtended",
        ),
        (
            "\n\nfailoverTimeMillis=soon",
            "line 5: failoverTimeMillis is \"soon\", allowed are 100 to 3600000",
        ),
        (
            "streamArn=orders",
            "line 3: streamArn is \"orders\", expected the ARN of a stream",
        ),
        (
            "leaseTablePitrEnabled=yes",
            "line 3: leaseTablePitrEnabled is \"yes\", expected true or false",
        ),
        ("tableName=\\u12", "line 3: malformed \\u escape"),
        ("tableName=a b", "the settings do not go together"),
    ];
    for (text, expected) in cases {
        assert_eq!(with(text).expect_err(text).to_string(), expected);
    }
    let missing = |text| ConsumerConfig::from_kcl_properties(text).unwrap_err().to_string();
    assert_eq!(missing("streamName=sales"), "applicationName is not set");
    assert_eq!(missing("applicationName=stock"), "streamName is not set");
}

#[test]
fn a_file_is_read_and_one_that_is_missing_named() {
    let error = ConsumerConfig::from_kcl_properties_file("no/such.properties").unwrap_err();
    assert_eq!(error.to_string(), "reading no/such.properties failed");
    assert!(std::error::Error::source(&error).is_some());
}

proptest! {
    #[test]
    fn any_text_is_read_to_an_end(
        text in "\\PC{0,200}",
        name in prop::sample::select(KCL_SETTINGS),
        value in "[-0-9a-zA-Z.,=: ]{0,24}",
    ) {
        let _ = ConsumerConfig::from_kcl_properties(&text);
        let _ = with(&format!("{name} = {value}"));
    }
}
