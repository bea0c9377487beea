//! The spans of a running consumer, with the trace that a record belongs to. Listens alone in its process: tests share the
//! switches of what is told.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod one_worker;

use std::io::Write;
use std::sync::{Arc, Mutex};

use kcl::trace::{self, TraceContext};
use kcl::{Outcome, ReceivedRecord};
use tracing_subscriber::fmt::format::FmtSpan;

use self::one_worker::{builder, config, run, stream_of};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// What a subscriber writes.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn spans_tell_what_is_done_and_of_which_trace() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let local = stream_of(&[format!("{{\"traceparent\":\"{PARENT}\"}}"), "plain".to_owned()]).await;
    let consumer = builder(&local, config())
        .record_span(|record| trace::span(record, TraceContext::in_json(record.data()).as_ref()))
        .for_each_record(|_: ReceivedRecord| async { Outcome::Ack })
        .unwrap();
    run(consumer, 2).await;

    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    // The line of a span that has ended names those around it, itself last: `kcl.shard{…}:kcl.process{…}: …: close`.
    let fields = |name: &str| -> Vec<&str> {
        let closed = text.lines().filter(|line| line.contains(": close "));
        let last = closed.filter_map(|line| line.rsplit_once("kcl.").map(|(_, last)| last));
        last.filter(|last| last.starts_with(name.trim_start_matches("kcl.")))
            .collect()
    };
    let records = fields("kcl.record");
    assert_eq!(records.len(), 2);
    let traced = records[0];
    assert!(traced.contains("shard_id=shardId-000000000000"), "{traced}");
    assert!(traced.contains("attempt=1"), "{traced}");
    assert!(
        traced.contains("trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\""),
        "{traced}"
    );
    assert!(traced.contains("parent_span_id=\"00f067aa0ba902b7\""), "{traced}");
    assert!(!records[1].contains("trace_id"), "{}", records[1]);
    for (name, expected) in [
        ("kcl.worker", "worker_id=w1"),
        ("kcl.shard", "lease_key=shardId-000000000000"),
        ("kcl.shard", "stream=sales"),
        ("kcl.process", "records="),
        ("kcl.process", "position="),
        ("kcl.renew", "lease_key=shardId-000000000000"),
        ("kcl.checkpoint", "position="),
        ("kcl.assign", ""),
    ] {
        let found = fields(name);
        assert!(
            found.iter().any(|fields| fields.contains(expected)),
            "{name}: {found:?}"
        );
    }
    assert!(!text.contains("plain"), "data is told");
}
