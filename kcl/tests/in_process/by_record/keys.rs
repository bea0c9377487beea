//! Many keys, slow handlers: they keep up, in order, within the memory.

use std::num::NonZeroUsize;

use kcl::{BatchOptions, Outcome, ReadBudget, ReceivedRecord, RecordOptions};
use tokio::time::{Instant, sleep};

use super::world::{Ledger, local, number, put, worker};
use crate::running::{MS, Running, SECOND};

const BUDGET: usize = 4 << 20;

#[tokio::test(start_paused = true)]
async fn slow_handlers_of_four_thousand_keys_keep_up_with_a_thousand_records_a_second() {
    const RECORDS: u64 = 20_000;
    let local = local().await;
    let ledger = Ledger::default();
    let keep = ledger.clone();
    let began = Instant::now();
    let budget = ReadBudget::of_bytes(NonZeroUsize::new(BUDGET).unwrap());
    // A hundred are under way at a time by Little's law; the reader brings them in bursts of 300.
    let options = RecordOptions::builder().in_flight(NonZeroUsize::new(400).unwrap());
    let consumer = worker(&local, "w1")
        .read_budget(budget.clone())
        .record_options(options.build().unwrap())
        .for_each_record(move |record: ReceivedRecord| {
            let ledger = keep.clone();
            async move {
                ledger.begin(&record, "w1");
                sleep(100 * MS).await;
                // Put at 1,000 a second from the beginning, so its number tells when.
                let put_at = began + MS * u32::try_from(number(&record) / 100 * 110).unwrap();
                let lag = Instant::now().saturating_duration_since(put_at);
                ledger.done(&record, "w1", Some(lag));
            }
        })
        .unwrap();
    let running = Running::of(consumer);
    running.handle.ready().await;
    let mut most_held = 0;
    let writing = async {
        put(&local, 0..RECORDS, 4_000).await;
        ledger.wait_for(usize::try_from(RECORDS).unwrap()).await;
    };
    let watching = async {
        loop {
            most_held = most_held.max(budget.used_bytes());
            sleep(20 * MS).await;
        }
    };
    tokio::select! {
        () = writing => {}
        () = watching => {}
    }
    let counts = running.handle.record_counts();
    let summary = running.stop().await;

    assert_eq!((summary.records(), counts.acked), (RECORDS, RECORDS));
    ledger.check_order();
    assert!(ledger.repeated().is_empty());
    assert!(most_held > 0 && most_held <= BUDGET, "{most_held} bytes held");
    let lags = ledger.lags();
    let worst = |range: std::ops::Range<usize>| lags[range].iter().map(|lag| lag.1).max().unwrap();
    let (early, late) = (worst(2_000..6_000), worst(16_000..20_000));
    println!(
        "lag {early:?} early, {late:?} late; {} at once; {most_held} bytes",
        ledger.most_running()
    );
    assert!(late < early + 300 * MS, "lag grows from {early:?} to {late:?}");
    assert!(late < 2 * SECOND, "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn batches_of_several_keys_are_full_where_there_is_enough_and_never_late() {
    let local = local().await;
    let (ledger, sizes) = (
        Ledger::default(),
        std::sync::Arc::new(std::sync::Mutex::new(Vec::new())),
    );
    let (keep, note) = (ledger.clone(), std::sync::Arc::clone(&sizes));
    let options = BatchOptions::new(50, 1 << 20, SECOND).unwrap();
    let consumer = worker(&local, "w1")
        .for_each_batch(options, move |records: Vec<ReceivedRecord>| {
            let (ledger, note) = (keep.clone(), std::sync::Arc::clone(&note));
            async move {
                let numbers: Vec<_> = records.iter().map(number).collect();
                assert!(numbers.is_sorted(), "in the order of the shard");
                note.lock().unwrap().push(numbers.len());
                sleep(100 * MS).await;
                for record in &records {
                    ledger.done(record, "w1", None);
                }
                Outcome::Ack
            }
        })
        .unwrap();
    let running = Running::of(consumer);
    put(&local, 0..1_020, 100).await;
    ledger.wait_for(1_020).await;
    running.stop().await;
    ledger.check_order();
    assert!(ledger.repeated().is_empty());
    let sizes = sizes.lock().unwrap();
    assert!(sizes.iter().all(|size| *size <= 50), "{sizes:?}");
    assert!(sizes.len() < 40, "mostly full: {sizes:?}");
}
