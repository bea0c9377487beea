//! The short trials of the consumer, in virtual time: see `consumer-trial --list`, which plays the long ones as well.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use integration_tests::trial::Length;
use integration_tests::trial::consumer::{Report, Scenario, Setting, play_in_virtual_time};

#[test]
fn flights_by_polling_while_shards_change_and_workers_die() {
    let report = assert_kept("flights-polling");
    let balance = report.balance();
    assert!(
        balance.repeats() > 0,
        "nobody died with records in hand:\n{report}"
    );
}

#[test]
fn flights_by_fan_out_while_shards_change_and_workers_die() {
    assert_kept("flights-fan-out");
}

#[test]
fn flights_record_by_record_while_shards_change_and_workers_die() {
    assert_kept("flights-records");
}

#[test]
fn keys_handled_at_a_time_keep_up() {
    assert_kept("parallel-keys");
}

#[test]
fn records_that_fail_and_records_that_always_fail() {
    assert_kept("poison");
}

#[test]
fn subscriptions_that_fall_silent() {
    assert_kept("half-open");
}

#[test]
fn a_processor_that_hangs() {
    assert_kept("hanging");
}

#[test]
fn a_processor_that_is_slow() {
    assert_kept("slow-processor");
}

#[test]
fn pages_of_ten_megabytes() {
    assert_kept("pages");
}

/// At the same time, so that none can have anything from the others but the seed.
#[test]
fn reads_and_the_table_in_trouble_and_the_same_seed_is_the_same_trial() {
    let scenario = scenario("troubles");
    let [one, again, other] = std::thread::scope(|scope| {
        let plays = [7, 7, 8].map(|seed| {
            let scenario = &scenario;
            scope.spawn(move || kept(scenario, seed).to_string())
        });
        plays.map(|play| play.join().unwrap())
    });
    assert_eq!(one, again);
    assert_ne!(one, other);
}

fn scenario(name: &str) -> Scenario {
    let setting = Setting {
        length: Length::Short,
        flights: None,
    };
    let mut scenarios = setting.scenarios().into_iter();
    scenarios.find(|scenario| scenario.name() == name).unwrap()
}

fn assert_kept(name: &str) -> Report {
    kept(&scenario(name), 7)
}

fn kept(scenario: &Scenario, seed: u64) -> Report {
    let report = play_in_virtual_time(scenario, seed).unwrap();
    assert!(report.broken().is_empty(), "seed {seed}\n{report}");
    report
}
