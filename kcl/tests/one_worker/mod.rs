//! One worker in virtual time, on a stream that holds its records already.

use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use kcl::by_record::ByRecord;
use kcl::metrics::MetricsSnapshot;
use kcl::{Consumer, ConsumerBuilder, ConsumerConfig, ConsumerConfigBuilder};
use kinesis_local::InProcess;
use tokio::time::{sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) async fn stream_of(records: &[String]) -> InProcess {
    let local = InProcess::builder().seed(7).start().unwrap();
    local.create_stream("sales", 1).await.unwrap();
    let client = aws_sdk_kinesis::Client::new(&local.kinesis_config_as("writer"));
    for record in records {
        let put = client.put_record().stream_name("sales").partition_key("key");
        put.data(Blob::new(record.as_bytes())).send().await.unwrap();
    }
    local
}

pub(crate) fn config() -> ConsumerConfigBuilder {
    ConsumerConfig::builder("app", "sales").worker_id("w1").seed(7)
}

pub(crate) fn builder(local: &InProcess, config: ConsumerConfigBuilder) -> ConsumerBuilder {
    Consumer::builder(config.build().unwrap())
        .kinesis_client(aws_sdk_kinesis::Client::new(&local.kinesis_config_as("w1")))
        .dynamodb_client(aws_sdk_dynamodb::Client::new(&local.dynamodb_config_as("w1")))
}

/// Runs until so many records were handled; then a little longer, so that checkpoints and heartbeats are written. What was
/// counted.
pub(crate) async fn run(consumer: Consumer<ByRecord>, records: u64) -> MetricsSnapshot {
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
