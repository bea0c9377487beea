use proptest::prelude::*;

use super::*;

const S: Duration = Duration::from_secs(1);

#[expect(
    clippy::disallowed_methods,
    reason = "an arbitrary origin; all tests go on from it by hand"
)]
fn origin() -> Instant {
    Instant::now()
}

fn worker(name: &str) -> WorkerId {
    WorkerId::new(name)
}

fn machine() -> HandOver {
    HandOver::new(Patience::default())
}

#[test]
fn a_lease_asked_for_is_drained_and_transferred() {
    let now = origin();
    let mut machine = machine();
    assert_eq!(machine.next(now), Task::Process);
    machine.on_asked(Some(worker("b")), now);
    assert_eq!(machine.next(now), Task::AskProcessor(Cause::Asked));
    assert_eq!(machine.next(now), Task::WaitUntil(now + 30 * S), "told once");
    machine.on_processing_over(now + S);
    assert_eq!(machine.next(now + S), Task::Transfer(worker("b")));
    machine.on_written();
    assert_eq!(machine.next(now + S), Task::Finish(End::Transferred));
}

#[test]
fn a_processor_that_takes_too_long_is_cut_off_and_the_lease_goes() {
    let now = origin();
    let mut machine = machine();
    machine.on_asked(Some(worker("b")), now);
    let _ = machine.next(now);
    let late = now + 30 * S;
    assert_eq!(machine.next(late), Task::CutOff);
    assert_eq!(machine.next(late), Task::Cutting, "told once");
    machine.on_processing_over(late);
    assert_eq!(machine.next(late), Task::Transfer(worker("b")));
}

#[test]
fn a_stop_gives_one_that_is_asked_no_more_time_and_perhaps_less() {
    let now = origin();
    for (stop, until) in [(5 * S, 6 * S), (60 * S, 30 * S), (Duration::ZERO, S)] {
        let mut machine = HandOver::new(Patience {
            stop,
            ..Patience::default()
        });
        machine.on_asked(Some(worker("b")), now);
        let _ = machine.next(now);
        machine.on_stopping(None, now + S);
        assert_eq!(machine.next(now), Task::WaitUntil(now + until));
    }
}

#[test]
fn a_stop_releases_or_hands_to_the_best_and_a_request_goes_before() {
    let now = origin();
    for (asked, best, expected) in [
        (None, None, Task::Release),
        (None, Some("c"), Task::Transfer(worker("c"))),
        (Some("b"), Some("c"), Task::Transfer(worker("b"))),
    ] {
        let mut machine = machine();
        if let Some(asked) = asked {
            machine.on_asked(Some(worker(asked)), now);
        }
        machine.on_stopping(best.map(worker), now);
        let _ = machine.next(now);
        machine.on_processing_over(now);
        assert_eq!(machine.next(now), expected);
    }
}

#[test]
fn a_request_that_comes_last_wins_and_one_taken_back_releases() {
    let now = origin();
    let mut machine = machine();
    machine.on_asked(Some(worker("b")), now);
    machine.on_asked(Some(worker("c")), now);
    machine.on_processing_over(now);
    assert_eq!(machine.next(now), Task::Transfer(worker("c")));
    machine.on_row_changed(None, now);
    assert_eq!(machine.next(now), Task::Release, "and at once");
    machine.on_written();
    assert_eq!(machine.end(), Some(End::Released));
}

#[test]
fn a_lease_whose_processing_ended_by_itself_is_not_kept() {
    let now = origin();
    let mut machine = machine();
    machine.on_processing_over(now);
    assert_eq!(machine.next(now), Task::Release);
    // And a request that comes then is still obeyed.
    machine.on_asked(Some(worker("b")), now);
    assert_eq!(machine.next(now), Task::Transfer(worker("b")));
}

#[test]
fn writes_are_repeated_and_not_for_ever() {
    let mut now = origin();
    let mut machine = machine();
    machine.on_stopping(None, now);
    machine.on_processing_over(now);
    for _ in 0..5 {
        assert_eq!(machine.next(now), Task::Release);
        machine.on_failure(now);
        if machine.end().is_none() {
            assert!(matches!(machine.next(now), Task::WaitUntil(_)));
        }
        now += S;
    }
    assert_eq!(machine.end(), Some(End::Lost));
}

#[derive(Debug, Clone)]
enum Event {
    Asked(u8),
    Stopping(Option<u8>),
    Over,
    Changed(Option<u8>),
    Failure,
    Lost,
    Wait(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0_u8..3).prop_map(Event::Asked),
        prop::option::of(0_u8..3).prop_map(Event::Stopping),
        Just(Event::Over),
        prop::option::of(0_u8..3).prop_map(Event::Changed),
        Just(Event::Failure),
        Just(Event::Lost),
        (0_u64..40).prop_map(Event::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever happened, a lease that somebody asked for, or whose processing is over, comes to its end within the
    /// time for draining and the tries; and nothing is written while processing goes on.
    #[test]
    fn every_path_ends_in_a_transfer_a_release_or_the_loss(events in prop::collection::vec(event(), 0..12)) {
        let mut now = origin();
        let mut machine = machine();
        let mut runs = true;
        let name = |n: u8| worker(&format!("w{n}"));
        for event in events {
            match event {
                Event::Asked(n) => machine.on_asked(Some(name(n)), now),
                Event::Stopping(n) => machine.on_stopping(n.map(name), now),
                Event::Over => { runs = false; machine.on_processing_over(now); }
                Event::Changed(n) => if matches!(machine.state, State::Writing { .. }) {
                    machine.on_row_changed(n.map(name), now);
                },
                Event::Failure => machine.on_failure(now),
                Event::Lost => machine.on_lost(),
                Event::Wait(seconds) => now += S * u32::try_from(seconds).unwrap(),
            }
            let task = machine.next(now);
            prop_assert!(!(runs && matches!(task, Task::Transfer(_) | Task::Release)), "written while processed");
        }
        machine.on_stopping(None, now);
        let deadline = now + 40 * S;
        for _ in 0..50 {
            match machine.next(now) {
                Task::Finish(end) => {
                    prop_assert_eq!(machine.end(), Some(end));
                    prop_assert!(now <= deadline);
                    return Ok(());
                }
                Task::WaitUntil(at) => { prop_assert!(at > now); now = at; }
                Task::CutOff | Task::Cutting => { machine.on_processing_over(now); }
                Task::Transfer(_) | Task::Release => machine.on_failure(now),
                Task::AskProcessor(_) => {}
                Task::Process => prop_assert!(false, "it goes on after a stop"),
            }
        }
        prop_assert!(false, "no end");
    }
}
