//! Close within a time, and drop: what is left is handed back.

use std::time::Duration;

use futures::FutureExt as _;

use super::scripted::{Mood, Scripted};
use super::{SECOND, config, contact, orders, producer, record};
use crate::error::{DeliveryErrorKind, PutError};
use crate::stream::StreamName;

#[tokio::test(start_paused = true)]
async fn a_close_in_time_leaves_nothing() {
    let transport = Scripted::new(3);
    let producer = producer(&transport, config().linger(10 * SECOND));
    let ticket = producer.put(&orders(), record("a")).await.expect("taken");
    let start = tokio::time::Instant::now();
    let leftover = producer.close_within(5 * SECOND).await;
    assert!(leftover.is_empty());
    assert!(start.elapsed() < SECOND, "no longer than it takes");
    ticket.now_or_never().expect("an outcome").expect("delivered");
    assert!(producer.close_within(Duration::ZERO).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_time_does_not_allow_is_handed_back_in_order() {
    let transport = Scripted::new(3);
    let producer = producer(&transport, config());
    let stream = producer.stream(&orders());
    contact(&stream).await;
    transport.be(Mood::Silent);
    let keys: Vec<_> = (0..1_000).map(|n| format!("key-{n}")).collect();
    let mut tickets = Vec::new();
    for key in &keys {
        tickets.push(stream.put(record(key)).await.expect("taken"));
    }
    tokio::time::sleep(SECOND).await;
    for key in ["late-1", "late-2"] {
        tickets.push(stream.put(record(key)).await.expect("taken"));
    }
    let start = tokio::time::Instant::now();
    let leftover = producer.close_within(2 * SECOND).await;
    assert!(
        (2 * SECOND..3 * SECOND).contains(&start.elapsed()),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(leftover.len(), 1_002);
    assert_eq!(stream.outstanding_records(), 0);
    let in_doubt = leftover
        .errors()
        .iter()
        .filter(|error| error.may_have_been_stored());
    assert_eq!(in_doubt.count(), 1_000, "those that were on their way");
    let expected: Vec<_> = keys
        .iter()
        .map(String::as_str)
        .chain(["late-1", "late-2"])
        .collect();
    let records: Vec<_> = leftover.into_records().collect();
    let found: Vec<_> = records.iter().map(|(_, record)| record.partition_key()).collect();
    assert_eq!(found, expected);
    for (n, ticket) in tickets.into_iter().enumerate() {
        let error = ticket
            .now_or_never()
            .expect("an outcome")
            .expect_err("unfinished");
        let in_flight = n < 1_000;
        assert_eq!(error.kind(), &DeliveryErrorKind::Unfinished { in_flight });
        assert!(error.is_retryable());
        assert!(error.into_record().is_some());
    }
    assert_eq!(stream.put(record("late")).await.map(drop), Err(PutError::Closed));
    producer.close().await.expect("closed already");
}

#[tokio::test(start_paused = true)]
async fn records_that_never_had_contact_are_handed_back_too() {
    let transport = Scripted::new(1);
    transport.be(Mood::Silent);
    let producer = producer(&transport, config());
    let payments = StreamName::new("payments").expect("valid");
    for stream in [&orders(), &payments] {
        drop(producer.put(stream, record("a")).await.expect("taken"));
    }
    let leftover = producer.close_within(Duration::ZERO).await;
    let mut streams: Vec<_> = leftover.into_records().map(|(stream, _)| stream).collect();
    streams.sort();
    assert_eq!(streams, [orders(), payments]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_ends_a_close_that_has_none() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config());
    transport.be(Mood::Silent);
    let ticket = producer.put(&orders(), record("a")).await.expect("taken");
    let patient = producer.clone();
    let (patient, leftover) = futures::future::join(patient.close(), producer.close_within(SECOND)).await;
    patient.expect("orderly, and early");
    assert_eq!(leftover.len(), 1);
    ticket.await.expect_err("unfinished");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_failed_is_named() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config());
    transport.be(Mood::Broken);
    let ticket = producer.put(&orders(), record("a")).await.expect("taken");
    ticket.await.expect_err("lost with the task");
    let leftover = producer.close_within(SECOND).await;
    assert!(!leftover.is_empty());
    assert_eq!(leftover.failed_streams(), [orders()]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_producer_hands_records_back_by_their_tickets() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config().linger(10 * SECOND));
    let stream = producer.stream(&orders());
    let ticket = stream.put(record("a")).await.expect("taken");
    drop(producer);
    tokio::task::yield_now().await;
    let other = stream
        .put(record("b"))
        .await
        .expect("its handle keeps the producer");
    drop(stream);
    for (ticket, key) in [(ticket, "a"), (other, "b")] {
        let error = ticket.await.expect_err("given up");
        assert_eq!(error.kind(), &DeliveryErrorKind::ProducerGone);
        assert_eq!(error.into_record(), Some(record(key)));
    }
}
