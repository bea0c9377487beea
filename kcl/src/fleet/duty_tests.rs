use super::super::fixture::{follow, lease, single_table, supporting, three_tables, wall};
use super::super::{Intent, SeparateTables, identify};
use super::*;
use crate::lease::Lease;

struct Leader {
    watch: DutyWatch,
    intent: Intent,
    start: Instant,
}

impl Leader {
    #[expect(clippy::disallowed_methods, reason = "any moment will do to count from")]
    fn new(migrate_all: bool) -> Self {
        Self {
            watch: DutyWatch::new(Bake::default()),
            intent: Intent {
                migrate_all,
                ..follow()
            },
            start: Instant::now(),
        }
    }

    /// What is owed after so many seconds, when the tables look so.
    fn at(&mut self, second: u64, survey: &Survey) -> Option<Duty> {
        let fleet = identify(survey, &self.intent, wall()).unwrap();
        self.watch
            .on_survey(&fleet, survey, wall(), self.start + Duration::from_secs(second))
    }
}

const FLIP: Option<Duty> = Some(Duty::AdvanceVersion(ClientVersion::ThreeXWithRollback));
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

fn upgrading() -> Survey {
    single_table(ClientVersion::UpgradeFrom2x, &["java-1", "java-2"])
}

#[test]
fn a_fleet_that_was_ready_for_ten_minutes_goes_on_to_3x() {
    let mut leader = Leader::new(false);
    assert_eq!(leader.at(0, &upgrading()), None);
    assert_eq!(leader.at(599, &upgrading()), None);
    assert_eq!(leader.at(600, &upgrading()), FLIP);
    assert_eq!(leader.at(601, &upgrading()), FLIP, "until it is written");
}

#[test]
fn what_is_not_ready_starts_the_wait_anew() {
    let mut no_index = upgrading();
    no_index.index = IndexState::Coming;
    let mut silent = upgrading();
    silent.beside.workers.pop();
    let mut stale = upgrading();
    stale.beside.workers[0].updated_at_s -= 61;
    for unready in [no_index, silent, stale] {
        let mut leader = Leader::new(false);
        assert_eq!(leader.at(0, &upgrading()), None);
        assert_eq!(leader.at(300, &unready), None);
        assert_eq!(leader.at(600, &upgrading()), None);
        assert_eq!(leader.at(1199, &upgrading()), None);
        assert_eq!(leader.at(1200, &upgrading()), FLIP);
    }
}

#[test]
fn a_lease_without_owner_holds_nobody_up() {
    let mut survey = upgrading();
    survey.leases.push(Lease {
        owner: None,
        ..lease(9, "x")
    });
    let mut leader = Leader::new(false);
    assert_eq!(leader.at(0, &survey), None);
    assert_eq!(leader.at(600, &survey), FLIP);
}

#[test]
fn no_other_state_is_flipped() {
    for version in [
        ClientVersion::TwoX,
        ClientVersion::ThreeXWithRollback,
        ClientVersion::ThreeX,
    ] {
        let survey = single_table(version, &["java-1"]);
        let mut leader = Leader::new(false);
        assert_eq!(
            (leader.at(0, &survey), leader.at(DAY, &survey)),
            (None, None),
            "{version:?}"
        );
    }
}

fn separate(survey: &mut Survey) -> &mut super::super::FleetRows {
    match &mut survey.separate {
        SeparateTables::Present(rows) => rows,
        other => panic!("{other:?}"),
    }
}

fn three(migration: Option<TableMigration>, supporters: &[&str]) -> Survey {
    let mut survey = three_tables(ClientVersion::ThreeX, &["java-1", "java-2"], migration);
    for row in &mut separate(&mut survey).workers {
        if supporters.contains(&row.worker.as_str()) {
            *row = supporting(row.worker.as_str());
        }
    }
    survey
}

#[test]
fn everybody_must_have_said_for_an_hour_that_it_understands() {
    let all = ["java-1", "java-2"];
    let duties = [
        (None, Duty::CreateMigration(TableMigration::Deployed)),
        (
            Some(TableMigration::Init),
            Duty::AdvanceMigration(TableMigration::Deployed),
        ),
    ];
    for (stored, duty) in duties {
        let mut leader = Leader::new(false);
        assert_eq!(leader.at(0, &three(stored, &all)), None);
        assert_eq!(leader.at(HOUR - 1, &three(stored, &all)), None);
        assert_eq!(leader.at(HOUR, &three(stored, &all)), Some(duty));
        assert_eq!(
            leader.at(HOUR + 1, &three(stored, &all[..1])),
            None,
            "one of 3.4 came back"
        );
        assert_eq!(leader.at(HOUR + 2, &three(stored, &all)), None);
    }
}

#[test]
fn a_code_that_older_software_left_behind_does_not_count() {
    let mut survey = three(None, &["java-1", "java-2"]);
    separate(&mut survey).workers[0].support_at_s = Some(supporting("x").updated_at_s - 91);
    let mut leader = Leader::new(false);
    assert_eq!((leader.at(0, &survey), leader.at(DAY, &survey)), (None, None));
}

/// As above, the metrics of these workers moved into the lease table.
fn moved(migration: TableMigration, workers: &[&str]) -> Survey {
    let mut survey = three(Some(migration), &["java-1", "java-2"]);
    separate(&mut survey)
        .workers
        .retain(|row| !workers.contains(&row.worker.as_str()));
    survey.beside.workers = workers.iter().map(|worker| supporting(worker)).collect();
    survey
}

#[test]
fn rows_move_when_the_last_worker_writes_them_elsewhere() {
    let mut leader = Leader::new(true);
    assert_eq!(leader.at(0, &moved(TableMigration::Deployed, &["java-1"])), None);
    let all = moved(TableMigration::Deployed, &["java-1", "java-2"]);
    assert_eq!(leader.at(1, &all), Some(Duty::MoveCoordination));
    assert_eq!(Leader::new(false).at(1, &all), None, "not told to");
}

#[test]
fn a_migration_is_complete_after_a_day_and_goes_back_before() {
    let all = moved(TableMigration::Pending, &["java-1", "java-2"]);
    let mut leader = Leader::new(true);
    assert_eq!(leader.at(0, &all), None);
    assert_eq!(leader.at(DAY - 1, &all), None);
    assert_eq!(leader.at(DAY, &all), Some(Duty::CompleteMigration));
    let one = moved(TableMigration::Pending, &["java-1"]);
    let back = Some(Duty::AdvanceMigration(TableMigration::Deployed));
    assert_eq!(leader.at(DAY + 1, &one), back);
    assert_eq!(leader.at(DAY + 2, &all), None, "the wait starts anew");
    assert_eq!(leader.at(2 * DAY + 2, &all), Some(Duty::CompleteMigration));
}

#[test]
fn the_last_wait_has_bounds() {
    let all = moved(TableMigration::Pending, &["java-1", "java-2"]);
    let mut leader = Leader::new(true);
    leader.watch = DutyWatch::new(Bake {
        complete: Duration::ZERO,
        ..Bake::default()
    });
    assert_eq!(leader.at(0, &all), None);
    assert_eq!(leader.at(HOUR - 1, &all), None);
    assert_eq!(leader.at(HOUR, &all), Some(Duty::CompleteMigration));
}
