//! How long records are kept: for a period that can be changed, and no longer than memory allows.

use std::sync::Arc;

use super::api::RetentionPeriodRequest;
use super::constraint::Constraints;
use super::error::ServiceError;
use super::ledger::Ledger;
use super::operation::Operation;
use super::stream::Stream;
use super::{Engine, lifecycle};

impl Engine {
    pub(crate) fn increase_stream_retention_period(
        &mut self,
        request: RetentionPeriodRequest,
        now_ms: u64,
    ) -> Result<(), ServiceError> {
        self.set_retention(Operation::IncreaseStreamRetentionPeriod, &request, now_ms)
    }

    pub(crate) fn decrease_stream_retention_period(
        &mut self,
        request: RetentionPeriodRequest,
        now_ms: u64,
    ) -> Result<(), ServiceError> {
        self.set_retention(Operation::DecreaseStreamRetentionPeriod, &request, now_ms)
    }

    fn set_retention(
        &mut self,
        operation: Operation,
        request: &RetentionPeriodRequest,
        now_ms: u64,
    ) -> Result<(), ServiceError> {
        let now_ms = self.begin(operation, now_ms)?;
        let mut constraints = Constraints::new();
        constraints.required("retentionPeriodHours", request.retention_period_hours.as_ref());
        constraints.finish()?;
        let hours = request.retention_period_hours.unwrap_or_default();
        let name = self.owner.resolve(&request.stream)?.to_owned();
        let stream = super::find(&mut self.streams, &mut self.ledger, &self.owner, &name, now_ms)?;
        let period = checked(operation, hours, stream)?;
        lifecycle::require_active(stream, self.owner.account())?;
        // What has expired by the old period stays gone under a longer one.
        let numbers: Vec<u32> = stream
            .shards_after(None)
            .map(super::shard::Shard::number)
            .collect();
        for number in numbers {
            trim_expired(stream, number, &mut self.ledger, now_ms);
        }
        stream.retention_hours = period;
        self.updating(&name, now_ms);
        Ok(())
    }

    /// Drops the oldest records of all streams until memory suffices.
    pub(super) fn trim_to_memory(&mut self) {
        while self.ledger.is_over() {
            let Some((name, number)) = self.ledger.oldest() else {
                return;
            };
            let shard = self
                .streams
                .get_mut(&name)
                .and_then(|stream| stream.shard_mut(number));
            let Some(shard) = shard else { return };
            let before = shard.oldest_ms();
            self.ledger.remove(shard.drop_oldest().unwrap_or(0));
            self.ledger.moved(&name, number, before, shard.oldest_ms());
        }
    }
}

fn checked(operation: Operation, hours: i64, stream: &Stream) -> Result<u32, ServiceError> {
    let existing = stream.retention_hours;
    let refused = |text: String| Err(ServiceError::invalid_argument(text));
    if hours < i64::from(MIN_HOURS) {
        return refused(format!(
            "Minimum allowed retention period is {MIN_HOURS} hours. Requested retention period ({hours} hours) is \
             too short."
        ));
    }
    if hours > i64::from(MAX_HOURS) {
        return refused(format!(
            "Maximum allowed retention period is {MAX_HOURS} hours. Requested retention period ({hours} hours) is \
             too long."
        ));
    }
    let (wrong_way, comparison, instead) = match operation {
        Operation::IncreaseStreamRetentionPeriod => (hours < i64::from(existing), "shorter", "Decrease"),
        _ => (hours > i64::from(existing), "longer", "Increase"),
    };
    if wrong_way {
        return refused(format!(
            "Requested retention period ({hours} hours) for stream {} can not be {comparison} than existing \
             retention period ({existing} hours). Use {instead}RetentionPeriod API.",
            stream.name
        ));
    }
    Ok(u32::try_from(hours).unwrap_or(existing))
}

/// Drops what a shard has held for longer than the stream keeps records.
pub(super) fn trim_expired(stream: &mut Stream, number: u32, ledger: &mut Ledger, now_ms: u64) {
    let retention_ms = stream.retention_ms();
    let name = Arc::clone(&stream.name);
    let Some(shard) = stream.shard_mut(number) else {
        return;
    };
    let before = shard.oldest_ms();
    while shard
        .oldest_ms()
        .is_some_and(|arrival| arrival.saturating_add(retention_ms) <= now_ms)
    {
        ledger.remove(shard.drop_oldest().unwrap_or(0));
    }
    ledger.moved(&name, number, before, shard.oldest_ms());
}

/// Drops closed shards that can hold nothing readable any more.
pub(super) fn forget_expired_shards(stream: &mut Stream, ledger: &mut Ledger, now_ms: u64) {
    while let Some(mut shard) = stream.take_expired(now_ms) {
        let before = shard.oldest_ms();
        while let Some(freed) = shard.drop_oldest() {
            ledger.remove(freed);
        }
        ledger.moved(&stream.name, shard.number(), before, None);
        for consumer in stream.consumers.values_mut() {
            consumer.forget_shard(shard.number());
        }
    }
}

/// Source: AWS API reference, IncreaseStreamRetentionPeriod and DecreaseStreamRetentionPeriod.
const MIN_HOURS: u32 = 24;
/// Source: as above, 365 days.
const MAX_HOURS: u32 = 8_760;
