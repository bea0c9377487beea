use super::*;
use crate::events::Notice;
use crate::shard::progress::Trouble;
use futures::{FutureExt as _, StreamExt as _};

const SECOND: Duration = Duration::from_secs(1);

fn pulse() -> (Pulse, crate::events::Events) {
    let bell = Bell::new();
    let events = bell.ear().listen();
    (
        Pulse::new(LeaseKey::new("shardId-000000000000"), bell, Counters::for_tests()),
        events,
    )
}

fn told(events: &mut crate::events::Events) -> Vec<ConsumerEvent> {
    let mut told = Vec::new();
    while let Some(Some(Notice::Event(event))) = events.next().now_or_never() {
        told.push(event);
    }
    told
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_is_reported_at_its_deadline_and_at_every_doubling() {
    let (pulse, mut events) = pulse();
    let began = Instant::now();
    let watched = pulse.clone();
    let mut reports = tokio::task::JoinSet::new();
    reports.spawn(async move { watched.report_calls(SECOND * 10).await });
    tokio::time::sleep(SECOND * 7).await;
    let call = pulse.begin("process_records");
    tokio::time::sleep(SECOND * 95).await;
    drop(call);
    let seen: Vec<_> = told(&mut events)
        .into_iter()
        .map(|event| match event {
            ConsumerEvent::ProcessorSlow {
                method, running_for, ..
            } => (method, running_for.as_secs()),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [10, 20, 40, 80].map(|seconds| ("process_records", seconds));
    assert_eq!(seen, expected);
    assert!(began.elapsed() >= SECOND * 102);
}

#[tokio::test(start_paused = true)]
async fn short_calls_are_not_reported_however_many() {
    let (pulse, mut events) = pulse();
    let watched = pulse.clone();
    let mut reports = tokio::task::JoinSet::new();
    reports.spawn(async move { watched.report_calls(SECOND * 10).await });
    for _ in 0..50 {
        let call = pulse.begin("process_records");
        tokio::time::sleep(SECOND * 9).await;
        drop(call);
    }
    assert_eq!(told(&mut events), []);
}

#[tokio::test(start_paused = true)]
async fn a_denial_is_an_event_and_so_is_its_end() {
    let (pulse, mut events) = pulse();
    let denied = || {
        Heard::Failure(Trouble {
            operation: "GetRecords",
            code: "AccessDeniedException".to_owned(),
            nature: Nature::Denied,
        })
    };
    for _ in 0..3 {
        pulse.on_read(RetrievalMode::Polling, denied(), false, None);
    }
    let (progress, _) = pulse.look();
    assert_eq!(progress.incident().unwrap().failures, 3);
    pulse.on_read(RetrievalMode::Polling, Heard::Answer, false, None);
    let seen = told(&mut events);
    assert!(
        matches!(
            &seen[..],
            [ConsumerEvent::ReadDenied { operation: "GetRecords", code, .. }, ConsumerEvent::ReadRecovered { .. }]
                if code == "AccessDeniedException"
        ),
        "{seen:?}"
    );
}
