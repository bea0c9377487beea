//! Watches the heartbeats of a private fleet: which of them stand still, by this worker's own clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::heartbeat::Heartbeat;
use crate::lease::WorkerId;

/// One worker's memory of the others' heartbeats.
#[derive(Debug, Default)]
pub struct Vigil {
    seen: BTreeMap<WorkerId, (Heartbeat, Instant)>,
}

impl Vigil {
    /// Takes in all heartbeat rows, which had arrived at `now`. Those that have stood still for longer than their lifetime:
    /// they may be removed, on condition that they still do.
    pub fn on_rows(&mut self, rows: &[Heartbeat], now: Instant) -> Vec<Heartbeat> {
        let mut before = std::mem::take(&mut self.seen);
        for row in rows {
            let since = match before.remove(&row.worker) {
                Some((seen, since)) if seen == *row => since,
                _ => now,
            };
            self.seen.insert(row.worker.clone(), (row.clone(), since));
        }
        let still = self
            .seen
            .values()
            .filter(|(row, since)| now.saturating_duration_since(*since) > row.lifetime);
        still.map(|(row, _)| row.clone()).collect()
    }

    /// A row was removed.
    pub fn on_removed(&mut self, worker: &WorkerId) {
        self.seen.remove(worker);
    }

    /// The row of a worker, as it was seen last.
    #[must_use]
    pub fn row(&self, worker: &WorkerId) -> Option<&Heartbeat> {
        self.seen.get(worker).map(|(row, _)| row)
    }

    /// The workers that have a row.
    #[must_use]
    pub fn beating(&self) -> BTreeSet<WorkerId> {
        self.seen.keys().cloned().collect()
    }

    /// When the next of the others' rows will have stood still for its lifetime, if nothing is seen of it until then.
    #[must_use]
    pub fn next_expiry(&self, me: &WorkerId, now: Instant) -> Option<Instant> {
        let others = self.seen.values().filter(|(row, _)| row.worker != *me);
        others
            .map(|(row, since)| *since + row.lifetime)
            .filter(|expiry| *expiry >= now)
            .min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(10);

    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    fn origin() -> Instant {
        Instant::now()
    }

    fn row(worker: &str) -> Heartbeat {
        Heartbeat::first(WorkerId::new(worker), "i1".to_owned(), LIFETIME)
    }

    #[test]
    fn a_row_that_stands_still_for_its_lifetime_is_told_and_one_that_moves_is_not() {
        let (start, me) = (origin(), WorkerId::new("w0"));
        let (still, mut moving) = (row("still"), row("moving"));
        let mut vigil = Vigil::default();
        for second in 0..=10 {
            let now = start + Duration::from_secs(second);
            moving = moving.next();
            let told = vigil.on_rows(&[still.clone(), moving.clone()], now);
            assert_eq!(told, [], "{second}");
            assert_eq!(vigil.next_expiry(&me, now), Some(start + LIFETIME));
        }
        let later = start + Duration::from_millis(10_001);
        assert_eq!(
            vigil.on_rows(&[still.clone(), moving.next()], later),
            std::slice::from_ref(&still)
        );
        vigil.on_removed(&still.worker);
        assert_eq!(vigil.beating(), BTreeSet::from([moving.worker]));
        // Another incarnation of the same name has its whole time.
        let mut again = still.clone();
        again.incarnation = "i2".to_owned();
        assert_eq!(vigil.on_rows(std::slice::from_ref(&again), later), []);
        assert_eq!(
            vigil.next_expiry(&again.worker, later),
            None,
            "one's own is not waited for"
        );
    }
}
