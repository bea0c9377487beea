//! Where to begin reading: from the checkpoint, after an interruption, and when the service does not know the place.

use std::time::{Duration, SystemTime};

use crate::config::InitialPosition;
use crate::position::{Checkpoint, SequenceNumber};

/// What to ask an iterator for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StartAt {
    TrimHorizon,
    Latest,
    AtTimestamp(SystemTime),
    /// Its own record included.
    AtSequence(SequenceNumber),
    AfterSequence(SequenceNumber),
}

impl StartAt {
    /// Where a lease with this checkpoint begins. `None`: it is finished.
    ///
    /// A position begins AT its Kinesis record, not after it, because the record may be an aggregate of which only a part
    /// is done; what is done is left out later. A timestamp that the configuration has no more begins at the oldest
    /// record: nothing is left out.
    pub(crate) fn of_checkpoint(checkpoint: &Checkpoint, initial: InitialPosition) -> Option<Self> {
        Some(match (checkpoint, initial) {
            (Checkpoint::ShardEnd, _) => return None,
            (Checkpoint::At(position), _) => Self::AtSequence(position.sequence_number().clone()),
            (Checkpoint::Latest, _) => Self::Latest,
            (Checkpoint::AtTimestamp, InitialPosition::AtTimestamp(time)) => Self::AtTimestamp(time),
            (Checkpoint::TrimHorizon | Checkpoint::AtTimestamp, _) => Self::TrimHorizon,
        })
    }

    /// Where to go on with a new iterator. `fetched` is the last Kinesis record that was read, `first_asked` the wall time of the
    /// first iterator.
    ///
    /// The tip is asked for once only: a second time it would be another place, and what came between be lost.
    pub(crate) fn resume(&self, fetched: Option<&SequenceNumber>, first_asked: Option<SystemTime>) -> Self {
        match (fetched, self, first_asked) {
            (Some(last), _, _) => Self::AfterSequence(last.clone()),
            (None, Self::Latest, Some(asked)) => {
                Self::AtTimestamp(asked.checked_sub(CLOCK_MARGIN).unwrap_or(asked))
            }
            (None, start, _) => start.clone(),
        }
    }

    /// What to try when the service refuses the place, which it may once the record is older than the stream keeps: the
    /// oldest record kept. `None`: there is nothing else to try.
    pub(crate) fn when_refused(&self) -> Option<Self> {
        match self {
            Self::AtSequence(_) | Self::AfterSequence(_) | Self::AtTimestamp(_) => Some(Self::TrimHorizon),
            Self::TrimHorizon | Self::Latest => None,
        }
    }
}

/// How far this machine's clock may be ahead of the service's. Ours.
const CLOCK_MARGIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Position;

    fn number(n: u64) -> SequenceNumber {
        SequenceNumber::parse(&n.to_string()).unwrap()
    }

    fn time(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn checkpoints_become_iterators() {
        use InitialPosition as P;
        let stamp = P::AtTimestamp(time(9));
        let at = Checkpoint::At(Position::new(number(7), 3));
        let cases = [
            (at, P::Latest, Some(StartAt::AtSequence(number(7)))),
            (Checkpoint::TrimHorizon, P::Latest, Some(StartAt::TrimHorizon)),
            (Checkpoint::Latest, P::TrimHorizon, Some(StartAt::Latest)),
            (
                Checkpoint::AtTimestamp,
                stamp,
                Some(StartAt::AtTimestamp(time(9))),
            ),
            (Checkpoint::AtTimestamp, P::Latest, Some(StartAt::TrimHorizon)),
            (Checkpoint::ShardEnd, P::TrimHorizon, None),
        ];
        for (checkpoint, initial, expected) in cases {
            assert_eq!(
                StartAt::of_checkpoint(&checkpoint, initial),
                expected,
                "{checkpoint} {initial:?}"
            );
        }
    }

    #[test]
    fn a_configured_start_and_its_sentinel_agree() {
        for initial in [
            InitialPosition::TrimHorizon,
            InitialPosition::Latest,
            InitialPosition::AtTimestamp(time(5)),
        ] {
            let start = StartAt::of_checkpoint(&initial.start().checkpoint(), initial);
            let expected = match initial {
                InitialPosition::TrimHorizon => StartAt::TrimHorizon,
                InitialPosition::Latest => StartAt::Latest,
                InitialPosition::AtTimestamp(time) => StartAt::AtTimestamp(time),
            };
            assert_eq!(start, Some(expected));
        }
    }

    #[test]
    fn reading_goes_on_after_the_last_record_read() {
        let starts = [
            StartAt::TrimHorizon,
            StartAt::Latest,
            StartAt::AtSequence(number(1)),
            StartAt::AtTimestamp(time(1)),
        ];
        for start in starts {
            let resumed = start.resume(Some(&number(8)), Some(time(100)));
            assert_eq!(resumed, StartAt::AfterSequence(number(8)), "{start:?}");
        }
    }

    #[test]
    fn the_tip_is_asked_for_once_only() {
        assert_eq!(
            StartAt::Latest.resume(None, None),
            StartAt::Latest,
            "the first time"
        );
        assert_eq!(
            StartAt::Latest.resume(None, Some(time(100))),
            StartAt::AtTimestamp(time(40))
        );
        assert_eq!(
            StartAt::TrimHorizon.resume(None, Some(time(100))),
            StartAt::TrimHorizon
        );
    }

    #[test]
    fn a_refused_place_becomes_the_oldest_record() {
        assert_eq!(
            StartAt::AtSequence(number(1)).when_refused(),
            Some(StartAt::TrimHorizon)
        );
        assert_eq!(
            StartAt::AfterSequence(number(1)).when_refused(),
            Some(StartAt::TrimHorizon)
        );
        assert_eq!(StartAt::TrimHorizon.when_refused(), None);
        assert_eq!(StartAt::Latest.when_refused(), None);
    }
}
