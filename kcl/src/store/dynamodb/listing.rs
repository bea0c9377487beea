//! Whole tables, and the leases of one worker.

use std::collections::HashSet;

use futures::future::try_join_all;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::request::{Segment, call, is_denied, is_invalid};
use super::row::value::{Item, text};
use super::row::{self, LEASE_KEY};
use super::table::INDEX_NAME;
use super::{DynamoDbLeaseStore, IndexUse};
use crate::error::StoreError;
use crate::fleet::{FleetRows, SeparateTables};
use crate::lease::{Lease, LeaseKey, WorkerId};
use crate::store::Contents;

impl DynamoDbLeaseStore {
    /// The lease table in one pass; a large one in several parts at a time.
    pub(super) async fn scan_all(&self) -> Result<Contents, StoreError> {
        let total = self.segments();
        let segment = |number| async move {
            let mut contents = Contents::default();
            let segment = (total > 1).then_some(Segment { number, total });
            let pages = self
                .each_row(self.table(), segment, |item| row::sort_in(item, &mut contents))
                .await?;
            Ok::<_, StoreError>((contents, pages))
        };
        let mut all = Contents::default();
        let mut pages = 0;
        for (contents, more) in try_join_all((0..total).map(segment)).await? {
            merge(&mut all, contents);
            pages += more;
        }
        self.learned.pages_seen(pages);
        Ok(all)
    }

    fn segments(&self) -> i32 {
        match self.scan_segments {
            Some(fixed) => i32::from(fixed.get()),
            None => segments_for(self.learned.pages()),
        }
    }

    pub(super) async fn scan_separate(&self) -> Result<SeparateTables, StoreError> {
        let table = self.names.coordinator_table();
        let mut rows = FleetRows::default();
        let mut bad = Vec::new();
        let scanned = self
            .each_row(table, None, |item| {
                row::sort_coordinator_in(item, &mut rows, &mut bad);
            })
            .await;
        match scanned {
            Ok(_) => {}
            Err(StoreError::TableMissing { .. }) => return Ok(SeparateTables::Absent),
            Err(error) if is_denied(&error) => {
                return Ok(SeparateTables::Hidden {
                    table: table.to_owned(),
                });
            }
            Err(error) => return Err(error),
        }
        let metrics = self.names.worker_metrics_table();
        let scanned = self
            .each_row(metrics, None, |item| {
                row::sort_worker_in(item, &mut rows, &mut bad);
            })
            .await;
        match scanned {
            Ok(_) | Err(StoreError::TableMissing { .. }) => {}
            Err(error) => return Err(error),
        }
        rows.skipped = bad;
        Ok(SeparateTables::Present(rows))
    }

    /// KCL: lease discovery. `None`: the index cannot be asked now.
    pub(super) async fn leases_of(
        &self,
        worker: &WorkerId,
        known: &HashSet<LeaseKey>,
    ) -> Result<Option<Vec<Lease>>, StoreError> {
        if self.index_use().await != IndexUse::Query {
            return Ok(None);
        }
        let Some(keys) = self.query_owner(worker).await? else {
            return Ok(None);
        };
        // The index lags behind the rows.
        let news = keys.into_iter().filter(|key| !known.contains(key));
        let rows = stream::iter(news)
            .map(|key| async move {
                match self.read(&key).await {
                    // As in a listing: one broken row does not hide the others.
                    Err(StoreError::Row { .. }) => Ok(None),
                    answer => answer,
                }
            })
            .buffered(READS_AT_ONCE)
            .try_collect::<Vec<_>>()
            .await?;
        let rows = rows.into_iter().flatten();
        Ok(Some(rows.filter(|lease| is_for(lease, worker)).collect()))
    }

    /// The keys that the index has for a worker. `None`: it cannot be asked (any more).
    async fn query_owner(&self, worker: &WorkerId) -> Result<Option<Vec<LeaseKey>>, StoreError> {
        let mut keys = Vec::new();
        let mut start = None;
        loop {
            let answer = self
                .client
                .query()
                .table_name(self.table())
                .index_name(INDEX_NAME)
                .key_condition_expression("#owner = :owner")
                .expression_attribute_names("#owner", row::lease::LEASE_OWNER)
                .expression_attribute_values(":owner", text(worker.as_str()))
                .set_exclusive_start_key(start.take())
                .send()
                .await;
            let page = match answer {
                Ok(page) => page,
                // Removed by a rollback, or not allowed: there is always the table itself.
                Err(error) if is_invalid(&error) => {
                    self.learned.index_gone();
                    return Ok(None);
                }
                Err(error) => match call("Query", self.table()).failed(error) {
                    error if is_denied(&error) => {
                        self.learned.index_gone();
                        return Ok(None);
                    }
                    error => return Err(error),
                },
            };
            keys.extend(page.items().iter().filter_map(key_of));
            match page.last_evaluated_key {
                Some(key) if !key.is_empty() => start = Some(key),
                _ => return Ok(Some(keys)),
            }
        }
    }
}

fn key_of(item: &Item) -> Option<LeaseKey> {
    let text = item.get(LEASE_KEY)?.as_s().ok()?;
    Some(LeaseKey::new(text))
}

fn is_for(lease: &Lease, worker: &WorkerId) -> bool {
    lease.owner.as_ref() == Some(worker) && !lease.hand_over_pending()
}

fn merge(all: &mut Contents, more: Contents) {
    let Contents { listing, beside } = more;
    all.listing.leases.extend(listing.leases);
    all.listing.skipped.extend(listing.skipped);
    let rows = &mut all.beside;
    rows.workers.extend(beside.workers);
    rows.streams.extend(beside.streams);
    rows.heartbeats.extend(beside.heartbeats);
    rows.unknown += beside.unknown;
    // Each of these has one key, and so is in one segment.
    rows.leader = rows.leader.take().or(beside.leader);
    rows.client_version = rows.client_version.take().or(beside.client_version);
    rows.table_migration = rows.table_migration.take().or(beside.table_migration);
}

/// How many parts to read at a time, by the pages (1 MB each) of the scan before.
///
/// Source: KCL 3.5 reads one part for each 0.2 GB, 32 at most; it asks DescribeTable for the size.
fn segments_for(pages: usize) -> i32 {
    let parts = pages.div_ceil(PAGES_PER_SEGMENT).clamp(1, MAX_SEGMENTS);
    i32::try_from(parts).unwrap_or(1)
}

const PAGES_PER_SEGMENT: usize = 200;
const MAX_SEGMENTS: usize = 32;
/// Source: KCL 3.x reads the rows that the index names on a pool of 20.
const READS_AT_ONCE: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_tables_are_read_in_parts() {
        let cases = [
            (0, 1),
            (1, 1),
            (200, 1),
            (201, 2),
            (2000, 10),
            (6400, 32),
            (1_000_000, 32),
        ];
        for (pages, parts) in cases {
            assert_eq!(segments_for(pages), parts, "{pages}");
        }
    }
}
