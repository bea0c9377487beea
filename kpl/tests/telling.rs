//! What is told through `tracing`: spans by their names, and nothing of the user's. Alone in its process, since tests share
//! the switches of what is told.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record as SpanRecord};
use tracing::{Event, Level, Metadata, Subscriber};

use kinesis_local::Local;
use kpl::{Producer, ProducerConfig, Record, StreamName};

/// Writes down everything.
#[derive(Clone, Default)]
struct Ear {
    told: Arc<Mutex<Vec<(Level, String)>>>,
    spans: Arc<AtomicU64>,
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {field}={value:?}").expect("a string takes all");
    }
}

impl Ear {
    fn tell(&self, level: Level, line: String) {
        self.told.lock().expect("not poisoned").push((level, line));
    }

    fn lines(&self, wanted: Level) -> Vec<String> {
        let told = self.told.lock().expect("not poisoned");
        let of_level = told.iter().filter(|(level, _)| *level == wanted);
        of_level.map(|(_, line)| line.clone()).collect()
    }
}

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("kpl")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(format!("span {}", span.metadata().name()));
        span.record(&mut line);
        self.tell(*span.metadata().level(), line.0);
        Id::from_u64(self.spans.fetch_add(1, Ordering::SeqCst) + 1)
    }

    fn record(&self, _: &Id, _: &SpanRecord<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line("event".to_owned());
        event.record(&mut line);
        self.tell(*event.metadata().level(), line.0);
    }
}

#[tokio::test]
async fn calls_are_spans_and_nothing_of_the_users_is_told() {
    let local = Local::start().await.expect("the local endpoint");
    local.create_stream("orders", 1).await.expect("a stream");
    let orders = StreamName::new("orders").expect("valid");
    let secret = || Record::new("secret-key", "secret-data").expect("valid");
    let ear = Ear::default();
    let listening = tracing::subscriber::set_default(ear.clone());
    let producer = Producer::new(&local.kinesis_config(), ProducerConfig::default()).expect("a producer");
    let ticket = producer.put(&orders, secret()).await.expect("taken");
    assert!(ticket.await.is_ok());
    producer.close().await.expect("orderly");
    let nowhere = local
        .kinesis_config()
        .to_builder()
        .endpoint_url("http://127.0.0.1:9")
        .build();
    let config = ProducerConfig::builder().first_contact_timeout(Duration::from_millis(300));
    let producer = Producer::new(&nowhere, config.build().expect("valid")).expect("a producer");
    let ticket = producer.put(&orders, secret()).await.expect("taken");
    assert!(ticket.await.is_err());
    producer.close().await.expect("orderly");
    drop(listening);

    let debug = ear.lines(Level::DEBUG);
    for span in [
        "span kpl.stream stream=orders",
        "span kpl.list_shards",
        "span kpl.put_records records=1 bytes=21",
    ] {
        assert!(debug.iter().any(|line| line == span), "{span} among {debug:?}");
    }
    assert!(!ear.lines(Level::WARN).is_empty(), "what an operator should see");
    assert_eq!(ear.lines(Level::TRACE).len(), 2, "each record's outcome");
    let all = ear.told.lock().expect("not poisoned").clone();
    assert!(all.iter().all(|(_, line)| !line.contains("secret")), "{all:?}");
    local.stop().await;
}
