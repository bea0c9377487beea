//! What a fleet is, and what one of its workers may write and do.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use super::error::FleetError;
use super::identify::{Intent, identify};
use super::migration::TableMigration;
use super::rows::{Home, IndexState, Survey};
use super::state::StateKind;
use super::version::ClientVersion;
use crate::lease::WorkerId;
use crate::lease::scan_pace::is_large;

/// What the tables say a fleet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FleetKind {
    /// Nobody has been here.
    New,
    /// Workers of 2.x, or of this crate in their way.
    TwoX,
    /// 2.x behaviour, on the way to 3.x.
    Upgrading,
    /// 2.x behaviour, after 3.x was tried.
    RolledBack,
    /// 3.x behaviour, with a way back.
    ThreeXWithRollback,
    /// 3.x behaviour.
    ThreeX,
    /// Workers of this crate alone, one heartbeat each.
    Private,
}

/// Who decides who gets which lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Assignment {
    /// Each worker takes for itself (KCL 2.x: lease taker).
    Each,
    /// The one whose row is `Leader` (KCL 3.x: lease assignment manager). Others take nothing by themselves.
    Leader,
}

/// Of whom a lease may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HandOvers {
    /// Of owners known to be of this crate; see [`Lease::owner_is_of_this_crate`](crate::lease::Lease::owner_is_of_this_crate). A
    /// worker in 2.x behaviour does not notice that it is asked.
    OfThisCrate,
    /// Of everybody.
    OfAll,
}

/// What to do about the index of owners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IndexUse {
    /// Leave it alone.
    Leave,
    /// Have it built, and do not use it yet.
    Build,
    /// Have it built, and find one's leases by it.
    Ask,
}

/// How others see that a worker lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HeartbeatUse {
    /// By the counter of each of its leases.
    EachLease,
    /// By its own row.
    EachWorker,
}

/// A state that this worker has to write before it does anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StateWrite {
    /// There is no row yet. If another worker is faster, identify again.
    Create {
        /// Which machine.
        kind: StateKind,
        /// Its value.
        value: &'static str,
    },
    /// The row has an earlier value.
    Advance {
        /// Which machine.
        kind: StateKind,
        /// Its next value.
        value: &'static str,
    },
}

/// A fleet as this worker takes part in it; from [`identify`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Fleet {
    pub(super) kind: FleetKind,
    pub(super) version: ClientVersion,
    pub(super) migration: TableMigration,
    pub(super) write: Option<StateWrite>,
    pub(super) held_back: BTreeSet<WorkerId>,
    pub(super) single_crate: bool,
    pub(super) private: bool,
}

/// What a worker has to change when the fleet has moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Change {
    /// Others decide who gets which lease.
    Assignment(Assignment),
    /// Begin, or stop, to report metrics.
    Metrics(bool),
    /// Metrics and states are written there from now on.
    Rows(Home),
    /// The leader's row counts there from now on: who leads gives the old one up, and everybody tries anew.
    LeaderRow(Home),
    /// The index of owners.
    Index(IndexUse),
    /// Of whom to ask leases.
    HandOvers(HandOvers),
}

impl Fleet {
    pub(super) fn private() -> Self {
        Self {
            kind: FleetKind::Private,
            version: ClientVersion::Init,
            migration: TableMigration::Complete,
            write: None,
            held_back: BTreeSet::new(),
            single_crate: true,
            private: true,
        }
    }

    /// What the tables say it is.
    #[must_use]
    pub fn kind(&self) -> FleetKind {
        self.kind
    }

    /// The behaviour of this worker in it.
    #[must_use]
    pub fn version(&self) -> ClientVersion {
        self.version
    }

    /// How far the migration to one table counts for this worker.
    #[must_use]
    pub fn migration(&self) -> TableMigration {
        self.migration
    }

    /// What to write before anything else.
    #[must_use]
    pub fn first_write(&self) -> Option<StateWrite> {
        self.write
    }

    /// Workers because of whom this one keeps to 2.x behaviour although it was told otherwise: they hold leases and are
    /// not known to read anything else. When they are gone, [`follow`](Self::follow) goes on.
    #[must_use]
    pub fn held_back_by(&self) -> &BTreeSet<WorkerId> {
        &self.held_back
    }

    /// Who decides who gets which lease.
    #[must_use]
    pub fn assignment(&self) -> Assignment {
        if self.version.has_assigner() {
            Assignment::Leader
        } else {
            Assignment::Each
        }
    }

    /// Whether this worker may hold the leader's row.
    #[must_use]
    pub fn may_lead(&self) -> bool {
        self.version.has_assigner()
    }

    /// Whether this worker writes its metrics row, each 30 s; without it nobody gives it leases, and a fleet on its way
    /// to 3.x waits for it.
    #[must_use]
    pub fn reports_metrics(&self) -> bool {
        self.version.reports_metrics()
    }

    /// Where metrics and states are written.
    #[must_use]
    pub fn home(&self) -> Home {
        self.migration.home()
    }

    /// Where the leader's row counts.
    #[must_use]
    pub fn leader_home(&self) -> Home {
        self.migration.leader_home()
    }

    /// Whether anything but leases may be written into the lease table.
    #[must_use]
    pub fn writes_beside_leases(&self) -> bool {
        self.private || (self.version != ClientVersion::Init && self.home() == Home::LeaseTable)
    }

    /// Of whom leases may be asked.
    #[must_use]
    pub fn hand_overs(&self) -> HandOvers {
        if self.private || self.version.has_assigner() {
            HandOvers::OfAll
        } else {
            HandOvers::OfThisCrate
        }
    }

    /// Whether every owner that can be seen is of this crate, or says that it understands all kinds of rows.
    #[must_use]
    pub fn has_no_older_peer(&self) -> bool {
        self.single_crate
    }

    /// What to do about the index.
    #[must_use]
    pub fn index(&self) -> IndexUse {
        match self.version {
            ClientVersion::Init | ClientVersion::TwoX => IndexUse::Leave,
            ClientVersion::UpgradeFrom2x => IndexUse::Build,
            ClientVersion::ThreeXWithRollback | ClientVersion::ThreeX => IndexUse::Ask,
        }
    }

    /// Whether hand-overs would be noticed sooner with an index that this fleet does not have built by itself: its table is so large
    /// that workers seldom look at all of it.
    pub(crate) fn lacks_index(&self, survey: &Survey) -> bool {
        let rows = u32::try_from(survey.leases.len()).unwrap_or(u32::MAX);
        let by_leases = self.heartbeats() == HeartbeatUse::EachLease && self.index() == IndexUse::Leave;
        by_leases && survey.index == IndexState::Absent && is_large(rows)
    }

    /// How others see that this worker lives.
    #[must_use]
    pub fn heartbeats(&self) -> HeartbeatUse {
        if self.private {
            HeartbeatUse::EachWorker
        } else {
            HeartbeatUse::EachLease
        }
    }

    /// How often to look whether the fleet has moved. `None`: it has arrived, and does not move any more.
    #[must_use]
    pub fn watch(&self) -> Option<Duration> {
        let arrived = self.version == ClientVersion::ThreeX && self.migration == TableMigration::Complete;
        let pause = match self.heartbeats() {
            HeartbeatUse::EachLease => WATCH,
            HeartbeatUse::EachWorker => PRIVATE_WATCH,
        };
        (!arrived).then_some(pause)
    }

    /// The fleet as it is now, and what this worker has to change.
    ///
    /// # Errors
    /// As [`identify`]; and [`FleetError::WentBack`] when a fleet that had arrived is said to be elsewhere.
    pub fn follow(
        &self,
        survey: &Survey,
        intent: &Intent,
        now: SystemTime,
    ) -> Result<(Self, Vec<Change>), FleetError> {
        let next = identify(survey, intent, now)?;
        let went_back = |from, to| Err(FleetError::WentBack { from, to });
        if self.version == ClientVersion::ThreeX && next.version != ClientVersion::ThreeX {
            return went_back(self.version.name(), next.version.name());
        }
        if self.migration == TableMigration::Complete && next.migration != TableMigration::Complete {
            return went_back(self.migration.stored(), next.migration.stored());
        }
        let changes = self.changes_to(&next);
        Ok((next, changes))
    }

    fn changes_to(&self, next: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut note = |moved: bool, change| changes.extend(Some(change).filter(|_| moved));
        note(self.home() != next.home(), Change::Rows(next.home()));
        note(
            self.leader_home() != next.leader_home(),
            Change::LeaderRow(next.leader_home()),
        );
        note(
            self.reports_metrics() != next.reports_metrics(),
            Change::Metrics(next.reports_metrics()),
        );
        note(self.index() != next.index(), Change::Index(next.index()));
        note(
            self.assignment() != next.assignment(),
            Change::Assignment(next.assignment()),
        );
        note(
            self.hand_overs() != next.hand_overs(),
            Change::HandOvers(next.hand_overs()),
        );
        changes
    }
}

/// Source: KCL 3.x, workers look at `Migration3.0` each 60 s.
pub(crate) const WATCH: Duration = Duration::from_secs(60);
/// Ours: rows in the lease table are seen with each look at it, so this is for other tables only.
pub(crate) const PRIVATE_WATCH: Duration = Duration::from_secs(300);
