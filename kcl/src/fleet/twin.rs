//! Two live workers with one id: how one of them finds out, and which one stops.
//!
//! Each takes leases that bear its name for its own, and takes the other's heartbeats for its own whose replies were lost.
//! So the first sign is a counter that this worker cannot have written, or a lease that is lost to somebody of its own
//! name. From then on it takes nothing and watches for more signs, among leases that bear its name and are not held here too.
//! Both wait for a time drawn by lot; who comes first and still sees the other stops, gives its leases up, and so the
//! other one sees nobody any more.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::lease::LeaseKey;

/// What one worker knows of another of its id.
#[derive(Debug, Default)]
pub(crate) struct Twin {
    suspicion: Option<Suspicion>,
}

#[derive(Debug)]
struct Suspicion {
    lease_key: LeaseKey,
    /// `None`: the other one has left.
    last_sign: Option<Instant>,
    decide_at: Instant,
    /// Leases of our name that are not held here, as last seen.
    counters: HashMap<LeaseKey, u64>,
}

/// How long to watch after the first sign: long enough for the other one to show itself, a lot to be first (`lot`, 0 to 1),
/// and the right to stay of who was there first. `period`: between two heartbeats.
pub(crate) fn patience(failover: Duration, period: Duration, came_second: bool, lot: f64) -> Duration {
    let right = if came_second { Duration::ZERO } else { failover };
    period * 3 / 2 + failover.mul_f64(lot) + right
}

/// What has come of a suspicion.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Too early to tell, or nothing to tell.
    Open,
    /// The other one is there: stop. The lease that showed it first.
    Stop(LeaseKey),
    /// The other one is gone: go on.
    Gone,
}

impl Twin {
    /// Whether to keep from taking leases.
    pub(crate) fn is_suspected(&self) -> bool {
        self.suspicion.is_some()
    }

    /// When to decide.
    pub(crate) fn decide_at(&self) -> Option<Instant> {
        self.suspicion.as_ref().map(|suspicion| suspicion.decide_at)
    }

    /// A lease was lost to our own name, or written in it. Whether that is news. `patience`: how long to watch before a decision.
    pub(crate) fn on_sign(&mut self, lease_key: &LeaseKey, patience: Duration, now: Instant) -> bool {
        match &mut self.suspicion {
            Some(suspicion) => {
                suspicion.last_sign = Some(now);
                false
            }
            None => {
                self.suspicion = Some(Suspicion {
                    lease_key: lease_key.clone(),
                    last_sign: Some(now),
                    decide_at: now + patience,
                    counters: HashMap::new(),
                });
                true
            }
        }
    }

    /// A lease was given up in our name.
    pub(crate) fn on_departure(&mut self) {
        if let Some(suspicion) = &mut self.suspicion {
            suspicion.last_sign = None;
        }
    }

    /// Takes in the leases of our name that are not held here, and their counters. `period`: the time between two
    /// heartbeats, with some slack.
    pub(crate) fn on_scan(
        &mut self,
        named: impl Iterator<Item = (LeaseKey, u64)>,
        period: Duration,
        now: Instant,
    ) -> Verdict {
        let Some(suspicion) = &mut self.suspicion else {
            return Verdict::Open;
        };
        let before = std::mem::replace(&mut suspicion.counters, named.collect());
        let moved = |(key, counter): (&LeaseKey, &u64)| before.get(key).is_some_and(|seen| seen != counter);
        if suspicion.counters.iter().any(moved) {
            suspicion.last_sign = Some(now);
        }
        if !before.is_empty() && suspicion.counters.is_empty() {
            suspicion.last_sign = None;
        }
        if now < suspicion.decide_at {
            return Verdict::Open;
        }
        let lives = suspicion
            .last_sign
            .is_some_and(|sign| now.saturating_duration_since(sign) <= period);
        match (lives, self.suspicion.take()) {
            (true, Some(suspicion)) => Verdict::Stop(suspicion.lease_key),
            _ => Verdict::Gone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(4);
    const PATIENCE: Duration = Duration::from_secs(10);

    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    fn origin() -> Instant {
        Instant::now()
    }

    fn key(number: u64) -> LeaseKey {
        LeaseKey::new(&format!("shardId-{number:012}"))
    }

    /// Scans once a second with these counters of one lease (none: it bears our name no more), from a sign on.
    fn verdict(counters: impl Iterator<Item = Option<u64>>) -> Verdict {
        let mut now = origin();
        let mut twin = Twin::default();
        assert!(twin.on_sign(&key(7), PATIENCE, now));
        assert!(!twin.on_sign(&key(8), PATIENCE, now), "told once");
        for counter in counters {
            now += Duration::from_secs(1);
            let named = counter.map(|counter| (key(7), counter)).into_iter();
            match twin.on_scan(named, PERIOD, now) {
                Verdict::Open => assert!(twin.is_suspected()),
                verdict => {
                    assert!(!twin.is_suspected());
                    return verdict;
                }
            }
        }
        panic!("no verdict");
    }

    #[test]
    fn who_was_there_first_decides_last_whatever_the_lots() {
        let (failover, period) = (Duration::from_secs(10), Duration::from_secs(4));
        let second = patience(failover, period, true, 0.999);
        let first = patience(failover, period, false, 0.0);
        assert!(second < first, "{second:?} {first:?}");
        assert_eq!(patience(failover, period, true, 0.0), Duration::from_secs(6));
    }

    #[test]
    fn who_still_sees_the_other_when_its_time_comes_stops() {
        assert_eq!(
            verdict((0..20).map(|second| Some(second / 4))),
            Verdict::Stop(key(7))
        );
    }

    #[test]
    fn one_that_has_given_its_leases_up_or_died_is_no_reason_to_stop() {
        let gave_up = (0..20).map(|second| (second < 8).then_some(second / 4));
        assert_eq!(verdict(gave_up), Verdict::Gone);
        assert_eq!(
            verdict((0..20).map(|second: u64| Some(second.min(3)))),
            Verdict::Gone
        );
        assert_eq!(verdict((0..20).map(|_| None)), Verdict::Gone);
    }

    #[test]
    fn without_a_sign_nothing_is_suspected() {
        let mut twin = Twin::default();
        for counter in 0..100 {
            let named = std::iter::once((key(1), counter));
            assert_eq!(twin.on_scan(named, PERIOD, origin()), Verdict::Open);
        }
        assert!(!twin.is_suspected());
    }
}
