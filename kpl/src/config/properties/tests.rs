//! Ranges, and what becomes of each setting.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::{Aggregation, MetricsGranularity, MetricsLevel, RateLimit, StreamConfig};

fn read(text: &str) -> KplProperties {
    ProducerConfig::from_kpl_properties(text).expect(text)
}

/// The file that comes with the KPL's sample, in names and values.
const SAMPLE: &str = "
# The values are the defaults.
AggregationEnabled = true
AggregationMaxCount = 4294967295
AggregationMaxSize = 51200
CaCertPath =
CloudwatchEndpoint =
CloudwatchPort = 443
CollectionMaxCount = 500
CollectionMaxSize = 5242880
ConnectTimeout = 6000
CredentialsRefreshDelay = 5000
EnableCoreDumps = false
FailIfThrottled = false
KinesisEndpoint =
KinesisPort = 443
LogLevel = info
MaxConnections = 24
MetricsGranularity = shard
MetricsLevel = detailed
MetricsNamespace = KinesisProducerLibrary
MetricsUploadDelay = 60000
MinConnections = 1
NativeExecutable =
ProxyHost =
ProxyPort = 443
ProxyUserName =
ProxyPassword =
RateLimit = 150
RecordMaxBufferedTime = 100
RecordTtl = 30000
Region =
RequestTimeout = 6000
TempDirectory =
ThreadingModel = PER_REQUEST
ThreadPoolSize = 0
VerifyCertificate = true
";

#[test]
fn the_kpls_sample_file_gives_our_defaults() {
    let sample = read(SAMPLE);
    assert_eq!(*sample.config(), ProducerConfig::default());
    assert_eq!(sample.connection().region(), None);
    assert_eq!(sample.connection().kinesis_endpoint(), None);
    assert_eq!(sample.connection().proxy(), None);
    let unknown = sample
        .notes()
        .iter()
        .find(|n| matches!(n.kind(), NoteKind::Unknown { .. }));
    assert_eq!(unknown, None);
}

#[test]
fn every_setting_is_known() {
    // A value that is valid for each of its kind.
    let value = |name: &str| match name {
        "ThreadingModel" => "POOLED",
        "MetricsLevel" => "summary",
        "MetricsGranularity" => "stream",
        "LogLevel" => "warning",
        "Region" => "eu-west-1",
        "CollectionMaxSize" => "1000000",
        "MinConnections" => "2",
        _ if ["Enable", "FailIf", "Verify", "ReturnUser", "AggregationEnabled"]
            .iter()
            .any(|start| name.starts_with(start)) =>
        {
            "true"
        }
        "MetricsNamespace" | "NativeExecutable" | "TempDirectory" | "CaCertFile" | "CaCertPath" => "text",
        _ if name.ends_with("Endpoint") || name.starts_with("ProxyUser") || name.ends_with("Host") => "host",
        "ProxyPassword" | "GlueSchemaRegistryPropertiesFilePath" => "text",
        "CollectionMaxCount" | "MaxConnections" => "200",
        _ => "5000",
    };
    for name in KPL_SETTINGS {
        let text = format!("{name} = {}", value(name));
        for note in read(&text).notes() {
            assert!(!matches!(note.kind(), NoteKind::Unknown { .. }), "{note}");
            assert_eq!(note.name(), *name);
        }
    }
}

#[test]
fn settings_arrive_where_they_belong() {
    let read = read(
        "AggregationEnabled=FALSE\nAggregationMaxCount=10\nAggregationMaxSize=1000\nCollectionMaxCount=7\n\
         CollectionMaxSize=60000\nRecordMaxBufferedTime=5\nRecordTtl=2000\nRateLimit=90\nFailIfThrottled=true\n\
         MaxUserRecordSize=4096\nMaxConnections=3\nConnectTimeout=200\nRequestTimeout=300\nMetricsLevel=summary\n\
         MetricsGranularity=global\nMetricsNamespace=Shop\nMetricsUploadDelay=1000\nRegion=us-gov-west-1\n\
         KinesisEndpoint=localhost\nKinesisPort=4567\nCloudwatchEndpoint=cw.example\nProxyHost=proxy\nProxyPort=3128\n\
         ProxyUserName=me\nProxyPassword=secret\nCaCertFile=/etc/ca.pem\nCaCertPath=/etc/ca\n",
    );
    let streams = read.config().streams();
    assert_eq!(streams.aggregation(), Aggregation::Disabled);
    assert_eq!(streams.aggregation_max_count(), 10);
    assert_eq!(streams.aggregation_max_size(), 1_000);
    assert_eq!(streams.collection_max_count(), 7);
    assert_eq!(streams.collection_max_size(), 60_000);
    assert_eq!(streams.linger(), Duration::from_millis(5));
    assert_eq!(streams.record_ttl(), Duration::from_secs(2));
    assert_eq!(streams.rate_limit(), RateLimit::percent(90));
    assert!(!streams.retry().rule(crate::FailureKind::Throttled).retries());
    assert_eq!(streams.max_user_record_size(), Some(4_096));
    assert_eq!(streams.max_in_flight_requests(), 3);
    assert_eq!(read.config().connect_timeout(), Duration::from_millis(200));
    assert_eq!(read.config().request_timeout(), Duration::from_millis(300));
    let metrics = read.config().metrics();
    assert_eq!(metrics.level(), MetricsLevel::Summary);
    assert_eq!(metrics.granularity(), MetricsGranularity::Global);
    assert_eq!(metrics.namespace(), "Shop");
    assert_eq!(metrics.upload_delay(), Duration::from_secs(1));
    let connection = read.connection();
    assert_eq!(connection.region(), Some("us-gov-west-1"));
    assert_eq!(
        connection.kinesis_endpoint().as_deref(),
        Some("https://localhost:4567")
    );
    assert_eq!(
        connection.cloudwatch_endpoint().as_deref(),
        Some("https://cw.example:443")
    );
    assert_eq!(connection.ca_file(), Some(Path::new("/etc/ca.pem")));
    assert_eq!(connection.ca_path(), Some(Path::new("/etc/ca")));
    let proxy = connection.proxy().expect("given");
    assert_eq!(proxy.url(), "http://proxy:3128");
    assert_eq!((proxy.user(), proxy.password()), (Some("me"), Some("secret")));
    assert!(!format!("{read:?}").contains("secret"));
    let sdk = connection.apply(&aws_types::SdkConfig::builder().build());
    assert_eq!(sdk.region().map(AsRef::as_ref), Some("us-gov-west-1"));
    assert_eq!(sdk.endpoint_url(), Some("https://localhost:4567"));
    let sdk = connection.apply_for_cloudwatch(&sdk);
    assert_eq!(sdk.endpoint_url(), Some("https://cw.example:443"));
}

#[test]
fn what_the_kpl_refuses_is_refused_with_its_line() {
    let lines = [
        "AggregationMaxCount=0",
        "AggregationMaxSize=63",
        "AggregationMaxSize=10485761",
        "CollectionMaxCount=501",
        "CollectionMaxSize=52223",
        "RecordMaxBufferedTime=-1",
        "RecordTtl=99",
        "RateLimit=0",
        "MaxUserRecordSize=63",
        "MaxConnections=257",
        "MinConnections=17",
        "ConnectTimeout=99",
        "RequestTimeout=600001",
        "ThreadPoolSize=-1",
        "KinesisPort=0",
        "CloudwatchPort=65536",
        "StsPort=0",
        "ProxyPort=0",
        "CredentialsRefreshDelay=300001",
        "MetricsUploadDelay=0",
        "UserRecordTimeoutInMillis=-1",
        "DaemonHealthCheckTimeoutMs=4999",
        "RecordTtl=soon",
        "RecordTtl=9223372036854775808",
    ];
    for line in lines {
        let error = ProducerConfig::from_kpl_properties(&format!("\n{line}\n")).expect_err(line);
        assert!(
            matches!(error, PropertiesError::Value(ValueError::Number { line: 2, .. })),
            "{line}: {error}"
        );
    }
    let lines = [
        "AggregationEnabled=yes",
        "ThreadingModel=MANY",
        "Region=europe",
        "Region=eu-west-10",
        "KinesisEndpoint=https://localhost",
        "MetricsLevel=all",
        "MetricsGranularity=key",
        "MetricsNamespace=AWS/Kinesis",
        "LogLevel=loud",
        "VerifyCertificate=maybe",
    ];
    for line in lines {
        let error = ProducerConfig::from_kpl_properties(&format!("\n{line}\n")).expect_err(line);
        assert!(
            matches!(error, PropertiesError::Value(ValueError::Text { line: 2, .. })),
            "{line}: {error}"
        );
    }
    let odd = ProducerConfig::from_kpl_properties("RecordMaxBufferedTime=1000\nRecordTtl=1000");
    assert!(matches!(odd, Err(PropertiesError::Config(_))), "{odd:?}");
}

#[test]
fn what_is_valid_there_and_not_here_is_adjusted_and_noted() {
    let config = |text: &str| {
        let read = read(text);
        assert!(matches!(read.notes()[0].kind(), NoteKind::Adjusted(_)), "{text}");
        read.config().streams().clone()
    };
    let endless = config("RecordTtl=9223372036854775807");
    assert_eq!(endless.record_ttl(), StreamConfig::NO_TTL);
    let large = config("CollectionMaxSize=9223372036854775807");
    assert_eq!(large.collection_max_size(), 10 * 1024 * 1024);
    let slow = config("RecordMaxBufferedTime=7200000\nRecordTtl=86400000");
    assert_eq!(slow.linger(), Duration::from_secs(3_600));
}

#[test]
fn what_is_unknown_doubled_or_refused_is_noted() {
    let read =
        read("aggregationEnabled=true\nRecordTtl=200\nNonsense=1\nRecordTtl=300\nVerifyCertificate=false");
    let notes: Vec<_> = read.notes().iter().map(ToString::to_string).collect();
    assert_eq!(
        notes[0],
        "line 1: aggregationEnabled is unknown; AggregationEnabled is meant, probably"
    );
    assert_eq!(notes[1], "line 2: RecordTtl is set again further down");
    assert_eq!(notes[2], "line 3: Nonsense is unknown");
    assert!(
        notes[3].starts_with("line 5: VerifyCertificate was refused: "),
        "{}",
        notes[3]
    );
    assert_eq!(read.config().streams().record_ttl(), Duration::from_millis(300));
}

#[test]
fn a_file_is_utf8_or_else_latin_1_as_java_reads_it() {
    let path = std::env::temp_dir().join(format!("kpl-properties-{}", std::process::id()));
    let namespace = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("writable");
        let read = ProducerConfig::from_kpl_properties_file(&path).expect("reads");
        read.config().metrics().namespace().to_owned()
    };
    assert_eq!(namespace("MetricsNamespace=größe".as_bytes()), "größe");
    assert_eq!(namespace(b"MetricsNamespace=gr\xf6\xdfe"), "größe");
    std::fs::remove_file(&path).expect("there");
    let missing = ProducerConfig::from_kpl_properties_file(&path);
    assert!(matches!(missing, Err(PropertiesError::Io { .. })), "{missing:?}");
}

proptest! {
    #[test]
    fn any_text_is_read_to_an_end(text in "\\PC{0,200}", lines in "([a-zA-Z=:\\\\ \n\r#u0-9]{0,20}){0,20}") {
        let _ = ProducerConfig::from_kpl_properties(&text);
        let _ = ProducerConfig::from_kpl_properties(&lines);
    }
}
