//! When to checkpoint without being asked: what a [`CheckpointPolicy`] comes to as records are finished. Pure.
//!
//! ```text
//!  on_done(records) ──> due_at ──> (a checkpoint of everything finished) ──> on_written
//!                                                                       └──> on_failed: once more, later
//! ```

use std::time::{Duration, Instant};

use crate::config::CheckpointPolicy;

/// One shard's records since its last checkpoint, and when the next one is due.
#[derive(Debug, Clone)]
pub(crate) struct Rhythm {
    policy: CheckpointPolicy,
    /// Finished and not checkpointed.
    records: u64,
    /// When the first of them was finished.
    since: Option<Instant>,
    not_before: Option<Instant>,
}

impl Rhythm {
    pub(crate) fn new(policy: CheckpointPolicy) -> Self {
        Self {
            policy,
            records: 0,
            since: None,
            not_before: None,
        }
    }

    /// So many more records are finished, all before them too.
    pub(crate) fn on_done(&mut self, records: u64, now: Instant) {
        if records > 0 {
            self.records = self.records.saturating_add(records);
            self.since.get_or_insert(now);
        }
    }

    /// A checkpoint covers everything finished.
    pub(crate) fn on_written(&mut self) {
        *self = Self::new(self.policy);
    }

    /// The checkpoint that was due could not be written.
    pub(crate) fn on_failed(&mut self, now: Instant) {
        self.not_before = Some(now + AFTER_FAILURE);
    }

    /// When a checkpoint is due. `None`: not before more is finished.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        let since = self.since?;
        let due = match self.policy {
            CheckpointPolicy::EachBatch | CheckpointPolicy::OnAck => since,
            CheckpointPolicy::EveryRecords(count) if self.records >= count.get() => since,
            CheckpointPolicy::Every(interval) => since + interval,
            CheckpointPolicy::EveryRecords(_) | CheckpointPolicy::Manual | CheckpointPolicy::Never => {
                return None;
            }
        };
        Some(self.not_before.map_or(due, |not_before| due.max(not_before)))
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due_at().is_some_and(|due| due <= now)
    }

    /// Whether a last checkpoint is to be written before the shard is left.
    pub(crate) fn is_due_at_leave(&self) -> bool {
        let by_itself = !matches!(self.policy, CheckpointPolicy::Manual | CheckpointPolicy::Never);
        by_itself && self.records > 0
    }

    /// Whether the end of the shard is recorded for a processor that did not.
    pub(crate) fn records_end(&self) -> bool {
        self.policy != CheckpointPolicy::Manual
    }
}

/// Ours: a table that did not answer is not asked again at once, and heartbeats go on meanwhile.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use proptest::prelude::*;

    use super::*;

    fn every(records: u64) -> CheckpointPolicy {
        CheckpointPolicy::EveryRecords(NonZeroU64::new(records).unwrap())
    }

    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn now() -> Instant {
        Instant::now()
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn each_policy_has_its_moment() {
        let t = now();
        let late = t + MINUTE;
        let cases = [
            (CheckpointPolicy::Manual, 10, None),
            (CheckpointPolicy::Never, 10, None),
            (CheckpointPolicy::EachBatch, 1, Some(t)),
            (CheckpointPolicy::OnAck, 1, Some(t)),
            (every(11), 10, None),
            (every(10), 10, Some(t)),
            (CheckpointPolicy::Every(MINUTE), 10, Some(late)),
        ];
        for (policy, records, expected) in cases {
            let mut rhythm = Rhythm::new(policy);
            assert_eq!(rhythm.due_at(), None, "{policy:?}: nothing is finished");
            rhythm.on_done(0, t);
            assert_eq!(rhythm.due_at(), None, "{policy:?}: still nothing");
            rhythm.on_done(records, t);
            assert_eq!(rhythm.due_at(), expected, "{policy:?}");
            rhythm.on_written();
            assert_eq!(rhythm.due_at(), None, "{policy:?}: all is written");
        }
    }

    #[test]
    fn an_interval_begins_with_the_first_record() {
        let t = now();
        let mut rhythm = Rhythm::new(CheckpointPolicy::Every(MINUTE));
        rhythm.on_done(1, t);
        rhythm.on_done(1, t + MINUTE / 2);
        assert!(!rhythm.is_due(t + MINUTE - Duration::from_millis(1)));
        assert!(rhythm.is_due(t + MINUTE));
        rhythm.on_written();
        rhythm.on_done(1, t + MINUTE * 10);
        assert_eq!(rhythm.due_at(), Some(t + MINUTE * 11));
    }

    #[test]
    fn a_failure_is_repeated_later_and_leaving_waits_for_nothing() {
        let t = now();
        let mut rhythm = Rhythm::new(CheckpointPolicy::EachBatch);
        rhythm.on_done(1, t);
        rhythm.on_failed(t);
        assert!(!rhythm.is_due(t));
        assert!(rhythm.is_due(t + AFTER_FAILURE));
        assert!(rhythm.is_due_at_leave());
    }

    #[test]
    fn leaving_and_ending_follow_the_policy() {
        let cases = [
            (CheckpointPolicy::Manual, false, false),
            (CheckpointPolicy::Never, false, true),
            (CheckpointPolicy::EachBatch, true, true),
            (CheckpointPolicy::OnAck, true, true),
            (every(1_000), true, true),
            (CheckpointPolicy::Every(MINUTE), true, true),
        ];
        for (policy, leave, end) in cases {
            let mut rhythm = Rhythm::new(policy);
            assert!(!rhythm.is_due_at_leave(), "{policy:?}: nothing is finished");
            rhythm.on_done(1, now());
            assert_eq!(rhythm.is_due_at_leave(), leave, "{policy:?}");
            assert_eq!(rhythm.records_end(), end, "{policy:?}");
        }
    }

    proptest! {
        #[test]
        fn with_checkpoints_when_due_never_more_is_open_than_the_policy_allows(
            batches in proptest::collection::vec((0..50_u64, 0..5_000_u64), 0..100),
            count in 1..200_u64,
        ) {
            let mut at = now();
            let mut rhythm = Rhythm::new(every(count));
            for (records, pause) in batches {
                at += Duration::from_millis(pause);
                rhythm.on_done(records, at);
                if rhythm.is_due(at) {
                    rhythm.on_written();
                }
                prop_assert!(rhythm.records < count);
            }
        }
    }
}
