//! What a running consumer counts: metrics by shard and worker, under the KCL's names.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use kcl::metrics::{Metric, MetricsSink, MetricsUpload};
use kcl::{Consumer, ConsumerBuilder, ConsumerConfig, MetricsConfig, MetricsLevel, Outcome, ReceivedRecord};
use kinesis_local::InProcess;
use tokio::time::{sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

async fn stream_of(records: &[String]) -> InProcess {
    let local = InProcess::builder().seed(7).start().unwrap();
    local.create_stream("sales", 1).await.unwrap();
    let client = aws_sdk_kinesis::Client::new(&local.kinesis_config_as("writer"));
    for record in records {
        let put = client.put_record().stream_name("sales").partition_key("key");
        put.data(Blob::new(record.as_bytes())).send().await.unwrap();
    }
    local
}

fn builder(local: &InProcess) -> ConsumerBuilder {
    let metrics = MetricsConfig::default().with_level(MetricsLevel::Detailed);
    let config = ConsumerConfig::builder("app", "sales")
        .worker_id("w1")
        .seed(7)
        .metrics(metrics);
    Consumer::builder(config.build().unwrap())
        .kinesis_client(aws_sdk_kinesis::Client::new(&local.kinesis_config_as("w1")))
        .dynamodb_client(aws_sdk_dynamodb::Client::new(&local.dynamodb_config_as("w1")))
}

/// Runs until so many records were handled; then a little longer, so that checkpoints and heartbeats are written.
async fn run(consumer: Consumer<kcl::by_record::ByRecord>, records: u64) -> kcl::metrics::MetricsSnapshot {
    let handle = consumer.handle();
    let enough = async {
        while handle.record_counts().acked < records {
            sleep(SECOND).await;
        }
        sleep(30 * SECOND).await;
    };
    timeout(600 * SECOND, consumer.run_until(enough))
        .await
        .unwrap()
        .unwrap();
    handle.metrics()
}

#[derive(Debug, Clone, Default)]
struct Memory(Arc<Mutex<Vec<(String, String, f64)>>>);

impl MetricsSink for Memory {
    type Error = std::io::Error;

    async fn upload(&self, upload: MetricsUpload<'_>) -> Result<(), std::io::Error> {
        assert_eq!(upload.namespace(), "app", "the application's name");
        for datum in upload.datums() {
            let dimensions: Vec<_> = datum
                .dimensions()
                .iter()
                .map(|(_, value)| value.as_str())
                .collect();
            let values = (
                datum.name().to_owned(),
                dimensions.join(" "),
                datum.values().sum(),
            );
            self.0.lock().unwrap().push(values);
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn shards_and_worker_are_counted_under_the_kcls_names() {
    let records: Vec<_> = (0..10).map(|number| format!("record-{number}")).collect();
    let local = stream_of(&records).await;
    let uploads = Memory::default();
    let consumer = builder(&local)
        .metrics_sink(uploads.clone())
        .for_each_record(|_: ReceivedRecord| async { Outcome::Ack })
        .unwrap();
    let counted = run(consumer, 10).await;

    assert_eq!(counted.get(Metric::RecordsProcessed), 10);
    assert_eq!(counted.get(Metric::DataBytesProcessed), 80);
    assert_eq!(counted.get(Metric::StartSuccess), 1);
    for (success, time) in [
        (Metric::ProcessSuccess, Metric::ProcessRecordsTime),
        (Metric::GetRecordsSuccess, Metric::GetRecordsTime),
        (Metric::GetShardIteratorSuccess, Metric::GetShardIteratorTime),
        (Metric::CheckpointSuccess, Metric::CheckpointTime),
        (Metric::RenewedLeases, Metric::RenewTime),
        (Metric::ListLeasesSuccess, Metric::ListLeasesTime),
        (Metric::TakeLeasesSuccess, Metric::TakeLeasesTime),
    ] {
        assert!(counted.get(success) >= 1, "{success:?}");
        assert!(counted.values(time).count() >= counted.get(success), "{time:?}");
    }
    assert_eq!(counted.values(Metric::InitializeTime).count(), 1);
    assert_eq!(counted.values(Metric::ShutdownTime).count(), 1);
    // Empty reads tell the lag too.
    let lag = counted.values(Metric::ApplicationMillisBehindLatest);
    assert!(lag.count() >= 20, "{lag:?}");
    assert_eq!(lag.last(), Some(0.0), "at the tip");

    let uploads = uploads.0.lock().unwrap();
    let sum = |name: &str, dimensions: &str| {
        let of = uploads.iter().filter(|(n, d, _)| n == name && d == dimensions);
        of.map(|(.., sum)| sum).sum::<f64>()
    };
    let shard = "ProcessTask shardId-000000000000";
    assert_eq!(sum("RecordsProcessed", shard), 10.0, "also what was counted last");
    assert_eq!(sum("DataBytesProcessed", shard), 80.0);
    assert_eq!(sum("TakenLeases", "TakeLeases w1"), 1.0);
    assert!(sum("RenewLease.Success", "RenewAllLeases w1") >= 1.0);
}
