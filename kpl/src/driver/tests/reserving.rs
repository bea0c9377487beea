//! Room that is waited for once.

use futures::FutureExt as _;

use super::scripted::{Mood, Scripted};
use super::{config, orders, producer, record};
use crate::RECORD_OVERHEAD;
use crate::error::{PutError, TryPutError};
use crate::record::Record;

#[tokio::test(start_paused = true)]
async fn puts_on_a_reservation_never_wait() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config().max_in_flight_records(3));
    let mut room = producer.reserve(&orders(), 2, 100).await.expect("room");
    let one = producer.put(&orders(), record("a")).await.expect("taken");
    assert!(
        producer.try_put(&orders(), record("b")).is_err(),
        "the rest is reserved"
    );
    let two = room.put(record("c")).expect("reserved");
    let three = room.put(record("d")).expect("reserved");
    let full = room.put(record("e")).expect_err("two were reserved");
    assert!(matches!(&full, TryPutError::Full { .. }) && full.into_record() == record("e"));
    for ticket in [one, two, three] {
        ticket.await.expect("delivered");
    }
    producer.close().await.expect("orderly");
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_reservation_is_free_again() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config().max_in_flight_records(4));
    let stream = producer.stream(&orders());
    let mut room = stream.reserve(4, 1_000).await.expect("room");
    assert_eq!((room.records_left(), room.bytes_left()), (4, 1_000));
    let ticket = room.put(record("a")).expect("reserved");
    assert_eq!((room.records_left(), room.bytes_left()), (3, 995));
    let waiting = stream.put(record("b"));
    let mut waiting = Box::pin(waiting);
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(room);
    let taken = waiting.now_or_never().expect("room now").expect("taken");
    ticket.await.expect("delivered");
    taken.await.expect("delivered");
}

#[tokio::test(start_paused = true)]
async fn a_record_too_large_for_the_rest_comes_back() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config());
    let mut room = producer.reserve(&orders(), 2, 10).await.expect("room");
    let large = Record::new("k", vec![0; 10 + 2 * RECORD_OVERHEAD]).expect("valid");
    let back = room.put(large.clone()).expect_err("too large");
    assert_eq!(back.into_record(), large);
    assert_eq!(room.records_left(), 2, "as before");
    room.put(record("a")).expect("reserved").await.expect("delivered");
}

#[tokio::test(start_paused = true)]
async fn large_demands_are_served_in_turn() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config().max_in_flight_records(10));
    let stream = producer.stream(&orders());
    let held = stream.reserve(6, 0).await.expect("room");
    let mut large = Box::pin(stream.reserve(8, 0));
    assert!(large.as_mut().now_or_never().is_none());
    assert!(stream.try_put(record("a")).is_err(), "nobody overtakes who waits");
    let mut small = Box::pin(stream.put(record("a")));
    assert!(small.as_mut().now_or_never().is_none());
    drop(held);
    let large = large.now_or_never().expect("its turn").expect("open");
    let small = small.now_or_never().expect("two are left").expect("taken");
    drop(large);
    small.await.expect("delivered");
}

#[tokio::test(start_paused = true)]
async fn what_can_never_be_had_is_refused_at_once() {
    let transport = Scripted::new(1);
    let config = config().max_in_flight_records(10).max_in_flight_bytes(65_536);
    let producer = producer(&transport, config);
    let stream = producer.stream(&orders());
    let refused = stream.reserve(11, 0).await.map(drop);
    let (records, budget) = (11, 10);
    assert_eq!(refused, Err(PutError::TooManyRecords { records, budget }));
    let refused = stream
        .reserve(10, 65_536 - 10 * RECORD_OVERHEAD + 1)
        .await
        .map(drop);
    let (cost, budget) = (65_537, 65_536);
    assert_eq!(refused, Err(PutError::ExceedsBudget { cost, budget }));
    let huge = stream.reserve(1, usize::MAX).await.map(drop);
    assert!(matches!(huge, Err(PutError::ExceedsBudget { .. })));
    assert!(stream.reserve(10, 65_536 - 10 * RECORD_OVERHEAD).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_close_ends_reservations() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config().max_in_flight_records(2));
    let stream = producer.stream(&orders());
    let mut room = stream.reserve(2, 100).await.expect("room");
    let mut waiting = Box::pin(stream.reserve(1, 0));
    assert!(waiting.as_mut().now_or_never().is_none());
    producer.close().await.expect("nothing is on its way");
    let refused = waiting.now_or_never().expect("woken").map(drop);
    assert_eq!(refused, Err(PutError::Closed));
    let back = room.put(record("late")).expect_err("closed");
    assert!(!back.is_retryable());
    assert_eq!(back.into_record(), record("late"));
    let never = producer.stream(&crate::stream::StreamName::new("never").expect("valid"));
    assert_eq!(never.put(record("late")).await.map(drop), Err(PutError::Closed));
    assert_eq!(never.reserve(1, 0).await.map(drop), Err(PutError::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_failed_stream_says_so() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config());
    transport.be(Mood::Broken);
    let ticket = producer.put(&orders(), record("a")).await.expect("taken");
    ticket.await.expect_err("lost with the task");
    let gone = PutError::StreamGone { stream: orders() };
    assert_eq!(producer.reserve(&orders(), 1, 0).await.map(drop), Err(gone));
}
