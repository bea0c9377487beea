//! One worker on the local endpoint: rights that are missing, no table at all, processors that block their threads.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use kcl::metrics::Metric;
use kcl::{
    BoxError, Checkpointer, Consumer, ConsumerConfig, RecordBatch, RecordProcessor, RunEnd, RunError,
    ShardContext, StoreError,
};
use kinesis_local::{Fault, Faults, Local};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const FAILOVER: Duration = Duration::from_millis(900);

fn config() -> ConsumerConfig {
    ConsumerConfig::builder("app", "sales")
        .worker_id("w1")
        .failover(FAILOVER)
        .start_timeout(Duration::from_secs(5))
        .build()
        .unwrap()
}

async fn local(shards: u32, faults: Faults) -> Local {
    let local = Local::builder().faults(faults).start().await.unwrap();
    local.create_stream("sales", shards).await.unwrap();
    local
}

/// One record into each of two shards.
async fn put_two(local: &Local) {
    for hash_key in ["1", "300000000000000000000000000000000000000"] {
        let put = local.kinesis_client().put_record().stream_name("sales");
        let put = put.partition_key("k").explicit_hash_key(hash_key);
        put.data(Blob::new("sold")).send().await.unwrap();
    }
}

/// Waits until `gate` opens, with its thread.
struct Blocking {
    gate: Arc<(Mutex<bool>, Condvar)>,
    began: mpsc::UnboundedSender<()>,
}

impl RecordProcessor for Blocking {
    async fn process_records(&mut self, _: RecordBatch, checkpointer: &Checkpointer) -> Result<(), BoxError> {
        self.began.send(())?;
        {
            let (open, opened) = &*self.gate;
            let closed = open.lock().unwrap();
            drop(opened.wait_while(closed, |open| !*open).unwrap());
        }
        checkpointer.checkpoint().await?;
        Ok(())
    }
}

#[tokio::test]
async fn each_missing_right_is_named_and_nothing_hangs() {
    for operation in ["ListShards", "CreateTable", "Scan", "PutItem", "UpdateItem"] {
        let denied = Fault::error("AccessDeniedException", 400).operation(operation);
        let local = local(2, Faults::builder().fault(denied).build().unwrap()).await;
        let (began, _began) = mpsc::unbounded_channel();
        let consumer = Consumer::builder(config())
            .kinesis_client(local.kinesis_client())
            .dynamodb_client(local.dynamodb_client())
            .build(move |_: &ShardContext| Blocking {
                gate: Arc::default(),
                began: began.clone(),
            })
            .unwrap();
        let ended = timeout(Duration::from_secs(20), consumer.run()).await;
        let error = ended
            .unwrap_or_else(|_| panic!("{operation}: no end"))
            .unwrap_err();
        let named = match &error {
            RunError::AccessDenied { operation, .. } => *operation,
            RunError::LeaseTable {
                source: StoreError::AccessDenied { operation, .. },
                ..
            } => *operation,
            other => panic!("{operation}: {other:?}"),
        };
        assert_eq!(named, operation);
        assert!(!error.is_retryable());
        local.stop().await;
    }
}

#[tokio::test]
async fn without_a_table_one_worker_reads_everything() {
    let local = local(2, Faults::default()).await;
    put_two(&local).await;
    let (began, mut batches) = mpsc::unbounded_channel();
    let open = Arc::new((Mutex::new(true), Condvar::new()));
    let consumer = Consumer::builder(config())
        .kinesis_client(local.kinesis_client())
        .without_table()
        .build(move |_: &ShardContext| Blocking {
            gate: Arc::clone(&open),
            began: began.clone(),
        })
        .unwrap();
    assert!(consumer.cost_forecast(2, 1).total().requests < f64::EPSILON);
    let handle = consumer.handle();
    let mut running = JoinSet::new();
    running.spawn(consumer.run());
    for _ in 0..2 {
        timeout(Duration::from_secs(10), batches.recv())
            .await
            .unwrap()
            .unwrap();
    }
    assert!(handle.ready().await);
    handle.shutdown().await;
    let summary = running.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!((summary.records(), summary.end()), (2, RunEnd::ShutdownRequested));
    assert!(!handle.health().is_live());
    assert!(
        local
            .dynamodb_client()
            .list_tables()
            .send()
            .await
            .unwrap()
            .table_names()
            .is_empty()
    );
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processors_that_block_every_thread_lose_no_lease() {
    // On a runtime of its own, so that the endpoint and this test have threads of theirs.
    let local = local(2, Faults::default()).await;
    put_two(&local).await;
    let (began, mut batches) = mpsc::unbounded_channel();
    let gate: Arc<(Mutex<bool>, Condvar)> = Arc::default();
    let held = Arc::clone(&gate);
    let consumer = Consumer::builder(config())
        .kinesis_client(local.kinesis_client())
        .dynamodb_client(local.dynamodb_client())
        .build(move |_: &ShardContext| Blocking {
            gate: Arc::clone(&held),
            began: began.clone(),
        })
        .unwrap();
    let handle = consumer.handle();
    let worker = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(consumer.run())
    });
    for _ in 0..2 {
        timeout(Duration::from_secs(10), batches.recv())
            .await
            .unwrap()
            .unwrap();
    }
    sleep(FAILOVER * 4).await;
    let counted = handle.metrics();
    assert_eq!(counted.get(Metric::LostLeases), 0);
    assert!(counted.get(Metric::RenewedLeases) >= 8, "{counted:?}");
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    handle.shutdown().await;
    let summary = tokio::task::spawn_blocking(move || worker.join().unwrap())
        .await
        .unwrap();
    assert_eq!(summary.unwrap().leases_lost(), 0);
    local.stop().await;
}
