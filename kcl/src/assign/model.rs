//! The planner's view: each lease reduced to how it stands.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::{Duration, Instant};

use super::parents::Unfinished;
use crate::lease::observed::{Attendance, Observed};
use crate::lease::renewal::Pace;
use crate::lease::{Lease, LeaseKey, WorkerId};
use crate::store::Listing;

/// How one lease stands, as one worker sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// Nobody owns it, as everybody can see.
    Free {
        /// For so long that whoever should have taken it will not.
        neglected: bool,
    },
    /// Its owner has been silent for the failover time, or let the deadline of a hand-over pass: free as well, for those who have
    /// watched it for long enough to know.
    Lapsed {
        /// For so long that whoever should have taken it will not.
        neglected: bool,
    },
    /// My name is on it and I do not hold it: handed over to me, or held by me before a restart.
    Mine,
    /// Its holder renews it.
    Held(WorkerId),
    /// Its holder renews it and was asked to hand it over.
    HandingOver {
        /// Who processes it now.
        from: WorkerId,
        /// Who will.
        to: WorkerId,
    },
    /// A parent shard is not finished, so it cannot be processed. Whoever holds it, it is no load.
    Blocked(Option<WorkerId>),
    /// Its shard is finished. Whoever holds it, it is no load.
    Finished(Option<WorkerId>),
}

impl Standing {
    /// Whether nobody attends to the lease.
    #[must_use]
    pub fn is_free(&self) -> bool {
        matches!(self, Self::Free { .. } | Self::Lapsed { .. })
    }

    /// Whether nobody attends to it, for so long that whoever should have taken it will not.
    #[must_use]
    pub fn is_neglected(&self) -> bool {
        matches!(
            self,
            Self::Free { neglected: true } | Self::Lapsed { neglected: true }
        )
    }
}

/// How long to wait for others before acting in their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long an owner may stay silent (KCL: `failoverTimeMillis`).
    pub failover: Duration,
    /// How long a graceful hand-over may last for its holder (KCL: `gracefulLeaseHandoffTimeoutMillis`, 30 s). Its
    /// next owner waits one failover time longer, everybody else two.
    pub hand_over: Duration,
    /// How long leases may lie that their owner renewed and then did not, before anybody may take them in the place of whoever should.
    /// All others may lie for one failover time: their owner was perhaps not told yet that it has them, or not yet that it has
    /// them no more.
    pub neglect: Duration,
}

/// All leases as one worker sees them at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    me: WorkerId,
    standings: BTreeMap<LeaseKey, Standing>,
    newcomers: BTreeSet<WorkerId>,
    /// Other workers that let a lease expire, or soon will.
    lapsed: BTreeSet<WorkerId>,
    /// Other workers that were seen to renew a lease lately.
    renewing: BTreeSet<WorkerId>,
}

impl Snapshot {
    /// Judges every lease of a listing.
    ///
    /// `held` are the leases this worker holds or is just starting or stopping to hold. `observed` must have seen
    /// the listing already ([`Observed::observe`]).
    #[must_use]
    pub fn new(
        me: WorkerId,
        listing: &Listing,
        held: &HashSet<LeaseKey>,
        observed: &Observed,
        patience: Patience,
        now: Instant,
    ) -> Self {
        let open = Unfinished::of(listing);
        let (lapsed, renewing) = Heard::of(&me, listing, observed, patience, now);
        let standings = listing
            .leases
            .iter()
            .map(|lease| {
                let eye = Eye {
                    me: &me,
                    held: held.contains(&lease.key),
                    observed,
                    patience,
                    now,
                };
                let standing = if open.blocks(lease) {
                    Standing::Blocked(eye.live_holder(lease))
                } else if lease.is_finished() {
                    Standing::Finished(eye.live_holder(lease))
                } else {
                    eye.judge(lease)
                };
                (lease.key.clone(), standing)
            })
            .collect::<BTreeMap<_, _>>();
        let newcomers = observed.newcomers(patience.failover, now);
        Self::from_standings(me, standings)
            .with_newcomers(newcomers.cloned())
            .with_lapsed(lapsed)
            .with_renewing(renewing)
    }

    /// A snapshot from standings already known, of workers that have all been there for long.
    #[must_use]
    pub fn from_standings(me: WorkerId, standings: impl IntoIterator<Item = (LeaseKey, Standing)>) -> Self {
        Self {
            me,
            standings: standings.into_iter().collect(),
            newcomers: BTreeSet::new(),
            lapsed: BTreeSet::new(),
            renewing: BTreeSet::new(),
        }
    }

    /// The same where these workers came too lately to know which leases are [`Standing::Lapsed`].
    #[must_use]
    pub fn with_newcomers(mut self, newcomers: impl IntoIterator<Item = WorkerId>) -> Self {
        self.newcomers = newcomers
            .into_iter()
            .filter(|worker| *worker != self.me)
            .collect();
        self
    }

    /// The same, where these other workers let leases expire.
    #[must_use]
    pub fn with_lapsed(mut self, workers: impl IntoIterator<Item = WorkerId>) -> Self {
        self.lapsed.extend(workers);
        self
    }

    /// The same, where these other workers were seen to renew a lease.
    #[must_use]
    pub fn with_renewing(mut self, workers: impl IntoIterator<Item = WorkerId>) -> Self {
        self.renewing.extend(workers);
        self
    }

    /// Whether a worker let a lease expire that it did not lose, or nothing was heard of it for longer than [`Pace::silence`].
    /// It is dead, more often than not: its other leases expire soon.
    #[must_use]
    pub fn is_lapsed(&self, worker: &WorkerId) -> bool {
        self.lapsed.contains(worker)
    }

    /// Whether a worker is known to live: it was seen to renew a lease within [`Pace::silence`]. A lease that was
    /// given to it says nothing.
    #[must_use]
    pub fn is_renewing(&self, worker: &WorkerId) -> bool {
        self.renewing.contains(worker)
    }

    /// The worker that plans.
    #[must_use]
    pub fn me(&self) -> &WorkerId {
        &self.me
    }

    /// Each lease and how it stands, by key.
    pub fn standings(&self) -> impl Iterator<Item = (&LeaseKey, &Standing)> {
        self.standings.iter()
    }

    /// How one lease stands.
    #[must_use]
    pub fn standing(&self, key: &LeaseKey) -> Option<&Standing> {
        self.standings.get(key)
    }

    /// Whether a worker has been there for long enough to know which leases are [`Standing::Lapsed`].
    pub(super) fn knows_who_is_silent(&self, worker: &WorkerId) -> bool {
        !self.newcomers.contains(worker)
    }

    pub(super) fn keys_with(&self, wanted: impl Fn(&Standing) -> bool) -> impl Iterator<Item = &LeaseKey> {
        self.standings
            .iter()
            .filter(move |(_, standing)| wanted(standing))
            .map(|(key, _)| key)
    }
}

/// What was heard of a worker.
struct Heard {
    expired: bool,
    /// The last sign, whoever gave it.
    sign: Duration,
    /// The last renewal that was seen as such.
    renewal: Option<Duration>,
}

impl Heard {
    /// The workers other than `me` that lapsed, and those that renew.
    fn of(
        me: &WorkerId,
        listing: &Listing,
        observed: &Observed,
        patience: Patience,
        now: Instant,
    ) -> (BTreeSet<WorkerId>, BTreeSet<WorkerId>) {
        let mut heard: BTreeMap<&WorkerId, Self> = BTreeMap::new();
        // A finished lease keeps its owner's name, and is renewed no more.
        for lease in listing.leases.iter().filter(|lease| !lease.is_finished()) {
            let Some(owner) = lease.actual_owner().filter(|owner| *owner != me) else {
                continue;
            };
            let silence = observed.silence(&lease.key, now).unwrap_or_default();
            let known = heard.entry(owner).or_insert(Self {
                expired: false,
                sign: silence,
                renewal: None,
            });
            known.expired |= silence > patience.failover;
            known.sign = known.sign.min(silence);
            if observed.is_kept(&lease.key) {
                known.renewal = Some(known.renewal.map_or(silence, |renewal| renewal.min(silence)));
            }
        }
        let quiet = Pace::new(patience.failover).silence();
        let lapsed = |heard: &Self| heard.expired || heard.sign > quiet;
        let renewing = |heard: &Self| !lapsed(heard) && heard.renewal.is_some_and(|renewal| renewal <= quiet);
        let those = |is: &dyn Fn(&Self) -> bool| {
            let those = heard.iter().filter(|(_, heard)| is(heard));
            those.map(|(worker, _)| (*worker).clone()).collect()
        };
        (those(&lapsed), those(&renewing))
    }
}

/// One worker looking at one lease.
struct Eye<'a> {
    me: &'a WorkerId,
    held: bool,
    observed: &'a Observed,
    patience: Patience,
    now: Instant,
}

impl Eye<'_> {
    fn judge(&self, lease: &Lease) -> Standing {
        let Some(holder) = lease.actual_owner() else {
            return self.free(lease);
        };
        if holder == self.me {
            return match (self.held, &lease.owner) {
                (false, _) => Standing::Mine,
                (true, Some(to)) if to != self.me => Standing::HandingOver {
                    from: holder.clone(),
                    to: to.clone(),
                },
                (true, _) => Standing::Held(holder.clone()),
            };
        }
        if self.attendance(lease) != Attendance::Alive {
            return self.free(lease);
        }
        match (&lease.owner, self.observed.hand_over_age(&lease.key, self.now)) {
            (Some(to), Some(age)) => self.judge_hand_over(holder, to, age),
            _ => Standing::Held(holder.clone()),
        }
    }

    fn judge_hand_over(&self, from: &WorkerId, to: &WorkerId, age: Duration) -> Standing {
        let deadline = self.patience.hand_over + self.patience.failover;
        if to == self.me && age > deadline {
            Standing::Mine
        } else if age > deadline + self.patience.failover {
            Standing::Lapsed { neglected: false }
        } else {
            Standing::HandingOver {
                from: from.clone(),
                to: to.clone(),
            }
        }
    }

    fn free(&self, lease: &Lease) -> Standing {
        let Patience {
            failover, neglect, ..
        } = self.patience;
        match self.attendance(lease) {
            Attendance::Silent(since) => Standing::Lapsed {
                neglected: match self.observed.is_kept(&lease.key) {
                    true => since > neglect,
                    false => since > failover,
                },
            },
            Attendance::Vacant(since) => Standing::Free {
                neglected: since > failover,
            },
            Attendance::Alive => Standing::Free { neglected: false },
        }
    }

    fn live_holder(&self, lease: &Lease) -> Option<WorkerId> {
        let holder = lease.actual_owner()?;
        let alive = holder == self.me || self.attendance(lease) == Attendance::Alive;
        alive.then(|| holder.clone())
    }

    fn attendance(&self, lease: &Lease) -> Attendance {
        self.observed
            .attendance(&lease.key, self.patience.failover, self.now)
    }
}
