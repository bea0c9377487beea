//! Whatever legitimate fleet is in the tables: nothing is written that one of it cannot read.

use proptest::prelude::*;

use super::super::fixture::{
    follow, lease, metrics, of_ours, single_table, state, stored as row_of, supporting, wall,
};
use super::super::{Assignment, HandOvers, IndexState, StateRow};
use super::*;
use ClientVersion::{ThreeX, ThreeXWithRollback, TwoX, UpgradeFrom2x};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    TwoX,
    ThreeTables,
    SingleTable,
    Ours,
}

impl Peer {
    fn reads_other_rows(self) -> bool {
        matches!(self, Self::SingleTable | Self::Ours)
    }
}

/// Tables as a fleet of such workers may truly leave them, with what it has agreed on.
#[derive(Debug, Clone)]
struct World {
    peers: Vec<Peer>,
    survey: Survey,
    stored: Option<ClientVersion>,
}

fn world() -> impl Strategy<Value = World> {
    let peer = prop::sample::select(vec![Peer::TwoX, Peer::ThreeTables, Peer::SingleTable, Peer::Ours]);
    let peers = prop::collection::vec(peer, 0..5);
    let version = prop::sample::select(vec![
        None,
        Some(UpgradeFrom2x),
        Some(TwoX),
        Some(ThreeXWithRollback),
        Some(ThreeX),
    ]);
    let migration = prop::option::of(prop::sample::select(vec![
        TableMigration::Init,
        TableMigration::Deployed,
        TableMigration::Pending,
    ]));
    (peers, version, any::<[bool; 4]>(), migration).prop_map(
        |(peers, version, [separate, hidden, indexed, free], migration)| {
            build(peers, version, separate, hidden, indexed, free, migration)
        },
    )
}

fn build(
    peers: Vec<Peer>,
    version: Option<ClientVersion>,
    separate: bool,
    hidden: bool,
    indexed: bool,
    free: bool,
    migration: Option<TableMigration>,
) -> World {
    let has = |kind| peers.contains(&kind);
    // Nobody of 3.0 to 3.4 is without its tables; only leases are in the lease table as long as somebody cannot read
    // more; and nobody in 2.x behaviour is left once the fleet went on.
    let separate = separate || has(Peer::ThreeTables);
    let stored = match version {
        Some(_) if has(Peer::TwoX) && !separate => None,
        Some(version) if has(Peer::TwoX) && version.has_assigner() => Some(UpgradeFrom2x),
        version => version,
    };
    let migration = migration.filter(|_| peers.iter().all(|peer| peer.reads_other_rows()));
    let name = |number: usize| format!("w{number}");
    let leases = peers.iter().enumerate().map(|(number, peer)| match peer {
        Peer::Ours => of_ours(number, &name(number)),
        _ => lease(number, &name(number)),
    });
    let mut leases: Vec<Lease> = leases.collect();
    if free {
        leases.push(Lease {
            owner: None,
            ..lease(99, "x")
        });
    }
    let mut rows = FleetRows {
        client_version: stored.and_then(row_of),
        ..FleetRows::default()
    };
    if stored.is_some_and(ClientVersion::reports_metrics) {
        for (number, peer) in peers.iter().enumerate() {
            match peer {
                Peer::TwoX => {}
                Peer::ThreeTables => rows.workers.push(metrics(&name(number))),
                Peer::SingleTable | Peer::Ours => rows.workers.push(supporting(&name(number))),
            }
        }
    }
    let mut survey = Survey {
        leases,
        ..Survey::default()
    };
    if indexed && stored.is_some_and(|stored| stored != TwoX)
        || stored.is_some_and(ClientVersion::has_assigner)
    {
        survey.index = IndexState::Active;
    }
    if separate {
        rows.table_migration = migration.map(|migration| state(migration.stored()));
        survey.separate = if hidden {
            SeparateTables::Hidden {
                table: "t".to_owned(),
            }
        } else {
            SeparateTables::Present(rows)
        };
    } else {
        survey.beside = rows;
    }
    World {
        peers,
        survey,
        stored,
    }
}

fn intent() -> impl Strategy<Value = Intent> {
    let setting = prop::sample::select(vec![
        VersionSetting::Follow,
        VersionSetting::ThreeX,
        VersionSetting::CompatibleWith2x,
        VersionSetting::CompatibleWith2xPhase1,
    ]);
    (setting, any::<bool>(), any::<bool>()).prop_map(|(version, two_x, migrate_all)| Intent {
        version,
        migrate_all,
        new_fleet: if two_x { NewFleet::TwoX } else { NewFleet::ThreeX },
        ..follow()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn nothing_is_written_that_an_older_peer_cannot_read(world in world(), intent in intent()) {
        let World { peers, survey, stored } = world;
        let Ok(fleet) = identify(&survey, &intent, wall()) else { return Ok(()) };
        if peers.iter().any(|peer| !peer.reads_other_rows()) {
            prop_assert!(!fleet.writes_beside_leases(), "{:?}", fleet);
            prop_assert!(fleet.first_write().is_none() || fleet.home() == Home::SeparateTables);
        }
        if peers.contains(&Peer::TwoX) {
            prop_assert_eq!(fleet.assignment(), Assignment::Each);
            prop_assert_eq!(fleet.hand_overs(), HandOvers::OfThisCrate);
        }
        let moves = stored == Some(ThreeXWithRollback) && intent.version == VersionSetting::ThreeX;
        if let Some(stored) = stored.filter(|_| !moves) && !matches!(survey.separate, SeparateTables::Hidden { .. }) {
            prop_assert_eq!(fleet.version(), stored, "what the fleet agreed on");
            prop_assert_eq!(fleet.first_write(), None);
        }
    }

    #[test]
    fn the_same_tables_say_the_same_again(world in world(), intent in intent()) {
        let Ok(fleet) = identify(&world.survey, &intent, wall()) else { return Ok(()) };
        let (again, changes) = fleet.follow(&world.survey, &intent, wall()).unwrap();
        prop_assert_eq!(again, fleet);
        prop_assert!(changes.is_empty());
    }

    #[test]
    fn any_state_text_is_known_or_refused(text in ".{0,40}") {
        let mut survey = single_table(ThreeX, &["java-1"]);
        survey.beside.client_version = Some(StateRow { value: text, ..state("") });
        let refused = matches!(identify(&survey, &follow(), wall()), Err(FleetError::UnknownState { .. }));
        prop_assert!(refused);
    }
}
