//! Records as a stream, with leases and without.

use futures::StreamExt as _;
use kcl::reader::ShardRead;
use kcl::{Outcome, RunError, ShardStart};
use tokio::time::{Instant, timeout};

use super::world::{local, number, put, worker};
use crate::running::SECOND;

#[tokio::test(start_paused = true)]
async fn records_come_in_order_and_what_is_dropped_comes_again() {
    let local = local().await;
    put(&local, 0..300, 10).await;
    let mut stream = worker(&local, "w1").stream().unwrap();
    let mut kept = Vec::new();
    for expected in 0..300 {
        let record = stream.next().await.unwrap().unwrap();
        assert_eq!(number(record.record()), expected);
        match expected {
            100 => drop(record),
            200.. => kept.push(record),
            _ => record.ack(),
        }
    }
    let again = stream.next().await.unwrap().unwrap();
    assert_eq!((number(again.record()), again.record().attempt()), (100, 2));
    assert!(timeout(5 * SECOND, stream.next()).await.is_err(), "nothing else");
    // Acknowledged out of order, one of them never.
    for record in kept.into_iter().rev() {
        let (record, token) = record.into_parts();
        assert!(token.is_held());
        if number(&record) != 250 {
            token.ack();
        }
    }
    again.ack();
    let last = stream.next().await.unwrap().unwrap();
    assert_eq!(number(last.record()), 250);
    let begun = Instant::now();
    let (closed, ()) = tokio::join!(stream.close(), async {
        tokio::time::sleep(2 * SECOND).await;
        last.ack();
    });
    assert_eq!(closed.unwrap().unwrap().records(), 300);
    assert!(begun.elapsed() < 5 * SECOND, "{:?}", begun.elapsed());

    let mut next = worker(&local, "w2").stream().unwrap();
    assert!(
        timeout(20 * SECOND, next.next()).await.is_err(),
        "all was acknowledged"
    );
}

#[tokio::test(start_paused = true)]
async fn a_close_does_not_wait_for_records_that_nobody_took() {
    let local = local().await;
    put(&local, 0..300, 10).await;
    let mut stream = worker(&local, "w1").stream().unwrap();
    for _ in 0..50 {
        stream.next().await.unwrap().unwrap().ack();
    }
    let begun = Instant::now();
    let summary = stream.close().await.unwrap().unwrap();
    assert_eq!(summary.records(), 50);
    assert!(begun.elapsed() < 3 * SECOND, "{:?}", begun.elapsed());
    let mut next = worker(&local, "w2").stream().unwrap();
    let first = next.next().await.unwrap().unwrap();
    assert_eq!(number(first.record()), 50);
    first.answer(Outcome::stop("seen enough"));
    let error = loop {
        match next.next().await.unwrap() {
            Ok(record) => record.ack(),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, RunError::StoppedAtRecord { .. }));
    assert!(next.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_engine_reads_shards_and_their_children_without_leases() {
    let local = local().await;
    put(&local, 0..500, 50).await;
    let client = local.kinesis_client();
    let split = client
        .split_shard()
        .stream_name("sales")
        .shard_to_split("shardId-000000000000");
    split
        .new_starting_hash_key((u128::MAX / 2).to_string())
        .send()
        .await
        .unwrap();
    tokio::time::sleep(SECOND).await;
    put(&local, 500..600, 50).await;

    let stream = worker(&local, "w1").reader().unwrap();
    let shards = stream.shards().await.unwrap();
    assert_eq!(shards.len(), 3);
    let mut seen = Vec::new();
    let mut middle = None;
    let mut reader = stream.open(&shards[0].id, shards[0].hash_range, ShardStart::TrimHorizon);
    let children = loop {
        match reader.next().await.unwrap() {
            ShardRead::Batch(batch) => {
                for record in batch.records() {
                    let number: u64 = std::str::from_utf8(record.data()).unwrap().parse().unwrap();
                    if number == 249 {
                        middle = Some(record.position().clone());
                    }
                    seen.push(number);
                }
            }
            ShardRead::End { children } => break children,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(seen, (0..500).collect::<Vec<_>>());
    assert!(reader.next().await.is_none());
    assert_eq!(children.len(), 2);

    let mut after = stream.open(
        &shards[0].id,
        shards[0].hash_range,
        ShardStart::After(middle.unwrap()),
    );
    let Some(ShardRead::Batch(batch)) = after.next().await else {
        panic!("the rest")
    };
    assert_eq!(batch.records()[0].data().as_ref(), b"250");
    // What is held of the budget is not there for others.
    drop((after, batch));

    for child in children {
        let mut reader = stream.open(&child.id, child.hash_range, ShardStart::TrimHorizon);
        while let Ok(Some(ShardRead::Batch(batch))) = timeout(3 * SECOND, reader.next()).await {
            let numbers = batch
                .records()
                .iter()
                .map(|r| std::str::from_utf8(r.data()).unwrap().parse().unwrap());
            seen.extend(numbers.collect::<Vec<u64>>());
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..600).collect::<Vec<_>>());
}
