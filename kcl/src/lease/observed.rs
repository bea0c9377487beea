//! What one observer has seen of every lease, on its own monotonic clock. Pure.
//!
//! No time stored by another host can be compared with ours, so a lease counts as expired only when *we* have seen
//! one counter unchanged for longer than the failover time. Consequence: a fresh observer needs one failover time
//! before it may call anything expired.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::{Lease, LeaseKey, WorkerId};

/// The memory of one observer: when it saw each lease change last, and each worker first.
#[derive(Debug, Default)]
pub struct Observed {
    sightings: HashMap<LeaseKey, Sighting>,
    /// Since when each worker has had a lease, or has been promised one, without a break.
    met: HashMap<WorkerId, Instant>,
}

/// How long a lease has been unattended, as one observer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attendance {
    /// Somebody owns it and its counter has moved within the failover time.
    Alive,
    /// Nobody owns it, as anybody can see: free to take. For how long already.
    Vacant(Duration),
    /// Its owner has not renewed it for longer than the failover time: free to take, for whoever has watched it for so long. How
    /// much longer already.
    Silent(Duration),
}

impl Observed {
    /// An observer that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a listing of **all** leases; leases that are not in it are forgotten.
    ///
    /// `now` is the instant at which the listing had arrived. It is later than the instant at which the row was
    /// read, so that we err on the side of the owner. An owned lease seen for the first time counts as renewed
    /// now, an unowned one as vacant now.
    pub fn observe(&mut self, leases: &[Lease], now: Instant) {
        let mut before = std::mem::take(&mut self.sightings);
        self.sightings = leases
            .iter()
            .map(|lease| {
                let sighting = match before.remove(&lease.key) {
                    Some(known) => known.next(lease, now),
                    None => Sighting::first(lease, now),
                };
                (lease.key.clone(), sighting)
            })
            .collect();
        self.meet(leases, now);
    }

    /// The same in a private fleet, where leases live by their owners' heartbeats: one whose owner is among `beating` is
    /// attended to, any other is not.
    pub fn observe_beating(&mut self, leases: &[Lease], beating: &BTreeSet<WorkerId>, now: Instant) {
        let mut before = std::mem::take(&mut self.sightings);
        self.sightings = leases
            .iter()
            .map(|lease| {
                let first = Sighting::first(lease, now);
                let owner = first.owner.filter(|owner| beating.contains(owner));
                let known = before.remove(&lease.key);
                let vacant_since = known.as_ref().filter(|known| known.owner.is_none());
                let changed_at = match owner {
                    Some(_) => now,
                    None => vacant_since.map_or(now, |known| known.changed_at),
                };
                let hand_over = match known {
                    Some(known) => HandOver::next(known.hand_over, first.hand_over),
                    None => first.hand_over,
                };
                let sighting = Sighting {
                    kept: owner.is_some(),
                    owner,
                    changed_at,
                    hand_over,
                    counter: lease.counter,
                };
                (lease.key.clone(), sighting)
            })
            .collect();
        self.meet(leases, now);
    }

    fn meet(&mut self, leases: &[Lease], now: Instant) {
        let mut before = std::mem::take(&mut self.met);
        let workers = leases
            .iter()
            .flat_map(|lease| [lease.actual_owner(), lease.owner.as_ref()]);
        for worker in workers.flatten() {
            if !self.met.contains_key(worker) {
                let since = before.remove(worker).unwrap_or(now);
                self.met.insert(worker.clone(), since);
            }
        }
    }

    /// The workers that this observer has not seen for longer than `span`: they may have begun to observe only then.
    pub fn newcomers(&self, span: Duration, now: Instant) -> impl Iterator<Item = &WorkerId> {
        let is_new = move |since: &Instant| now.saturating_duration_since(*since) <= span;
        self.met
            .iter()
            .filter(move |(_, since)| is_new(since))
            .map(|(worker, _)| worker)
    }

    /// Whether the lease may be taken. A lease never seen counts as alive: unknown is not free.
    #[must_use]
    pub fn attendance(&self, key: &LeaseKey, failover: Duration, now: Instant) -> Attendance {
        let Some(sighting) = self.sightings.get(key) else {
            return Attendance::Alive;
        };
        let unchanged = now.saturating_duration_since(sighting.changed_at);
        match sighting.owner.is_some() {
            false => Attendance::Vacant(unchanged),
            true if unchanged > failover => Attendance::Silent(unchanged - failover),
            true => Attendance::Alive,
        }
    }

    /// Whether nobody owns the lease, or its counter has not moved for longer than `failover`.
    #[must_use]
    pub fn expired(&self, key: &LeaseKey, failover: Duration, now: Instant) -> bool {
        self.attendance(key, failover, now) != Attendance::Alive
    }

    /// Whether its present owner has been seen to renew the lease: its counter has moved since the owner was there.
    #[must_use]
    pub fn is_kept(&self, key: &LeaseKey) -> bool {
        self.sightings.get(key).is_some_and(|sighting| sighting.kept)
    }

    /// Whether `worker` had the lease when this observer looked last.
    #[must_use]
    pub fn was_of(&self, key: &LeaseKey, worker: &WorkerId) -> bool {
        let sighting = self.sightings.get(key);
        sighting.is_some_and(|sighting| sighting.owner.as_ref() == Some(worker))
    }

    /// For how long this observer has seen the lease unchanged. `None`: it has not seen it.
    #[must_use]
    pub fn silence(&self, key: &LeaseKey, now: Instant) -> Option<Duration> {
        let sighting = self.sightings.get(key)?;
        Some(now.saturating_duration_since(sighting.changed_at))
    }

    /// How long ago this observer first saw the pending hand-over between the same two workers.
    #[must_use]
    pub fn hand_over_age(&self, key: &LeaseKey, now: Instant) -> Option<Duration> {
        let hand_over = self.sightings.get(key)?.hand_over.as_ref()?;
        Some(now.saturating_duration_since(hand_over.first_seen))
    }

    /// When the next owned lease will have stood still for longer than `failover`, if nothing is seen of it until then.
    /// Leases that have already are not meant.
    #[must_use]
    pub fn next_expiry(&self, failover: Duration, now: Instant) -> Option<Instant> {
        let owned = self
            .sightings
            .values()
            .filter(|sighting| sighting.owner.is_some());
        owned
            .map(|sighting| sighting.changed_at + failover)
            .filter(|expiry| *expiry >= now)
            .min()
    }

    /// How many leases are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sightings.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sightings.is_empty()
    }
}

#[derive(Debug)]
struct Sighting {
    counter: u64,
    owner: Option<WorkerId>,
    kept: bool,
    changed_at: Instant,
    hand_over: Option<HandOver>,
}

#[derive(Debug)]
struct HandOver {
    from: WorkerId,
    to: Option<WorkerId>,
    first_seen: Instant,
}

impl Sighting {
    fn first(lease: &Lease, now: Instant) -> Self {
        Self {
            counter: lease.counter,
            owner: lease.actual_owner().cloned(),
            kept: false,
            changed_at: now,
            hand_over: HandOver::of(lease, now),
        }
    }

    fn next(self, lease: &Lease, now: Instant) -> Self {
        let owner = lease.actual_owner();
        let same_owner = self.owner.as_ref() == owner;
        let counted = self.counter != lease.counter;
        // Any difference counts, not only a greater counter: an eventually consistent read may go back.
        // The start of a hand-over leaves the counter alone and is no sign of life of the holder.
        let changed = counted || self.owner.is_some() != owner.is_some();
        let hand_over = HandOver::next(self.hand_over, HandOver::of(lease, now));
        Self {
            counter: lease.counter,
            // A counter that moved together with its owner was moved by whoever assigned it.
            kept: same_owner && (self.kept || counted),
            owner: match same_owner {
                true => self.owner,
                false => owner.cloned(),
            },
            changed_at: if changed { now } else { self.changed_at },
            hand_over,
        }
    }
}

impl HandOver {
    /// What was known counts as long as it is between the same two workers.
    fn next(known: Option<Self>, seen: Option<Self>) -> Option<Self> {
        match (known, seen) {
            (Some(known), Some(seen)) if known.from == seen.from && known.to == seen.to => Some(known),
            (_, seen) => seen,
        }
    }

    fn of(lease: &Lease, now: Instant) -> Option<Self> {
        let from = lease.checkpoint_owner.clone()?;
        Some(Self {
            from,
            to: lease.owner.clone(),
            first_seen: now,
        })
    }
}

#[cfg(test)]
mod tests;
