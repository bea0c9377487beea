//! Between two looks at a large table: what bears this worker's name by now, and what is on its way here.

use std::collections::HashSet;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use tokio::time::Instant;
use tracing::debug;

use super::Assigner;
use crate::assign::Plan;
use crate::assign::lookout::is_lookout;
use crate::coordinator::shards::Shards;
use crate::fleet::Assignment;
use crate::lease::scan_pace::is_large;
use crate::lease::{Lease, LeaseKey};
use crate::process::keeper::chain;
use crate::processor::RecordProcessorFactory;
use crate::source::Source;

impl<S: Source, F: RecordProcessorFactory> Assigner<S, F> {
    /// In a large table, takes the leases that others gave to this worker since the last look at all of it. When to come again; `None`:
    /// it is time for such a look.
    pub(super) async fn discover(&mut self, shards: &mut Shards<S, F>) -> Option<Instant> {
        let now = Instant::now();
        let full_look = self.full_look?;
        if !self.looks_between() || self.twin.is_suspected() || now >= full_look {
            return None;
        }
        let held = shards.keys();
        let me = self.shop.config.worker_id().clone();
        let (named, asks_again) = match self.shop.store.list_owned(&me, &held).await {
            Ok(Some(named)) => {
                self.indexed = true;
                (named, true)
            }
            Ok(None) => {
                let arrived = self.arrived().await;
                self.indexed = false;
                (arrived, !self.coming.is_empty())
            }
            Err(error) => {
                debug!(error = %chain(&error), "own leases cannot be asked for, the whole table is read");
                return None;
            }
        };
        let room = self
            .shop
            .config
            .leasing
            .max_leases
            .get()
            .saturating_sub(held.len());
        let rows: Vec<Lease> = named
            .into_iter()
            .filter(|row| self.is_to_take(row, &held))
            .collect();
        let take = rows.iter().take(room).map(|row| row.key.clone()).collect();
        let plan = Plan {
            take,
            ..Plan::default()
        };
        let rows = rows.iter().map(|row| (&row.key, row)).collect();
        if let Err(error) = self.take(&plan, &rows, shards).await {
            debug!(error = %chain(&error), "own leases cannot be taken, the whole table is read");
            return None;
        }
        Some(match asks_again {
            true => (now + self.pace_between()).min(full_look),
            false => full_look,
        })
    }

    /// Whether there is anything between two looks at the whole table.
    pub(super) fn looks_between(&self) -> bool {
        is_large(self.sight.rows)
    }

    /// Whether this worker looks for all: where others are there and no leader who does, and who is given a lease finds it by the
    /// index.
    pub(super) fn is_on_lookout(&self, led: bool) -> bool {
        let me = self.shop.config.worker_id();
        let for_all = !led && self.indexed && self.company.is_none() && !self.peers.is_empty();
        for_all && is_lookout(me, self.peers.noticing())
    }

    pub(super) fn pace_between(&self) -> Duration {
        let led = self.membership.borrow().assignment() == Assignment::Leader;
        self.pace.between(led || self.in_company())
    }

    /// Others would be seen by a look at the whole table only, and something says that there is something to see.
    pub(in crate::coordinator) fn doubt(&mut self) {
        if self.membership.borrow().assignment() == Assignment::Each {
            self.full_look = None;
        }
    }

    fn is_to_take(&self, row: &Lease, held: &HashSet<LeaseKey>) -> bool {
        let is_read = self.shop.streams.borrow().of_key(&row.key).is_some();
        is_read && !held.contains(&row.key) && !row.is_finished()
    }

    /// Of the leases that were on their way here, those that are here.
    async fn arrived(&mut self) -> Vec<Lease> {
        let next = self.coming.next(ROWS_AT_ONCE);
        let store = &self.shop.store;
        let looks = next.into_iter().map(|key| async move {
            let row = store.get(&key).await;
            (key, row)
        });
        let looked: Vec<_> = stream::iter(looks).buffered(READS_AT_ONCE).collect().await;
        let me = self.shop.config.worker_id();
        let rows = looked.into_iter().filter_map(|(key, row)| match row {
            Ok(row) => self.coming.on_row(&key, row, me),
            Err(error) => {
                debug!(lease_key = %key, error = %chain(&error), "lease cannot be looked at");
                None
            }
        });
        rows.collect()
    }
}

/// Ours: a look at a thousand rows costs as many read units.
const ROWS_AT_ONCE: usize = 128;
/// Ours: as many as the rows that an index names.
const READS_AT_ONCE: usize = 20;
