//! A directory, a producer, and what survives what.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::config::ProducerConfig;
use crate::driver::tests::scripted::{Mood, Scripted};
use crate::error::DeliveryError;
use crate::failure::Failure;
use crate::outcome::History;
use crate::producer::Producer;
use crate::producer::attachments::Attachments;
use crate::record::Record;
use crate::stream::StreamName;

/// A directory of its own for each test; deleted at its end.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let name = format!("kpl-spool-{}-{test}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn open(&self) -> Spool {
        Spool::open(&self.0, SpoolConfig::default()).expect("opens")
    }

    fn files(&self, extension: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.0).expect("there");
        let paths = entries.map(|entry| entry.expect("readable").path());
        let mut files: Vec<_> = paths
            .filter(|p| p.extension().is_some_and(|e| e == extension))
            .collect();
        files.sort();
        files
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn orders() -> StreamName {
    StreamName::new("orders").expect("valid")
}

fn letter(key: &str, code: &str) -> DeadLetter {
    let record = Record::new(key, format!("data of {key}")).expect("valid");
    let kind = DeliveryErrorKind::fatal(Failure::of_code(code, ""));
    let error = DeliveryError::new(orders(), kind, History::default(), Some(record));
    DeadLetter::new(&error).expect("has a record")
}

fn letters(keys: &[&str]) -> Vec<DeadLetter> {
    keys.iter().map(|key| letter(key, "InternalFailure")).collect()
}

fn producer(transport: &Arc<Scripted>, spool: Option<&Spool>) -> Producer {
    with_config(transport, spool, ProducerConfig::default())
}

/// One whose records expire soon.
fn impatient(transport: &Arc<Scripted>, spool: &Spool) -> Producer {
    let config = ProducerConfig::builder()
        .record_ttl(Duration::from_millis(300))
        .first_contact_timeout(Duration::from_millis(300));
    with_config(transport, Some(spool), config.build().expect("valid"))
}

fn with_config(transport: &Arc<Scripted>, spool: Option<&Spool>, config: ProducerConfig) -> Producer {
    let mut attachments = Attachments::default();
    if let Some(spool) = spool {
        attachments.set_dead_letters(spool.clone());
    }
    let transport: Arc<Scripted> = Arc::clone(transport);
    Producer::with_attachments(transport, config, attachments).expect("in a runtime")
}

async fn keys_kept(spool: &Spool) -> Vec<String> {
    let read = spool.blocking(|store| {
        let mut keys = Vec::new();
        for segment in store.sealed(Kind::Again)? {
            keys.extend(store.read(segment)?.records);
        }
        Ok(keys)
    });
    let records = read.await.expect("readable");
    records
        .iter()
        .map(|r| r.record().partition_key().to_owned())
        .collect()
}

#[tokio::test]
async fn what_failed_is_put_again_by_the_next_process_and_then_deleted() {
    let directory = Directory::new("again");
    let down = Scripted::new(1);
    down.be(Mood::Down);
    {
        let spool = directory.open();
        let producer = impatient(&down, &spool);
        let mut tickets = Vec::new();
        for key in ["a", "b", "a"] {
            let record = Record::new(key, "data").expect("valid");
            tickets.push(producer.put(&orders(), record).await.expect("taken"));
        }
        for ticket in tickets {
            assert!(ticket.await.is_err());
        }
        producer.close().await.expect("orderly");
        assert_eq!(keys_kept(&spool).await, ["a", "b", "a"], "in their order");
    }
    let well = Scripted::new(1);
    let spool = directory.open();
    let producer = producer(&well, Some(&spool));
    let replay = spool.replay(&producer).await.expect("put again");
    let report = replay.finish().await.expect("finished");
    let expected = ReplayReport {
        put: 3,
        delivered: 3,
        ..ReplayReport::default()
    };
    assert_eq!(report, expected);
    assert_eq!(directory.files("segment"), Vec::<PathBuf>::new());
    assert_eq!(spool.size(), 0);
    let replay = spool.replay(&producer).await.expect("nothing to do");
    assert_eq!(replay.finish().await.expect("finished"), ReplayReport::default());
    producer.close().await.expect("orderly");
}

#[tokio::test]
async fn what_fails_again_is_kept_once() {
    let directory = Directory::new("fails-again");
    let spool = directory.open();
    spool.take(letters(&["a", "b"])).await.expect("kept");
    let down = Scripted::new(1);
    down.be(Mood::Down);
    let producer = impatient(&down, &spool);
    let replay = spool.replay(&producer).await.expect("put again");
    let report = replay.finish().await.expect("finished");
    assert_eq!((report.put, report.delivered, report.kept), (2, 0, 2));
    producer.close().await.expect("orderly");
    assert_eq!(
        keys_kept(&spool).await,
        ["a", "b"],
        "by the replay, and not as dead letters too"
    );
}

#[tokio::test]
async fn what_the_service_never_takes_is_kept_apart() {
    let directory = Directory::new("refused");
    let spool = directory.open();
    let mut all = letters(&["a"]);
    all.push(letter("poison", "ValidationException"));
    spool.take(all).await.expect("kept");
    assert_eq!(keys_kept(&spool).await, ["a"]);
    let refused = spool.refused().await.expect("readable");
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].record().partition_key(), "poison");
    assert!(
        refused[0].reason().contains("ValidationException"),
        "{}",
        refused[0].reason()
    );

    let picky = Scripted::new(1);
    let config = ProducerConfig::builder()
        .max_user_record_size(64)
        .build()
        .expect("valid");
    let producer = Producer::with_transport(picky, config).expect("in a runtime");
    let large = Record::new("large", vec![0; 100]).expect("valid");
    let kind = DeliveryErrorKind::Expired { failure: None };
    let error = DeliveryError::new(orders(), kind, History::default(), Some(large));
    spool
        .take(vec![DeadLetter::new(&error).expect("has a record")])
        .await
        .expect("kept");
    let report = spool
        .replay(&producer)
        .await
        .expect("put")
        .finish()
        .await
        .expect("finished");
    assert_eq!((report.delivered, report.refused), (1, 1));
    assert_eq!(spool.refused().await.expect("readable").len(), 2);
    producer.close().await.expect("orderly");
}

#[tokio::test]
async fn a_crash_at_any_byte_loses_the_torn_tail_alone_and_says_so() {
    let directory = Directory::new("crash");
    {
        let spool = directory.open();
        spool.take(letters(&["a", "b", "c"])).await.expect("kept");
    }
    let file = directory.files("segment").remove(0);
    let whole = std::fs::read(&file).expect("readable");
    let mut most = 3;
    for cut in (0..whole.len()).rev() {
        std::fs::write(&file, &whole[..cut]).expect("writable");
        let spool = directory.open();
        let kept = keys_kept(&spool).await;
        assert!(["a", "b", "c"].starts_with(&kept.iter().map(String::as_str).collect::<Vec<_>>()));
        assert!(kept.len() <= most, "less and less");
        most = kept.len();
    }
    assert_eq!(most, 0);

    std::fs::write(&file, &whole[..whole.len() - 1]).expect("writable");
    let spool = directory.open();
    let producer = producer(&Scripted::new(1), None);
    let report = spool
        .replay(&producer)
        .await
        .expect("put")
        .finish()
        .await
        .expect("finished");
    assert_eq!((report.delivered, report.torn), (2, 1));
    producer.close().await.expect("orderly");
}

#[tokio::test]
async fn an_unfinished_replay_is_repeated() {
    let directory = Directory::new("unfinished");
    let well = Scripted::new(1);
    {
        let spool = directory.open();
        spool.take(letters(&["a"])).await.expect("kept");
        let producer = producer(&well, None);
        let replay = spool.replay(&producer).await.expect("put again");
        producer.flush().await.expect("a barrier");
        drop(replay);
        producer.close().await.expect("orderly");
    }
    let spool = directory.open();
    assert_eq!(keys_kept(&spool).await, ["a"], "delivered, and not known to be");
}

#[tokio::test]
async fn a_closed_producer_leaves_all_where_it_is() {
    let directory = Directory::new("closed");
    let spool = directory.open();
    spool.take(letters(&["a", "b"])).await.expect("kept");
    let producer = producer(&Scripted::new(1), None);
    producer.close().await.expect("orderly");
    let error = spool.replay(&producer).await.expect_err("closed");
    assert!(matches!(error, SpoolError::Put(_)), "{error}");
    assert_eq!(keys_kept(&spool).await, ["a", "b"]);
}

#[tokio::test]
async fn one_at_a_time() {
    let directory = Directory::new("locked");
    let spool = directory.open();
    let second = Spool::open(&directory.0, SpoolConfig::default());
    assert!(matches!(second, Err(SpoolError::Locked { .. })), "{second:?}");
    drop(spool);
    assert!(Spool::open(&directory.0, SpoolConfig::default()).is_ok());
}

#[tokio::test]
async fn segments_are_cut_and_the_whole_is_bounded() {
    let directory = Directory::new("bounded");
    let config = SpoolConfig::default()
        .with_segment_bytes(4 * 1024)
        .with_max_bytes(1024 * 1024)
        .with_sync(SpoolSync::Never);
    let spool = Spool::open(&directory.0, config).expect("opens");
    let large = |n: usize| {
        let record = Record::new(format!("{n}"), vec![0; 3_000]).expect("valid");
        let kind = DeliveryErrorKind::Expired { failure: None };
        let error = DeliveryError::new(orders(), kind, History::default(), Some(record));
        DeadLetter::new(&error).expect("has a record")
    };
    let mut kept = 0;
    let error = loop {
        match spool.take(vec![large(kept)]).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, SpoolError::Full { .. }), "{error}");
    assert!(spool.size() <= 1024 * 1024 && spool.size() > 1000 * 1024);
    assert!(directory.files("segment").len() > 100);
    assert_eq!(
        keys_kept(&spool).await.len(),
        kept,
        "what was kept is still there"
    );
    let producer = producer(&Scripted::new(1), None);
    let report = spool
        .replay(&producer)
        .await
        .expect("put")
        .finish()
        .await
        .expect("finished");
    assert_eq!(report.delivered, kept as u64);
    assert_eq!(spool.size(), 0);
    producer.close().await.expect("orderly");
}

#[test]
fn settings_have_ranges() {
    let directory = Directory::new("ranges");
    for config in [
        SpoolConfig::default().with_segment_bytes(4 * 1024 - 1),
        SpoolConfig::default().with_max_bytes(1024 * 1024 - 1),
        SpoolConfig::default().with_max_bytes(4 * 1024 * 1024),
    ] {
        let opened = Spool::open(&directory.0, config);
        assert!(matches!(opened, Err(SpoolError::Config { .. })), "{opened:?}");
    }
}
