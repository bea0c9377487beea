//! Joining a fleet: reading what it is, writing what is to be written first, and following it where it goes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use crate::error::{RunError, StoreError};
use crate::events::ConsumerEvent;
use crate::fleet::doubts::Doubts;
use crate::fleet::{
    Assignment, Duty, DutyWatch, Fleet, FleetError, Home, IndexState, IndexUse, Intent, StateKind, StateRow,
    StateWrite, Survey, TableMigration, identify,
};
use crate::leader::shuffle::elected;
use crate::process::hands::Workshop;
use crate::process::keeper::chain;
use crate::processor::RecordProcessorFactory;
use crate::source::Source;

/// What the fleet is, for all tasks of the worker. Changes when the fleet moves.
pub(super) type Membership = watch::Sender<Fleet>;

/// Why a fleet cannot be joined.
#[derive(Debug)]
pub(super) enum JoinError {
    Store(StoreError),
    Fatal(RunError),
}

impl From<StoreError> for JoinError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl std::fmt::Display for JoinError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Fatal(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for JoinError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => error.source(),
            Self::Fatal(error) => error.source(),
        }
    }
}

impl JoinError {
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_retryable())
    }
}

/// Finds out what the fleet is and takes the first step in it.
pub(super) async fn join<S: Source, F: RecordProcessorFactory>(
    shop: &Workshop<S, F>,
) -> Result<(Fleet, Survey), JoinError> {
    let intent = intent(shop);
    for _ in 0..RACES {
        let survey = shop.store.survey().await?;
        let fleet =
            identify(&survey, &intent, shop.config.wall_clock.now()).map_err(|error| fatal(shop, error))?;
        if let Some(write) = fleet.first_write()
            && !write_first(shop, &fleet, &survey, write).await?
        {
            // Another worker was faster: what it wrote counts.
            continue;
        }
        build_index(shop, &fleet, &survey).await;
        info!(fleet = ?fleet.kind(), version = ?fleet.version(), "fleet joined");
        return Ok((fleet, survey));
    }
    let table = shop.config.lease_table_name().to_owned();
    let (operation, source) = ("PutItem", "other workers keep changing the fleet's state".into());
    Err(JoinError::Store(StoreError::Unavailable {
        operation,
        table,
        source,
    }))
}

async fn write_first<S: Source, F>(
    shop: &Workshop<S, F>,
    fleet: &Fleet,
    survey: &Survey,
    write: StateWrite,
) -> Result<bool, StoreError> {
    let (me, home) = (shop.config.worker_id(), fleet.home());
    match write {
        StateWrite::Create { kind, value } => {
            let row = StateRow::first(value, me, shop.config.wall_clock.now());
            shop.store.create_state(home, kind, &row).await
        }
        StateWrite::Advance { kind, value } => match survey.state(kind) {
            Some(read) => {
                let next = read.next(value, me, shop.config.wall_clock.now());
                shop.store.advance_state(home, kind, read, &next).await
            }
            None => Ok(false),
        },
    }
}

/// Looks now and then whether the fleet has moved, until it has arrived. Ends with what forbids to go on.
/// Whoever leads moves the fleet on when it is ready.
pub(super) async fn follow<S: Source, F: RecordProcessorFactory>(
    shop: Arc<Workshop<S, F>>,
    membership: Arc<Membership>,
    leads: watch::Receiver<bool>,
) -> RunError {
    let mut duties = DutyWatch::new(shop.config.membership.bake);
    let mut advised = shop.config.membership.index_of_owners;
    let mut doubts = Doubts::default();
    loop {
        let fleet = membership.borrow().clone();
        let Some(pause) = fleet.watch() else {
            watch_index(&shop, &fleet).await;
            return std::future::pending().await;
        };
        let pause = match doubts.are_about(fleet.held_back_by()) {
            true => pause.min(Doubts::pause(shop.config.leasing.failover)),
            false => pause,
        };
        sleep(pause).await;
        let survey = match shop.store.survey().await {
            Ok(survey) => survey,
            Err(error) => {
                warn!(error = %chain(&error), "fleet's state cannot be read");
                continue;
            }
        };
        let (next, changes) = match fleet.follow(&survey, &intent(&shop), shop.config.wall_clock.now()) {
            Ok(followed) => followed,
            Err(source) => {
                if let FleetError::NotPrivate { source: reason } = &source {
                    let reason = reason.clone();
                    shop.bell.ring(ConsumerEvent::NoLongerPrivate { reason });
                }
                let table = shop.config.lease_table_name().to_owned();
                return RunError::Fleet { table, source };
            }
        };
        let now = Instant::now().into_std();
        for older in doubts.on_look(next.held_back_by(), &survey.leases, now) {
            warn!(worker_id = %older, "keeps to the ways of KCL 2.x because of a worker that knows no others");
        }
        for change in &changes {
            info!(change = ?change, "fleet has moved");
        }
        if let Some(write) = next.first_write()
            && let Err(error) = write_first(&shop, &next, &survey, write).await
        {
            warn!(error = %chain(&error), "fleet's state cannot be written");
            continue;
        }
        build_index(&shop, &next, &survey).await;
        if !advised && next.lacks_index(&survey) {
            advised = true;
            info!(
                leases = survey.leases.len(),
                "no index of owners: leases that change hands may wait for seconds until this worker looks at so large a table again; \
                 `index_of_owners` has the index built"
            );
        }
        let leads = match next.assignment() {
            Assignment::Leader => *leads.borrow(),
            Assignment::Each => elected(&survey.leases) == Some(shop.config.worker_id()),
        };
        if leads
            && let Some(duty) = duties.on_survey(
                &next,
                &survey,
                shop.config.wall_clock.now(),
                Instant::now().into_std(),
            )
        {
            match fulfil(&shop, &next, &survey, duty).await {
                Ok(done) => info!(duty = ?duty, done, "fleet's next step"),
                Err(error) => warn!(error = %chain(&error), duty = ?duty, "fleet's next step failed"),
            }
        }
        membership.send_modify(|fleet| *fleet = next);
    }
}

/// Has the index of owners built, if the fleet or this worker wants one and there is none. A worker can do without: what refuses it is told, and
/// tried again with the next look.
async fn build_index<S: Source, F>(shop: &Workshop<S, F>, fleet: &Fleet, survey: &Survey) {
    let wanted = fleet.index() != IndexUse::Leave || shop.config.membership.index_of_owners;
    if wanted
        && survey.index == IndexState::Absent
        && let Err(error) = shop.store.create_index().await
    {
        warn!(error = %chain(&error), "index of owners cannot be made");
    }
}

/// Of a fleet that has arrived: until the index is there, or is not for us to make.
async fn watch_index<S: Source, F>(shop: &Workshop<S, F>, fleet: &Fleet) {
    while fleet.index() != IndexUse::Leave {
        sleep(INDEX_WATCH).await;
        let made = match shop.store.index().await {
            Ok(IndexState::Active) => return,
            Ok(IndexState::Coming) => continue,
            Ok(IndexState::Absent) => shop.store.create_index().await.map(drop),
            Err(error) => Err(error),
        };
        match made {
            Err(error) if !error.is_retryable() => return,
            Err(error) => debug!(error = %chain(&error), "index of owners cannot be made"),
            Ok(()) => {}
        }
    }
}

/// Takes the fleet's next step in its name. `false`: somebody else changed what it rests on.
async fn fulfil<S: Source, F>(
    shop: &Workshop<S, F>,
    fleet: &Fleet,
    survey: &Survey,
    duty: Duty,
) -> Result<bool, StoreError> {
    let (store, me) = (&shop.store, shop.config.worker_id());
    let separate = Home::SeparateTables;
    let migration = StateKind::TableMigration;
    let written = survey
        .separate_rows()
        .and_then(|rows| rows.table_migration.as_ref());
    match (duty, written) {
        (Duty::AdvanceVersion(version), _) => {
            let kind = StateKind::ClientVersion;
            match (survey.state(kind), version.stored()) {
                (Some(read), Some(value)) => {
                    let next = read.next(value, me, shop.config.wall_clock.now());
                    store.advance_state(fleet.home(), kind, read, &next).await
                }
                _ => Ok(false),
            }
        }
        (Duty::CreateMigration(next), _) => {
            let row = StateRow::first(next.stored(), me, shop.config.wall_clock.now());
            store.create_state(separate, migration, &row).await
        }
        (Duty::AdvanceMigration(next), Some(read)) => {
            let row = read.next(next.stored(), me, shop.config.wall_clock.now());
            store.advance_state(separate, migration, read, &row).await
        }
        (Duty::MoveCoordination, Some(read)) => {
            let leader = store.leader(fleet.leader_home()).await?;
            let Some(leader) = leader.filter(|row| row.owner == *me) else {
                return Ok(false);
            };
            if store.move_coordination(&leader).await?.is_none() {
                return Ok(false);
            }
            let row = read.next(TableMigration::Pending.stored(), me, shop.config.wall_clock.now());
            store.advance_state(separate, migration, read, &row).await
        }
        (Duty::CompleteMigration, Some(read)) => {
            let row = read.next(
                TableMigration::Complete.stored(),
                me,
                shop.config.wall_clock.now(),
            );
            store.complete_migration(read, &row).await
        }
        _ => Ok(false),
    }
}

fn intent<S: Source, F>(shop: &Workshop<S, F>) -> Intent {
    let membership = &shop.config.membership;
    let mut intent = Intent::follow(shop.config.worker_id().clone());
    intent.version = membership.version;
    intent.new_fleet = membership.new_fleet;
    intent.migrate_all = membership.migrate_all;
    intent.private = membership.private;
    intent
}

fn fatal<S: Source, F>(shop: &Workshop<S, F>, source: FleetError) -> JoinError {
    let table = shop.config.lease_table_name().to_owned();
    JoinError::Fatal(RunError::Fleet { table, source })
}

/// Ours: the index is an economy, and takes minutes to come.
const INDEX_WATCH: Duration = Duration::from_secs(60);
/// Ours: of so many workers that start at once all but the first read what it wrote.
const RACES: u32 = 5;
