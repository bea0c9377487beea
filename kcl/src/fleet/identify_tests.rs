use super::super::fixture::{
    follow, lease, me, of_ours, single_table, state, stored, three_tables, wall, with,
};
use super::super::{Assignment, HandOvers, Heartbeat, IndexState, IndexUse};
use super::*;
use crate::lease::LeaseKey;
use crate::store::SkippedRow;
use ClientVersion::{Init, ThreeX, ThreeXWithRollback, TwoX, UpgradeFrom2x};

fn fleet(survey: &Survey, intent: &Intent) -> Fleet {
    identify(survey, intent, wall()).unwrap()
}

fn refused(survey: &Survey, intent: &Intent) -> FleetError {
    identify(survey, intent, wall()).unwrap_err()
}

fn two_x() -> Survey {
    Survey {
        leases: vec![lease(0, "java-1"), lease(1, "java-2")],
        ..Survey::default()
    }
}

#[test]
fn nobody_here_becomes_what_is_wished() {
    let cases = [
        (follow(), ThreeX),
        (
            Intent {
                new_fleet: NewFleet::TwoX,
                ..follow()
            },
            Init,
        ),
        (with(VersionSetting::ThreeX), ThreeX),
        (with(VersionSetting::CompatibleWith2x), UpgradeFrom2x),
        (with(VersionSetting::CompatibleWith2xPhase1), Init),
    ];
    let mine = Survey {
        leases: vec![lease(0, "me")],
        ..Survey::default()
    };
    for survey in [Survey::default(), mine] {
        for (intent, version) in &cases {
            let fleet = fleet(&survey, intent);
            assert_eq!(
                (fleet.kind(), fleet.version()),
                (FleetKind::New, *version),
                "{intent:?}"
            );
            let value = version.stored();
            let write = value.map(|value| StateWrite::Create {
                kind: StateKind::ClientVersion,
                value,
            });
            assert_eq!(fleet.first_write(), write);
            assert_eq!(fleet.home(), Home::LeaseTable);
        }
    }
}

#[test]
fn a_2x_fleet_is_joined_in_its_way_whatever_is_wished() {
    for setting in [
        VersionSetting::Follow,
        VersionSetting::ThreeX,
        VersionSetting::CompatibleWith2x,
        VersionSetting::CompatibleWith2xPhase1,
    ] {
        let fleet = fleet(&two_x(), &with(setting));
        assert_eq!(
            (fleet.kind(), fleet.version()),
            (FleetKind::TwoX, Init),
            "{setting:?}"
        );
        assert_eq!(fleet.assignment(), Assignment::Each);
        assert_eq!((fleet.first_write(), fleet.writes_beside_leases()), (None, false));
        assert_eq!((fleet.reports_metrics(), fleet.may_lead()), (false, false));
        assert_eq!(
            (fleet.index(), fleet.hand_overs()),
            (IndexUse::Leave, HandOvers::OfThisCrate)
        );
        let held_back = matches!(setting, VersionSetting::ThreeX | VersionSetting::CompatibleWith2x);
        assert_eq!(
            fleet.held_back_by().len(),
            if held_back { 2 } else { 0 },
            "{setting:?}"
        );
    }
}

#[test]
fn a_large_table_without_an_index_is_worth_a_word() {
    let seen = |rows: usize, index, intent: &Intent| {
        let leases = (0..rows).map(|shard| of_ours(shard, "me")).collect();
        let survey = Survey {
            leases,
            index,
            ..Survey::default()
        };
        fleet(&survey, intent).lacks_index(&survey)
    };
    let alone = Intent {
        new_fleet: NewFleet::TwoX,
        ..follow()
    };
    let private = Intent {
        private: true,
        ..alone.clone()
    };
    for (rows, index, intent, expected) in [
        (250, IndexState::Absent, &alone, true),
        (249, IndexState::Absent, &alone, false),
        (250, IndexState::Coming, &alone, false),
        (250, IndexState::Active, &alone, false),
        (250, IndexState::Absent, &follow(), false),
        (250, IndexState::Absent, &private, false),
    ] {
        assert_eq!(seen(rows, index, intent), expected, "{rows} rows, {index:?}");
    }
}

#[test]
fn a_wish_comes_true_when_the_last_older_worker_is_gone() {
    let intent = with(VersionSetting::ThreeX);
    let mut survey = two_x();
    let held = fleet(&survey, &intent);
    survey.leases[0] = of_ours(0, "ours");
    assert_eq!(fleet(&survey, &intent).held_back_by().len(), 1);
    survey.leases[1] = of_ours(1, "me");
    let (fleet, changes) = held.follow(&survey, &intent, wall()).unwrap();
    assert_eq!(fleet.version(), ThreeX);
    assert!(fleet.first_write().is_some() && fleet.has_no_older_peer());
    use super::super::Change;
    assert_eq!(
        changes,
        [
            Change::Metrics(true),
            Change::Index(IndexUse::Ask),
            Change::Assignment(Assignment::Leader),
            Change::HandOvers(HandOvers::OfAll),
        ]
    );
    // Taken away by a worker of 2.x, the mark of ours stays behind and means nothing.
    survey.leases[0].owner = Some(WorkerId::new("java-3"));
    assert_eq!(identify(&survey, &intent, wall()).unwrap().version(), Init);
}

#[test]
fn both_owners_of_a_lease_on_its_way_count() {
    let mut survey = Survey {
        leases: vec![of_ours(0, "ours")],
        ..Survey::default()
    };
    survey.leases[0].checkpoint_owner = survey.leases[0].owner.replace(WorkerId::new("java-1"));
    assert_eq!(
        fleet(&survey, &with(VersionSetting::ThreeX)).held_back_by(),
        &BTreeSet::from([WorkerId::new("java-1")])
    );
}

#[test]
fn each_stored_state_of_a_single_table_fleet_is_obeyed() {
    let cases = [
        (
            UpgradeFrom2x,
            FleetKind::Upgrading,
            Assignment::Each,
            true,
            IndexUse::Build,
            HandOvers::OfThisCrate,
        ),
        (
            TwoX,
            FleetKind::RolledBack,
            Assignment::Each,
            false,
            IndexUse::Leave,
            HandOvers::OfThisCrate,
        ),
        (
            ThreeXWithRollback,
            FleetKind::ThreeXWithRollback,
            Assignment::Leader,
            true,
            IndexUse::Ask,
            HandOvers::OfAll,
        ),
        (
            ThreeX,
            FleetKind::ThreeX,
            Assignment::Leader,
            true,
            IndexUse::Ask,
            HandOvers::OfAll,
        ),
    ];
    for (version, kind, assignment, metrics, index, hand_overs) in cases {
        let fleet = fleet(&single_table(version, &["java-1", "java-2"]), &follow());
        assert_eq!((fleet.kind(), fleet.version()), (kind, version));
        assert_eq!(
            (fleet.assignment(), fleet.reports_metrics()),
            (assignment, metrics),
            "{version:?}"
        );
        assert_eq!(
            (fleet.index(), fleet.hand_overs()),
            (index, hand_overs),
            "{version:?}"
        );
        assert_eq!(fleet.may_lead(), assignment == Assignment::Leader);
        assert_eq!(
            (fleet.home(), fleet.leader_home()),
            (Home::LeaseTable, Home::LeaseTable)
        );
        assert_eq!(fleet.first_write(), None, "what is there is not written again");
        assert_eq!(fleet.watch().is_none(), version == ThreeX);
    }
}

#[test]
fn the_last_step_to_3x_is_taken_by_a_worker_that_is_told_to() {
    let survey = single_table(ThreeXWithRollback, &["java-1"]);
    let value = "CLIENT_VERSION_3X";
    let advance = StateWrite::Advance {
        kind: StateKind::ClientVersion,
        value,
    };
    assert_eq!(
        fleet(&survey, &with(VersionSetting::ThreeX)).first_write(),
        Some(advance)
    );
}

#[test]
fn the_separate_tables_are_used_where_they_are() {
    let cases = [
        (None, false, Home::SeparateTables, Home::SeparateTables),
        (
            Some(TableMigration::Init),
            false,
            Home::SeparateTables,
            Home::SeparateTables,
        ),
        (
            Some(TableMigration::Deployed),
            false,
            Home::SeparateTables,
            Home::SeparateTables,
        ),
        (
            Some(TableMigration::Deployed),
            true,
            Home::LeaseTable,
            Home::SeparateTables,
        ),
        (
            Some(TableMigration::Pending),
            false,
            Home::SeparateTables,
            Home::SeparateTables,
        ),
        (
            Some(TableMigration::Pending),
            true,
            Home::LeaseTable,
            Home::SeparateTables,
        ),
    ];
    for (migration, migrate_all, rows, leader) in cases {
        let intent = Intent {
            migrate_all,
            ..follow()
        };
        let fleet = fleet(&three_tables(ThreeX, &["java-1"], migration), &intent);
        assert_eq!(
            (fleet.version(), fleet.home(), fleet.leader_home()),
            (ThreeX, rows, leader),
            "{migration:?}"
        );
        assert_eq!(fleet.writes_beside_leases(), rows == Home::LeaseTable);
        assert!(fleet.watch().is_some());
    }
    let told = Intent {
        migrate_all: true,
        ..follow()
    };
    for migration in [None, Some(TableMigration::Init)] {
        let error = refused(&three_tables(ThreeX, &["java-1"], migration), &told);
        assert_eq!(error, FleetError::MigrationNotDeployed);
    }
}

#[test]
fn a_complete_migration_leaves_one_table_that_counts() {
    let mut survey = three_tables(UpgradeFrom2x, &["java-1"], Some(TableMigration::Complete));
    survey.beside.client_version = stored(ThreeX);
    let old = fleet(&survey, &follow());
    assert_eq!((old.version(), old.leader_home()), (ThreeX, Home::LeaseTable));
    // Written into both at once, so the one in the lease table is as good.
    let mut survey = three_tables(ThreeX, &["java-1"], Some(TableMigration::Pending));
    survey.beside.client_version = stored(ThreeX);
    survey.beside.table_migration = Some(state(TableMigration::Complete.stored()));
    assert_eq!(fleet(&survey, &follow()).migration(), TableMigration::Complete);
}

#[test]
fn while_rows_move_either_place_tells_the_version() {
    let intent = Intent {
        migrate_all: true,
        ..follow()
    };
    let mut survey = three_tables(ThreeXWithRollback, &["java-1"], Some(TableMigration::Pending));
    assert_eq!(fleet(&survey, &intent).version(), ThreeXWithRollback);
    survey.beside.client_version = stored(TwoX);
    assert_eq!(
        fleet(&survey, &intent).version(),
        TwoX,
        "what is written now counts"
    );
    assert_eq!(
        fleet(&survey, &follow()).version(),
        ThreeXWithRollback,
        "where this worker writes"
    );
}

#[test]
fn unknown_states_are_refused() {
    let mut survey = single_table(ThreeX, &["java-1"]);
    survey.beside.client_version = Some(state("CLIENT_VERSION_4X"));
    assert!(matches!(
        refused(&survey, &follow()),
        FleetError::UnknownState {
            row: "Migration3.0",
            ..
        }
    ));
    let mut survey = three_tables(ThreeX, &["java-1"], None);
    survey.separate = SeparateTables::Present(FleetRows {
        table_migration: Some(state("TABLE_MIGRATION_STATUS_NEW")),
        ..FleetRows::default()
    });
    assert!(matches!(
        refused(&survey, &follow()),
        FleetError::UnknownState {
            row: "TableMigration3.5",
            ..
        }
    ));
    let unreadable = |key: &str| SkippedRow {
        key: Some(LeaseKey::new(key)),
        attribute: "cv",
        reason: "not of type S".to_owned(),
    };
    for key in ["Migration3.0", "TableMigration3.5", "Leader"] {
        let mut survey = single_table(ThreeX, &["java-1"]);
        survey.skipped.push(unreadable(key));
        assert!(
            matches!(refused(&survey, &follow()), FleetError::Unreadable { .. }),
            "{key}"
        );
        let mut survey = three_tables(ThreeX, &["java-1"], None);
        let SeparateTables::Present(rows) = &mut survey.separate else {
            panic!("present")
        };
        rows.skipped.push(unreadable(key));
        assert!(
            matches!(refused(&survey, &follow()), FleetError::Unreadable { .. }),
            "{key}"
        );
    }
    let mut survey = two_x();
    survey.skipped.push(unreadable("shardId-000000000009"));
    survey.beside.unknown = 3;
    assert_eq!(
        fleet(&survey, &follow()).version(),
        Init,
        "other rows are passed over"
    );
}

#[test]
fn a_worker_that_reads_like_a_row_is_refused() {
    let intent = Intent::follow(WorkerId::new("shardId-000000000001"));
    assert!(matches!(
        refused(&Survey::default(), &intent),
        FleetError::WorkerId { .. }
    ));
}

#[test]
fn tables_that_may_not_be_looked_at_are_a_reason_only_when_they_matter() {
    let hidden = || SeparateTables::Hidden {
        table: "app-CoordinatorState".to_owned(),
    };
    let blind = |survey: Survey| Survey {
        separate: hidden(),
        ..survey
    };
    assert_eq!(fleet(&blind(two_x()), &follow()).version(), Init);
    assert_eq!(fleet(&blind(Survey::default()), &follow()).version(), ThreeX);
    let mut led = single_table(ThreeX, &["java-1"]);
    led.beside.leader = Some(super::super::LeaderRow::new(
        me(),
        Duration::from_secs(120),
        "v".to_owned(),
    ));
    assert_eq!(fleet(&blind(led), &follow()).version(), ThreeX);
    let error = refused(&blind(three_tables(ThreeX, &["java-1"], None)), &follow());
    assert_eq!(
        error.to_string(),
        "no permission to read table `app-CoordinatorState`, where this fleet keeps its state"
    );
    let mut traces = two_x();
    traces.leases[0].throughput_kbps = Some(1.0);
    assert!(matches!(
        refused(&blind(traces), &follow()),
        FleetError::Hidden { .. }
    ));
}

#[test]
fn a_private_fleets_table_is_left_to_it() {
    let mut survey = Survey::default();
    let row = Heartbeat::first(WorkerId::new("p1"), "i".to_owned(), Duration::from_secs(10));
    survey.beside.heartbeats.push(row);
    let error = refused(&survey, &follow());
    assert_eq!(
        error,
        FleetError::PrivateFleet {
            worker: WorkerId::new("p1")
        }
    );
}

#[test]
fn a_fleet_that_arrived_does_not_go_back() {
    let arrived = fleet(&single_table(ThreeX, &["java-1"]), &follow());
    for version in [UpgradeFrom2x, TwoX, ThreeXWithRollback] {
        let error = arrived
            .follow(&single_table(version, &["java-1"]), &follow(), wall())
            .unwrap_err();
        assert!(matches!(error, FleetError::WentBack { .. }), "{version:?}");
    }
    let error = arrived.follow(&two_x(), &follow(), wall()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the fleet was in state CLIENT_VERSION_3X and now is said to be in none"
    );
    let back = three_tables(ThreeX, &["java-1"], Some(TableMigration::Deployed));
    assert!(matches!(
        arrived.follow(&back, &follow(), wall()),
        Err(FleetError::WentBack { .. })
    ));
}

#[test]
fn a_rollback_and_a_roll_forward_are_followed() {
    let upgraded = fleet(&single_table(ThreeXWithRollback, &["java-1"]), &follow());
    let (back, changes) = upgraded
        .follow(&single_table(TwoX, &["java-1"]), &follow(), wall())
        .unwrap();
    assert_eq!(back.assignment(), Assignment::Each);
    assert_eq!(changes.len(), 4);
    let (again, _) = back
        .follow(&single_table(UpgradeFrom2x, &["java-1"]), &follow(), wall())
        .unwrap();
    assert!(again.reports_metrics());
    let (done, changes) = again
        .follow(&single_table(UpgradeFrom2x, &["java-1"]), &follow(), wall())
        .unwrap();
    assert_eq!((done, changes), (again, Vec::new()));
}
