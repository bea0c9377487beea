//! Records into lines one by one, many at a time: each is written before it counts as done.

use kcl::events::{ConsumerEvent, Notice, RecordEvent};
use kcl::metrics::{Metric, MetricsSnapshot};
use kcl::{BoxError, Outcome, ReceivedRecord};

use super::journal::Journal;
use super::line::{self, Written};
use super::output::Piece;
use super::processor::Desk;
use crate::report::{causes, say_aside};

/// Writes one record. `set_aside`: whether one that is not what it must be becomes a dead letter, or stops the worker.
pub(super) async fn write(desk: Desk, set_aside: bool, record: ReceivedRecord) -> Result<Outcome, BoxError> {
    desk.check_goes_on()?;
    if let Some(Err(error)) = desk.require.map(|format| format.check(record.data())) {
        let reason = causes(&error);
        return Ok(match set_aside {
            true => Outcome::dead_letter(reason),
            false => Outcome::stop(reason),
        });
    }
    let (Some(shard), Some(position)) = (record.shard(), record.position()) else {
        return Err("the record is of no shard".into());
    };
    let mut piece = Piece {
        lines: Vec::new(),
        records: 1,
        bytes: record.data().len() as u64,
    };
    let written = Written {
        stream: shard.stream_id().map(|id| id.name().as_str()),
        shard_id: shard.shard_id().as_str(),
        position,
        partition_key: record.partition_key(),
        data: record.data(),
    };
    line::append(&mut piece.lines, &written);
    desk.write(piece).await?;
    Ok(Outcome::Ack)
}

/// Enters what a processor would have entered itself, and says what its user should know.
pub(super) fn note(journal: &Journal, by_record: bool, notice: Notice) {
    match notice {
        Notice::Event(ConsumerEvent::LeaseTaken { lease_key, .. }) if by_record => {
            journal.taken(lease_key.as_str());
        }
        Notice::Event(ConsumerEvent::LeaseLost { .. }) if by_record => journal.lost(),
        Notice::Event(ConsumerEvent::Record(RecordEvent::DeadLetterFailed { error, .. })) => {
            say_aside(&format!(
                "note: dead letter not written, it is tried again: {error}"
            ));
        }
        _ => {}
    }
}

/// Enters the checkpoints, which the consumer writes by itself here.
pub(super) fn note_checkpoints(journal: &Journal, metrics: &MetricsSnapshot) {
    let outcomes = [Metric::CheckpointSuccess, Metric::FinalCheckpointSuccess].map(|it| metrics.values(it));
    let tried: u64 = outcomes.iter().map(|outcome| outcome.count()).sum();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a sum of ones, of which there are fewer than 2^53"
    )]
    let written: u64 = outcomes.iter().map(|outcome| outcome.sum() as u64).sum();
    journal.checkpoints_in_all(written, tried.saturating_sub(written));
}
