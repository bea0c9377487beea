//! The short trials of the producer, in virtual time: see `producer-trial --list`, which plays the long ones as well.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use integration_tests::trial::{Length, Report, Scenario, Setting, play_in_virtual_time};
use kpl::Ordering;

#[test]
fn one_shard_at_its_limits() {
    assert_kept("shard-limit");
}

#[test]
fn one_shard_at_its_limits_shared_with_another_producer() {
    assert_kept("competition");
}

#[test]
fn one_record_that_the_service_refuses() {
    assert_kept("poison");
}

#[test]
fn an_outage_that_records_outlive() {
    assert_kept("outage");
}

#[test]
fn an_outage_that_records_do_not_outlive() {
    assert_kept("outage-ttl");
}

#[test]
fn two_seconds_of_latency() {
    assert_kept("latency");
}

#[test]
fn one_entry_in_five_fails() {
    assert_kept("entries");
}

#[test]
fn replies_are_lost() {
    let report = assert_kept("lost-replies");
    assert!(report.balance().duplicates > 0, "none was lost that mattered");
}

#[test]
fn a_loss_is_not_forgotten() {
    let report = assert_kept("lost-long-ago");
    assert!(report.balance().duplicates > 0, "none was lost that mattered");
}

#[test]
fn a_split_every_five_seconds() {
    assert_kept("splits");
}

#[test]
fn everything_at_once() {
    assert_kept("everything");
}

#[test]
fn a_thousand_shards() {
    assert_kept("shards-1000");
}

#[test]
fn a_low_rate() {
    assert_kept("low-rate");
}

/// What shows that the order of all the others means something: it can be lost, and the books tell.
#[test]
fn relaxed_ordering_loses_order_and_nothing_else() {
    let scenario = scenario_with("entries", Ordering::Relaxed);
    let report = assert_kept_by(&scenario, 7);
    assert!(report.balance().order_breaks > 0, "{report}");
}

#[test]
fn the_same_seed_is_the_same_trial() {
    let scenario = scenario("storm");
    let [one, again, other] = [3, 3, 4].map(|seed| play_in_virtual_time(&scenario, seed).unwrap());
    assert_eq!(one.to_string(), again.to_string());
    assert_ne!(one.to_string(), other.to_string());
}

/// Aggregates land on shards that are not theirs, over and over, and whoever reads as the KCL does sees each record,
/// and sees it twice only where the producer said that this may be.
#[test]
fn splits_and_merges_lose_nothing_and_repeat_nothing() {
    let scenario = scenario("storm");
    std::thread::scope(|scope| {
        for half in [0..8, 8..16] {
            let scenario = &scenario;
            scope.spawn(move || half.for_each(|seed| drop(assert_kept_by(scenario, seed))));
        }
    });
}

fn scenario(name: &str) -> Scenario {
    scenario_with(name, Ordering::PerKey)
}

fn scenario_with(name: &str, ordering: Ordering) -> Scenario {
    let setting = Setting {
        length: Length::Short,
        flights: None,
        ordering,
    };
    let mut scenarios = setting.scenarios().into_iter();
    scenarios.find(|scenario| scenario.name() == name).unwrap()
}

fn assert_kept(name: &str) -> Report {
    assert_kept_by(&scenario(name), 7)
}

fn assert_kept_by(scenario: &Scenario, seed: u64) -> Report {
    let report = play_in_virtual_time(scenario, seed).unwrap();
    assert!(report.broken().is_empty(), "seed {seed}\n{report}");
    report
}
