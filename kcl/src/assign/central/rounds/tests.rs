use super::*;
use crate::lease::Lease;
use crate::position::Checkpoint;
use kinesis_aggregation::ShardId;

const S: Duration = Duration::from_secs(1);
const WALL: u64 = 1_800_000_000;

#[expect(
    clippy::disallowed_methods,
    reason = "an arbitrary origin; all tests go on from it by hand"
)]
fn origin() -> Instant {
    Instant::now()
}

fn id(name: &str) -> WorkerId {
    WorkerId::new(name)
}

fn rounds(settings: Settings) -> Rounds {
    let patience = Patience {
        failover: 10 * S,
        hand_over: 30 * S,
        neglect: 10 * S,
    };
    Rounds::new(RoundSettings::new(settings, patience))
}

fn by_count() -> Settings {
    Settings {
        strategy: Strategy::LeaseCount,
        ..Settings::default()
    }
}

fn key(n: usize) -> LeaseKey {
    LeaseKey::new(&format!("123456789012:stream:1700000000:shardId-{n:012}"))
}

/// A lease table, its workers, and a leader.
struct Table {
    rows: Listing,
    workers: Vec<&'static str>,
    leader: Rounds,
    start: Instant,
    second: u32,
}

impl Table {
    fn new(leader: Rounds, workers: &[&'static str], owners: &[Option<&str>]) -> Self {
        let leases = owners.iter().enumerate().map(|(n, owner)| {
            let mut lease = Lease::new(key(n), Checkpoint::TrimHorizon);
            lease.owner = owner.map(id);
            lease
        });
        Self {
            rows: Listing {
                leases: leases.collect(),
                skipped: Vec::new(),
            },
            workers: workers.to_vec(),
            leader,
            start: origin(),
            second: 0,
        }
    }

    /// A second passes: these workers renew, all report, the leader plans.
    fn round(&mut self, renewing: &[&str]) -> Round {
        self.second += 1;
        for lease in &mut self.rows.leases {
            if renewing
                .iter()
                .any(|name| lease.actual_owner() == Some(&id(name)))
            {
                lease.counter += 1;
            }
        }
        let wall = WALL + u64::from(self.second);
        let reports: Vec<WorkerReport> = self
            .workers
            .iter()
            .map(|name| WorkerReport {
                worker: id(name),
                updated_at: WALL + u64::from(self.second / 30 * 30),
                gauges: Vec::new(),
            })
            .collect();
        let now = self.start + S * self.second;
        self.leader.round(&self.rows, &reports, now, wall, 1)
    }

    /// Holders end what they were asked for.
    fn complete_hand_overs(&mut self) {
        let pending = self.rows.leases.iter_mut().filter(|row| row.hand_over_pending());
        for row in pending {
            row.checkpoint_owner = None;
            row.counter += 1;
        }
    }

    fn owned_by(&self, name: &str) -> usize {
        let owners = self.rows.leases.iter().map(|row| &row.owner);
        owners.filter(|owner| **owner == Some(id(name))).count()
    }

    fn apply(&mut self, round: &Round) {
        for step in &round.steps {
            let row = self
                .rows
                .leases
                .iter_mut()
                .find(|lease| lease.key == *step.key())
                .unwrap();
            match step {
                Step::Assign { to, .. } => {
                    (row.owner, row.checkpoint_owner) = (Some(to.clone()), None);
                    row.counter += 1;
                }
                Step::HandOver { from, to, .. } => {
                    (row.owner, row.checkpoint_owner) = (Some(to.clone()), Some(from.clone()));
                }
                Step::Revoke { key } => {
                    (row.owner, row.checkpoint_owner) = (None, None);
                    row.counter += 1;
                    self.leader.on_revoked(key, self.start + S * self.second);
                }
            }
        }
    }
}

#[test]
fn a_cold_fleet_is_assigned_in_the_first_round() {
    let mut table = Table::new(rounds(Settings::default()), &["a", "b"], &[None; 6]);
    let round = table.round(&[]);
    assert_eq!((round.steps.len(), round.active, round.undecided), (6, 2, false));
    for step in &round.steps {
        assert!(
            matches!(
                step,
                Step::Assign {
                    unless: Unless::OwnersChanged,
                    ..
                }
            ),
            "{step:?}"
        );
    }
    table.apply(&round);
    assert_eq!(table.round(&["a", "b"]).steps, []);
}

#[test]
fn a_new_leader_of_a_running_fleet_first_sees_who_lives() {
    let owners = [Some("a"), Some("a"), Some("dead"), None];
    let mut table = Table::new(rounds(by_count()), &["a", "dead"], &owners);
    assert!(table.round(&[]).undecided);
    assert!(
        table.round(&["a"]).undecided,
        "the other one may renew any moment"
    );
    while table.second < 8 {
        let _ = table.round(&["a"]);
    }
    let round = table.round(&["a"]);
    assert_eq!(round.steps.len(), 1, "{round:?}");
    assert!(matches!(&round.steps[0], Step::Assign { to, .. } if *to == id("a")));
}

#[test]
fn an_expired_lease_is_assigned_unless_it_was_renewed_meanwhile() {
    let owners = [Some("a"), Some("b"), Some("b")];
    let mut table = Table::new(rounds(by_count()), &["a", "b"], &owners);
    for _ in 0..9 {
        let _ = table.round(&["a", "b"]);
    }
    let mut steps = Vec::new();
    for _ in 0..11 {
        assert_eq!(steps, [], "second {}", table.second);
        steps = table.round(&["a"]).steps;
    }
    assert_eq!(steps.len(), 2);
    for step in steps {
        let expected = Step::Assign {
            key: step.key().clone(),
            to: id("a"),
            unless: Unless::Renewed,
        };
        assert_eq!(step, expected, "b is dead, however fresh its report");
    }
}

#[test]
fn a_newcomer_is_served_in_the_next_round_and_gracefully() {
    let mut table = Table::new(rounds(Settings::default()), &["a"], &[Some("a"); 4]);
    for _ in 0..9 {
        let _ = table.round(&["a"]);
    }
    table.workers.push("b");
    let round = table.round(&["a"]);
    assert_eq!(round.steps.len(), 2);
    assert!(
        round
            .steps
            .iter()
            .all(|step| matches!(step, Step::HandOver { .. }))
    );
    table.apply(&round);
    for _ in 0..20 {
        assert_eq!(table.round(&["a"]).steps, [], "under way");
    }
}

#[test]
fn a_newcomer_that_gets_vacant_leases_gets_the_rest_of_its_share_too() {
    let mut owners = vec![Some("a"); 6];
    owners.extend([Some("gone"); 2]);
    let mut table = Table::new(rounds(Settings::default()), &["a"], &owners);
    for _ in 0..9 {
        let _ = table.round(&["a", "gone"]);
    }
    // One leaves, one comes.
    for row in &mut table.rows.leases[6..] {
        row.owner = None;
    }
    table.workers.push("b");
    let round = table.round(&["a"]);
    table.apply(&round);
    assert_eq!((table.owned_by("a"), table.owned_by("b")), (4, 4), "{round:?}");
    for _ in 0..20 {
        table.complete_hand_overs();
        assert_eq!(table.round(&["a", "b"]).steps, []);
    }
}

#[test]
fn newcomers_that_come_one_after_another_get_their_shares_and_no_lease_goes_round() {
    let mut table = Table::new(rounds(Settings::default()), &["a"], &[Some("a"); 24]);
    for _ in 0..9 {
        let _ = table.round(&["a"]);
    }
    let mut moves = 0;
    for (second, name) in (0..15).zip(["b", "c", "d"].iter().map(Some).chain(std::iter::repeat(None))) {
        if let Some(name) = name {
            table.workers.push(name);
            // Each finds something vacant, so that none is a worker without leases for long.
            let vacated = &mut table.rows.leases[second];
            (vacated.owner, vacated.checkpoint_owner) = (None, None);
        }
        let round = table.round(&["a", "b", "c", "d"]);
        table.apply(&round);
        moves += round.steps.len();
        // Hand-overs take longer than it takes the next one to come.
        if second % 4 == 3 {
            table.complete_hand_overs();
        }
    }
    let shares = ["a", "b", "c", "d"].map(|name| table.owned_by(name));
    assert!(shares.iter().all(|share| (5..=7).contains(share)), "{shares:?}");
    assert!(moves <= 24, "{moves} moves for three shares of six");
}

#[test]
fn a_newcomer_that_had_its_share_is_one_of_all() {
    let mut table = Table::new(rounds(Settings::default()), &["a"], &[Some("a"); 8]);
    for _ in 0..9 {
        let _ = table.round(&["a"]);
    }
    table.workers.push("b");
    let round = table.round(&["a"]);
    table.apply(&round);
    table.complete_hand_overs();
    for _ in 0..3 {
        assert_eq!(table.round(&["a", "b"]).steps, []);
    }
    // What it reads turns out to be little: that is for the next balance.
    for row in &mut table.rows.leases {
        let little = row.owner == Some(id("b"));
        row.throughput_kbps = Some(if little { 100.0 } else { 900.0 });
    }
    for _ in 0..20 {
        assert_eq!(table.round(&["a", "b"]).steps, [], "second {}", table.second);
    }
    let mut steps = 0;
    while table.second < 130 {
        steps += table.round(&["a", "b"]).steps.len();
    }
    assert!(steps > 0, "which comes");
}

#[test]
fn an_overdue_hand_over_is_revoked_and_assigned_when_the_holder_must_have_stopped() {
    let mut table = Table::new(rounds(by_count()), &["a", "b"], &[Some("a"), Some("a")]);
    for _ in 0..9 {
        let _ = table.round(&["a", "b"]);
    }
    // `b` has something now, and its share of the second lease is on its way.
    table.rows.leases[0].owner = Some(id("b"));
    table.rows.leases[1].owner = Some(id("b"));
    table.rows.leases[1].checkpoint_owner = Some(id("a"));
    let asked_at = table.second + 1;
    let revoked = loop {
        let round = table.round(&["a", "b"]);
        if !round.steps.is_empty() {
            break round;
        }
        assert!(table.second < 100);
    };
    assert_eq!(table.second - asked_at, 41, "hand-over timeout and failover time");
    assert_eq!(revoked.steps, [Step::Revoke { key: key(1) }]);
    table.apply(&revoked);
    let revoked_at = table.second;
    let assigned = loop {
        let round = table.round(&["b"]);
        if !round.steps.is_empty() {
            break round;
        }
        assert!(table.second < 200);
    };
    assert_eq!(table.second - revoked_at, 11);
    assert!(matches!(
        &assigned.steps[0],
        Step::Assign {
            unless: Unless::OwnersChanged,
            ..
        }
    ));
}

#[test]
fn children_wait_for_parents_of_their_own_stream() {
    let mut table = Table::new(rounds(by_count()), &["a"], &[Some("a"), None]);
    table.rows.leases[1].parents.insert(ShardId::from_number(0));
    for _ in 0..6 {
        assert_eq!(table.round(&["a"]).steps, []);
    }
    table.rows.leases[0].checkpoint = Checkpoint::ShardEnd;
    assert_eq!(table.round(&["a"]).steps.len(), 1);
}

#[test]
fn without_grace_leases_are_assigned_away() {
    let mut leader = rounds(by_count());
    leader.how.graceful = false;
    let mut table = Table::new(leader, &["a"], &[Some("a"); 2]);
    for _ in 0..9 {
        let _ = table.round(&["a"]);
    }
    table.workers.push("b");
    let steps = table.round(&["a"]).steps;
    assert!(matches!(&steps[..], [Step::Assign { .. }]), "{steps:?}");
}

/// Who does not know yet that it has a lease cannot hand it over: of a worker of KCL, the lease would lie until it expired.
#[test]
fn a_lease_is_asked_of_a_worker_that_was_seen_to_renew_it() {
    let mut table = Table::new(rounds(by_count()), &["a"], &[None; 4]);
    let round = table.round(&[]);
    table.apply(&round);
    table.workers.push("b");
    assert_eq!(table.round(&[]).steps, [], "assigned, and not seen to be kept");
    assert_eq!(table.round(&["a"]).steps.len(), 2);
}

#[test]
fn the_report_of_a_dead_worker_is_to_be_removed_once() {
    let mut table = Table::new(rounds(by_count()), &["a", "b"], &[Some("a"), Some("b")]);
    let mut told = Vec::new();
    for _ in 0..25 {
        let round = table.round(&["a"]);
        table.apply(&round);
        told.extend(round.dead_reports);
    }
    assert_eq!(told, [(id("b"), WALL)]);
}

#[test]
fn a_report_is_abandoned_when_it_is_a_day_old_and_stands_still_here_too() {
    const DAY: u64 = 24 * 3600;
    let report = |updated_at| WorkerReport {
        worker: id("a"),
        updated_at,
        gauges: Vec::new(),
    };
    let nothing = Listing {
        leases: Vec::new(),
        skipped: Vec::new(),
    };
    for (age, watched, expected) in [
        (DAY + 1, 0, false),
        (DAY + 1, 60, false),
        (DAY + 1, 61, true),
        (DAY, 61, false),
        (0, 61, false),
    ] {
        let (mut leader, start) = (rounds(by_count()), origin());
        let (said, now) = (report(WALL - age), start + S * watched);
        for at in [start, now] {
            let _ = leader.round(&nothing, std::slice::from_ref(&said), at, WALL, 1);
        }
        assert_eq!(
            leader.is_abandoned(&said, now, WALL),
            expected,
            "{age} s old, watched for {watched} s"
        );
    }
}
