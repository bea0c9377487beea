use std::sync::{Arc, Mutex};

use super::*;
use crate::config::MetricsConfig;
use crate::lease::{LeaseKey, WorkerId};

/// Remembers what came, as `namespace name sum`; fails or hangs when told to.
#[derive(Debug, Clone, Default)]
struct Memory {
    uploads: Arc<Mutex<Vec<String>>>,
    fault: Arc<Mutex<Fault>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Fault {
    #[default]
    None,
    Refuse,
    Hang,
}

impl MetricsSink for Memory {
    type Error = std::io::Error;

    async fn upload(&self, upload: MetricsUpload<'_>) -> Result<(), std::io::Error> {
        let fault = *self.fault.lock().unwrap();
        match fault {
            Fault::None => {}
            Fault::Refuse => return Err(std::io::Error::other("no")),
            Fault::Hang => std::future::pending().await,
        }
        let said = upload.datums().iter();
        let said =
            said.map(|datum| format!("{} {} {}", upload.namespace(), datum.name(), datum.values().sum()));
        self.uploads.lock().unwrap().extend(said);
        Ok(())
    }
}

impl Memory {
    fn came(&self) -> Vec<String> {
        std::mem::take(&mut self.uploads.lock().unwrap())
    }
}

fn counters() -> Counters {
    Counters::new(WorkerId::new("w1"), MetricsConfig::default())
}

fn start(sink: &Memory, counters: &Counters) -> Uploading {
    Uploads::to(sink.clone()).start(counters.clone(), "stock", 0.5, &Handle::current())
}

#[tokio::test(start_paused = true)]
async fn counts_go_out_each_interval_and_at_the_end() {
    let (sink, counters) = (Memory::default(), counters());
    let lease = counters.of_lease(&LeaseKey::new("shardId-000000000001"));
    let uploading = start(&sink, &counters);
    lease.add(Metric::RecordsProcessed, 3);
    sleep(Duration::from_secs(31)).await;
    assert_eq!(sink.came(), ["stock RecordsProcessed 3"]);
    sleep(Duration::from_secs(61)).await;
    assert_eq!(sink.came(), Vec::<String>::new(), "nothing new");
    lease.add(Metric::RecordsProcessed, 4);
    uploading.finish().await;
    assert_eq!(sink.came(), ["stock RecordsProcessed 4"]);
    assert_eq!(
        counters.snapshot().get(Metric::RecordsProcessed),
        7,
        "and stays here"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_lost_and_counted() {
    let (sink, counters) = (Memory::default(), counters());
    let uploading = start(&sink, &counters);
    *sink.fault.lock().unwrap() = Fault::Refuse;
    counters.add(Metric::TakenLeases, 1);
    sleep(Duration::from_secs(31)).await;
    *sink.fault.lock().unwrap() = Fault::None;
    counters.add(Metric::TakenLeases, 1);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(sink.came(), ["stock MetricsLost 1", "stock TakenLeases 1"]);
    uploading.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_hangs_holds_up_neither_counting_nor_the_end() {
    let (sink, counters) = (Memory::default(), counters());
    *sink.fault.lock().unwrap() = Fault::Hang;
    let uploading = start(&sink, &counters);
    counters.add(Metric::TakenLeases, 1);
    sleep(Duration::from_secs(31)).await;
    let began = Instant::now();
    uploading.finish().await;
    assert!(began.elapsed() <= LAST_CALL * 2, "{:?}", began.elapsed());
    assert_eq!(counters.snapshot().get(Metric::TakenLeases), 1);
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
    async fn what_is_uploaded_is_what_the_kcl_uploads() {
        let taken = mock!(Client::put_metric_data)
            .match_requests(|request| {
                let datum = request
                    .metric_data()
                    .iter()
                    .find(|datum| datum.metric_name() == Some("DataBytesProcessed"));
                let Some(datum) = datum else { return false };
                let dimensions: Vec<_> = datum.dimensions().iter().map(|d| (d.name(), d.value())).collect();
                let shard = (Some("ShardId"), Some("shardId-000000000001"));
                let set = datum.statistic_values().unwrap();
                request.namespace() == Some("stock")
                    && dimensions == [(Some("Operation"), Some("ProcessTask")), shard]
                    && datum.unit() == Some(&StandardUnit::Bytes)
                    && datum.timestamp().is_some()
                    && (set.sample_count(), set.sum(), set.minimum(), set.maximum())
                        == (Some(2.0), Some(40.0), Some(10.0), Some(30.0))
            })
            .then_output(|| PutMetricDataOutput::builder().build());
        let config = aws_sdk_cloudwatch::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-west-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
            .http_client(create_mock_http_client())
            .interceptor(MockResponseInterceptor::new().with_rule(&taken))
            .build();
        let sink = CloudWatch::from_client(Client::from_conf(config));
        let counters = counters();
        let lease = counters.of_lease(&LeaseKey::new("shardId-000000000001"));
        lease.add(Metric::DataBytesProcessed, 10);
        lease.add(Metric::DataBytesProcessed, 30);
        let uploading = Uploads::to(sink).start(counters.clone(), "stock", 0.5, &Handle::current());
        // What was counted before somebody uploads counts too.
        uploading.finish().await;
        assert_eq!(taken.num_calls(), 1);
        assert_eq!(counters.snapshot().get(Metric::MetricsLost), 0);
    }

    #[test]
    fn a_region_is_demanded() {
        let bare = aws_types::SdkConfig::builder().build();
        assert!(matches!(
            CloudWatch::new(&bare),
            Err(crate::ConfigError::IncompleteSdkConfig { .. })
        ));
    }
}
