//! Streams that are done with: which of their leases may go, and who has deleted a stream.
//!
//! Several workers may delete the leases of one stream at the same time. The last row of a stream, by its key, goes last, and only
//! together with all others: so whoever finds it there and removes it has deleted the stream, and nobody else has.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::lease::{Lease, LeaseKey, StreamId};

/// The streams whose leases go.
#[derive(Debug, Default)]
pub(crate) struct Condemned {
    streams: BTreeMap<StreamId, Sentence>,
}

#[derive(Debug)]
struct Sentence {
    since: Instant,
    /// The service knows it no more.
    missing: bool,
}

/// What to do about all of them now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Round {
    pub(crate) removals: Vec<Removal>,
    /// Streams some of whose rows stay.
    left: BTreeSet<StreamId>,
}

/// Rows of a stream to be removed, in this order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Removal {
    pub(crate) stream: StreamId,
    pub(crate) keys: Vec<LeaseKey>,
    /// Whether these are all: who removes the last of them has deleted the stream.
    pub(crate) ends: bool,
    /// The service knows the stream no more.
    pub(crate) missing: bool,
}

impl Condemned {
    /// The leases of this stream go.
    pub(crate) fn condemn(&mut self, stream: StreamId, missing: bool, now: Instant) {
        let since = now;
        let sentence = Sentence { since, missing };
        self.streams.entry(stream).or_insert(sentence);
    }

    /// It is read again.
    pub(crate) fn pardon(&mut self, stream: &StreamId) {
        self.streams.remove(stream);
    }

    pub(crate) fn contains(&self, stream: &StreamId) -> bool {
        self.streams.contains_key(stream)
    }

    pub(crate) fn len(&self) -> usize {
        self.streams.len()
    }

    /// When something may go that may not yet.
    pub(crate) fn next_due(&self, failover: Duration) -> Option<Instant> {
        let since = self.streams.values().map(|sentence| sentence.since);
        since.min().map(|since| since + failover)
    }

    /// What may go: at once what nobody holds, the rest a failover time later, when whoever held it has had the time to leave.
    /// Nothing, unless it falls to this worker.
    pub(crate) fn round(&self, leases: &[Lease], is_mine: bool, failover: Duration, now: Instant) -> Round {
        let mut rows: BTreeMap<&StreamId, BTreeMap<&LeaseKey, bool>> = BTreeMap::new();
        for lease in leases {
            let stream = lease.key.stream();
            if let Some((stream, sentence)) = stream.and_then(|id| self.streams.get_key_value(&id)) {
                let may_go = lease.actual_owner().is_none() || now >= sentence.since + failover;
                rows.entry(stream)
                    .or_default()
                    .insert(&lease.key, is_mine && may_go);
            }
        }
        let mut round = Round::default();
        for (stream, mut rows) in rows {
            let ends = rows.values().all(|may_go| *may_go);
            if !ends {
                rows.pop_last();
                round.left.insert(stream.clone());
            }
            let going = rows.into_iter().filter(|(_, may_go)| *may_go);
            let keys: Vec<LeaseKey> = going.map(|(key, _)| key.clone()).collect();
            if !keys.is_empty() {
                round.removals.push(Removal {
                    stream: stream.clone(),
                    keys,
                    ends,
                    missing: self.streams[stream].missing,
                });
            }
        }
        round
    }

    /// A round was carried out. Where others delete the leases, it is looked at again when they may be gone.
    pub(crate) fn on_round(&mut self, round: &Round, failover: Duration, now: Instant) {
        self.streams.retain(|stream, _| round.left.contains(stream));
        for sentence in self.streams.values_mut() {
            if now >= sentence.since + failover {
                sentence.since = now;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kinesis_aggregation::ShardId;

    use super::*;
    use crate::lease::WorkerId;
    use crate::position::Checkpoint;

    const FAILOVER: Duration = Duration::from_secs(10);

    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    fn origin() -> Instant {
        Instant::now()
    }

    fn stream(name: &str) -> StreamId {
        StreamId::parse(&format!("123456789012:{name}:1")).unwrap()
    }

    fn lease(name: &str, shard: u64, owner: Option<&str>) -> Lease {
        let shard = ShardId::from_number(shard);
        Lease {
            owner: owner.map(WorkerId::new),
            ..Lease::of_stream(stream(name), &shard, Checkpoint::TrimHorizon)
        }
    }

    fn keys(rows: &[Lease]) -> Vec<LeaseKey> {
        rows.iter().map(|row| row.key.clone()).collect()
    }

    fn condemned(now: Instant) -> Condemned {
        let mut condemned = Condemned::default();
        condemned.condemn(stream("clicks"), false, now);
        condemned
    }

    #[test]
    fn what_nobody_holds_goes_at_once_and_its_last_row_last() {
        let (now, rows) = (origin(), [2, 1].map(|shard| lease("clicks", shard, None)));
        let mut condemned = condemned(now);
        let round = condemned.round(&rows, true, FAILOVER, now);
        let removal = &round.removals[0];
        assert_eq!(removal.keys, [rows[1].key.clone(), rows[0].key.clone()]);
        assert!(removal.ends && !removal.missing);
        condemned.on_round(&round, FAILOVER, now);
        assert_eq!(condemned.len(), 0);
    }

    #[test]
    fn what_is_held_goes_a_failover_time_later_together_with_the_last_row() {
        let now = origin();
        let rows = [
            lease("clicks", 1, Some("w1")),
            lease("clicks", 2, None),
            lease("clicks", 3, None),
            lease("orders", 1, None),
        ];
        let mut condemned = condemned(now);
        let round = condemned.round(&rows, true, FAILOVER, now);
        assert_eq!(round.removals.len(), 1, "orders are read");
        assert_eq!(
            (&round.removals[0].keys, round.removals[0].ends),
            (&keys(&rows[1..2]), false)
        );
        condemned.on_round(&round, FAILOVER, now);
        assert_eq!(condemned.next_due(FAILOVER), Some(now + FAILOVER));
        let rows = [&rows[0], &rows[2]].map(Lease::clone);
        let round = condemned.round(&rows, true, FAILOVER, now + FAILOVER);
        assert_eq!(
            (&round.removals[0].keys, round.removals[0].ends),
            (&keys(&rows), true)
        );
    }

    #[test]
    fn who_does_not_delete_looks_again_later() {
        let (now, rows) = (origin(), [lease("clicks", 1, None)]);
        let mut condemned = condemned(now);
        for wait in [Duration::ZERO, FAILOVER] {
            let round = condemned.round(&rows, false, FAILOVER, now + wait);
            assert_eq!(round.removals, []);
            condemned.on_round(&round, FAILOVER, now + wait);
            assert_eq!(condemned.next_due(FAILOVER), Some(now + wait + FAILOVER));
        }
        let round = condemned.round(&[], false, FAILOVER, now + 2 * FAILOVER);
        condemned.on_round(&round, FAILOVER, now + 2 * FAILOVER);
        assert!(!condemned.contains(&stream("clicks")), "others have");
    }

    #[test]
    fn what_is_read_again_stays() {
        let (now, rows) = (origin(), [lease("clicks", 1, None)]);
        let mut condemned = condemned(now);
        condemned.pardon(&stream("clicks"));
        assert_eq!(condemned.round(&rows, true, FAILOVER, now), Round::default());
        condemned.condemn(stream("clicks"), true, now);
        assert!(condemned.round(&rows, true, FAILOVER, now).removals[0].missing);
    }
}
