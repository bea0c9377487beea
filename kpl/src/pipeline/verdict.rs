//! What follows from one entry's reply. Total: each reply has exactly one verdict.

use kinesis_aggregation::{HashKey, HashKeyRange, ShardId};

use super::action::Stored;
use crate::config::RetryPolicy;
use crate::failure::{Failure, FailureKind};

/// What becomes of all records of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are stored where consumers find them.
    Deliver,
    /// They are to be sent again.
    Retry(Failure),
    /// Sending them again is pointless.
    Fail(Failure),
    /// An aggregate lies on a shard whose range is not known: list the shards, then decide.
    Undecided,
}

/// What was sent: where it was expected, and where its records belong.
#[derive(Debug)]
pub(super) struct Sent<'a, I> {
    pub(super) predicted: &'a ShardId,
    /// The range of that shard, as it was known then.
    pub(super) range: HashKeyRange,
    /// Whether consumers will take it apart: so with a record alone that had to be wrapped.
    pub(super) is_aggregate: bool,
    pub(super) members: I,
}

/// Decides on an entry that was stored.
///
/// The KCL drops an aggregate of which any member lies outside the range of the shard it reads. So an aggregate that
/// landed elsewhere than predicted is delivered if all of its members belong there, and else sent again as a whole. A
/// record alone is addressed by its own hash key: wherever it landed, it belongs.
pub(super) fn of_stored<I>(
    stored: &Stored,
    sent: Sent<'_, I>,
    range: impl FnOnce(&ShardId) -> Option<HashKeyRange>,
) -> Verdict
where
    I: ExactSizeIterator<Item = HashKey>,
{
    if !sent.is_aggregate {
        return Verdict::Deliver;
    }
    let known = range(&stored.shard_id);
    // A stream that was deleted and made anew has shards of the same ids with other ranges.
    // Of one record alone nothing was predicted where the service distributes records.
    let is_as_predicted = stored.shard_id == *sent.predicted && sent.members.len() > 1;
    if is_as_predicted && known.is_none_or(|now| now == sent.range) {
        return Verdict::Deliver;
    }
    let Some(range) = known else {
        return Verdict::Undecided;
    };
    let mut members = sent.members;
    if members.all(|hash_key| range.contains(hash_key)) {
        return Verdict::Deliver;
    }
    Verdict::Retry(wrong_shard(sent.predicted, &stored.shard_id))
}

/// Decides on an entry that was not stored, or whose fate is unknown.
pub(super) fn of_failure(failure: &Failure, policy: &RetryPolicy) -> Verdict {
    if policy.rule(failure.kind()).retries() {
        Verdict::Retry(failure.clone())
    } else {
        Verdict::Fail(failure.clone())
    }
}

/// The failure of an aggregate that lies where consumers drop it.
pub(super) fn wrong_shard(predicted: &ShardId, actual: &ShardId) -> Failure {
    let message = format!(
        "expected on {}, landed on {}",
        predicted.as_str(),
        actual.as_str()
    );
    Failure::new(FailureKind::WrongShard, "WrongShard", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(shard: u64) -> Stored {
        Stored {
            shard_id: ShardId::from_number(shard),
            sequence_number: "1".into(),
        }
    }

    /// Shard 1 covers 0..=99, shard 2 covers 100..=199; others are not known.
    fn range(shard: &ShardId) -> Option<HashKeyRange> {
        let start = match shard.number() {
            Some(1) => 0,
            Some(2) => 100,
            _ => return None,
        };
        Some(hash_range(start, start + 99))
    }

    fn hash_range(start: u128, end: u128) -> HashKeyRange {
        HashKeyRange::new(HashKey::new(start), HashKey::new(end)).expect("in order")
    }

    #[test]
    fn the_predicted_shard_may_have_become_another_one() {
        let predicted = ShardId::from_number(1);
        let verdict = |members: &[u128], sent_range| {
            let sent = Sent {
                predicted: &predicted,
                range: sent_range,
                is_aggregate: true,
                members: members.iter().map(|key| HashKey::new(*key)),
            };
            of_stored(&stored(1), sent, range)
        };
        let (same, other) = (hash_range(0, 99), hash_range(0, 999));
        assert_eq!(verdict(&[1, 500], same), Verdict::Deliver, "not asked");
        assert_eq!(verdict(&[1, 99], other), Verdict::Deliver);
        assert_eq!(
            verdict(&[1, 100], other),
            Verdict::Retry(wrong_shard(&predicted, &predicted))
        );
    }

    fn verdict(stored: &Stored, members: &[u128]) -> Verdict {
        let predicted = ShardId::from_number(0);
        let sent = Sent {
            predicted: &predicted,
            range: hash_range(0, 999),
            is_aggregate: members.len() > 1,
            members: members.iter().map(|key| HashKey::new(*key)),
        };
        of_stored(stored, sent, range)
    }

    #[test]
    fn stored_entries() {
        let retry = |actual| {
            Verdict::Retry(wrong_shard(
                &ShardId::from_number(0),
                &ShardId::from_number(actual),
            ))
        };
        let cases: [(&str, u64, &[u128], Verdict); 8] = [
            ("as predicted", 0, &[1, 2], Verdict::Deliver),
            ("elsewhere, all belong", 1, &[0, 99], Verdict::Deliver),
            ("elsewhere, the last does not belong", 1, &[0, 100], retry(1)),
            ("elsewhere, the first does not belong", 2, &[99, 100], retry(2)),
            ("elsewhere, none belongs", 2, &[1, 2], retry(2)),
            ("elsewhere, range unknown", 3, &[1, 2], Verdict::Undecided),
            ("alone on an unknown shard", 3, &[1], Verdict::Deliver),
            (
                "alone on a shard that does not cover it",
                2,
                &[1],
                Verdict::Deliver,
            ),
        ];
        for (what, shard, members, expected) in cases {
            assert_eq!(verdict(&stored(shard), members), expected, "{what}");
        }
    }

    #[test]
    fn failures_are_retried_unless_fatal() {
        let codes = [
            ("ProvisionedThroughputExceededException", true),
            ("InternalFailure", true),
            ("KMSThrottlingException", true),
            ("LimitExceededException", true),
            ("ExpiredTokenException", true),
            ("SomethingNew", true),
            ("AccessDeniedException", false),
            ("ResourceNotFoundException", false),
            ("ValidationException", false),
            ("InvalidArgumentException", false),
            ("KMSDisabledException", false),
        ];
        for (code, retried) in codes {
            let failure = Failure::of_code(code, "");
            let expected = if retried {
                Verdict::Retry(failure.clone())
            } else {
                Verdict::Fail(failure.clone())
            };
            assert_eq!(of_failure(&failure, &RetryPolicy::default()), expected, "{code}");
            let never = Verdict::Fail(failure.clone());
            assert_eq!(of_failure(&failure, &RetryPolicy::none()), never, "{code}");
        }
    }
}
