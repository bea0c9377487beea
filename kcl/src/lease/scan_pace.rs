//! When the lease table is read next.

use std::time::{Duration, Instant};

/// How often to look, by what there is to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ScanPace {
    failover: Duration,
    /// Nobody else is there.
    alone: Duration,
    /// And there is nothing to do.
    at_rest: Option<Duration>,
    /// Others are, and may leave leases behind.
    in_company: Duration,
    /// A lease is on its way here.
    expecting: Duration,
    /// Large tables are read less often.
    per_row: Duration,
}

/// What the last look showed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(crate) rows: u32,
    pub(crate) in_company: bool,
    /// Everything that can be read is held here, and nobody asks for it.
    pub(crate) at_rest: bool,
    /// This worker looks for all.
    pub(crate) on_lookout: bool,
    /// Since when a lease has been on its way here, or was left to others who have not taken it yet.
    pub(crate) expecting_since: Option<Instant>,
    /// When the first of the leases that stand still will count as expired.
    pub(crate) next_expiry: Option<Instant>,
}

impl Sight {
    /// After a look that failed: who is there is still believed.
    pub(crate) fn without_news(self) -> Self {
        Self {
            rows: self.rows,
            in_company: self.in_company,
            ..Self::default()
        }
    }
}

impl ScanPace {
    /// `chosen`: the setting `scan_interval`.
    pub(crate) fn new(failover: Duration, chosen: Option<Duration>) -> Self {
        let part = |percent: u32, most: u64| {
            (failover * percent / 100).clamp(SHORTEST, Duration::from_millis(most).max(SHORTEST))
        };
        let (alone, in_company, per_row) = match chosen {
            Some(chosen) => (chosen, chosen, Duration::ZERO),
            None => (part(26, 2_600), part(8, 800), PER_ROW),
        };
        Self {
            failover,
            alone,
            at_rest: None,
            in_company,
            expecting: part(3, 250).min(alone),
            per_row,
        }
    }

    /// In a private fleet looks cost as much as all heartbeats, so a worker that is alone looks less often, and hardly ever while
    /// there is nothing to do: whoever comes calls on it.
    pub(crate) fn of_private_fleet(failover: Duration, chosen: Option<Duration>) -> Self {
        let usual = Self::new(failover, chosen);
        if chosen.is_some() {
            return usual;
        }
        let at_most = |most: Duration| most.max(usual.alone);
        Self {
            alone: (failover * 4 / 5).clamp(usual.alone, at_most(PRIVATE_ALONE)),
            at_rest: Some((failover * 3).clamp(usual.alone, at_most(PRIVATE_AT_REST))),
            ..usual
        }
    }

    /// How often to look at a table of so many rows while nothing happens.
    pub(crate) fn steady(&self, rows: u32, in_company: bool) -> Duration {
        match in_company {
            true => self.at_least(self.in_company, rows),
            false => self.unsettled(rows).max(self.at_rest.unwrap_or_default()),
        }
    }

    /// How often to look alone while something is left to do.
    pub(crate) fn unsettled(&self, rows: u32) -> Duration {
        self.at_least(self.alone, rows)
    }

    /// How often a worker that looks for all does, while nothing happens.
    pub(crate) fn on_lookout(&self, rows: u32) -> Duration {
        let often = self.in_company.max(LEADER_PER_ROW * rows);
        often.min(self.steady(rows, true))
    }

    /// How often to ask the index of owners, between two looks at a large table.
    pub(crate) fn between(&self, in_company: bool) -> Duration {
        self.steady(0, in_company)
    }

    /// For how long a worker may not have noticed that it is not alone any more.
    pub(crate) fn unnoticed(&self) -> Duration {
        self.at_rest.unwrap_or_default().max(self.failover)
    }

    fn at_least(&self, interval: Duration, rows: u32) -> Duration {
        interval.max(self.per_row * rows).min(self.failover.max(SHORTEST))
    }

    /// When to look again after a look at `now`.
    pub(crate) fn next(&self, sight: &Sight, now: Instant) -> Instant {
        let steady = match (sight.in_company, sight.at_rest) {
            _ if sight.on_lookout => self.on_lookout(sight.rows),
            (false, false) => self.unsettled(sight.rows),
            (in_company, _) => self.steady(sight.rows, in_company),
        };
        let expected = sight
            .expecting_since
            .is_some_and(|since| now.saturating_duration_since(since) < EXPECTED_FOR);
        let interval = match expected {
            true => steady.min(self.expecting.max(LEADER_PER_ROW * sight.rows)),
            false => steady,
        };
        // The moment after: expired is what has stood still for longer.
        let expiry = sight.next_expiry.map(|expiry| expiry + GRAIN);
        expiry.map_or(now + interval, |expiry| {
            expiry.clamp(now + SHORTEST, now + interval)
        })
    }
}

/// When a leader looks again after a look at `now` at so many rows: it looks for the whole fleet, so it may look more often than any
/// other, and at the moment at which a lease expires.
pub(crate) fn leaders_next(
    failover: Duration,
    rows: u32,
    next_expiry: Option<Instant>,
    now: Instant,
) -> Instant {
    let interval = leaders_interval(failover, rows);
    let expiry = next_expiry.map(|expiry| expiry + GRAIN);
    expiry.map_or(now + interval, |expiry| {
        expiry.clamp(now + SHORTEST, now + interval)
    })
}

/// How often a leader looks at so many rows while nothing happens.
pub(crate) fn leaders_interval(failover: Duration, rows: u32) -> Duration {
    let interval = (failover / 10).max(LEADER_PER_ROW * rows);
    interval.min(failover).max(SHORTEST)
}

/// Whether a table of so many rows is one between two looks at which the index of owners is asked.
pub(crate) fn is_large(rows: u32) -> bool {
    rows >= LARGE_TABLE
}

/// Ours: smaller tables are read in about the time that the index takes to answer.
const LARGE_TABLE: u32 = 250;
/// Ours: a table of ten thousand rows is then read every two seconds, at about 750 read units a second, while the fleet's
/// heartbeats take 2,500 write units.
const LEADER_PER_ROW: Duration = Duration::from_micros(200);
/// Ours: what cannot be had now is tried again by then.
const PRIVATE_ALONE: Duration = Duration::from_secs(8);
/// Ours: a tenth of what the heartbeats cost.
const PRIVATE_AT_REST: Duration = Duration::from_secs(30);
/// Ours: more than a round trip to the table.
const SHORTEST: Duration = Duration::from_millis(20);
/// Ours: a table of ten thousand rows is then read every ten seconds, at about 250 read units a second.
const PER_ROW: Duration = Duration::from_millis(4);
/// Ours: a hand-over that takes longer waits for a processor, and may wait for much longer.
const EXPECTED_FOR: Duration = Duration::from_secs(5);
/// Source: tokio, the resolution of its timer.
const GRAIN: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    fn origin() -> Instant {
        Instant::now()
    }

    fn pace(failover: u64, scan_interval: Option<u64>) -> ScanPace {
        ScanPace::new(ms(failover), scan_interval.map(ms))
    }

    #[test]
    fn a_private_worker_that_is_alone_looks_when_there_is_something_to_do() {
        let now = origin();
        let (alone, company) = (
            Sight::default(),
            Sight {
                in_company: true,
                ..Sight::default()
            },
        );
        let at_rest = |sight: Sight| Sight {
            at_rest: true,
            ..sight
        };
        let private = |failover, scan_interval: Option<u64>| {
            ScanPace::of_private_fleet(ms(failover), scan_interval.map(ms))
        };
        let cases = [
            ("something to do", private(10_000, None), alone, 8_000),
            ("at rest", private(10_000, None), at_rest(alone), 30_000),
            ("in company", private(10_000, None), at_rest(company), 800),
            ("a profile for tests", private(500, None), at_rest(alone), 1_500),
            ("a long failover", private(600_000, None), at_rest(alone), 30_000),
            ("chosen", private(10_000, Some(1_000)), at_rest(alone), 1_000),
            ("not private", pace(10_000, None), at_rest(alone), 2_600),
        ];
        for (case, pace, sight, expected) in cases {
            assert_eq!(pace.next(&sight, now) - now, ms(expected), "{case}");
        }
    }

    #[test]
    fn a_leader_looks_for_all() {
        let now = origin();
        let cases = [
            (10_000, 8, None, 1_000),
            (10_000, 5_000, None, 1_000),
            (10_000, 10_000, None, 2_000),
            (10_000, 1_000_000, None, 10_000),
            (10_000, 10_000, Some(500), 502),
            (10_000, 10_000, Some(0), 20),
            (10_000, 10_000, Some(9_000), 2_000),
            (100, 8, None, 20),
        ];
        for (failover, rows, expiry, expected) in cases {
            let expiry = expiry.map(|millis| now + ms(millis));
            let next = leaders_next(ms(failover), rows, expiry, now) - now;
            assert_eq!(next, ms(expected), "{failover} {rows} {expiry:?}");
        }
    }

    #[test]
    fn the_look_comes_when_there_is_something_to_see() {
        let now = origin();
        let alone = Sight::default();
        let company = Sight {
            in_company: true,
            ..alone
        };
        let expecting = Sight {
            expecting_since: Some(now),
            ..company
        };
        let long_expecting = Sight {
            expecting_since: now.checked_sub(EXPECTED_FOR),
            ..company
        };
        let dying = Sight {
            next_expiry: Some(now + ms(300)),
            ..company
        };
        let dead = Sight {
            next_expiry: Some(now),
            ..company
        };
        let far = Sight {
            next_expiry: Some(now + ms(9_000)),
            ..company
        };
        let big = Sight {
            rows: 1_000,
            ..company
        };
        let huge = Sight {
            rows: 100_000,
            ..expecting
        };
        let expecting_many = Sight {
            rows: 10_000,
            ..expecting
        };
        let lookout = Sight {
            on_lookout: true,
            ..big
        };
        let lookout_of_many = Sight {
            rows: 10_000,
            ..lookout
        };
        let cases = [
            ("on the lookout", pace(10_000, None), lookout, 800),
            (
                "on the lookout in a large table",
                pace(10_000, None),
                lookout_of_many,
                2_000,
            ),
            ("alone", pace(10_000, None), alone, 2_600),
            ("in company", pace(10_000, None), company, 800),
            ("expecting", pace(10_000, None), expecting, 250),
            ("expecting, many rows", pace(10_000, None), expecting_many, 2_000),
            ("for long", pace(10_000, None), long_expecting, 800),
            ("a lease about to expire", pace(10_000, None), dying, 302),
            ("this very moment", pace(10_000, None), dead, 20),
            ("a lease that lives", pace(10_000, None), far, 800),
            ("many rows", pace(10_000, None), big, 4_000),
            ("far too many rows", pace(10_000, None), huge, 10_000),
            ("a long failover", pace(600_000, None), company, 800),
            ("a profile for tests", pace(500, None), company, 40),
            ("a shorter one", pace(100, None), expecting, 20),
            ("chosen", pace(10_000, Some(5_000)), company, 5_000),
            ("chosen, expecting", pace(10_000, Some(5_000)), expecting, 250),
            ("chosen, dying", pace(10_000, Some(5_000)), dying, 302),
            ("chosen, many rows", pace(10_000, Some(1_000)), big, 1_000),
        ];
        for (case, pace, sight, expected) in cases {
            assert_eq!(pace.next(&sight, now) - now, ms(expected), "{case}");
        }
    }
}
