//! The user's code of a trial, record by record: waits, fails where it is told to, and writes into the books.

use std::num::NonZeroU32;
use std::time::Duration;

use kcl::by_record::ByRecord;
use kcl::dead_letter::DeadLetter;
use kcl::{BoxError, ConfigError, Consumer, ConsumerBuilder, ReceivedRecord, RecordOptions, WhenExhausted};
use tokio::time::sleep;

use super::super::events::number_of;
use super::gate::Gate;
use super::ledger::Ledger;

/// What the user's code does with records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Records {
    /// What each takes.
    pub(super) takes: Duration,
    /// Whether one in twenty fails twice, and one in a thousand always.
    pub(super) fails: bool,
}

impl Records {
    /// The consumer that calls it.
    pub(super) fn consumer(
        self,
        builder: ConsumerBuilder,
        worker: &'static str,
        ledger: &Ledger,
        gate: &Gate,
    ) -> Result<Consumer<ByRecord>, ConfigError> {
        let options = RecordOptions::builder()
            .attempts(NonZeroU32::new(ATTEMPTS))
            .when_exhausted(WhenExhausted::DeadLetter)
            .deadline(DEADLINE)
            .build()?;
        let letters = ledger.clone();
        let builder = builder
            .record_options(options)
            .dead_letters(move |letter: DeadLetter| {
                let letters = letters.clone();
                async move { take(&letter, &letters) }
            });
        let (ledger, gate) = (ledger.clone(), gate.clone());
        builder.for_each_record(move |record: ReceivedRecord| {
            let (ledger, gate) = (ledger.clone(), gate.clone());
            async move { self.handle(&record, worker, &ledger, &gate).await }
        })
    }

    async fn handle(
        self,
        record: &ReceivedRecord,
        worker: &'static str,
        ledger: &Ledger,
        gate: &Gate,
    ) -> Result<(), BoxError> {
        gate.pass().await;
        let number = number_of(record.data()).ok_or("a record without number")?;
        let (shard, position) = record
            .shard()
            .zip(record.position())
            .ok_or("a record from nowhere")?;
        ledger
            .books()
            .handed_by(worker, shard.lease_key(), number, position);
        sleep(self.takes).await;
        gate.pass().await;
        if self.fails && fails(number, record.attempt()) {
            ledger.books().failed(number);
            return Err(Box::new(Failure(number)));
        }
        let now = ledger.now();
        ledger.books().done(number, now);
        ledger.tell();
        Ok(())
    }
}

/// Puts a dead letter into the books, if it says what it must: whose it is, why, and after how many attempts.
fn take(letter: &DeadLetter, ledger: &Ledger) -> Result<(), BoxError> {
    let number = number_of(letter.record().data()).ok_or("a letter without number")?;
    let says_why = letter.reason().to_string().contains(&Failure(number).to_string());
    let is_right = is_poison(number) && says_why && letter.attempts() == ATTEMPTS;
    let now = ledger.now();
    ledger.books().dead(number, is_right, now);
    ledger.tell();
    Ok(())
}

/// What the user's code says of a record that fails.
#[derive(Debug, thiserror::Error)]
#[error("record {0} is of the sort that fails")]
struct Failure(u32);

fn fails(number: u32, attempt: u32) -> bool {
    is_poison(number) || (number % 20 == 7 && attempt <= 2)
}

/// One in a thousand, and none of those that fail twice.
pub(super) fn is_poison(number: u32) -> bool {
    number % 1_000 == 500
}

const ATTEMPTS: u32 = 5;
/// For one call; far above what any takes, and what a record of another key may be held up at most.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);
