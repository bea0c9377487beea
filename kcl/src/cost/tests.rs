use std::time::Duration;

use super::*;
use crate::lease::renewal::Pace;

fn rate(outlook: Outlook, purpose: Purpose) -> Rate {
    let forecast = CostForecast::new(outlook);
    let mut lines = forecast.lines();
    lines
        .find(|(of, _)| *of == purpose)
        .map_or_else(Rate::default, |(_, rate)| rate)
}

fn requests(outlook: Outlook, purpose: Purpose) -> f64 {
    rate(outlook, purpose).requests
}

fn near(actual: f64, expected: f64) {
    assert!((actual - expected).abs() < 1e-3, "{actual} is not {expected}");
}

fn with(coordination: Coordination, leases: u32, workers: u32) -> Outlook {
    Outlook {
        coordination,
        ..Outlook::new(leases, workers)
    }
}

fn indexed(leases: u32, workers: u32) -> Outlook {
    Outlook {
        index_of_owners: true,
        ..Outlook::new(leases, workers)
    }
}

#[test]
fn heartbeats_follow_the_failover_time() {
    for seconds in [1, 10, 60] {
        let outlook = Outlook {
            failover: Duration::from_secs(seconds),
            ..Outlook::new(8, 1)
        };
        let period = Pace::new(outlook.failover).period().as_secs_f64();
        near(requests(outlook, Purpose::Heartbeats), 8.0 / period);
    }
}

#[test]
fn checkpoints_take_the_place_of_heartbeats() {
    let period = Pace::new(Duration::from_secs(10)).period();
    let every = |interval: Duration| Outlook {
        checkpoint_interval: Some(interval),
        ..Outlook::new(10, 1)
    };
    let often = every(period / 2);
    near(requests(often, Purpose::Heartbeats), 0.0);
    near(
        requests(often, Purpose::Checkpoints),
        10.0 / (period / 2).as_secs_f64(),
    );
    // Two periods and a half: heartbeats after one and after two.
    let seldom = every(period * 5 / 2);
    let interval = (period * 5 / 2).as_secs_f64();
    near(requests(seldom, Purpose::Heartbeats), 20.0 / interval);
    near(requests(seldom, Purpose::Checkpoints), 10.0 / interval);
}

#[test]
fn a_private_fleet_pays_for_workers_and_not_for_leases() {
    let private = |leases| with(Coordination::Private, leases, 3);
    let period = Pace::new(Duration::from_secs(10)).worker_period().as_secs_f64();
    near(requests(private(8), Purpose::Heartbeats), 3.0 / period);
    near(requests(private(800), Purpose::Heartbeats), 3.0 / period);
    near(requests(private(8), Purpose::Scans), 3.0 / 0.8);
    near(requests(private(8), Purpose::Survey), 3.0 * 3.0 / 300.0);
    let alone = with(Coordination::Private, 8, 1);
    near(requests(alone, Purpose::Scans), 1.0 / 30.0);
}

#[test]
fn every_worker_looks_at_the_table_and_a_leader_besides() {
    use Coordination::{EachForItself, Leader};
    let cases = [
        ("alone", Outlook::new(100, 1), 1.0 / 2.6),
        ("in company", Outlook::new(100, 4), 4.0 / 0.8),
        ("led", with(Leader, 100, 4), 4.0 / 0.8 + 1.0),
        ("led, alone", with(Leader, 100, 1), 1.0 / 2.6 + 1.0),
        ("larger", with(EachForItself, 1_000, 4), 4.0 / 4.0),
        ("larger, led", with(Leader, 1_000, 4), 4.0 / 4.0 + 1.0),
        // 10,000 rows of 600 bytes: 5.7 MiB.
        ("many rows", Outlook::new(10_000, 100), 6.0 * 100.0 / 10.0),
        (
            "many rows, led",
            with(Leader, 10_000, 100),
            6.0 * (100.0 / 10.0 + 1.0 / 2.0),
        ),
        (
            "three look for all",
            indexed(10_000, 100),
            6.0 * (97.0 / 10.0 + 3.0 / 2.0),
        ),
        ("both look for all", indexed(1_000, 2), 2.0 / 0.8),
        ("nobody else is there", indexed(1_000, 1), 1.0 / 4.0),
        ("a small table with an index", indexed(100, 4), 4.0 / 0.8),
    ];
    for (case, outlook, expected) in cases {
        let scans = requests(outlook, Purpose::Scans);
        assert!(
            (scans - expected).abs() < 1e-3,
            "{case}: {scans} is not {expected}"
        );
    }
    let chosen = Outlook {
        scan_interval: Some(Duration::from_secs(5)),
        ..Outlook::new(10_000, 2)
    };
    near(requests(chosen, Purpose::Scans), 6.0 * 2.0 / 5.0);
    near(
        rate(Outlook::new(10_000, 100), Purpose::Scans).read_units,
        1465.0 * 10.0,
    );
}

#[test]
fn large_tables_are_asked_by_their_index_between_two_looks() {
    use Coordination::Leader;
    let asked = |outlook| requests(outlook, Purpose::Discovery);
    near(asked(indexed(249, 4)), 0.0);
    near(asked(with(Leader, 249, 4)), 0.0);
    // Looks each second: the index is asked once in between.
    near(asked(with(Leader, 250, 4)), 4.0);
    // Four times, the fifth question is a look; those who look for all need not ask.
    near(asked(with(Leader, 1_000, 4)), 4.0);
    near(asked(indexed(1_000, 4)), 1.0);
    near(asked(with(Leader, 10_000, 100)), 100.0 * 12.0 / 10.0);
    near(asked(indexed(10_000, 100)), 97.0 * 12.0 / 10.0 + 3.0 * 2.0 / 2.0);
    near(asked(Outlook::new(10_000, 100)), 100.0 / 30.0);
    // A hundred leases each.
    let units = rate(with(Leader, 10_000, 100), Purpose::Discovery).read_units;
    near(units, 120.0 * 3.0 * 0.5);
}

#[test]
fn a_leader_holds_a_lock_and_reads_reports() {
    let led = with(Coordination::Leader, 100, 4);
    near(requests(led, Purpose::Lock), 1.0 / 30.0 + 3.0 / 5.0);
    near(requests(led, Purpose::Reports), 4.0 / 30.0);
    near(requests(led, Purpose::Survey), 0.0);
    near(requests(led, Purpose::Audit), 1.0 / 120.0);
    let mut quick = Outlook {
        report_interval: Duration::from_secs(10),
        ..led
    };
    quick.lock.watch = Duration::from_secs(1);
    quick.lock.heartbeat = Duration::from_secs(6);
    near(requests(quick, Purpose::Lock), 1.0 / 6.0 + 3.0);
    near(requests(quick, Purpose::Reports), 4.0 / 10.0);
}

#[test]
fn where_nobody_leads_everybody_looks_whether_the_fleet_moves() {
    near(requests(Outlook::new(100, 4), Purpose::Survey), 4.0 * 3.0 / 60.0);
    near(
        requests(Outlook::new(10_000, 4), Purpose::Survey),
        4.0 * 8.0 / 60.0,
    );
}

#[test]
fn many_streams_are_followed_and_audited_in_groups() {
    let several = |streams| Outlook {
        streams,
        stream_list_interval: Some(Duration::from_secs(60)),
        ..Outlook::new(200, 2)
    };
    near(requests(several(25), Purpose::Audit), 2.0 / 120.0);
    near(requests(several(200), Purpose::Audit), 2.0 * 8.0 / 120.0);
    near(
        requests(several(25), Purpose::Streams),
        2.0 * (1.0 / 60.0 + 1.0 / 120.0),
    );
    near(
        requests(several(200), Purpose::Streams),
        2.0 * (1.0 / 60.0 + 1.0 / 200.0),
    );
    near(requests(Outlook::new(200, 2), Purpose::Streams), 0.0);
}

#[test]
fn children_at_once_cost_listings_of_each_worker() {
    let with = |children_at_once, streams, leases| {
        let outlook = Outlook {
            children_at_once,
            streams,
            ..Outlook::new(leases, 3)
        };
        CostForecast::new(outlook).shard_listings()
    };
    near(with(false, 1, 8), 3.0 / 120.0);
    near(with(true, 1, 8), 3.0 / 120.0 + 3.0 / 10.0);
    near(with(true, 1, 2_500), 3.0 * (3.0 / 120.0 + 3.0 / 10.0));
    near(with(true, 200, 200), 200.0 * 3.0 / 120.0 + 3.0 * 5.0);
    let requests = |children_at_once| {
        let outlook = Outlook {
            children_at_once,
            ..Outlook::new(8, 3)
        };
        CostForecast::new(outlook).total().requests
    };
    near(requests(true), requests(false));
}

#[test]
fn without_a_table_nothing_is_asked() {
    let forecast = CostForecast::new(with(Coordination::NoTable, 8, 1));
    assert_eq!(
        (forecast.total(), forecast.shard_listings()),
        (Rate::default(), 0.0)
    );
}

#[test]
fn the_lines_add_up_and_print() {
    let forecast = CostForecast::new(Outlook::new(8, 2));
    let sum: f64 = forecast.lines().map(|(_, rate)| rate.requests).sum();
    near(forecast.total().requests, sum);
    near(forecast.requests_per_lease() * 8.0, sum);
    let text = forecast.to_string();
    assert!(
        text.contains("heartbeats") && text.contains("total") && !text.contains("lock"),
        "{text}"
    );
}
