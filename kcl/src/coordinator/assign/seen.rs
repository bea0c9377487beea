//! What a look at the table tells: who is there, what can be planned about, how soon to look again.

use std::collections::{BTreeSet, HashSet};
use std::time::Instant;

use tracing::{info, warn};

use super::Assigner;
use super::company::Company;
use crate::assign::rescue::{leaders_time, lies_until};
use crate::assign::{Patience, Snapshot};
use crate::config::ChildShards;
use crate::events::ConsumerEvent;
use crate::fleet::Assignment;
use crate::lease::scan_pace::Sight;
use crate::lease::{Lease, LeaseKey};
use crate::metrics::Metric;
use crate::processor::RecordProcessorFactory;
use crate::source::Source;
use crate::store::Listing;

impl<S: Source, F: RecordProcessorFactory> Assigner<S, F> {
    /// What there is to plan about: rows of streams that are not read are none of this worker's business. The first of a stream
    /// may mean that another worker knows more of it.
    pub(super) fn of_streams_read(&mut self, mut listing: Listing) -> Listing {
        let mut strangers = BTreeSet::new();
        {
            let streams = self.shop.streams.borrow();
            listing.leases.retain(|lease| {
                let is_read = streams.of_key(&lease.key).is_some();
                if !is_read {
                    strangers.extend(lease.key.stream());
                }
                is_read
            });
        }
        if !strangers.is_subset(&self.strangers) {
            self.shop.source.doubts().notify_one();
        }
        self.strangers = strangers;
        listing
    }

    /// Who else is there.
    pub(super) fn greet(&mut self, listing: &Listing, now: Instant) {
        let me = self.shop.config.worker_id();
        let failover = self.shop.config.leasing.failover;
        let changes = self
            .peers
            .on_scan(me, &listing.leases, &self.observed, failover, now);
        for worker_id in changes.joined {
            info!(worker_id = %worker_id, "worker joined");
            self.shop.bell.ring(ConsumerEvent::WorkerJoined { worker_id });
        }
        for worker_id in changes.left {
            info!(worker_id = %worker_id, "worker left");
            self.shop.bell.ring(ConsumerEvent::WorkerLeft { worker_id });
        }
        let expired = |lease: &&Lease| {
            lease.actual_owner().is_some() && self.observed.expired(&lease.key, failover, now)
        };
        let counters = &self.shop.counters;
        counters.set(Metric::TotalLeases, listing.leases.len());
        counters.set(
            Metric::ExpiredLeases,
            listing.leases.iter().filter(expired).count(),
        );
        counters.set(Metric::UnreadableLeases, listing.skipped.len());
        self.coming.on_look(&listing.leases, me);
        let named = |lease: &Lease| lease.actual_owner() == Some(me);
        let led = self.membership.borrow().assignment() == Assignment::Leader;
        let expecting = !self.coming.is_empty() || (led && !listing.leases.iter().any(named));
        let rows = u32::try_from(listing.leases.len()).unwrap_or(u32::MAX);
        self.sight = Sight {
            rows,
            in_company: self.in_company(),
            at_rest: false,
            on_lookout: self.is_on_lookout(led),
            expecting_since: expecting.then(|| self.sight.expecting_since.unwrap_or(now)),
            next_expiry: match &self.company {
                Some(company) => company.next_expiry(me, now),
                None if led => self.observed.next_expiry(lies_until(failover, rows), now),
                None => self.observed.next_expiry(failover, now),
            },
        };
        if self.rounds == 0 {
            self.came_second = listing.leases.iter().any(named);
        }
    }

    pub(super) fn report_skipped(&mut self, listing: &Listing) {
        if listing.skipped.len() != self.skipped {
            for row in &listing.skipped {
                let key = row.key.as_ref().map_or("", LeaseKey::as_str);
                warn!(
                    lease_key = key,
                    attribute = row.attribute,
                    error = row.reason,
                    "lease row cannot be read, nobody will take it"
                );
                self.shop.bell.ring(ConsumerEvent::RowUnreadable {
                    lease_key: row.key.clone(),
                    attribute: row.attribute,
                });
            }
            self.skipped = listing.skipped.len();
        }
    }

    /// Whether everything that can be read is held here already, and nobody asks for it.
    pub(super) fn is_at_rest(&self, listing: &Listing, held: &HashSet<LeaseKey>) -> bool {
        let me = self.shop.config.worker_id();
        let is_mine = |lease: &Lease| lease.owner.as_ref() == Some(me) && !lease.hand_over_pending();
        let rests = |lease: &Lease| held.contains(&lease.key) && is_mine(lease);
        let is_idle = |lease: &Lease| lease.is_finished() || self.unfinished.blocks(lease);
        listing.leases.iter().all(|lease| rests(lease) || is_idle(lease))
    }

    /// Whether other workers were there at the last look.
    pub(super) fn in_company(&self) -> bool {
        let others = |company: &Company| company.has_others(self.shop.config.worker_id());
        !self.peers.is_empty() || self.company.as_ref().is_some_and(others)
    }

    pub(super) fn snapshot(&self, listing: &Listing, held: &HashSet<LeaseKey>, now: Instant) -> Snapshot {
        let leasing = &self.shop.config.leasing;
        let patience = Patience {
            failover: leasing.failover,
            hand_over: leasing.hand_over_timeout,
            neglect: match self.membership.borrow().assignment() {
                Assignment::Each => leasing.failover,
                Assignment::Leader => leaders_time(leasing.failover, self.sight.rows),
            },
        };
        let me = self.shop.config.worker_id().clone();
        let unfettered = match self.shop.config.children {
            ChildShards::AtOnce => Some(listing.without_parents()),
            ChildShards::AfterParents => None,
        };
        let listing = unfettered.as_ref().unwrap_or(listing);
        Snapshot::new(me, listing, held, &self.observed, patience, now)
    }
}
