//! What comes to the dead letters, and what happens when they do not take it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::config::ProducerConfig;
use crate::driver::tests::scripted::{Mood, Scripted};
use crate::error::DeliveryErrorKind;
use crate::metrics::Metric;
use crate::producer::Producer;
use crate::producer::attachments::Attachments;

const SECOND: Duration = Duration::from_secs(1);

fn orders() -> StreamName {
    StreamName::new("orders").expect("valid")
}

fn record(key: &str) -> Record {
    Record::new(key, "data").expect("valid")
}

/// A producer whose records expire after a second.
fn producer(transport: &Arc<Scripted>, sink: impl DeadLetters) -> Producer {
    let config = ProducerConfig::builder()
        .record_ttl(SECOND)
        .first_contact_timeout(SECOND)
        .max_in_flight_records(4)
        .build()
        .expect("valid");
    let mut attachments = Attachments::default();
    attachments.set_dead_letters(sink);
    let transport: Arc<Scripted> = Arc::clone(transport);
    Producer::with_attachments(transport, config, attachments).expect("in a runtime")
}

fn counted(producer: &Producer, metric: Metric) -> f64 {
    let snapshot = producer.metrics();
    snapshot
        .stream(metric, &orders())
        .map_or(0.0, |series| series.total().sum())
}

#[tokio::test(start_paused = true)]
async fn a_closure_gets_what_failed_and_the_ticket_tells_too() {
    let transport = Scripted::new(1);
    let kept: Arc<Mutex<Vec<DeadLetter>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let producer = producer(&transport, move |letter| {
        keep.lock().expect("not poisoned").push(letter);
    });
    let good = producer.put(&orders(), record("good")).await.expect("taken");
    assert!(good.await.is_ok());
    transport.be(Mood::Refusing("AccessDeniedException"));
    let bad = producer.put(&orders(), record("bad")).await.expect("taken");
    let error = bad.await.expect_err("denied");
    assert!(matches!(error.kind(), DeliveryErrorKind::AccessDenied { .. }));
    producer.close().await.expect("orderly");
    let kept = kept.lock().expect("not poisoned");
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].record().partition_key(), "bad");
    assert_eq!(kept[0].stream(), &orders());
    assert_eq!(kept[0].error().kind(), error.kind());
    assert_eq!(counted(&producer, Metric::DeadLetters), 1.0);
    assert_eq!(counted(&producer, Metric::DeadLettersLost), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_full_channel_holds_the_budget_and_nothing_is_lost() {
    let transport = Scripted::new(1);
    transport.be(Mood::Down);
    let (sender, mut receiver) = dead_letter_channel(1);
    let producer = producer(&transport, sender);
    let mut tickets = Vec::new();
    for key in ["a", "b", "c", "d"] {
        tickets.push(producer.put(&orders(), record(key)).await.expect("taken"));
    }
    for ticket in tickets {
        assert!(ticket.await.is_err(), "the outcome does not wait");
    }
    assert_eq!(producer.outstanding_records(), 0);
    let room = tokio::time::timeout(SECOND, producer.put(&orders(), record("e"))).await;
    assert!(
        room.is_err(),
        "their records are in flight until the letters are taken"
    );
    let mut keys = Vec::new();
    for _ in 0..4 {
        let letter = receiver.recv().await.expect("a letter");
        keys.push(letter.record().partition_key().to_owned());
    }
    assert_eq!(keys, ["a", "b", "c", "d"], "in the order in which they failed");
    let ticket = producer.put(&orders(), record("e")).await.expect("room again");
    assert!(ticket.await.is_err());
    producer.close().await.expect("orderly");
    assert!(receiver.recv().await.is_some());
    assert!(receiver.recv().await.is_none(), "the producer has ended");
}

#[tokio::test(start_paused = true)]
async fn letters_that_nobody_takes_are_counted_as_lost() {
    let transport = Scripted::new(1);
    transport.be(Mood::Down);
    let (sender, receiver) = dead_letter_channel(1);
    drop(receiver);
    let producer = producer(&transport, sender);
    for key in ["a", "b"] {
        let ticket = producer.put(&orders(), record(key)).await.expect("taken");
        assert!(ticket.await.is_err());
    }
    producer.close().await.expect("orderly");
    assert_eq!(counted(&producer, Metric::DeadLettersLost), 2.0);
}

#[tokio::test(start_paused = true)]
async fn who_never_takes_them_does_not_keep_a_close_for_ever() {
    let transport = Scripted::new(1);
    transport.be(Mood::Down);
    let (sender, _receiver) = dead_letter_channel(1);
    let producer = producer(&transport, sender);
    let mut tickets = Vec::new();
    for key in ["a", "b", "c", "d"] {
        tickets.push(producer.put(&orders(), record(key)).await.expect("taken"));
    }
    let start = tokio::time::Instant::now();
    producer.close().await.expect("orderly");
    assert!(start.elapsed() < 70 * SECOND, "{:?}", start.elapsed());
    assert!(counted(&producer, Metric::DeadLettersLost) >= 3.0);
}

#[tokio::test(start_paused = true)]
async fn what_a_close_or_a_drop_gives_up_comes_as_well() {
    for is_dropped in [false, true] {
        let transport = Scripted::new(1);
        transport.be(Mood::Silent);
        let (sender, mut receiver) = dead_letter_channel(10);
        let producer = producer(&transport, sender);
        let ticket = producer.put(&orders(), record("a")).await.expect("taken");
        if is_dropped {
            drop(producer);
        } else {
            let leftover = producer.close_within(Duration::from_millis(100)).await;
            assert_eq!(leftover.len(), 1);
        }
        let letter = receiver.recv().await.expect("given up");
        assert_eq!(letter.record().partition_key(), "a");
        assert!(ticket.await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_who_takes_them_loses_these_letters_alone() {
    let transport = Scripted::new(1);
    transport.be(Mood::Refusing("AccessDeniedException"));
    let kept: Arc<Mutex<Vec<String>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let producer = producer(&transport, move |letter: DeadLetter| {
        let key = letter.record().partition_key().to_owned();
        assert_ne!(key, "cursed", "scripted panic");
        keep.lock().expect("not poisoned").push(key);
    });
    for key in ["a", "cursed", "b"] {
        let ticket = producer.put(&orders(), record(key)).await.expect("taken");
        assert!(ticket.await.is_err());
    }
    producer.close().await.expect("orderly");
    assert_eq!(*kept.lock().expect("not poisoned"), ["a", "b"]);
    assert_eq!(counted(&producer, Metric::DeadLetters), 2.0);
    assert_eq!(counted(&producer, Metric::DeadLettersLost), 1.0);
}
