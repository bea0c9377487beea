//! Many records at once: streams into `put_all`, streams into a sink.

use futures::{FutureExt as _, SinkExt as _, StreamExt as _, TryStreamExt as _, stream};

use super::scripted::{Mood, Scripted};
use super::{SECOND, config, contact, orders, producer, record};
use crate::error::{DeliveryErrorKind, PutError, UndeliveredError};
use crate::record::Record;

fn records(count: usize) -> impl Iterator<Item = Record> {
    (0..count).map(|n| Record::new(format!("key-{n}"), n.to_string()).expect("valid"))
}

#[tokio::test(start_paused = true)]
async fn outcomes_come_in_the_order_of_the_source() {
    let transport = Scripted::new(4);
    let producer = producer(
        &transport,
        config().max_in_flight_records(100).max_user_record_size(100),
    );
    let orders = producer.stream(&orders());
    let large = Record::new("large", vec![0; 1_000]).expect("valid");
    let source = records(500).chain([large.clone()]).chain(records(500));
    let outcomes: Vec<_> = orders.put_all(stream::iter(source)).collect().await;
    assert_eq!(outcomes.len(), 1_001);
    for (n, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Ok(_) => assert_ne!(n, 500),
            Err(error) => {
                assert_eq!(n, 500);
                assert_eq!(error.into_record(), Some(large.clone()));
            }
        }
    }
    assert_eq!(orders.outstanding_records(), 0);
}

#[tokio::test(start_paused = true)]
async fn put_all_reads_no_further_than_the_budget_lets_it() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config().max_in_flight_records(10));
    producer
        .put(&orders(), record("a"))
        .await
        .expect("taken")
        .await
        .expect("contact");
    transport.be(Mood::Silent);
    let read = std::cell::Cell::new(0);
    let source = records(100_000).inspect(|_| read.set(read.get() + 1));
    let orders = producer.stream(&orders());
    let mut all = orders.put_all(stream::iter(source));
    assert!(all.next().now_or_never().is_none());
    assert_eq!(orders.outstanding_records(), 10);
    assert!(read.get() <= 300, "read {} records ahead", read.get());
    transport.be(Mood::Well);
    let delivered = all
        .take(50_000)
        .try_fold(0, |sum, _| async move { Ok(sum + 1) })
        .await;
    assert_eq!(delivered.map_err(|error| error.to_string()), Ok(50_000));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_source_is_not_lingered_for() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config().linger(10 * SECOND));
    let start = tokio::time::Instant::now();
    let orders = producer.stream(&orders());
    let mut failed = 0;
    let delivered = orders
        .put_all(stream::iter(records(10)))
        .finish(|_| failed += 1)
        .await;
    assert_eq!((delivered, failed), (10, 0));
    assert!(start.elapsed() < SECOND);
    let none = orders.put_all(stream::empty()).finish(|_| failed += 1).await;
    assert_eq!((none, failed), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_delivered_is_handed_back_in_order() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config());
    let orders = producer.stream(&orders());
    contact(&orders).await;
    transport.be(Mood::Refusing("AccessDeniedException"));
    let mut failed = Vec::new();
    let delivered = orders
        .put_all(stream::iter(records(300)))
        .finish(|error| failed.extend(error.into_record()))
        .await;
    assert_eq!(delivered, 0);
    assert_eq!(failed, records(300).collect::<Vec<_>>());

    transport.be(Mood::Well);
    producer.close().await.expect("orderly");
    let closed: Vec<_> = orders.put_all(stream::iter(records(3))).collect().await;
    assert_eq!(closed.len(), 3);
    assert!(closed.iter().all(|outcome| matches!(
        outcome,
        Err(UndeliveredError::Refused {
            source: PutError::Closed,
            ..
        })
    )));
}

#[tokio::test(start_paused = true)]
async fn a_sink_takes_what_a_stream_gives() {
    let transport = Scripted::new(2);
    let producer = producer(&transport, config().linger(10 * SECOND).max_in_flight_records(50));
    let orders = producer.stream(&orders());
    let start = tokio::time::Instant::now();
    let mut sink = orders.sink();
    sink.send_all(&mut stream::iter(records(40)).map(Ok))
        .await
        .expect("all delivered");
    assert_eq!(orders.outstanding_records(), 0, "flushed is delivered");
    assert!(start.elapsed() < SECOND, "flushing does not linger");
    for record in records(120) {
        sink.feed(record).await.expect("room, in time");
    }
    sink.close().await.expect("all delivered");
    assert_eq!((orders.outstanding_records(), sink.failures()), (0, 0));
    drop(orders.put(record("a")).await.expect("the producer is open"));
}

#[tokio::test(start_paused = true)]
async fn a_sinks_error_is_the_first_failure() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config().max_user_record_size(100));
    let orders = producer.stream(&orders());
    contact(&orders).await;
    transport.be(Mood::Refusing("AccessDeniedException"));
    let mut sink = orders.sink();
    sink.feed(record("first")).await.expect("taken");
    sink.feed(record("second")).await.expect("taken");
    let error = sink.flush().await.expect_err("refused");
    assert!(matches!(&error, UndeliveredError::Failed(error)
        if matches!(error.kind(), DeliveryErrorKind::AccessDenied { .. })));
    assert_eq!(error.into_record(), Some(record("first")));
    assert_eq!(sink.failures(), 2);

    transport.be(Mood::Well);
    let large = Record::new("k", vec![0; 1_000]).expect("valid");
    let error = sink.feed(large.clone()).await.expect_err("too large");
    assert_eq!(error.into_record(), Some(large));
    sink.send(record("third")).await.expect("it goes on");
    assert_eq!(sink.failures(), 3);
    producer.close().await.expect("orderly");
    assert!(matches!(
        sink.send(record("late")).await,
        Err(UndeliveredError::Refused {
            source: PutError::Closed,
            ..
        })
    ));
}
