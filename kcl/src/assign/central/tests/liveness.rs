use super::*;
use crate::position::Checkpoint;

const TRUST: Trust = Trust {
    failover: Duration::from_secs(10),
    report: Duration::from_secs(60),
};
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

fn gauges(values: &[f64]) -> Vec<GaugeHistory> {
    vec![GaugeHistory {
        kind: GaugeKind::Cpu,
        values: values.to_vec(),
        limit: Some(100.0),
    }]
}

/// A leader that looks at one worker `w` each second.
struct Watch {
    liveness: Liveness,
    observed: Observed,
    start: Instant,
    second: u64,
    leases: Vec<Lease>,
    reported_at: Option<u64>,
}

impl Watch {
    fn new(leases: usize, reported_at: Option<u64>) -> Self {
        Self {
            liveness: Liveness::new(),
            observed: Observed::new(),
            start: origin(),
            second: 0,
            leases: (0..leases)
                .map(|n| {
                    let mut lease = Lease::new(LeaseKey::new(&format!("s{n}")), Checkpoint::TrimHorizon);
                    lease.owner = Some(id("w"));
                    lease
                })
                .collect(),
            reported_at,
        }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_secs(self.second)
    }

    fn look(&mut self) -> Presence {
        let reports: Vec<WorkerReport> = self
            .reported_at
            .map(|at| WorkerReport {
                worker: id("w"),
                updated_at: at,
                gauges: Vec::new(),
            })
            .into_iter()
            .collect();
        let now = self.now();
        self.observed.observe(&self.leases, now);
        let wall = WALL + self.second;
        self.liveness
            .observe(&self.leases, &reports, &self.observed, TRUST, now, wall);
        let reading = reports.first().map(|report| report.reading(0.5));
        self.liveness.presence(&id("w"), reading.as_ref(), TRUST, now)
    }

    /// Seconds pass, in each of which everything is looked at; renewals come as asked.
    fn pass(&mut self, seconds: u64, renews: bool) -> Presence {
        let mut presence = self.look();
        for _ in 0..seconds {
            self.second += 1;
            if renews && self.second.is_multiple_of(3) {
                self.leases.iter_mut().for_each(|lease| lease.counter += 1);
            }
            presence = self.look();
        }
        presence
    }
}

#[test]
fn readings_are_smoothed_and_checked() {
    let reading = |gauges| {
        WorkerReport {
            worker: id("w"),
            updated_at: WALL,
            gauges,
        }
        .reading(0.5)
    };
    let value = |values: &[f64]| match reading(gauges(values)) {
        Reading::Gauges(gauges) => gauges[0].value,
        other => panic!("{other:?}"),
    };
    assert_eq!(value(&[40.0]), 40.0);
    assert_eq!(value(&[40.0, 80.0]), 60.0);
    assert_eq!(
        value(&[40.0, -1.0, 80.0]),
        60.0,
        "failures in between are left out"
    );
    assert_eq!(
        reading(Vec::new()),
        Reading::Gauges(Vec::new()),
        "nothing measured is fine"
    );
    assert_eq!(reading(gauges(&[40.0, -1.0])), Reading::Failing);
    assert_eq!(reading(gauges(&[])), Reading::Failing);
    for limit in [None, Some(0.0)] {
        let mut odd = gauges(&[1.0]);
        odd[0].limit = limit;
        assert_eq!(reading(odd), Reading::Invalid);
    }
}

#[test]
fn a_reporting_worker_without_leases_is_active_at_once() {
    let mut watch = Watch::new(0, Some(WALL));
    assert_eq!(watch.look(), Presence::Active);
    assert_eq!(watch.pass(60, false), Presence::Active);
    assert_eq!(watch.pass(1, false), Presence::Gone, "its report is too old");
}

#[test]
fn a_report_of_long_ago_counts_for_nothing() {
    assert_eq!(Watch::new(0, Some(WALL - 61)).look(), Presence::Gone);
    assert_eq!(Watch::new(0, None).look(), Presence::Gone);
}

#[test]
fn a_clock_that_goes_wrong_does_not_matter_once_reports_are_seen_to_change() {
    let mut slow = Watch::new(0, Some(WALL - 500));
    assert_eq!(slow.look(), Presence::Gone);
    slow.reported_at = Some(WALL - 470);
    assert_eq!(slow.pass(1, false), Presence::Active);
    let mut fast = Watch::new(0, Some(WALL + 5000));
    assert_eq!(fast.look(), Presence::Active);
    assert_eq!(
        fast.pass(61, false),
        Presence::Gone,
        "it has not reported for a minute"
    );
}

#[test]
fn a_holder_that_a_new_leader_has_not_seen_renew_waits() {
    let mut watch = Watch::new(3, Some(WALL));
    assert_eq!(watch.look(), Presence::Keeps);
    assert!(watch.liveness.is_undecided(TRUST, watch.now()));
    assert_eq!(watch.pass(3, true), Presence::Active);
    assert!(!watch.liveness.is_undecided(TRUST, watch.now()));
}

#[test]
fn a_killed_worker_gets_nothing_although_its_report_is_fresh() {
    let mut watch = Watch::new(3, Some(WALL));
    assert_eq!(watch.pass(30, true), Presence::Active);
    watch.reported_at = Some(WALL + 30);
    assert_eq!(watch.pass(1, true), Presence::Active);
    // Killed now. Its leases run out; others get them; its report stays fresh for a minute.
    assert_eq!(
        watch.pass(7, false),
        Presence::Keeps,
        "silent for longer than a living worker is"
    );
    assert_eq!(watch.pass(5, false), Presence::Gone);
    for lease in &mut watch.leases {
        lease.owner = Some(id("other"));
        lease.counter += 1;
    }
    for _ in 0..60 {
        assert_eq!(watch.pass(1, true), Presence::Gone);
    }
}

#[test]
fn what_a_dying_worker_loses_first_is_not_given_to_it_again() {
    let mut watch = Watch::new(2, Some(WALL));
    assert_eq!(watch.pass(30, true), Presence::Active);
    // Killed between two heartbeats: one lease was renewed last now, the other four seconds later.
    watch.pass(4, false);
    watch.leases[1].counter += 1;
    assert_eq!(watch.pass(5, false), Presence::Active, "it may live");
    assert_eq!(
        watch.pass(1, false),
        Presence::Keeps,
        "neither has run out, a moment later one has"
    );
}

#[test]
fn of_workers_that_die_together_none_gets_what_the_first_one_loses() {
    for (heartbeat, failed) in [(4, false), (4, true), (3, false)] {
        let mut watch = Watch::new(1, Some(WALL));
        assert_eq!(watch.pass(30, true), Presence::Active);
        // It lives, and renews as seldom as it may.
        for _ in 0..10 {
            assert_eq!(
                watch.pass(heartbeat, false),
                Presence::Active,
                "each {heartbeat} s"
            );
            if failed {
                assert_eq!(watch.pass(1, false), Presence::Active, "tried again");
            }
            watch.leases[0].counter += 1;
            watch.reported_at = Some(WALL + watch.second);
            assert_eq!(watch.look(), Presence::Active);
        }
        // Killed now, with another whose last heartbeat was due: that one's leases are free.
        let since_its_heartbeat = 4;
        let free = 10 - since_its_heartbeat;
        assert_eq!(watch.pass(free, false), Presence::Keeps, "each {heartbeat} s");
    }
}

#[test]
fn a_lease_that_ran_out_does_not_count_against_one_who_renews_others() {
    let mut watch = Watch::new(3, Some(WALL));
    assert_eq!(watch.pass(30, true), Presence::Active);
    for _ in 0..20 {
        for lease in &mut watch.leases[1..] {
            lease.counter += u64::from(watch.second.is_multiple_of(4));
        }
        assert_eq!(watch.pass(1, false), Presence::Active, "second {}", watch.second);
    }
}

#[test]
fn a_worker_that_comes_back_and_loses_its_leases_again_waits_longer() {
    let mut watch = Watch::new(1, Some(WALL));
    watch.pass(12, true);
    let mut waits = Vec::new();
    for _ in 0..4 {
        assert_eq!(watch.pass(14, false), Presence::Gone);
        // Somebody else has it now.
        watch.leases[0].owner = Some(id("other"));
        watch.leases[0].counter += 1;
        let lost_at = watch.second;
        let mut presence = Presence::Gone;
        while presence != Presence::Active {
            // It reports each second, as if it lived.
            watch.reported_at = Some(WALL + watch.second + 1);
            presence = watch.pass(1, true);
            assert!(watch.second < lost_at + 1000);
        }
        waits.push(watch.second - lost_at);
        watch.leases[0].owner = Some(id("w"));
        watch.leases[0].counter += 1;
        watch.look();
    }
    assert!(waits[0] <= 2, "{waits:?}");
    assert!(
        waits.windows(2).all(|pair| pair[1] >= pair[0]) && waits[3] > 20,
        "{waits:?}"
    );
}

/// Measured in a rolling deploy: killed workers with fresh reports were given leases to and fro by the next leader for 50 s.
#[test]
fn one_that_died_before_this_leader_came_is_found_out_by_the_first_lease_it_is_given() {
    let mut watch = Watch::new(0, Some(WALL));
    assert_eq!(watch.pass(5, false), Presence::Active);
    let one_more = |watch: &mut Watch| {
        let mut lease = Lease::new(
            LeaseKey::new(&format!("s{}", watch.leases.len())),
            Checkpoint::TrimHorizon,
        );
        lease.owner = Some(id("w"));
        watch.leases.push(lease);
    };
    let given_at = watch.second;
    one_more(&mut watch);
    while watch.pass(1, false) == Presence::Active {
        assert!(watch.second <= given_at + 8, "it has renewed nothing");
        if watch.second.is_multiple_of(3) {
            one_more(&mut watch);
        }
    }
    assert_eq!(watch.pass(12, false), Presence::Gone);
    let dead: Vec<(WorkerId, u64)> = (watch.liveness.dead_reports())
        .map(|(worker, stamp)| (worker.clone(), stamp))
        .collect();
    assert_eq!(dead, [(id("w"), WALL)]);

    // Its report is removed, its leases go to others. Another report is a sign of life.
    (watch.reported_at, watch.leases) = (None, Vec::new());
    assert_eq!(watch.pass(30, false), Presence::Gone);
    watch.reported_at = Some(WALL + watch.second);
    assert_eq!(watch.pass(1, false), Presence::Active);
    assert_eq!(watch.liveness.dead_reports().count(), 0);
}

#[test]
fn who_renews_without_a_report_keeps_what_it_has() {
    let mut watch = Watch::new(2, None);
    assert_eq!(watch.pass(30, true), Presence::Keeps);
}
