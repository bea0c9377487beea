//! What a verdict does to a call inside the engine: faults for this one call, and times as a client with a wrong clock
//! means and sees them.

use kinesis_aggregation::ShardId;

use crate::engine::error::ServiceError;
use crate::engine::{Effect, Engine, Fault, FaultId, When};
use crate::faults::{EntryFault, Refusal, Verdict};
use crate::wire::{self, Reply};

/// A fault's error as the engine's.
pub(super) fn service_error(refusal: &Refusal) -> ServiceError {
    ServiceError::new(
        refusal.code.clone(),
        refusal.status,
        Some(refusal.message.clone()),
    )
}

/// Scripts in the engine, for the one call to come, what only the engine can do.
pub(super) fn inject(
    engine: &mut Engine,
    verdict: &Verdict,
) -> Vec<(Option<crate::faults::FaultId>, FaultId)> {
    let mut injected = Vec::new();
    if let Some(by) = verdict.stale {
        let by_ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        let fault = Fault::always(Effect::StaleShards { by_ms });
        injected.push((None, engine.faults_mut().add(fault)));
    }
    for entry in &verdict.entries {
        let fault = engine_fault(entry);
        injected.push((Some(entry.id), engine.faults_mut().add(fault)));
    }
    injected
}

fn engine_fault(entry: &EntryFault) -> Fault {
    Fault {
        shard: entry.shard.as_deref().and_then(|shard| ShardId::new(shard).ok()),
        when: When {
            times: entry.times,
            per_million: entry.per_million,
            ..When::default()
        },
        ..Fault::always(Effect::RefuseEntry(service_error(&entry.refusal)))
    }
}

/// A moment a caller sent, on the service's clock.
fn sent(at_ms: u64, skew_ms: i64) -> u64 {
    at_ms.saturating_add_signed(skew_ms)
}

/// A moment of the service, as a caller with this skew sees it.
pub(super) fn seen(at_ms: u64, skew_ms: i64) -> u64 {
    at_ms.saturating_add_signed(skew_ms.saturating_neg())
}

/// Takes the moments of a request to the service's clock.
pub(super) fn shift_request(request: &mut wire::Request, skew_ms: i64) {
    let timestamp = match request {
        wire::Request::GetShardIterator(request) => &mut request.timestamp_ms,
        wire::Request::SubscribeToShard(request) => match &mut request.starting_position {
            Some(position) => &mut position.timestamp_ms,
            None => return,
        },
        wire::Request::ListShards(request) => match &mut request.shard_filter {
            Some(filter) => &mut filter.timestamp_ms,
            None => return,
        },
        _ => return,
    };
    *timestamp = timestamp.map(|at_ms| sent(at_ms, skew_ms));
}

/// Takes the moments of an answer to the caller's clock.
pub(super) fn shift_reply(reply: &mut Reply, skew_ms: i64) {
    if let Reply::GetRecords(page) = reply {
        for record in &mut page.records {
            record.arrival_ms = seen(record.arrival_ms, skew_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_and_what_is_seen_are_shifted_opposite_ways() {
        for (skew_ms, sent_ms, seen_ms) in [
            (0, 1_000, 1_000),
            (300, 1_300, 700),
            (-300, 700, 1_300),
            (-2_000, 0, 3_000),
        ] {
            assert_eq!(
                (sent(1_000, skew_ms), seen(1_000, skew_ms)),
                (sent_ms, seen_ms),
                "{skew_ms}"
            );
        }
        assert_eq!(seen(1_000, i64::MIN), u64::MAX / 2 + 1_000);
    }
}
