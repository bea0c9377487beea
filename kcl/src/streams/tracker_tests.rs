//! Lists that change, and what follows for each stream.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
fn origin() -> Instant {
    Instant::now()
}

fn id(name: &str, epoch: u64) -> StreamId {
    StreamId::parse(&format!("123456789012:{name}:{epoch}")).unwrap()
}

fn list(streams: &[&StreamId]) -> BTreeMap<StreamId, Start> {
    streams
        .iter()
        .map(|stream| ((*stream).clone(), Start::Latest))
        .collect()
}

fn table(streams: &[&StreamId]) -> BTreeSet<StreamId> {
    streams.iter().map(|stream| (*stream).clone()).collect()
}

fn read(stream: &StreamId) -> Change {
    Change::Read {
        stream: stream.clone(),
        start: Start::Latest,
    }
}

fn delete(stream: &StreamId) -> Change {
    Change::Delete {
        stream: stream.clone(),
    }
}

fn stop(stream: &StreamId, why: Why) -> Change {
    Change::Stop {
        stream: stream.clone(),
        why,
    }
}

#[test]
fn streams_are_added_and_told_once() {
    let (a, b) = (id("a", 1), id("b", 1));
    let mut tracker = Tracker::new(Unlisted::LeaveAlone, FormerStreams::Keep);
    let now = origin();
    assert_eq!(tracker.on_list(&list(&[&a]), &table(&[]), now), [read(&a)]);
    assert_eq!(tracker.on_list(&list(&[&a]), &table(&[&a]), now), []);
    assert_eq!(tracker.on_list(&list(&[&a, &b]), &table(&[&a]), now), [read(&b)]);
    assert_eq!(tracker.read().collect::<Vec<_>>(), [&a, &b]);
}

#[test]
fn former_streams_are_kept_or_deleted_after_a_wait() {
    let (a, b) = (id("a", 1), id("b", 1));
    let wait = 10 * MINUTE;
    let provided = |streams: &[&StreamId]| FormerStreams::DeleteTheseAfter {
        streams: table(streams),
        wait,
    };
    let gone = vec![stop(&a, Why::Unlisted), delete(&a)];
    for (former, expected) in [
        (FormerStreams::Keep, vec![]),
        (FormerStreams::DeleteAfter(wait), gone.clone()),
        (provided(&[&b]), vec![]),
        (provided(&[&a]), gone),
    ] {
        let start = origin();
        let mut tracker = Tracker::new(Unlisted::LeaveAlone, former.clone());
        let _ = tracker.on_list(&list(&[&a, &b]), &table(&[&a, &b]), start);
        assert_eq!(tracker.pending_deletion(), 0, "all are listed");
        for minute in 0..10 {
            let changes = tracker.on_list(&list(&[&b]), &table(&[&a, &b]), start + MINUTE * minute);
            assert_eq!(changes, [], "{former:?}, minute {minute}");
            assert_eq!(tracker.read().count(), 2, "it is read on");
            assert_eq!(tracker.pending_deletion(), expected.len() / 2, "{former:?}");
        }
        let changes = tracker.on_list(&list(&[&b]), &table(&[&a, &b]), start + 10 * MINUTE);
        assert_eq!(changes, expected, "{former:?}");
        assert_eq!(tracker.pending_deletion(), 0, "it is for others to do");
        assert_eq!(
            tracker.on_list(&list(&[&b]), &table(&[&b]), start + 11 * MINUTE),
            []
        );
    }
}

#[test]
fn a_stream_that_is_listed_again_in_time_stays() {
    let a = id("a", 1);
    let start = origin();
    let mut tracker = Tracker::new(Unlisted::LeaveAlone, FormerStreams::DeleteAfter(10 * MINUTE));
    let _ = tracker.on_list(&list(&[&a]), &table(&[&a]), start);
    assert_eq!(tracker.on_list(&list(&[]), &table(&[&a]), start + MINUTE), []);
    assert_eq!(
        tracker.on_list(&list(&[&a]), &table(&[&a]), start + 5 * MINUTE),
        []
    );
    assert_eq!(
        tracker.on_list(&list(&[]), &table(&[&a]), start + 12 * MINUTE),
        [],
        "the wait begins anew"
    );
}

#[test]
fn streams_that_nobody_listed_are_left_alone_or_read() {
    let a = id("a", 1);
    let start = origin();
    let mut careful = Tracker::new(Unlisted::LeaveAlone, FormerStreams::DeleteAfter(MINUTE));
    for minute in 0..5 {
        assert_eq!(
            careful.on_list(&list(&[]), &table(&[&a]), start + MINUTE * minute),
            []
        );
    }
    assert_eq!(careful.on_list(&list(&[&a]), &table(&[&a]), start), [read(&a)]);

    let mut eager = Tracker::new(Unlisted::Read(Start::Latest), FormerStreams::DeleteAfter(MINUTE));
    assert_eq!(eager.on_list(&list(&[]), &table(&[&a]), start), [read(&a)]);
    let changes = eager.on_list(&list(&[]), &table(&[&a]), start + MINUTE);
    assert_eq!(changes, [stop(&a, Why::Unlisted), delete(&a)]);
}

#[test]
fn a_stream_made_again_is_another_one() {
    let (old, new) = (id("a", 1), id("a", 2));
    let start = origin();
    let why = Why::Recreated { by: new.clone() };
    for (former, expected) in [
        (FormerStreams::Keep, vec![read(&new), stop(&old, why.clone())]),
        (
            FormerStreams::DeleteAfter(MINUTE),
            vec![read(&new), stop(&old, why), delete(&old)],
        ),
    ] {
        let mut tracker = Tracker::new(Unlisted::Read(Start::Latest), former);
        let _ = tracker.on_list(&list(&[&old]), &table(&[&old]), start);
        let changes = tracker.on_list(&list(&[&new]), &table(&[&old]), start + MINUTE);
        assert_eq!(changes, expected);
        assert_eq!(tracker.read().collect::<Vec<_>>(), [&new], "never both");
        assert_eq!(
            tracker.on_list(&list(&[&new]), &table(&[&old, &new]), start + 9 * MINUTE),
            []
        );
    }
    // A list that names both means the one that is.
    let mut tracker = Tracker::new(Unlisted::LeaveAlone, FormerStreams::Keep);
    assert_eq!(
        tracker.on_list(&list(&[&old, &new]), &table(&[]), start),
        [read(&new)]
    );
}

#[test]
fn a_stream_that_is_not_found_is_stopped_at_once_and_deleted_when_sure() {
    let a = id("a", 1);
    let mut tracker = Tracker::new(Unlisted::LeaveAlone, FormerStreams::Keep);
    let _ = tracker.on_list(&list(&[&a]), &table(&[&a]), origin());
    assert_eq!(tracker.on_not_found(&a), [stop(&a, Why::NotFound)]);
    assert_eq!(tracker.on_not_found(&a), []);
    assert_eq!(tracker.on_not_found(&a), [delete(&a)]);
    assert_eq!(tracker.on_not_found(&a), [], "told once");
    assert_eq!(
        tracker.on_list(&list(&[&a]), &table(&[]), origin()),
        [],
        "not asked for in vain"
    );
    // It is listed still, and may come back.
    tracker.on_found(&a);
    assert_eq!(tracker.on_list(&list(&[&a]), &table(&[]), origin()), [read(&a)]);
}
