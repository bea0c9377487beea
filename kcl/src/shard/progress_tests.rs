use proptest::prelude::*;

use super::*;

type Move = fn(&mut Progress, Instant);

const SECOND: Duration = Duration::from_secs(1);
const STALL: Duration = Duration::from_secs(60);

#[expect(clippy::disallowed_methods, reason = "an origin for made-up times")]
fn origin() -> Instant {
    Instant::now()
}

fn failure(nature: Nature) -> Heard {
    Heard::Failure(Trouble {
        operation: "GetRecords",
        code: format!("{nature:?}"),
        nature,
    })
}

fn watch() -> Watch {
    Watch::new(STALL, SECOND, SECOND * 30)
}

fn answer(progress: &mut Progress, now: Instant, records: bool, lag: u64) -> Change {
    let lag = Some(Duration::from_millis(lag));
    progress.on_read(now, RetrievalMode::Polling, Heard::Answer, records, lag)
}

#[test]
fn a_shard_that_says_more_and_brings_nothing_is_read_anew_and_then_given_up() {
    let start = origin();
    let (mut progress, mut watch) = (Progress::new(start), watch());
    answer(&mut progress, start, false, 5_000);
    for second in 1..60 {
        answer(
            &mut progress,
            start + SECOND * second,
            false,
            5_000 + u64::from(second),
        );
    }
    assert_eq!(
        watch.judge(start + SECOND * 59, &progress, start),
        Judgement::Wait(start + STALL)
    );
    assert_eq!(
        watch.judge(start + STALL, &progress, start),
        Judgement::Restart(STALL)
    );
    assert_eq!(
        watch.judge(start + STALL + SECOND, &progress, start),
        Judgement::Wait(start + STALL * 2)
    );
    assert_eq!(
        watch.judge(start + STALL * 2, &progress, start),
        Judgement::GiveUp(STALL * 2)
    );
}

#[test]
fn what_moves_is_not_stuck() {
    let start = origin();
    let moves: [(&str, Move); 5] = [
        ("records", |p, at| {
            answer(p, at, true, 9_000);
        }),
        ("a smaller lag", |p, at| {
            let lag = p
                .lag()
                .map_or(90_000, |lag| u64::try_from(lag.as_millis()).unwrap() - 1);
            answer(p, at, false, lag);
        }),
        ("the tip", |p, at| {
            answer(p, at, false, 0);
        }),
        ("a batch done", Progress::on_moved),
        ("a throttle: the service lives", |p, at| {
            p.on_read(
                at,
                RetrievalMode::Polling,
                failure(Nature::Throttled),
                false,
                None,
            );
        }),
    ];
    for (what, act) in moves {
        let (mut progress, mut watch) = (Progress::new(start), watch());
        for second in (0..300).step_by(30) {
            let now = start + SECOND * second;
            act(&mut progress, now);
            assert_eq!(
                watch.judge(now, &progress, start),
                Judgement::Wait(now + STALL),
                "{what}"
            );
        }
    }
}

#[test]
fn a_restart_that_helped_is_forgotten() {
    let start = origin();
    let (mut progress, mut watch) = (Progress::new(start), watch());
    assert!(matches!(
        watch.judge(start + STALL, &progress, start),
        Judgement::Restart(_)
    ));
    answer(&mut progress, start + STALL + SECOND, true, 0);
    let later = start + STALL * 2 + SECOND;
    assert!(matches!(
        watch.judge(later, &progress, start),
        Judgement::Restart(_)
    ));
}

#[test]
fn while_the_processor_is_busy_the_clock_stands() {
    let start = origin();
    let (progress, mut watch) = (Progress::new(start), watch());
    let waiting = start + SECOND * 600;
    assert_eq!(
        watch.judge(waiting, &progress, waiting),
        Judgement::Wait(waiting + STALL)
    );
}

#[test]
fn a_shard_that_is_asked_seldom_is_not_stuck_for_that() {
    let start = origin();
    let mut watch = Watch::new(SECOND * 5, SECOND * 60, SECOND * 30);
    let judged = watch.judge(start + SECOND * 100, &Progress::new(start), start);
    assert_eq!(judged, Judgement::Wait(start + SECOND * 125));
}

#[test]
fn a_denial_is_told_once_and_so_is_its_end() {
    let start = origin();
    let mut progress = Progress::new(start);
    let fail = |progress: &mut Progress, nature| {
        progress.on_read(start, RetrievalMode::Polling, failure(nature), false, None)
    };
    assert_eq!(fail(&mut progress, Nature::Passing), Change::None);
    assert_eq!(fail(&mut progress, Nature::Denied), Change::Denied);
    assert_eq!(fail(&mut progress, Nature::Denied), Change::None);
    assert_eq!(fail(&mut progress, Nature::Passing), Change::None);
    let incident = progress.incident().unwrap();
    assert_eq!((incident.failures, incident.trouble.nature), (4, Nature::Denied));
    assert_eq!(
        fail(&mut progress, Nature::Denied),
        Change::None,
        "still the same"
    );
    assert_eq!(answer(&mut progress, start, false, 0), Change::Recovered);
    assert!(progress.incident().is_none());
    assert_eq!(answer(&mut progress, start, false, 0), Change::None);
}

proptest! {
    #[test]
    fn a_lease_is_never_given_up_before_twice_the_patience_without_a_move(
        steps in proptest::collection::vec((0_u64..40, 0..4_u8), 1..80),
    ) {
        let start = origin();
        let (mut progress, mut watch) = (Progress::new(start), watch());
        let (mut now, mut moved) = (start, start);
        for (wait, kind) in steps {
            now += SECOND * u32::try_from(wait).unwrap();
            match kind {
                0 => { answer(&mut progress, now, true, 50_000); moved = now; }
                1 => { progress.on_read(now, RetrievalMode::FanOut, failure(Nature::Passing), false, None); }
                _ => {}
            }
            match watch.judge(now, &progress, start) {
                Judgement::Wait(until) => prop_assert!(until > now),
                Judgement::Restart(still) => prop_assert!(still >= STALL && now - moved >= STALL),
                Judgement::GiveUp(_) => { prop_assert!(now - moved >= STALL * 2); break; }
            }
        }
    }
}
