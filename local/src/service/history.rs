//! What happened, in order, as text that can be compared byte for byte.

use std::collections::VecDeque;
use std::fmt;
use std::fmt::Write as _;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// One call as it ended, or one event of a subscription as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    at: Duration,
    client: String,
    operation: &'static str,
    request: String,
    outcome: String,
}

impl HistoryEntry {
    /// When it ended, since the start of the endpoint, on the endpoint's clock.
    #[must_use]
    pub const fn at(&self) -> Duration {
        self.at
    }

    /// The application's name or the access key id of the caller; `-` without either.
    #[must_use]
    pub fn client(&self) -> &str {
        &self.client
    }

    /// `PutRecords`, `UpdateItem`, and `SubscribeToShard.Event` for what a subscription sends.
    #[must_use]
    pub const fn operation(&self) -> &'static str {
        self.operation
    }

    /// What was asked: names, and a fingerprint of the body.
    #[must_use]
    pub fn request(&self) -> &str {
        &self.request
    }

    /// What became of it: the status and a fingerprint of the answer, or `cut`, `lost`, `abandoned`.
    #[must_use]
    pub fn outcome(&self) -> &str {
        &self.outcome
    }
}

impl fmt::Display for HistoryEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:03} {} {} {} -> {}",
            self.at.as_secs(),
            self.at.subsec_millis(),
            self.client,
            self.operation,
            self.request,
            self.outcome
        )
    }
}

/// What happened so far, oldest first. Two runs with the same seed and the same callers in the same order have the
/// same history; its `Display` is one line for each entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    entries: Vec<HistoryEntry>,
    dropped: u64,
}

impl History {
    /// The entries that are kept.
    #[must_use]
    pub fn entries(&self) -> &[HistoryEntry] {
        &self.entries
    }

    /// How many older ones were let go to stay within the limit.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

/// Takes down what happens, up to a number of entries; 0 takes down nothing.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    limit: usize,
    kept: Arc<Mutex<Kept>>,
    /// Rung at each entry.
    bell: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: VecDeque<HistoryEntry>,
    dropped: u64,
    /// How many ever came.
    total: u64,
}

impl Recorder {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            kept: Arc::default(),
            bell: Arc::default(),
        }
    }

    /// Whether it is worth describing what happens.
    pub(crate) const fn is_on(&self) -> bool {
        self.limit > 0
    }

    pub(crate) fn record(
        &self,
        at: Duration,
        client: &str,
        operation: &'static str,
        request: String,
        outcome: String,
    ) {
        if !self.is_on() {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.entries.len() == self.limit {
            kept.entries.pop_front();
            kept.dropped += 1;
        }
        kept.entries.push_back(HistoryEntry {
            at,
            client: client.to_owned(),
            operation,
            request,
            outcome,
        });
        kept.total += 1;
        drop(kept);
        self.bell.notify_waiters();
    }

    pub(crate) fn snapshot(&self) -> History {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        History {
            entries: kept.entries.iter().cloned().collect(),
            dropped: kept.dropped,
        }
    }

    pub(crate) fn clear(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Kept {
            total: kept.total,
            ..Kept::default()
        };
    }

    /// The first entry that is wanted: one that is kept, or one to come. `None` where nothing is taken down.
    pub(crate) async fn wait_for(&self, wanted: impl Fn(&HistoryEntry) -> bool) -> Option<HistoryEntry> {
        let mut seen = 0;
        while self.is_on() {
            let mut rung = pin!(self.bell.notified());
            // Before the look, so that what comes in between rings too.
            rung.as_mut().enable();
            if let Some(found) = self.look(&mut seen, &wanted) {
                return Some(found);
            }
            rung.await;
        }
        None
    }

    /// Looks at what came after the first `seen` of all entries.
    fn look(&self, seen: &mut u64, wanted: impl Fn(&HistoryEntry) -> bool) -> Option<HistoryEntry> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let new = usize::try_from(kept.total - *seen).unwrap_or(usize::MAX);
        *seen = kept.total;
        let old = kept.entries.len().saturating_sub(new);
        kept.entries.iter().skip(old).find(|entry| wanted(entry)).cloned()
    }
}

/// `stream=orders shard=shardId-000000000000 body=0123456789abcdef`, leaving out what is not known.
pub(crate) fn describe(names: &[(&str, Option<&str>)], body: u64) -> String {
    let mut text = String::new();
    for (name, value) in names {
        if let Some(value) = value {
            // Writing into a string does not fail.
            let _ = write!(text, "{name}={value} ");
        }
    }
    let _ = write!(text, "body={body:016x}");
    text
}

/// A fingerprint of bytes (FNV-1a, over eight bytes at a time): equal bytes have equal ones on every machine.
pub(crate) fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hash = FNV_OFFSET ^ bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(FNV_PRIME);
        hash ^= hash >> 32;
    }
    hash
}

/// A fingerprint of JSON that does not depend on the order in which an object's members are written.
pub(crate) fn fingerprint_json(bytes: &[u8]) -> u64 {
    match serde_json::from_slice::<serde_json::Value>(bytes) {
        Ok(value) => {
            let mut text = String::with_capacity(bytes.len());
            canonical(&value, &mut text);
            fingerprint(text.as_bytes())
        }
        Err(_) => fingerprint(bytes),
    }
}

fn canonical(value: &serde_json::Value, text: &mut String) {
    match value {
        serde_json::Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            text.push('{');
            for (name, member) in members {
                let _ = write!(text, "{name:?}:");
                canonical(member, text);
            }
            text.push('}');
        }
        serde_json::Value::Array(elements) => {
            text.push('[');
            for element in elements {
                canonical(element, text);
                text.push(',');
            }
            text.push(']');
        }
        scalar => {
            let _ = write!(text, "{scalar}");
        }
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn the_newest_entries_are_kept() {
        let recorder = Recorder::new(2);
        for second in 0..3 {
            let at = Duration::from_millis(second * 1_000 + 7);
            recorder.record(at, "till-7", "PutRecord", format!("n={second}"), "200".to_owned());
        }
        let history = recorder.snapshot();
        assert_eq!(history.dropped(), 1);
        assert_eq!(
            history.to_string(),
            "1.007 till-7 PutRecord n=1 -> 200\n2.007 till-7 PutRecord n=2 -> 200\n"
        );
        recorder.clear();
        assert_eq!(recorder.snapshot(), History::default());
        let off = Recorder::new(0);
        off.record(Duration::ZERO, "-", "PutRecord", String::new(), String::new());
        assert!(off.snapshot().entries().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_entry_is_waited_for_whether_it_is_there_or_comes() {
        let recorder = Recorder::new(2);
        let put = |number: u32| {
            let request = format!("n={number}");
            recorder.record(Duration::ZERO, "-", "PutRecord", request, "200".to_owned());
        };
        let of = |number: u32| move |entry: &HistoryEntry| entry.request() == format!("n={number}");
        put(0);
        assert!(recorder.wait_for(of(0)).await.is_some());
        // While it waits, older ones are let go and all are cleared.
        let mut waiting = pin!(recorder.wait_for(of(5)));
        let mut nobody = Context::from_waker(Waker::noop());
        for number in 1..5 {
            put(number);
            assert!(waiting.as_mut().poll(&mut nobody).is_pending(), "{number}");
        }
        recorder.clear();
        put(5);
        assert_eq!(waiting.await.map(|entry| entry.request), Some("n=5".to_owned()));
        assert_eq!(Recorder::new(0).wait_for(of(0)).await, None);
    }

    #[test]
    fn descriptions_leave_out_what_is_not_known() {
        let names = [("stream", Some("orders")), ("shard", None)];
        assert_eq!(describe(&names, 0xab), "stream=orders body=00000000000000ab");
    }

    #[test]
    fn fingerprints_tell_bytes_apart_and_json_by_meaning() {
        let texts: [&[u8]; 6] = [b"", b"\0", b"\0\0", b"12345678", b"123456789", b"123456780"];
        for (one, text) in texts.iter().enumerate() {
            for (other, with) in texts.iter().enumerate() {
                assert_eq!(
                    fingerprint(text) == fingerprint(with),
                    one == other,
                    "{text:?} {with:?}"
                );
            }
        }
        let json = |text: &str| fingerprint_json(text.as_bytes());
        assert_eq!(
            json(r#"{"a":1,"b":[{"c":2,"d":3}]}"#),
            json(r#"{ "b":[{"d":3,"c":2}],"a":1}"#)
        );
        assert_ne!(json("[1,2]"), json("[2,1]"));
        assert_ne!(json(r#"{"a":"1"}"#), json(r#"{"a":1}"#));
        assert_ne!(json("not json"), json("not json either"));
    }
}
