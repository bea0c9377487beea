//! The handle and its tasks over a scripted transport, in virtual time.

mod backpressure;
mod ending;
mod failing;
mod hand_over;
mod leaving;
mod limits;
mod reserving;
pub(crate) mod scripted;
mod sdk;
mod sources;

use std::sync::Arc;
use std::time::Duration;

use scripted::Scripted;

use crate::config::{ProducerConfig, ProducerConfigBuilder};
use crate::producer::{Producer, StreamProducer};
use crate::record::Record;
use crate::stream::StreamName;

fn producer(transport: &Arc<Scripted>, config: ProducerConfigBuilder) -> Producer {
    let transport: Arc<Scripted> = Arc::clone(transport);
    Producer::with_transport(transport, config.build().expect("valid")).expect("in a runtime")
}

fn config() -> ProducerConfigBuilder {
    ProducerConfig::builder()
}

fn orders() -> StreamName {
    StreamName::new("orders").expect("valid")
}

fn record(key: &str) -> Record {
    Record::new(key, "data").expect("valid")
}

/// Puts a first record, after which the shard map is known.
async fn contact(stream: &StreamProducer) {
    let ticket = stream.put(record("a")).await.expect("taken");
    ticket.await.expect("contact");
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_record_is_delivered_with_its_place() {
    let transport = Scripted::new(2);
    let producer = producer(&transport, config());
    let mut tickets = Vec::new();
    for key in ["a", "b", "c", "d"] {
        tickets.push(producer.put(&orders(), record(key)).await.expect("taken"));
    }
    for ticket in tickets {
        let delivery = ticket.await.expect("delivered");
        assert_eq!(delivery.attempt_count(), 1);
        assert_eq!(delivery.attempts().count(), 1);
        assert!(delivery.attempts().all(|attempt| attempt.failure().is_none()));
        assert!(delivery.shard_id().as_str().starts_with("shardId-"));
        assert!(!delivery.sequence_number().is_empty());
    }
    producer.close().await.expect("orderly");
    assert_eq!(transport.lists(), 1);
    assert_eq!(transport.requests(), 1, "one request for both shards");
}

#[tokio::test(start_paused = true)]
async fn each_stream_has_its_own_task() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config());
    let payments = StreamName::new("payments").expect("valid");
    let one = producer.put(&orders(), record("a")).await.expect("taken");
    let two = producer.put(&payments, record("a")).await.expect("taken");
    producer.close().await.expect("orderly");
    assert!(one.await.is_ok() && two.await.is_ok());
    assert_eq!(transport.lists(), 2);
    assert_eq!(transport.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn linger_is_kept_and_flush_cuts_it_short() {
    let transport = Scripted::new(1);
    let producer = producer(&transport, config().linger(10 * SECOND));
    let start = tokio::time::Instant::now();
    let ticket = producer.put(&orders(), record("a")).await.expect("taken");
    ticket.await.expect("delivered");
    assert!(start.elapsed() >= 10 * SECOND && start.elapsed() < 11 * SECOND);

    let start = tokio::time::Instant::now();
    let ticket = producer.put(&orders(), record("a")).await.expect("taken");
    producer.flush().await.expect("a barrier");
    assert!(start.elapsed() < SECOND);
    assert!(
        futures::FutureExt::now_or_never(ticket)
            .expect("has its outcome")
            .is_ok()
    );
    producer.close().await.expect("orderly");
}

#[test]
fn outside_of_a_runtime_there_is_no_producer() {
    let made = Producer::with_transport(Scripted::new(1), ProducerConfig::default());
    assert!(matches!(made, Err(crate::error::ConfigError::NoRuntime)));
}

#[test]
fn handles_and_their_futures_move_between_threads() {
    fn movable<T: Send>(_: &T) {}
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<Producer>();
    let _ = |producer: Producer, stream: StreamName, record: Record| {
        movable(&producer.put(&stream, record));
        movable(&producer.flush());
        movable(&producer.close());
    };
}
