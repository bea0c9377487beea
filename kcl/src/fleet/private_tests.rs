use super::super::fixture::{follow, lease, me, of_ours, single_table, three_tables, wall};
use super::super::{
    ClientVersion, FleetError, FleetKind, HandOvers, HeartbeatUse, IndexState, Intent, LeaderRow, identify,
    record_version,
};
use super::*;

const LIFETIME: Duration = Duration::from_secs(10);

fn beating(worker: &str) -> Heartbeat {
    Heartbeat::first(WorkerId::new(worker), record_version(1), LIFETIME)
}

fn private() -> Intent {
    Intent {
        private: true,
        ..follow()
    }
}

fn refusal(survey: &Survey) -> NotPrivate {
    match identify(survey, &private(), wall()) {
        Err(FleetError::NotPrivate { source }) => source,
        other => panic!("refused, but {other:?}"),
    }
}

#[test]
fn a_table_of_ones_own_is_private() {
    let mut survey = Survey::default();
    survey.beside.heartbeats = vec![beating("p1"), beating("me")];
    survey.leases = vec![lease(0, "p1"), lease(1, "me"), of_ours(2, "dead")];
    let fleet = identify(&survey, &private(), wall()).unwrap();
    assert_eq!(
        (fleet.kind(), fleet.heartbeats()),
        (FleetKind::Private, HeartbeatUse::EachWorker)
    );
    assert!(fleet.writes_beside_leases() && !fleet.reports_metrics() && !fleet.may_lead());
    assert_eq!(
        (fleet.hand_overs(), fleet.first_write()),
        (HandOvers::OfAll, None)
    );
    assert!(identify(&Survey::default(), &private(), wall()).is_ok());
}

#[test]
fn any_trace_of_another_library_forbids_it() {
    assert_eq!(
        refusal(&three_tables(ClientVersion::ThreeX, &["java-1"], None)),
        NotPrivate::SeparateTables
    );
    assert_eq!(
        refusal(&single_table(ClientVersion::ThreeX, &["java-1"])),
        NotPrivate::FleetRows
    );
    let mut led = Survey::default();
    led.beside.leader = Some(LeaderRow::new(me(), LIFETIME, "v".to_owned()));
    assert_eq!(refusal(&led), NotPrivate::FleetRows);
    let two_x = Survey {
        leases: vec![lease(0, "java-1")],
        ..Survey::default()
    };
    let error = refusal(&two_x);
    assert_eq!(
        error.to_string(),
        "lease `shardId-000000000000` is held by `java-1`, which has no heartbeat row"
    );
    // Ours took it once; now a worker of 2.x has it.
    let mut stolen = Survey {
        leases: vec![of_ours(0, "ours")],
        ..Survey::default()
    };
    stolen.leases[0].owner = Some(WorkerId::new("java-1"));
    assert!(matches!(refusal(&stolen), NotPrivate::ForeignOwner { .. }));
    let hidden = SeparateTables::Hidden {
        table: "t".to_owned(),
    };
    let blind = Survey {
        separate: hidden,
        ..Survey::default()
    };
    assert!(identify(&blind, &private(), wall()).is_ok());
    let traces = Survey {
        index: IndexState::Active,
        ..blind
    };
    assert_eq!(refusal(&traces), NotPrivate::SeparateTables);
}

struct Watch {
    watch: PrivateWatch,
    start: Instant,
}

impl Watch {
    #[expect(clippy::disallowed_methods, reason = "any moment will do to count from")]
    fn new() -> Self {
        Self {
            watch: PrivateWatch::new(),
            start: Instant::now(),
        }
    }

    fn sees(&mut self, second: u64, counter: u64, heartbeats: &[Heartbeat]) -> Result<(), NotPrivate> {
        let lease = Lease {
            counter,
            ..of_ours(0, "w1")
        };
        let now = self.start + Duration::from_secs(second);
        self.watch.on_listing(&[lease], heartbeats, LIFETIME, now)
    }
}

#[test]
fn who_renews_lease_by_lease_is_found_out() {
    let mut watch = Watch::new();
    for second in 0..11 {
        assert_eq!(watch.sees(second, second, &[]), Ok(()), "{second}");
    }
    assert!(matches!(
        watch.sees(11, 11, &[]),
        Err(NotPrivate::ForeignRenewal { .. })
    ));
}

#[test]
fn the_last_writes_of_a_removed_worker_are_not_held_against_it() {
    let mut watch = Watch::new();
    for (second, counter) in [(0, 1), (2, 2), (4, 3), (6, 3), (60, 3)] {
        assert_eq!(watch.sees(second, counter, &[]), Ok(()), "{second}");
    }
}

#[test]
fn checkpoints_of_a_living_worker_are_no_renewals() {
    let mut watch = Watch::new();
    for second in 0..60 {
        assert_eq!(watch.sees(second, second, &[beating("w1")]), Ok(()), "{second}");
    }
    assert_eq!(watch.sees(60, 60, &[]), Ok(()), "its row was removed");
    assert_eq!(watch.sees(61, 61, &[]), Ok(()));
}
