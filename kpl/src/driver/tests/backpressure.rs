//! Room in the budget: waited for, given back, not leaked.

use futures::FutureExt as _;

use super::scripted::{Mood, Scripted};
use super::{SECOND, config, orders, producer, record};
use crate::error::{PutError, TryPutError};
use crate::record::Record;

#[tokio::test(start_paused = true)]
async fn put_waits_for_room_and_goes_on() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config().max_in_flight_records(2).linger(SECOND));
    let first = producer.put(&orders(), record("a")).await.expect("taken");
    let second = producer.put(&orders(), record("b")).await.expect("taken");
    let stream = orders();
    let mut third = Box::pin(producer.put(&stream, record("c")));
    assert!(third.as_mut().now_or_never().is_none(), "the budget is used up");
    let third = third
        .await
        .expect("there is room when the first two are delivered");
    assert!(first.await.is_ok() && second.await.is_ok());
    producer.flush().await.expect("a barrier");
    assert!(third.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn try_put_hands_the_record_back() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config().max_in_flight_records(1));
    let first = producer.try_put(&orders(), record("a")).expect("room");
    let error = producer.try_put(&orders(), record("b")).expect_err("no room");
    assert!(error.is_retryable());
    assert_eq!(error.into_record(), record("b"));
    first.await.expect("delivered");
    tokio::task::yield_now().await;
    producer
        .try_put(&orders(), record("b"))
        .expect("room again")
        .await
        .expect("delivered");

    let large = Record::new("k", vec![0; 1 << 20]).expect("valid");
    let error = producer.try_put(&orders(), large.clone()).expect_err("too large");
    assert!(!error.is_retryable());
    assert!(matches!(
        &error,
        TryPutError::Refused {
            source: PutError::RecordTooLarge { .. },
            ..
        }
    ));
    assert_eq!(error.into_record(), large);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_put_leaves_nothing_behind() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config().max_in_flight_records(1));
    let first = producer.put(&orders(), record("a")).await.expect("taken");
    {
        let stream = orders();
        let mut waiting = Box::pin(producer.put(&stream, record("dropped")));
        assert!(waiting.as_mut().now_or_never().is_none());
    }
    first.await.expect("delivered");
    producer
        .put(&orders(), record("c"))
        .await
        .expect("room")
        .await
        .expect("delivered");
    producer.close().await.expect("orderly");
    assert_eq!(transport.entries(), 2, "the dropped record was not sent");
}

#[tokio::test(start_paused = true)]
async fn dropped_tickets_do_not_take_records_back() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config().max_in_flight_records(10));
    for _ in 0..100 {
        drop(producer.put(&orders(), record("a")).await.expect("taken"));
    }
    producer.close().await.expect("orderly");
    assert!(
        transport.entries() >= 10,
        "ten at a time: {} entries",
        transport.entries()
    );
}

#[tokio::test(start_paused = true)]
async fn what_can_never_fit_is_refused_at_once() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config().max_in_flight_bytes(65_536));
    let record = Record::new("k", vec![0; 65_536]).expect("valid");
    let refused = producer.put(&orders(), record).await;
    assert!(matches!(refused, Err(PutError::ExceedsBudget { .. })));
}

#[tokio::test(start_paused = true)]
async fn the_budget_holds_while_the_service_is_silent() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config().max_in_flight_records(50));
    producer
        .put(&orders(), record("a"))
        .await
        .expect("taken")
        .await
        .expect("first contact");
    transport.be(Mood::Silent);
    let mut tickets = Vec::new();
    loop {
        match producer.try_put(&orders(), record("a")) {
            Ok(ticket) => tickets.push(ticket),
            Err(error) => {
                assert!(error.is_retryable());
                break;
            }
        }
    }
    assert_eq!(tickets.len(), 50);
    transport.be(Mood::Well);
    for ticket in tickets {
        ticket.await.expect("delivered once the service answers");
    }
}
