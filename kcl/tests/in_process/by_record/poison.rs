//! Records that fail: some for a while, some for ever.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use kcl::dead_letter::DeadLetter;
use kcl::events::{ConsumerEvent, Events, Notice, RecordEvent};
use kcl::{BoxError, OnDeadline, Outcome, Reason, ReceivedRecord, RecordOptions, RunError, WhenExhausted};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::world::{Ledger, local, number, put, worker};
use crate::running::{MS, Running, SECOND};

const RECORDS: u64 = 10_000;
const DEADLINE: Duration = Duration::from_secs(2);

/// 5 % fail twice, 0.1 % always: by an error, a panic, or by taking too long.
fn is_poison(number: u64) -> bool {
    number % 1_000 == 500
}

fn is_shaky(number: u64) -> bool {
    number.is_multiple_of(20) && !is_poison(number)
}

async fn handle(record: ReceivedRecord, ledger: Ledger) -> Result<Outcome, BoxError> {
    let leave = Leave(ledger.clone(), record.clone());
    ledger.begin(&record, "w1");
    let n = number(&record);
    if is_poison(n) {
        match n / 1_000 % 3 {
            0 => return Err("bad record".into()),
            1 => panic!("worse record"),
            _ => std::future::pending().await,
        }
    }
    sleep(20 * MS).await;
    if is_shaky(n) && record.attempt() <= 2 {
        return Err("not today".into());
    }
    let put_at = START.with(|start| *start.lock().unwrap().get_or_insert_with(Instant::now));
    let lag = Instant::now().saturating_duration_since(put_at + MS * u32::try_from(n / 100 * 110).unwrap());
    drop(leave);
    ledger.done(&record, "w1", Some(lag));
    Ok(Outcome::Ack)
}

thread_local! {
    static START: Mutex<Option<Instant>> = const { Mutex::new(None) };
}

/// Says that a handler has ended, also where it is dropped.
struct Leave(Ledger, ReceivedRecord);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.leave(&self.1, "w1");
    }
}

/// What was told of records, by kind, until the consumer ends.
async fn count(mut events: Events) -> BTreeMap<&'static str, u64> {
    let mut told = BTreeMap::new();
    while let Some(notice) = events.next().await {
        let Notice::Event(ConsumerEvent::Record(event)) = notice else {
            continue;
        };
        let what = match event {
            RecordEvent::Failed { .. } => "failed",
            RecordEvent::Overdue {
                cancelled: true,
                partition_key: Some(_),
                ..
            } => "overdue",
            RecordEvent::DeadLettered { .. } => "dead lettered",
            RecordEvent::DeadLetterFailed { .. } => "dead letter failed",
            other => panic!("{other:?}"),
        };
        *told.entry(what).or_insert(0) += 1;
    }
    told
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_poison_is_in_the_dead_letters_and_other_keys_do_not_wait() {
    let local = local().await;
    let ledger = Ledger::default();
    let letters: Arc<Mutex<Vec<DeadLetter>>> = Arc::default();
    let options = RecordOptions::builder()
        .attempts(NonZeroU32::new(3))
        .when_exhausted(WhenExhausted::DeadLetter)
        .backoff(100 * MS, SECOND)
        .deadline(DEADLINE)
        .on_deadline(OnDeadline::Cancel)
        .build()
        .unwrap();
    let (keep, post) = (ledger.clone(), Arc::clone(&letters));
    let refusals = Arc::new(Mutex::new(3));
    let consumer = worker(&local, "w1")
        .record_options(options)
        .dead_letters(move |letter: DeadLetter| {
            let (post, refusals) = (Arc::clone(&post), Arc::clone(&refusals));
            async move {
                let mut refusals = refusals.lock().unwrap();
                if *refusals > 0 {
                    *refusals -= 1;
                    return Err("the post is closed");
                }
                post.lock().unwrap().push(letter);
                Ok(())
            }
        })
        .for_each_record(move |record| handle(record, keep.clone()))
        .unwrap();
    let running = Running::of(consumer);
    let mut listening = JoinSet::new();
    listening.spawn(count(running.handle.events()));
    running.handle.ready().await;
    START.with(|start| *start.lock().unwrap() = Some(Instant::now()));
    put(&local, 0..RECORDS, 4_000).await;
    ledger.wait_for(usize::try_from(RECORDS - 10).unwrap()).await;
    sleep(20 * SECOND).await;
    let counts = running.handle.record_counts();
    running.stop().await;
    let told = listening.join_next().await.unwrap().unwrap();

    ledger.check_order();
    assert!(ledger.repeated().is_empty());
    assert_eq!(ledger.distinct().len(), 9_990);
    let mut posted: Vec<_> = letters.lock().unwrap().drain(..).collect();
    posted.sort_by_key(|letter| number(letter.record()));
    let numbers: Vec<_> = posted.iter().map(|letter| number(letter.record())).collect();
    assert_eq!(numbers, (0..10).map(|n| n * 1_000 + 500).collect::<Vec<_>>());
    for letter in &posted {
        let expected = match number(letter.record()) / 1_000 % 3 {
            0 => Reason::Failed("bad record".to_owned()),
            1 => Reason::Panicked("worse record".to_owned()),
            _ => Reason::DeadlineExceeded(DEADLINE),
        };
        assert_eq!((letter.reason(), letter.attempts()), (&expected, 3));
    }
    assert_eq!(
        (counts.acked, counts.dead_lettered, counts.skipped),
        (9_990, 10, 0)
    );
    // Twice 490 shaky ones, twice each poison.
    assert_eq!(counts.retried, 2 * 490 + 2 * 10);
    assert_eq!((counts.overdue, counts.dead_letters_failed), (9, 3));
    assert_eq!(
        (told["dead lettered"], told["dead letter failed"], told["overdue"]),
        (10, 3, 9)
    );

    // What is behind a shaky or poisoned record of its own key may wait for it. All others do not wait for anybody.
    let worst = ledger.lags().iter().map(|lag| lag.1).max().unwrap();
    println!("worst lag {worst:?}");
    assert!(worst < DEADLINE + SECOND, "{worst:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_consumer_and_names_the_record_which_comes_again() {
    let local = local().await;
    put(&local, 0..300, 100).await;
    let ledger = Ledger::default();
    for round in 0..2 {
        let keep = ledger.clone();
        let consumer = worker(&local, "w1")
            .for_each_record(move |record: ReceivedRecord| {
                let ledger = keep.clone();
                async move {
                    sleep(10 * MS).await;
                    if round == 0 && number(&record) == 150 {
                        return Outcome::stop("that is enough");
                    }
                    ledger.done(&record, "w1", None);
                    Outcome::Ack
                }
            })
            .unwrap();
        let mut running = Running::of(consumer);
        if round == 0 {
            let error = running.end().await.unwrap_err();
            assert!(!error.is_retryable());
            let RunError::StoppedAtRecord { record, reason } = error else {
                panic!("{error}")
            };
            assert!(
                record.to_string().starts_with("sales/shardId-000000000000/"),
                "{record}"
            );
            assert_eq!(reason.to_string(), "that is enough");
            assert!(!ledger.distinct().contains(&150));
            assert!(ledger.distinct().contains(&149));
        } else {
            ledger.wait_for(300).await;
            running.stop().await;
        }
    }
    ledger.check_order();
    assert!(
        ledger.repeated().keys().all(|number| *number > 150),
        "{:?}",
        ledger.repeated()
    );
}
