//! From a put to a snapshot and to an upload, in virtual time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::counting::{Metric, MetricsSnapshot};
use super::{MetricsSink, MetricsUpload};
use crate::config::{MetricsConfig, MetricsGranularity, MetricsLevel, ProducerConfig};
use crate::driver::tests::scripted::{Mood, Scripted};
use crate::producer::Producer;
use crate::producer::attachments::Attachments;
use crate::record::Record;
use crate::stream::StreamName;

fn orders() -> StreamName {
    StreamName::new("orders").expect("valid")
}

fn record(key: &str) -> Record {
    Record::new(key, "data").expect("valid")
}

fn total(snapshot: &MetricsSnapshot, metric: Metric) -> (u64, f64) {
    let series = snapshot.stream(metric, &orders());
    series.map_or((0, 0.0), |series| (series.total().count(), series.total().sum()))
}

/// An uploader's other end: what came, or that nothing is taken.
#[derive(Clone, Default)]
struct Uploaded {
    batches: Arc<Mutex<Vec<Vec<String>>>>,
    mood: Arc<Mutex<UploadMood>>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum UploadMood {
    #[default]
    Well,
    Refusing,
    Silent,
}

impl MetricsSink for Uploaded {
    type Error = std::io::Error;

    async fn upload(&self, upload: MetricsUpload<'_>) -> Result<(), std::io::Error> {
        let mood = *self.mood.lock().expect("not poisoned");
        match mood {
            UploadMood::Well => {}
            UploadMood::Refusing => return Err(std::io::Error::other("scripted")),
            UploadMood::Silent => std::future::pending().await,
        }
        assert_eq!(upload.namespace(), "KinesisProducerLibrary");
        let names = upload.datums().iter().map(|datum| {
            let dimensions: Vec<_> = datum
                .dimensions()
                .iter()
                .map(|(_, value)| value.as_str())
                .collect();
            format!(
                "{} {} {}",
                datum.name(),
                dimensions.join("/"),
                datum.statistics().sum()
            )
        });
        self.batches.lock().expect("not poisoned").push(names.collect());
        Ok(())
    }
}

impl Uploaded {
    fn be(&self, mood: UploadMood) {
        *self.mood.lock().expect("not poisoned") = mood;
    }

    fn take(&self) -> Vec<Vec<String>> {
        std::mem::take(&mut self.batches.lock().expect("not poisoned"))
    }
}

fn with_uploads(transport: &Arc<Scripted>, metrics: MetricsConfig) -> (Producer, Uploaded) {
    let uploaded = Uploaded::default();
    let mut attachments = Attachments::default();
    attachments.set_metrics_sink(uploaded.clone());
    let config = ProducerConfig::builder().metrics(metrics).build().expect("valid");
    let transport: Arc<Scripted> = Arc::clone(transport);
    let producer = Producer::with_attachments(transport, config, attachments).expect("in a runtime");
    (producer, uploaded)
}

#[tokio::test(start_paused = true)]
async fn a_ticket_that_is_ready_is_counted() {
    let producer =
        Producer::with_transport(Scripted::new(1), ProducerConfig::default()).expect("in a runtime");
    for n in 1..=3_u32 {
        let ticket = producer.put(&orders(), record("a")).await.expect("taken");
        assert!(ticket.await.is_ok());
        let snapshot = producer.metrics();
        let n = f64::from(n);
        assert_eq!(total(&snapshot, Metric::UserRecordsReceived).1, n);
        assert_eq!(total(&snapshot, Metric::UserRecordsPut).1, n);
        assert_eq!(total(&snapshot, Metric::UserRecordsDataPut).1, 4.0 * n);
        assert_eq!(total(&snapshot, Metric::KinesisRecordsPut).1, n);
        assert_eq!(total(&snapshot, Metric::RequestTime).1, 5.0 * n);
        assert_eq!(total(&snapshot, Metric::BufferingTime).1, 100.0 * n, "the linger");
        assert_eq!(
            total(&snapshot, Metric::AllErrors),
            (snapshot_count(&snapshot), 0.0)
        );
        let pending = snapshot.global(Metric::UserRecordsPending).expect("sampled");
        assert_eq!(pending.total().min(), Some(0.0));
    }
    let text = producer.metrics().to_string();
    assert!(text.contains("UserRecordsPut"), "{text}");
    producer.close().await.expect("orderly");
}

fn snapshot_count(snapshot: &MetricsSnapshot) -> u64 {
    total(snapshot, Metric::KinesisRecordsPut).0
}

#[tokio::test(start_paused = true)]
async fn failures_are_counted_by_code_and_expiries_as_such() {
    let transport = Scripted::new(1);
    let config = ProducerConfig::builder()
        .record_ttl(Duration::from_secs(1))
        .build()
        .expect("valid");
    let producer = Producer::with_transport(Arc::clone(&transport) as Arc<_>, config).expect("in a runtime");
    let first = producer.put(&orders(), record("a")).await.expect("taken");
    assert!(first.await.is_ok());
    transport.be(Mood::Refusing("InternalFailure"));
    let second = producer.put(&orders(), record("a")).await.expect("taken");
    assert!(second.await.is_err());
    let snapshot = producer.metrics();
    let (puts, rate) = total(&snapshot, Metric::UserRecordsPut);
    assert_eq!((puts, rate), (2, 1.0));
    assert_eq!(total(&snapshot, Metric::UserRecordExpired), (1, 1.0));
    assert_eq!(total(&snapshot, Metric::PossibleDuplicates), (1, 1.0));
    let codes: Vec<_> = snapshot.errors().map(|(code, _)| code.to_owned()).collect();
    assert_eq!(codes, ["Expired", "InternalFailure"]);
    let shard = snapshot
        .iter()
        .find(|s| s.metric() == Metric::UserRecordExpired && s.shard().is_some());
    assert!(shard.is_some(), "the shard where the record belongs");
    producer.close().await.expect("orderly");
}

#[tokio::test(start_paused = true)]
async fn while_busy_a_snapshot_is_at_most_about_a_second_old() {
    let transport = Scripted::new(1);
    let producer = Producer::with_transport(Arc::clone(&transport) as Arc<_>, ProducerConfig::default())
        .expect("in a runtime");
    let first = producer.put(&orders(), record("a")).await.expect("taken");
    assert!(first.await.is_ok());
    transport.be(Mood::Refusing("ProvisionedThroughputExceededException"));
    let _stuck = producer.put(&orders(), record("a")).await.expect("taken");
    tokio::time::sleep(Duration::from_secs(10)).await;
    let snapshot = producer.metrics();
    assert!(total(&snapshot, Metric::AllErrors).1 > 3.0);
    let pending = snapshot
        .stream(Metric::UserRecordsPending, &orders())
        .expect("sampled");
    assert_eq!(pending.recent().max(), Some(1.0));
    let rate = snapshot
        .iter()
        .find(|s| s.metric() == Metric::ShardRate && s.shard().is_some());
    assert!(
        rate.is_some_and(|rate| rate.total().min() < Some(100.0)),
        "it gave way"
    );
}

#[tokio::test(start_paused = true)]
async fn uploads_come_at_their_time_and_at_the_end() {
    let transport = Scripted::new(1);
    let metrics = MetricsConfig::default()
        .with_level(MetricsLevel::Summary)
        .with_granularity(MetricsGranularity::Stream);
    let (producer, uploaded) = with_uploads(&transport, metrics);
    let ticket = producer.put(&orders(), record("a")).await.expect("taken");
    assert!(ticket.await.is_ok());
    assert!(uploaded.take().is_empty(), "not yet");
    tokio::time::sleep(Duration::from_secs(61)).await;
    let batches = uploaded.take();
    assert_eq!(batches.len(), 1);
    assert!(
        batches[0].contains(&"UserRecordsPut  1".to_owned()),
        "{batches:?}"
    );
    assert!(
        batches[0].contains(&"UserRecordsPut orders 1".to_owned()),
        "{batches:?}"
    );
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(uploaded.take().is_empty(), "nothing happened");
    let ticket = producer.put(&orders(), record("a")).await.expect("taken");
    assert!(ticket.await.is_ok());
    producer.close().await.expect("orderly");
    let last = uploaded.take();
    assert!(
        last[0].contains(&"UserRecordsPut orders 1".to_owned()),
        "only what is new: {last:?}"
    );
    let snapshot = producer.metrics();
    assert_eq!(
        total(&snapshot, Metric::UserRecordsPut).1,
        2.0,
        "nothing is taken from here"
    );
}

#[tokio::test(start_paused = true)]
async fn failing_uploads_touch_nothing_and_a_close_does_not_wait_for_them() {
    for mood in [UploadMood::Refusing, UploadMood::Silent] {
        let transport = Scripted::new(1);
        let (producer, uploaded) = with_uploads(&transport, MetricsConfig::default());
        uploaded.be(mood);
        for _ in 0..5 {
            let ticket = producer.put(&orders(), record("a")).await.expect("taken");
            assert!(ticket.await.is_ok());
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
        let start = tokio::time::Instant::now();
        producer.close().await.expect("orderly");
        assert!(
            start.elapsed() <= Duration::from_secs(16),
            "{:?}",
            start.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_producer_ends_its_uploads() {
    let transport = Scripted::new(1);
    let (producer, uploaded) = with_uploads(&transport, MetricsConfig::default());
    drop(producer);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        Arc::strong_count(&uploaded.batches),
        1,
        "the task holds it no more"
    );
}

#[cfg(feature = "serde")]
#[tokio::test(start_paused = true)]
async fn a_snapshot_can_be_serialised() {
    let producer =
        Producer::with_transport(Scripted::new(1), ProducerConfig::default()).expect("in a runtime");
    let ticket = producer.put(&orders(), record("a")).await.expect("taken");
    assert!(ticket.await.is_ok());
    let json = serde_json::to_value(producer.metrics()).expect("serialises");
    let series = json["series"].as_array().expect("a list");
    let put = series
        .iter()
        .find(|s| s["metric"] == "UserRecordsPut" && s["stream"] == "orders");
    assert_eq!(put.expect("there")["total"]["sum"], 1.0);
}

#[cfg(feature = "metrics")]
mod facade {
    use std::collections::BTreeMap;

    use metrics::{
        Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
        SharedString, Unit,
    };

    use super::super::counting::{Node, Statistics};
    use super::*;

    /// Keeps what is recorded: sums, last levels, numbers of samples.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<BTreeMap<String, f64>>>);

    struct Cell(Kept, String);

    impl Cell {
        fn change(&self, change: impl FnOnce(&mut f64)) {
            let mut kept = self.0.0.lock().expect("not poisoned");
            change(kept.entry(self.1.clone()).or_default());
        }
    }

    impl CounterFn for Cell {
        fn increment(&self, value: u64) {
            self.change(|kept| *kept += f64::from(u32::try_from(value).expect("small")));
        }
        fn absolute(&self, _value: u64) {}
    }

    impl GaugeFn for Cell {
        fn increment(&self, _value: f64) {}
        fn decrement(&self, _value: f64) {}
        fn set(&self, value: f64) {
            self.change(|kept| *kept = value);
        }
    }

    impl HistogramFn for Cell {
        fn record(&self, _value: f64) {
            self.change(|kept| *kept += 1.0);
        }
    }

    impl Kept {
        fn cell(&self, key: &Key) -> Arc<Cell> {
            let labels: Vec<_> = key
                .labels()
                .map(|l| format!("{}={}", l.key(), l.value()))
                .collect();
            Arc::new(Cell(self.clone(), format!("{} {}", key.name(), labels.join(" "))))
        }
    }

    impl Recorder for Kept {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.cell(key))
        }
        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(self.cell(key))
        }
        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::from_arc(self.cell(key))
        }
    }

    #[test]
    fn amounts_levels_and_distributions_are_recorded_as_such() {
        let kept = Kept::default();
        let node = |metric| Node::of_stream(metric, &orders());
        let mut counts = Statistics::default();
        counts.observe(1.0, 3);
        counts.observe(0.0, 1);
        let config = MetricsConfig::default();
        metrics::with_local_recorder(&kept, || {
            let shard = node(Metric::UserRecordsPut).on_shard(Some(crate::ShardId::from_number(1)));
            super::super::facade::tell(&shard, &counts, &config);
            super::super::facade::tell(&node(Metric::AllErrors), &counts, &config);
            let code = node(Metric::ErrorsByCode).with_code(Arc::from("Slow"));
            super::super::facade::tell(
                &code,
                &counts,
                &config.clone().with_granularity(MetricsGranularity::Global),
            );
            super::super::facade::tell(&node(Metric::UserRecordsPending), &counts, &config);
            super::super::facade::tell(&node(Metric::RequestTime), &counts, &config);
            let quiet = config.clone().with_level(MetricsLevel::Summary);
            super::super::facade::tell(&node(Metric::UserRecordsReceived), &counts, &quiet);
        });
        let kept: Vec<_> = kept.0.lock().expect("not poisoned").clone().into_iter().collect();
        let expected = [
            ("kpl_errors_by_code error_code=Slow", 3.0),
            ("kpl_request_time stream=orders", 4.0),
            ("kpl_user_records_pending stream=orders", 1.0),
            (
                "kpl_user_records_put stream=orders shard_id=shardId-000000000001",
                3.0,
            ),
        ];
        assert_eq!(kept, expected.map(|(name, value)| (name.to_owned(), value)));
    }
}

#[cfg(feature = "cloudwatch")]
mod cloudwatch {
    use aws_sdk_cloudwatch::Client;
    use aws_sdk_cloudwatch::config::{BehaviorVersion, Credentials, Region};
    use aws_sdk_cloudwatch::operation::put_metric_data::PutMetricDataOutput;
    use aws_sdk_cloudwatch::types::StandardUnit;
    use aws_smithy_mocks::{MockResponseInterceptor, create_mock_http_client, mock};

    use super::*;
    use crate::metrics::CloudWatch;

    #[tokio::test(start_paused = true)]
    async fn what_is_uploaded_is_what_the_kpl_uploads() {
        let taken = mock!(Client::put_metric_data)
            .match_requests(|request| {
                let datums = request.metric_data();
                let put = datums.iter().find(|datum| {
                    datum.metric_name() == Some("UserRecordsDataPut")
                        && datum.dimensions().len() == 1
                        && datum.dimensions()[0].name() == Some("StreamName")
                        && datum.dimensions()[0].value() == Some("orders")
                });
                let set = put.and_then(|datum| datum.statistic_values());
                request.namespace() == Some("KinesisProducerLibrary")
                    && put.is_some_and(|datum| datum.unit() == Some(&StandardUnit::Bytes))
                    && put.is_some_and(|datum| datum.timestamp().is_some())
                    && set.is_some_and(|set| {
                        (set.sample_count(), set.sum(), set.minimum(), set.maximum())
                            == (Some(1.0), Some(4.0), Some(4.0), Some(4.0))
                    })
            })
            .then_output(|| PutMetricDataOutput::builder().build());
        let config = aws_sdk_cloudwatch::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("eu-west-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
            .http_client(create_mock_http_client())
            .interceptor(MockResponseInterceptor::new().with_rule(&taken))
            .build();
        let client = Client::from_conf(config);
        let mut attachments = Attachments::default();
        attachments.set_metrics_sink(CloudWatch::from_client(client));
        let producer = Producer::with_attachments(Scripted::new(1), ProducerConfig::default(), attachments)
            .expect("in a runtime");
        let ticket = producer.put(&orders(), record("a")).await.expect("taken");
        assert!(ticket.await.is_ok());
        producer.close().await.expect("orderly");
        assert_eq!(taken.num_calls(), 1);
    }

    #[test]
    fn a_region_and_a_behavior_version_are_demanded() {
        let bare = aws_types::SdkConfig::builder().build();
        assert!(matches!(
            CloudWatch::new(&bare),
            Err(crate::ConfigError::MissingRegion)
        ));
    }
}
