//! What a running consumer counts: metrics by shard and worker, under the KCL's names.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod one_worker;

use std::sync::{Arc, Mutex};

use kcl::metrics::{Metric, MetricsSink, MetricsUpload};
use kcl::{MetricsConfig, MetricsLevel, Outcome, ReceivedRecord};

use self::one_worker::{builder, config, run, stream_of};

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
    let metrics = MetricsConfig::default().with_level(MetricsLevel::Detailed);
    let consumer = builder(&local, config().metrics(metrics))
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
