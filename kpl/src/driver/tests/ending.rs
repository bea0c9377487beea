//! Close, drop, and ends out of order.

use futures::FutureExt as _;

use super::scripted::{Mood, Scripted};
use super::{SECOND, config, orders, producer, record};
use crate::error::{CloseError, DeliveryErrorKind, FlushError, PutError};

#[tokio::test(start_paused = true)]
async fn close_delivers_what_was_taken_and_takes_no_more() {
    let transport = Scripted::new(3);
    let producer = producer(&transport, config().linger(10 * SECOND));
    let mut tickets = Vec::new();
    for n in 0..1_000 {
        tickets.push(
            producer
                .put(&orders(), record(&n.to_string()))
                .await
                .expect("taken"),
        );
    }
    let start = tokio::time::Instant::now();
    producer.close().await.expect("orderly");
    assert!(start.elapsed() < SECOND, "close does not linger");
    for ticket in tickets {
        ticket.await.expect("delivered");
    }
    assert!(start.elapsed() < SECOND, "the outcomes were there already");
    assert_eq!(
        producer.put(&orders(), record("late")).await.map(drop),
        Err(PutError::Closed)
    );
    let refused = producer.try_put(&orders(), record("late")).expect_err("closed");
    assert!(!refused.is_retryable());
    assert_eq!(refused.into_record(), record("late"));
}

#[tokio::test(start_paused = true)]
async fn closing_again_waits_for_the_same_end() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config());
    let ticket = producer.put(&orders(), record("a")).await.expect("taken");
    let other = producer.clone();
    let (one, two) = futures::future::join(producer.close(), other.close()).await;
    assert!(one.is_ok() && two.is_ok());
    assert!(ticket.now_or_never().expect("has its outcome").is_ok());
    producer.close().await.expect("still closed");
    producer.flush().await.expect("nothing is left to flush");
}

#[tokio::test(start_paused = true)]
async fn a_close_that_is_dropped_goes_on() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config().linger(10 * SECOND));
    let ticket = producer.put(&orders(), record("a")).await.expect("taken");
    assert!(producer.close().now_or_never().is_none());
    let start = tokio::time::Instant::now();
    ticket.await.expect("delivered");
    assert!(start.elapsed() < SECOND);
}

#[tokio::test(start_paused = true)]
async fn close_wakes_puts_that_wait_for_room() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config().max_in_flight_records(1));
    let _first = producer.put(&orders(), record("a")).await.expect("taken");
    let stream = orders();
    let waiting = producer.put(&stream, record("b"));
    let (waiting, closed) = futures::future::join(waiting, producer.close()).await;
    assert_eq!(waiting.map(drop), Err(PutError::Closed));
    closed.expect("orderly");
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_gives_up() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config().linger(10 * SECOND));
    let ticket = producer.put(&orders(), record("a")).await.expect("taken");
    let clone = producer.clone();
    drop(producer);
    drop(clone);
    let error = ticket.await.expect_err("given up");
    assert_eq!(error.kind(), &DeliveryErrorKind::ProducerGone);
    assert_eq!(transport.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn close_ends_within_the_time_to_live() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config().record_ttl(5 * SECOND));
    producer
        .put(&orders(), record("a"))
        .await
        .expect("taken")
        .await
        .expect("first contact");
    transport.be(Mood::Down);
    let ticket = producer.put(&orders(), record("b")).await.expect("taken");
    let start = tokio::time::Instant::now();
    producer.close().await.expect("orderly, if not happy");
    assert!(start.elapsed() < 8 * SECOND, "{:?}", start.elapsed());
    let error = ticket
        .now_or_never()
        .expect("has its outcome")
        .expect_err("expired");
    assert!(
        matches!(error.kind(), DeliveryErrorKind::Expired { failure: Some(_) }),
        "{error}"
    );
}

/// The reason is readable before the queue is closed, and the queue is closed before the records fail.
#[tokio::test(start_paused = true)]
async fn a_task_that_breaks_says_so_everywhere() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config());
    producer
        .put(&orders(), record("a"))
        .await
        .expect("taken")
        .await
        .expect("delivered");
    transport.be(Mood::Broken);
    let ticket = producer.put(&orders(), record("b")).await.expect("taken");
    let error = ticket.await.expect_err("lost with the task");
    assert_eq!(error.kind(), &DeliveryErrorKind::ProducerGone);
    let gone = PutError::StreamGone { stream: orders() };
    assert_eq!(producer.put(&orders(), record("c")).await.map(drop), Err(gone));
    assert_eq!(
        producer.flush().await,
        Err(FlushError::StreamGone { stream: orders() })
    );
    assert_eq!(
        producer.close().await,
        Err(CloseError::StreamGone { stream: orders() })
    );
}

#[tokio::test(start_paused = true)]
async fn a_broken_task_gives_its_room_back() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config().max_in_flight_records(1));
    transport.be(Mood::Broken);
    let ticket = producer.put(&orders(), record("a")).await.expect("taken");
    ticket.await.expect_err("lost with the task");
    let others = crate::stream::StreamName::new("others").expect("valid");
    transport.be(Mood::Well);
    producer
        .put(&others, record("a"))
        .await
        .expect("room")
        .await
        .expect("delivered");
}
