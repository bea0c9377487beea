//! A lease table with the conditions of the real one, and a count of what it was asked.

use std::collections::BTreeMap;

use kcl::ShardId;
use kcl::assign::central::liveness::WorkerReport;
use kcl::assign::central::rounds::Unless;
use kcl::fleet::LeaderRow;
use kcl::leader::lock::Over;
use kcl::lease::{Lease, LeaseKey, WorkerId};
use kcl::position::Checkpoint;
use kcl::store::{Listing, Renewal};

/// Rows by ordinal, so that nothing is looked up.
pub(crate) struct Table {
    pub(crate) rows: Vec<Lease>,
    pub(crate) lock: Option<LeaderRow>,
    pub(crate) reports: BTreeMap<WorkerId, WorkerReport>,
    pub(crate) requests: Requests,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Requests {
    pub(crate) heartbeats: u64,
    pub(crate) scans: u64,
    pub(crate) lock: u64,
    pub(crate) reports: u64,
    pub(crate) discovery: u64,
    pub(crate) changes: u64,
}

impl Requests {
    pub(crate) fn all(&self) -> u64 {
        self.heartbeats + self.scans + self.lock + self.reports + self.discovery + self.changes
    }
}

impl Table {
    pub(crate) fn new(leases: usize) -> Self {
        let lease = |n: usize| {
            let shard = ShardId::from_number(n as u64);
            let mut lease = Lease::new(LeaseKey::of_shard(&shard), Checkpoint::TrimHorizon);
            // Most alike, some heavy, some idle.
            lease.throughput_kbps = Some([0.0, 300.0, 90.0, 100.0, 110.0, 100.0, 95.0, 105.0][n % 8]);
            lease
        };
        Self {
            rows: (0..leases).map(lease).collect(),
            lock: None,
            reports: BTreeMap::new(),
            requests: Requests::default(),
        }
    }

    pub(crate) fn scan(&mut self) -> Listing {
        // Pages of 1 MiB, rows of 600 bytes.
        self.requests.scans += (self.rows.len() as u64 * 600).div_ceil(1 << 20).max(1);
        Listing {
            leases: self.rows.clone(),
            skipped: Vec::new(),
        }
    }

    /// What the index and the rows behind it say is mine, and not on its way.
    pub(crate) fn discover(&mut self, me: &WorkerId) -> Vec<usize> {
        self.requests.discovery += 1;
        let mine = |lease: &Lease| lease.owner.as_ref() == Some(me) && lease.checkpoint_owner.is_none();
        (0..self.rows.len()).filter(|n| mine(&self.rows[*n])).collect()
    }

    pub(crate) fn take(&mut self, n: usize, counter: u64, me: &WorkerId) -> Option<Lease> {
        self.requests.changes += 1;
        let row = &mut self.rows[n];
        if row.counter != counter {
            return None;
        }
        row.owner = Some(me.clone());
        row.checkpoint_owner = None;
        row.counter += 1;
        Some(row.clone())
    }

    pub(crate) fn renew(&mut self, n: usize, held: &Lease) -> Renewal {
        self.requests.heartbeats += 1;
        let row = &mut self.rows[n];
        let asked = row.checkpoint_owner.is_some() && held.checkpoint_owner.is_none();
        if row.counter != held.counter || row.actual_owner() != held.actual_owner() {
            return Renewal::Lost(None);
        }
        if asked {
            return Renewal::HandOverRequested(row.clone());
        }
        row.counter += 1;
        Renewal::Held(row.clone())
    }

    pub(crate) fn assign(&mut self, n: usize, read: &Lease, to: &WorkerId, unless: Unless) -> bool {
        let row = &mut self.rows[n];
        self.requests.changes += 1;
        let owners = row.owner == read.owner && row.checkpoint_owner == read.checkpoint_owner;
        if !owners || (unless == Unless::Renewed && row.counter != read.counter) {
            return false;
        }
        row.owner = Some(to.clone());
        row.checkpoint_owner = None;
        row.counter += 1;
        true
    }

    pub(crate) fn ask(&mut self, n: usize, from: &WorkerId, to: &WorkerId) -> bool {
        let row = &mut self.rows[n];
        self.requests.changes += 1;
        if row.owner.as_ref() != Some(from) || row.checkpoint_owner.is_some() {
            return false;
        }
        row.checkpoint_owner = Some(from.clone());
        row.owner = Some(to.clone());
        true
    }

    /// The owner gives it to somebody or to nobody, if the row is as it knows it.
    pub(crate) fn give(&mut self, n: usize, held: &Lease, to: Option<&WorkerId>) -> bool {
        let row = &mut self.rows[n];
        self.requests.changes += 1;
        if row.owner != held.owner || row.checkpoint_owner != held.checkpoint_owner {
            return false;
        }
        row.owner = to.cloned();
        row.checkpoint_owner = None;
        row.counter += 1;
        true
    }

    pub(crate) fn read_lock(&mut self) -> Option<LeaderRow> {
        self.requests.lock += 1;
        self.lock.clone()
    }

    pub(crate) fn acquire_lock(&mut self, over: &Over, row: LeaderRow) -> bool {
        self.requests.lock += 1;
        let allowed = over.allows(self.lock.as_ref());
        if allowed {
            self.lock = Some(row);
        }
        allowed
    }

    /// `None` deletes it.
    pub(crate) fn change_lock(&mut self, me: &WorkerId, version: &str, fresh: Option<LeaderRow>) -> bool {
        self.requests.lock += 1;
        let mine = |row: &LeaderRow| row.owner == *me && row.version == version;
        let allowed = self.lock.as_ref().is_some_and(mine);
        if allowed {
            self.lock = fresh;
        }
        allowed
    }

    pub(crate) fn bury(&mut self, worker: &WorkerId, written_at: u64) {
        self.requests.reports += 1;
        if self
            .reports
            .get(worker)
            .is_some_and(|report| report.updated_at == written_at)
        {
            self.reports.remove(worker);
        }
    }

    /// What a worker that left gives anew, or frees, of what nobody would take.
    pub(crate) fn give_stray(&mut self, stray: &Lease, to: Option<&WorkerId>) {
        let key = &stray.key;
        let n = self
            .rows
            .iter()
            .position(|row| row.key == *key)
            .expect("a lease of this table");
        self.give(n, stray, to);
    }

    pub(crate) fn report(&mut self, worker: &WorkerId, wall: u64) {
        self.requests.reports += 1;
        let report = WorkerReport {
            worker: worker.clone(),
            updated_at: wall,
            gauges: Vec::new(),
        };
        self.reports.insert(worker.clone(), report);
    }
}
