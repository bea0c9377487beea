//! Finding the last record before a moment, with iterators that only read forwards. Pure: says where to look next.
//!
//! ```text
//!     horizon                          moment
//!        │        ▪▪  ▪                  │        records ▪
//!        │                           [1 s)        nothing
//!        │                       [  4 s  )        nothing
//!        │              [      16 s      )        nothing
//!        │     [          64 s           )        something: halve what is left until little is to be read
//! ```
//!
//! Needed where "from now on" has to be written down: a place can be kept only as the number of a record, and the record is the
//! last one that came before. On a stream in use the first look finds it.

use std::time::{Duration, SystemTime};

/// A search in one shard.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    /// Nothing lies between this and the moment.
    empty_from: SystemTime,
    /// Something lies between this and `empty_from`. `None` once even the oldest kept was looked at.
    found_from: Option<Look>,
    /// `None`: even the longest was not enough.
    width: Option<Duration>,
}

/// Where to look, from there on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    At(SystemTime),
    Oldest,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// See whether there is a record between here and the moment.
    Probe(Look),
    /// Read from here to the moment: the last record is the one.
    Read(Look),
}

impl Search {
    pub(crate) fn before(moment: SystemTime) -> Self {
        Self {
            empty_from: moment,
            found_from: None,
            width: Some(FIRST),
        }
    }

    pub(crate) fn next(&self) -> Next {
        match self.found_from {
            None => self
                .empty_from
                .checked_sub(self.width.unwrap_or(Duration::MAX))
                .map_or(Next::Probe(Look::Oldest), |from| Next::Probe(Look::At(from))),
            Some(Look::Oldest) => Next::Read(Look::Oldest),
            Some(Look::At(from)) => {
                let left = self.empty_from.duration_since(from).unwrap_or_default();
                match left > LITTLE {
                    true => Next::Probe(Look::At(from + left / 2)),
                    false => Next::Read(Look::At(from)),
                }
            }
        }
    }

    /// There is something between the place that was probed and the moment.
    pub(crate) fn on_found(&mut self, probed: Look) {
        self.found_from = Some(match (probed, self.found_from) {
            // Older than the longest retention: it cannot be, so everything kept is read.
            (Look::Oldest, _) => Look::Oldest,
            (at, _) => at,
        });
    }

    /// There is nothing. `false`: nowhere at all.
    pub(crate) fn on_nothing(&mut self, probed: Look) -> bool {
        match probed {
            Look::Oldest => return false,
            Look::At(from) => {
                if self.found_from.is_none() {
                    self.width = self.width.filter(|width| *width < LONGEST);
                    self.width = self.width.map(|width| (width * WIDER).min(LONGEST));
                }
                self.empty_from = self.empty_from.min(from);
            }
        }
        true
    }
}

/// Ours: a stream in use has a record in it, and it is read at one go.
const FIRST: Duration = Duration::from_secs(1);
const LITTLE: Duration = Duration::from_secs(1);
/// Ours: from a second to a year in thirteen looks.
const WIDER: u32 = 4;
/// Source: AWS, Kinesis Data Streams quotas: records are kept for 365 days at most.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moment() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000)
    }

    /// Searches among records of these ages. What was found, and how often it was looked.
    fn search(ages: &[Duration]) -> (Option<SystemTime>, u32) {
        let records: Vec<SystemTime> = ages.iter().map(|age| moment() - *age).collect();
        let from = |look: Look| {
            let first = match look {
                Look::Oldest => SystemTime::UNIX_EPOCH,
                Look::At(first) => first,
            };
            records.iter().filter(move |at| **at >= first && **at < moment())
        };
        let mut search = Search::before(moment());
        for looks in 1..100 {
            match search.next() {
                Next::Read(look) => return (from(look).max().copied(), looks),
                Next::Probe(look) => match from(look).next() {
                    Some(_) => search.on_found(look),
                    None if search.on_nothing(look) => {}
                    None => return (None, looks),
                },
            }
        }
        panic!("no end");
    }

    #[test]
    fn a_stream_in_use_is_looked_at_twice() {
        let (found, looks) = search(&[Duration::from_millis(300), Duration::from_secs(90)]);
        assert_eq!(found, Some(moment() - Duration::from_millis(300)));
        assert_eq!(looks, 2, "there is one, and which");
    }

    #[test]
    fn an_empty_shard_is_seen_to_be_empty() {
        assert_eq!(search(&[]).0, None);
        assert!(search(&[]).1 < 20);
    }

    #[test]
    fn little_is_read_however_long_ago_the_record_came() {
        let day = 86_400;
        for age in [2, 60, 3_600, day, 100 * day, 364 * day] {
            let age = Duration::from_secs(age);
            let (found, looks) = search(&[age]);
            assert_eq!(found, Some(moment() - age), "{age:?}");
            assert!(looks < 45, "{age:?}: {looks}");
        }
    }

    proptest! {
        #[test]
        fn it_is_always_the_last_one_before_the_moment(
            ages in proptest::collection::vec(0..40_000_000_u64, 0..30),
            subsecond in 0..1_000_u64,
        ) {
            let ages: Vec<_> = ages
                .into_iter()
                .map(|s| Duration::from_millis(s * 1_000 + subsecond))
                .collect();
            let last = ages.iter().filter(|age| !age.is_zero()).min().map(|age| moment() - *age);
            prop_assert_eq!(search(&ages).0, last);
        }
    }
}
