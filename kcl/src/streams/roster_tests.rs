use super::*;
use crate::streams::tracker::Why;

const CADENCE: Cadence = Cadence {
    verify: Duration::from_secs(120),
    retry: Duration::from_secs(1),
    patience: Duration::from_secs(60),
};

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
fn origin() -> Instant {
    Instant::now()
}

fn roster(former: FormerStreams) -> Roster {
    Roster::new(
        Unlisted::LeaveAlone,
        former,
        CADENCE,
        InitialPosition::TrimHorizon,
    )
}

fn list(names: &[&str]) -> Vec<StreamConfig> {
    let configs = names.iter().map(|name| StreamConfig::new(name).unwrap());
    configs.collect()
}

fn target(name: &str) -> StreamTarget {
    StreamConfig::new(name).unwrap().target().clone()
}

fn described(name: &str, epoch: u64) -> Described {
    let arn: StreamArn = format!("arn:aws:kinesis:eu-west-1:123456789012:stream/{name}")
        .parse()
        .unwrap();
    Described {
        id: StreamId::new(arn.account(), arn.name(), epoch).unwrap(),
        arn,
    }
}

fn table(ids: &[&Described]) -> BTreeSet<StreamId> {
    ids.iter().map(|described| described.id.clone()).collect()
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn who_does_not_answer_is_asked_less_and_less_often() {
    let now = origin();
    let mut roster = roster(FormerStreams::Keep);
    roster.on_list(&list(&["orders"]), now);
    assert_eq!(roster.due(now), [target("orders")]);
    let pauses: Vec<u64> = (0..8)
        .map(|_| roster.on_failure(&target("orders"), false, now).0.as_secs())
        .collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(roster.due(now + seconds(59)), []);
    assert_eq!(roster.next_due(), Some(now + seconds(60)));
    roster.on_described(&target("orders"), described("orders", 17), now);
    assert_eq!(roster.failures(&target("orders")), 0);
    assert_eq!(roster.next_due(), Some(now + seconds(120)));
    let (pause, _) = roster.on_failure(&target("orders"), true, now);
    assert_eq!(
        pause,
        seconds(60),
        "what is missing does not come back in a second"
    );
}

#[test]
fn many_streams_are_verified_one_each_second() {
    let now = origin();
    let names: Vec<String> = (0..1_000).map(|n| format!("s{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut roster = roster(FormerStreams::Keep);
    roster.on_list(&list(&names), now);
    for name in names {
        roster.on_described(&target(name), described(name, 17), now);
    }
    assert_eq!(roster.next_due(), Some(now + seconds(1_000)));
}

#[test]
fn leases_that_may_be_a_listed_streams_are_not_judged() {
    let now = origin();
    let mut roster = roster(FormerStreams::DeleteAfter(Duration::ZERO));
    let (orders, clicks) = (described("orders", 17), described("clicks", 17));
    roster.on_list(&list(&["orders", "clicks"]), now);
    roster.on_described(&target("orders"), orders.clone(), now);
    roster.on_failure(&target("clicks"), false, now);
    let changes = roster.changes(&table(&[&orders, &clicks]), now);
    assert!(
        matches!(&changes[..], [Change::Read { stream, .. }] if *stream == orders.id),
        "{changes:?}"
    );
    assert_eq!(roster.left_alone().count(), 0);
    assert_eq!(roster.reading().len(), 1);
    // It left the list without ever having answered: it was never read, so there is nothing to wait for.
    roster.on_list(&list(&["orders"]), now);
    assert_eq!(roster.changes(&table(&[&orders, &clicks]), now), []);
    assert_eq!(roster.left_alone().collect::<Vec<_>>(), [&clicks.id]);
}

#[test]
fn a_stream_that_left_the_list_is_read_with_what_was_known_of_it() {
    let now = origin();
    let mut roster = roster(FormerStreams::DeleteAfter(seconds(30)));
    let orders = described("orders", 17);
    roster.on_list(&list(&["orders"]), now);
    roster.on_described(&target("orders"), orders.clone(), now);
    roster.changes(&table(&[]), now);
    roster.on_list(&[], now);
    assert_eq!(roster.changes(&table(&[&orders]), now), []);
    assert_eq!(roster.reading()[&orders.id].arn(), Some(&orders.arn));
    let changes = roster.changes(&table(&[&orders]), now + seconds(30));
    let (stream, why) = (orders.id, Why::Unlisted);
    assert_eq!(
        changes,
        [
            Change::Stop {
                stream: stream.clone(),
                why
            },
            Change::Delete { stream }
        ]
    );
    assert!(roster.reading().is_empty());
    assert!(!roster.knows(&target("orders")));
}

#[test]
fn made_again_it_is_another_and_an_old_answer_counts_for_nothing() {
    let now = origin();
    let mut roster = roster(FormerStreams::Keep);
    let (old, new) = (described("orders", 17), described("orders", 18));
    roster.on_list(&list(&["orders"]), now);
    roster.on_described(&target("orders"), old.clone(), now);
    roster.changes(&table(&[]), now);
    roster.on_synced(&target("orders"));
    assert_eq!(roster.synced(&target("orders")), Some(&old.id));
    roster.on_described(&target("orders"), new.clone(), now);
    assert_eq!(roster.synced(&target("orders")), None, "its shards have no lease");
    roster.changes(&table(&[&old]), now);
    assert_eq!(roster.reading().keys().collect::<Vec<_>>(), [&new.id]);
    roster.on_described(&target("orders"), old, now);
    roster.changes(&table(&[]), now);
    assert_eq!(roster.reading().keys().collect::<Vec<_>>(), [&new.id]);
    assert_eq!(roster.next_due(), Some(now + seconds(1)), "asked again soon");
}

#[test]
fn a_doubt_has_everybody_asked_once() {
    let now = origin();
    let mut roster = roster(FormerStreams::Keep);
    roster.on_list(&list(&["orders"]), now);
    roster.on_described(&target("orders"), described("orders", 17), now);
    roster.on_doubt(now);
    assert_eq!(roster.due(now), [], "that was just done");
    roster.on_doubt(now + seconds(5));
    assert_eq!(roster.due(now + seconds(5)), [target("orders")]);
}
