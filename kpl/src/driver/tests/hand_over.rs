//! From the handle to the task: when it wakes, what it holds, what it tells of itself.

use std::time::Duration;

use super::scripted::{Mood, Scripted};
use super::{SECOND, config, contact, orders, producer, record};
use crate::record::Record;

#[tokio::test(start_paused = true)]
async fn a_lone_record_waits_for_its_linger_and_no_longer() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config());
    let stream = producer.stream(&orders());
    contact(&stream).await;
    for pause in [0, 1, 50, 99, 100, 1_000] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let start = tokio::time::Instant::now();
        let ticket = stream.put(record("a")).await.expect("taken");
        ticket.await.expect("delivered");
        let took = start.elapsed().as_millis();
        assert!(
            (100..=110).contains(&took),
            "{took} ms after a pause of {pause} ms"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn records_that_come_during_the_linger_leave_with_the_first() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config());
    let stream = producer.stream(&orders());
    contact(&stream).await;
    let before = transport.requests();
    let start = tokio::time::Instant::now();
    let mut tickets = Vec::new();
    for _ in 0..9 {
        tickets.push(stream.put(record("a")).await.expect("taken"));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for ticket in tickets {
        ticket.await.expect("delivered");
    }
    assert_eq!(transport.requests() - before, 1);
    assert!(
        start.elapsed() <= Duration::from_millis(110),
        "{:?}",
        start.elapsed()
    );
}

/// Where caller and task share a thread.
#[tokio::test(start_paused = true)]
async fn a_caller_that_never_waits_starves_nobody() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config());
    let stream = producer.stream(&orders());
    contact(&stream).await;
    let before = transport.requests();
    for _ in 0..5_000 {
        drop(stream.put(record("a")).await.expect("taken"));
    }
    assert!(transport.requests() > before, "sent while puts went on");
}

#[tokio::test(start_paused = true)]
async fn what_is_outstanding_is_told_with_its_age() {
    let transport = Scripted::new(2);
    let producer = producer(&transport, config());
    assert_eq!(producer.oldest_record_age().await, None);
    let stream = producer.stream(&orders());
    contact(&stream).await;
    assert_eq!(producer.outstanding_records(), 0);
    assert_eq!(stream.oldest_record_age().await, None);

    transport.be(Mood::Silent);
    let _first = stream.put(record("a")).await.expect("taken");
    tokio::time::sleep(3 * SECOND).await;
    let _second = producer.put(&orders(), record("b")).await.expect("taken");
    tokio::time::sleep(SECOND).await;
    assert_eq!(stream.outstanding_records(), 2);
    assert_eq!(producer.outstanding_records(), 2);
    let age = producer.oldest_record_age().await.expect("there is one");
    assert!((4 * SECOND..5 * SECOND).contains(&age), "{age:?}");

    transport.be(Mood::Well);
    stream.flush().await.expect("a barrier");
    assert_eq!(producer.outstanding_records(), 0);
    producer.close().await.expect("orderly");
    assert_eq!(producer.oldest_record_age().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_flushed_by_itself() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config().linger(10 * SECOND));
    let payments = crate::stream::StreamName::new("payments").expect("valid");
    let one = producer.put(&orders(), record("a")).await.expect("taken");
    let two = producer.put(&payments, record("a")).await.expect("taken");
    let start = tokio::time::Instant::now();
    producer.flush_stream(&orders()).await.expect("a barrier");
    producer
        .flush_stream(&crate::stream::StreamName::new("unknown").expect("valid"))
        .await
        .expect("nothing to do");
    assert!(start.elapsed() < SECOND);
    assert!(one.await.is_ok());
    assert!(start.elapsed() < SECOND);
    assert!(two.await.is_ok());
    assert!(start.elapsed() >= 10 * SECOND);
}

/// Threads, a tight budget, dropped tickets and dropped puts: each record has one outcome, and all room comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_callers_lose_nothing() {
    const CALLERS: u32 = 8;
    const PUTS: u32 = 2_000;
    let transport = Scripted::new(3);
    let budget = config()
        .max_in_flight_records(700)
        .linger(Duration::from_millis(1));
    let producer = producer(&transport, budget);
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let stream = producer.stream(&orders());
        callers.spawn(async move {
            let mut delivered = 0;
            let mut tickets = Vec::new();
            for n in 0..PUTS {
                let record = Record::new(format!("{caller}-{n}"), "data").expect("valid");
                if n % 7 == 0 {
                    // Gone before it was taken, or taken: never half.
                    let put = stream.put(record);
                    let Some(taken) = futures::FutureExt::now_or_never(put) else {
                        continue;
                    };
                    drop(taken.expect("taken"));
                    continue;
                }
                tickets.push(stream.put(record).await.expect("taken"));
            }
            for ticket in tickets {
                delivered += u32::from(ticket.await.is_ok());
            }
            delivered
        });
    }
    let delivered: u32 = callers.join_all().await.into_iter().sum();
    let each = PUTS - PUTS.div_ceil(7);
    assert_eq!(delivered, CALLERS * each);
    producer.flush().await.expect("a barrier");
    assert_eq!(producer.outstanding_records(), 0);
    let whole = producer
        .reserve(&orders(), 700, 0)
        .await
        .expect("all room is back");
    assert_eq!(whole.records_left(), 700);
    drop(whole);
    producer.close().await.expect("orderly");
}
