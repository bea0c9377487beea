//! How large a record may be, in virtual time.

use futures::FutureExt as _;

use super::scripted::{Mood, Scripted};
use super::{SECOND, config, orders, producer, record};
use crate::error::{PutError, TryPutError};
use crate::failure::Failure;
use crate::pipeline::{Distribution, StreamSummary};
use crate::record::Record;

const MIB: usize = 1 << 20;

fn of_size(size: usize) -> Record {
    Record::new("k", vec![0; size - 1]).expect("valid")
}

fn takes(max_record_size: usize) -> Result<StreamSummary, Failure> {
    Ok(StreamSummary {
        distribution: Distribution::ByKey,
        max_record_size: Some(max_record_size),
    })
}

#[tokio::test(start_paused = true)]
async fn a_large_record_waits_for_the_stream_and_goes() {
    let transport = Scripted::new(1);
    transport.say(takes(10 * MIB));
    let producer = producer(&transport, config());
    let ticket = producer
        .put(&orders(), of_size(10 * MIB))
        .await
        .expect("the stream takes it");
    ticket.await.expect("delivered");
    assert_eq!(transport.describes(), 1);
    let refused = producer.put(&orders(), of_size(10 * MIB + 1)).await.map(drop);
    let (size, limit) = (10 * MIB + 1, 10 * MIB);
    assert_eq!(refused, Err(PutError::RecordTooLarge { size, limit }));
    producer.close().await.expect("orderly");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_too_large_is_refused_before_anything_is_buffered() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config());
    let refused = producer.put(&orders(), of_size(10 * MIB)).await.map(drop);
    let (size, limit) = (10 * MIB, MIB);
    assert_eq!(refused, Err(PutError::RecordTooLarge { size, limit }));
    assert_eq!((transport.requests(), transport.lists()), (0, 0));
    producer.close().await.expect("orderly");
}

#[tokio::test(start_paused = true)]
async fn small_records_do_not_wait_and_try_put_never_does() {
    let transport = Scripted::new(1);
    transport.say(takes(10 * MIB));
    let producer = producer(&transport, config());
    let small = producer.put(&orders(), of_size(MIB)).now_or_never();
    let small = small.expect("at once").expect("taken");
    let large = of_size(2 * MIB);
    let refused = producer
        .try_put(&orders(), large.clone())
        .expect_err("not known yet");
    assert!(matches!(refused, TryPutError::LimitUnknown { .. }), "{refused}");
    assert!(refused.is_retryable());
    assert_eq!(refused.into_record(), large);
    small.await.expect("delivered");
    let ticket = producer.try_put(&orders(), large).expect("known by now");
    ticket.await.expect("delivered");
    producer.close().await.expect("orderly");
}

#[tokio::test(start_paused = true)]
async fn try_put_alone_has_the_stream_asked() {
    let transport = Scripted::new(1);
    transport.say(takes(10 * MIB));
    let producer = producer(&transport, config());
    let mut tries = 0;
    let ticket = loop {
        match producer.try_put(&orders(), of_size(2 * MIB)) {
            Ok(ticket) => break ticket,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
        tries += 1;
        tokio::time::sleep(SECOND / 100).await;
    };
    assert!((1..10).contains(&tries), "{tries}");
    ticket.await.expect("delivered");
    producer.close().await.expect("orderly");
}

#[tokio::test(start_paused = true)]
async fn where_it_may_not_be_asked_the_users_limit_rules() {
    let denied = || Err(Failure::of_code("AccessDeniedException", "not authorized"));
    for (cap, expected) in [(None, MIB), (Some(4 * MIB), 4 * MIB)] {
        let transport = Scripted::new(1);
        transport.say(denied());
        let config = match cap {
            Some(cap) => config().max_user_record_size(cap),
            None => config(),
        };
        let producer = producer(&transport, config);
        let refused = producer.put(&orders(), of_size(expected + 1)).await.map(drop);
        let (size, limit) = (expected + 1, expected);
        assert_eq!(refused, Err(PutError::RecordTooLarge { size, limit }));
        let ticket = producer.put(&orders(), of_size(expected)).await.expect("taken");
        ticket.await.expect("delivered");
        producer.close().await.expect("orderly");
    }
}

#[tokio::test(start_paused = true)]
async fn each_stream_has_its_own_limit() {
    let transport = Scripted::new(1);
    transport.say(takes(10 * MIB));
    let small = crate::stream::StreamName::new("small").expect("valid");
    let config = config().for_stream(small.clone(), |stream| stream.with_max_user_record_size(100));
    let producer = producer(&transport, config);
    let refused = producer.put(&small, of_size(101)).await.map(drop);
    let (size, limit) = (101, 100);
    assert_eq!(refused, Err(PutError::RecordTooLarge { size, limit }));
    let ticket = producer.put(&orders(), of_size(101)).await.expect("taken");
    ticket.await.expect("delivered");
    producer.close().await.expect("orderly");
}

#[tokio::test(start_paused = true)]
async fn the_wait_ends_with_the_time_for_contact_the_dropping_or_the_close() {
    let transport = Scripted::new(1);
    transport.be(Mood::Down);
    let producer = producer(&transport, config());
    let start = tokio::time::Instant::now();
    let refused = producer.put(&orders(), of_size(2 * MIB)).await.map(drop);
    assert!(
        matches!(refused, Err(PutError::RecordLimitUnknown { .. })),
        "{refused:?}"
    );
    assert!(refused.is_err_and(|error| error.is_retryable()));
    assert_eq!(start.elapsed(), 10 * SECOND);

    let stream = orders();
    let mut dropped = Box::pin(producer.put(&stream, of_size(2 * MIB)));
    assert!(dropped.as_mut().now_or_never().is_none());
    drop(dropped);

    let closing = async {
        tokio::task::yield_now().await;
        producer.close().await.expect("orderly");
    };
    let (refused, ()) = tokio::join!(producer.put(&stream, of_size(2 * MIB)), closing);
    assert_eq!(refused.map(drop), Err(PutError::Closed));
    assert_eq!(transport.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_there_is_named_at_once() {
    let transport = Scripted::new(1);
    transport.be(Mood::Refusing("ResourceNotFoundException"));
    let producer = producer(&transport, config());
    let start = tokio::time::Instant::now();
    let refused = producer.put(&orders(), of_size(2 * MIB)).await.map(drop);
    let error = refused.expect_err("no stream, no limit");
    assert!(!error.is_retryable());
    assert!(error.to_string().contains("ResourceNotFoundException"), "{error}");
    assert!(start.elapsed() < SECOND);
    // The stream is made, and the next record finds that out.
    transport.be(Mood::Well);
    transport.say(takes(2 * MIB));
    let ticket = producer.put(&orders(), of_size(2 * MIB)).await.expect("taken");
    ticket.await.expect("delivered");
    producer.close().await.expect("orderly");
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_changes_is_followed() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config().summary_refresh(10 * SECOND));
    let send = |size| {
        let producer = producer.clone();
        async move { producer.put(&orders(), of_size(size)).await.map(drop) }
    };
    send(MIB).await.expect("taken");
    assert!(send(MIB + 1).await.is_err());
    for (limit, taken, refused) in [(2 * MIB, 2 * MIB, 2 * MIB + 1), (MIB, MIB, MIB + 1)] {
        transport.say(takes(limit));
        tokio::time::sleep(12 * SECOND).await;
        producer
            .put(&orders(), record("a"))
            .await
            .expect("taken")
            .await
            .expect("delivered");
        send(taken).await.expect("taken");
        assert!(send(refused).await.is_err(), "{limit}");
    }
    producer.close().await.expect("orderly");
}
