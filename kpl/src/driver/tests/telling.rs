//! What is told through `tracing`: spans by their names, and nothing of the user's.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record as SpanRecord};
use tracing::{Event, Level, Metadata, Subscriber};

use super::scripted::{Mood, Scripted};
use super::{SECOND, config, orders, producer};
use crate::record::Record;

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

#[tokio::test(start_paused = true)]
async fn calls_are_spans_failures_are_warned_of_seldom_and_nothing_of_the_users_is_told() {
    let ear = Ear::default();
    let listening = tracing::subscriber::set_default(ear.clone());
    let transport = Scripted::new(1);
    let producer = producer(&transport, config().record_ttl(60 * SECOND));
    let secret = || Record::new("secret-key", "secret-data").expect("valid");
    let delivered = producer.put(&orders(), secret()).await.expect("taken");
    assert!(delivered.await.is_ok());
    transport.be(Mood::Down);
    let lost = producer.put(&orders(), secret()).await.expect("taken");
    assert!(lost.await.is_err());
    drop(producer);
    tokio::time::sleep(SECOND).await;
    drop(listening);

    let debug = ear.lines(Level::DEBUG);
    for span in [
        "span kpl.stream stream=orders",
        "span kpl.list_shards",
        "span kpl.put_records records=1 bytes=21",
    ] {
        assert!(debug.iter().any(|line| line == span), "{span} among {debug:?}");
    }
    let failed = debug
        .iter()
        .filter(|line| line.contains("request failed"))
        .count();
    assert!(failed > 20, "each request: {failed}");
    assert!(debug.iter().any(|line| line.contains("what was sent and why")));
    let warned: Vec<_> = ear.lines(Level::WARN);
    let warned = warned
        .iter()
        .filter(|line| line.contains("requests fail"))
        .count();
    assert!((1..=3).contains(&warned), "each half minute: {warned}");
    assert_eq!(ear.lines(Level::TRACE).len(), 2, "each record's outcome");
    let all = ear.told.lock().expect("not poisoned");
    assert!(all.iter().all(|(_, line)| !line.contains("secret")), "{all:?}");
}
