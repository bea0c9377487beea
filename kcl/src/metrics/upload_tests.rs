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
