//! What fleets of planners come to.

mod simulated;

use proptest::prelude::*;

use self::simulated::{FAILOVER, Fleet, ROUND, TICK};

#[derive(Debug, Clone)]
enum Event {
    Join,
    Kill(usize),
    Stop(usize),
    Wait(usize),
    Finish(bool),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Join),
        (0_usize..8).prop_map(Event::Kill),
        (0_usize..8).prop_map(Event::Stop),
        (1_usize..40).prop_map(Event::Wait),
        any::<bool>().prop_map(Event::Finish),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn comes_to_rest_after_any_history(
        workers in 1_usize..6,
        leases in 0_usize..40,
        seed in any::<u64>(),
        events in prop::collection::vec(event(), 0..15),
    ) {
        let mut fleet = Fleet::new(workers, leases, seed);
        for event in events {
            match event {
                Event::Join => fleet.join(),
                Event::Kill(pick) => fleet.kill(pick),
                Event::Stop(pick) => fleet.stop(pick),
                Event::Wait(ticks) => (0..ticks).for_each(|_| fleet.tick()),
                Event::Finish(on) => fleet.finishing = on,
            }
        }
        fleet.finishing = false;
        fleet.settle();
        fleet.assert_rests();
    }
}

#[test]
fn a_cold_fleet_is_spread_in_the_first_rounds() {
    let mut fleet = Fleet::new(5, 40, 1);
    let ticks = fleet.settle();
    assert!(ticks <= 10 * ROUND, "{ticks} ticks");
}

#[test]
fn a_newcomer_has_its_share_after_one_round_and_one_hand_over() {
    let mut fleet = Fleet::new(1, 32, 2);
    fleet.settle();
    fleet.join();
    let ticks = fleet.settle();
    // A plan, the holder's next heartbeat (7 ticks), its slowness (at most 3), and a plan that finds the rows.
    assert!(ticks <= ROUND + 7 + 3 + ROUND, "{ticks} ticks");
    fleet.assert_rests();
}

#[test]
fn a_dead_workers_leases_are_spread_after_the_failover_time() {
    let mut fleet = Fleet::new(4, 32, 3);
    fleet.settle();
    fleet.kill(0);
    let ticks = fleet.settle();
    let failover = (FAILOVER.as_millis() / TICK.as_millis()) as usize;
    assert!(
        (failover..=failover + 2 * ROUND).contains(&ticks),
        "{ticks} ticks"
    );
}

#[test]
fn who_joins_while_a_worker_is_being_missed_does_not_delay_its_leases() {
    let failover = (FAILOVER.as_millis() / TICK.as_millis()) as usize;
    for later in 0..failover {
        let mut fleet = Fleet::new(3, 24, 6);
        fleet.settle();
        fleet.kill(0);
        for tick in 0.. {
            if tick == later {
                fleet.join();
            }
            fleet.tick();
            if fleet.all_runs() {
                break;
            }
            // One round until the last heartbeat is seen, one until the silence is.
            assert!(tick < failover + 2 * ROUND, "one joined {later} ticks later");
        }
        fleet.settle();
        fleet.assert_rests();
    }
}

#[test]
fn a_stopped_workers_leases_are_spread_in_the_next_round() {
    let mut fleet = Fleet::new(4, 32, 4);
    fleet.settle();
    fleet.stop(0);
    let ticks = fleet.settle();
    assert!(ticks <= ROUND, "{ticks} ticks");
}

#[test]
fn a_rolling_deployment_never_stops_the_fleet() {
    let mut fleet = Fleet::new(4, 32, 5);
    fleet.settle();
    for _ in 0..4 {
        fleet.join();
        fleet.stop(0);
        fleet.settle();
    }
    fleet.assert_rests();
}
