use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[expect(clippy::disallowed_methods, reason = "an origin for made-up times")]
fn origin() -> Instant {
    Instant::now()
}

fn open(now: Instant) -> Course {
    let mut course = Course::of_fan_out(false);
    assert_eq!(course.next(now), Step::Subscribe);
    assert_eq!(course.on_subscribed(now), Turn::Quiet);
    assert_eq!(course.next(now), Step::Receive);
    course
}

#[test]
fn after_five_minutes_the_next_follows_at_once() {
    let now = origin();
    let mut course = open(now);
    course.on_event();
    course.on_end(now + SECOND * 300);
    assert_eq!(course.next(now + SECOND * 300), Step::Subscribe);
}

#[test]
fn two_subscriptions_are_five_seconds_apart() {
    let now = origin();
    let mut course = open(now);
    course.on_end(now + SECOND);
    assert_eq!(course.next(now + SECOND), Step::Wait(now + SECOND * 5));
    assert_eq!(course.next(now + SECOND * 5), Step::Subscribe);
}

#[test]
fn a_silent_one_is_replaced_at_once_and_three_in_a_row_mean_polling() {
    let start = origin();
    let mut course = open(start);
    let mut now = start;
    for silence in 1..=4 {
        now += SECOND * 10;
        let turn = course.on_silence(now, 0.0);
        if silence < 4 {
            assert_eq!(
                (turn, course.next(now)),
                (Turn::Quiet, Step::Subscribe),
                "{silence}"
            );
            assert_eq!(course.on_subscribed(now), Turn::Quiet);
        } else {
            let until = Some(now + BACK_AFTER);
            assert_eq!((turn, course.next(now)), (Turn::FellBack, Step::Poll { until }));
        }
    }
}

#[test]
fn while_another_subscription_stands_the_shard_is_polled() {
    let now = origin();
    let mut course = Course::of_fan_out(false);
    assert_eq!(course.on_obstacle(now, Obstacle::InUse, 0.0), Turn::Quiet);
    let until = Some(now + SECOND * 5);
    assert_eq!(course.next(now), Step::Poll { until });
    assert_eq!(course.next(now + SECOND * 4), Step::Wait(now + SECOND * 5));
    assert_eq!(course.next(now + SECOND * 5), Step::Subscribe);
}

#[test]
fn a_refusal_means_polling_at_once_and_another_attempt_later_and_later() {
    let mut now = origin();
    let mut course = Course::of_fan_out(false);
    let mut pauses = Vec::new();
    for attempt in 0..7 {
        let turn = course.on_obstacle(now, Obstacle::Refused, 0.0);
        let expected = if attempt == 0 { Turn::FellBack } else { Turn::Quiet };
        assert_eq!(turn, expected, "told once");
        let Step::Poll { until: Some(until) } = course.next(now) else {
            panic!("{:?}", course.next(now));
        };
        pauses.push((until - now).as_secs());
        now = until;
        assert_eq!(course.next(now), Step::Subscribe);
    }
    assert_eq!(pauses, [60, 120, 240, 480, 900, 900, 900]);
    assert_eq!(course.on_subscribed(now), Turn::CameBack);
    course.on_event();
    assert_eq!(course.on_obstacle(now, Obstacle::Refused, 0.0), Turn::FellBack);
    let until = Some(now + BACK_AFTER);
    assert_eq!(course.next(now), Step::Poll { until }, "from the beginning");
}

#[test]
fn what_keeps_failing_means_polling_after_half_a_minute() {
    let start = origin();
    let mut course = Course::of_fan_out(false);
    let mut now = start;
    let fell_at = loop {
        match course.on_obstacle(now, Obstacle::Passing, 0.5) {
            Turn::FellBack => break now,
            _ => now += SECOND * 4,
        }
    };
    assert!((fell_at - start) >= FALL_BACK_AFTER && (fell_at - start) < FALL_BACK_AFTER * 2);
}

#[test]
fn auto_polls_quietly_without_a_consumer_and_looks_again() {
    let now = origin();
    let mut course = Course::of_fan_out(true);
    assert_eq!(course.on_obstacle(now, Obstacle::NoConsumer, 0.0), Turn::Quiet);
    let until = now + LOOK_AGAIN;
    assert_eq!(course.next(now), Step::Poll { until: Some(until) });
    assert_eq!(course.next(until), Step::Subscribe);
    assert_eq!(
        course.on_subscribed(until),
        Turn::Quiet,
        "nothing had gone wrong before"
    );
    course.on_event();
    assert_eq!(
        course.on_obstacle(until + SECOND, Obstacle::NoConsumer, 0.0),
        Turn::FellBack
    );
}

#[test]
fn polling_by_choice_stays_polling() {
    let now = origin();
    let course = Course::of_polling();
    assert_eq!(course.next(now + SECOND * 100_000), Step::Poll { until: None });
}

proptest! {
    #[test]
    fn never_two_successful_calls_within_five_seconds_and_never_stuck(
        acts in proptest::collection::vec((0..7_u8, 0_u64..9_000, 0.0..1.0_f64), 1..120),
        auto in any::<bool>(),
    ) {
        let mut now = origin();
        let mut course = Course::of_fan_out(auto);
        let mut opened: Option<Instant> = None;
        for (act, wait, chance) in acts {
            now += Duration::from_millis(wait);
            match course.next(now) {
                Step::Wait(at) => {
                    prop_assert!(at > now && at - now <= APART * 3);
                    now = at;
                }
                Step::Poll { until } => {
                    prop_assert!(until.is_some_and(|at| at > now && at - now <= LONGEST_AWAY * 2));
                    if act == 0 { now = until.unwrap_or(now); }
                }
                Step::Subscribe => {
                    prop_assert!(opened.is_none_or(|at| now - at >= APART));
                    match act {
                        0 => { course.on_obstacle(now, Obstacle::InUse, chance); }
                        1 => { course.on_obstacle(now, Obstacle::Passing, chance); }
                        2 => { course.on_obstacle(now, Obstacle::Refused, chance); }
                        3 => { course.on_obstacle(now, Obstacle::NoConsumer, chance); }
                        _ => { course.on_subscribed(now); opened = Some(now); }
                    }
                }
                Step::Receive => match act {
                    0 => course.on_end(now),
                    1 => { course.on_silence(now, chance); }
                    2 => course.on_rest(now),
                    3 => { course.on_obstacle(now, Obstacle::Passing, chance); }
                    _ => course.on_event(),
                },
            }
        }
    }
}
