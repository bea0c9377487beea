use aws_sdk_dynamodb::primitives::Blob;
use proptest::prelude::*;

use super::*;
use crate::position::{Position, SequenceNumber};

fn row() -> Item {
    let mut lease = Lease::new(LeaseKey::new("shardId-000000000003"), Checkpoint::Latest);
    lease.counter = 5;
    encode(&lease)
}

fn with(name: &str, value: AttributeValue) -> Item {
    let mut item = row();
    item.insert(name.to_owned(), value);
    item
}

fn without(name: &str) -> Item {
    let mut item = row();
    item.remove(name);
    item
}

#[test]
fn faults_name_the_row_and_the_attribute() {
    let n = |digits: &str| AttributeValue::N(digits.to_owned());
    let ss = |ids: &[&str]| AttributeValue::Ss(ids.iter().map(|id| (*id).to_owned()).collect());
    let mut backwards = with("startingHashKey", text("2"));
    backwards.insert("endingHashKey".to_owned(), text("1"));
    let cases = [
        (without("leaseCounter"), "leaseCounter", "missing"),
        (with("leaseCounter", text("5")), "leaseCounter", "not of type N"),
        (
            with("leaseCounter", n("-1")),
            "leaseCounter",
            "`-1`: invalid digit found in string",
        ),
        (
            with("leaseCounter", n("1.5")),
            "leaseCounter",
            "`1.5`: invalid digit found in string",
        ),
        (without("checkpoint"), "checkpoint", "missing"),
        (with("checkpoint", text("")), "checkpoint", "missing"),
        (with("checkpoint", n("7")), "checkpoint", "not of type S"),
        (
            with("checkpointSubSequenceNumber", text("7")),
            "checkpointSubSequenceNumber",
            "not of type N",
        ),
        (with("leaseOwner", n("7")), "leaseOwner", "not of type S"),
        (
            with("checkpointOwner", n("7")),
            "checkpointOwner",
            "not of type S",
        ),
        (
            with("parentShardId", text("shardId-1")),
            "parentShardId",
            "not of type SS",
        ),
        (with("childShardIds", ss(&["a b"])), "childShardIds", ""),
        (with("pendingCheckpoint", text("soon")), "pendingCheckpoint", ""),
        (
            with("endingHashKey", text("x")),
            "endingHashKey",
            "hash key is not a decimal number without sign",
        ),
        (
            backwards,
            "startingHashKey",
            "hash key range starts at 2, above its end 1",
        ),
    ];
    for (item, attribute, reason) in cases {
        let fault = decode(&item).unwrap_err();
        assert_eq!(
            fault.key.as_ref().map(LeaseKey::as_str),
            Some("shardId-000000000003")
        );
        assert_eq!(fault.attribute, attribute);
        assert!(
            fault.reason.contains(reason) && !fault.reason.is_empty(),
            "{attribute}: {}",
            fault.reason
        );
    }
    for item in [without("leaseKey"), with("leaseKey", n("1"))] {
        let fault = decode(&item).unwrap_err();
        assert_eq!((fault.key, fault.attribute), (None, "leaseKey"));
    }
}

#[test]
fn a_garbage_checkpoint_says_what_it_is() {
    let fault = decode(&with("checkpoint", text("007"))).unwrap_err();
    assert!(fault.reason.contains("`007`"), "{}", fault.reason);
}

#[test]
fn what_may_be_absent_has_a_meaning() {
    let mut item = row();
    item.retain(|name, _| ["leaseKey", "leaseCounter", "checkpoint"].contains(&name.as_str()));
    let lease = decode(&item).unwrap().unwrap();
    let mut expected = Lease::new(LeaseKey::new("shardId-000000000003"), Checkpoint::Latest);
    expected.counter = 5;
    assert_eq!(lease, expected);
}

#[test]
fn half_a_hash_range_is_none() {
    for name in ["startingHashKey", "endingHashKey"] {
        assert_eq!(decode(&with(name, text("7"))).unwrap().unwrap().hash_range, None);
    }
}

#[test]
fn a_number_for_a_pending_state_means_nothing() {
    let mut item = with("pendingCheckpoint", text("12"));
    item.insert("pendingCheckpointState".to_owned(), number(0));
    let pending = decode(&item).unwrap().unwrap().pending.unwrap();
    assert_eq!(pending.state, None);
    item.insert(
        "pendingCheckpointState".to_owned(),
        AttributeValue::B(Blob::new([1, 2])),
    );
    let pending = decode(&item).unwrap().unwrap().pending.unwrap();
    assert_eq!(pending.state, Some(Bytes::from_static(&[1, 2])));
    let stray = with("pendingCheckpointState", number(0));
    assert_eq!(decode(&stray).unwrap().unwrap().pending, None);
}

#[test]
fn only_leases_are_leases() {
    assert!(decode(&with("entityType", text("LEASE"))).unwrap().is_some());
    for kind in [text("LEADER"), text(""), number(1)] {
        assert_eq!(decode(&with("entityType", kind)).unwrap(), None);
    }
    let metrics = Item::from([
        ("leaseKey".to_owned(), text("w")),
        ("entityType".to_owned(), text("WORKER_METRIC_STATS")),
    ]);
    assert_eq!(
        decode(&metrics).unwrap(),
        None,
        "though it lacks all that a lease has"
    );
}

#[test]
fn a_strange_throughput_is_no_reason_to_give_up_a_lease() {
    for strange in [text("fast"), AttributeValue::N("fast".to_owned())] {
        assert_eq!(
            decode(&with("throughputKBps", strange))
                .unwrap()
                .unwrap()
                .throughput_kbps,
            None
        );
    }
}

fn checkpoint() -> impl Strategy<Value = Checkpoint> {
    prop_oneof![
        Just(Checkpoint::TrimHorizon),
        Just(Checkpoint::Latest),
        Just(Checkpoint::AtTimestamp),
        Just(Checkpoint::ShardEnd),
        ("[1-9][0-9]{0,60}", any::<u64>())
            .prop_map(|(n, sub)| Checkpoint::At(Position::new(SequenceNumber::parse(&n).unwrap(), sub))),
    ]
}

fn lease_strategy() -> impl Strategy<Value = Lease> {
    let worker = || prop::option::of("[a-zA-Z0-9:_-]{1,20}".prop_map(|id| WorkerId::new(&id)));
    let ids = || prop::collection::btree_set(any::<u32>().prop_map(|n| ShardId::from_number(n.into())), 0..3);
    let state = prop::option::of(prop::collection::vec(any::<u8>(), 0..5).prop_map(Bytes::from));
    let pending = prop::option::of((checkpoint(), state));
    let range = prop::option::of((any::<u128>(), any::<u128>()).prop_filter("not one key", |(a, b)| a != b));
    (
        checkpoint(),
        worker(),
        worker(),
        any::<[u64; 2]>(),
        ids(),
        ids(),
        pending,
        range,
    )
        .prop_map(
            |(
                checkpoint,
                owner,
                checkpoint_owner,
                [counter, switches],
                parents,
                children,
                pending,
                range,
            )| {
                let mut lease = Lease::new(LeaseKey::new("shardId-000000000003"), checkpoint);
                lease.owner = owner;
                lease.checkpoint_owner = checkpoint_owner;
                lease.counter = counter;
                lease.owner_switches = switches;
                lease.parents = parents;
                lease.children = children;
                lease.pending = pending.map(|(checkpoint, state)| PendingCheckpoint { checkpoint, state });
                lease.hash_range = range.and_then(|(a, b)| {
                    HashKeyRange::new(HashKey::new(a.min(b)), HashKey::new(a.max(b))).ok()
                });
                lease
            },
        )
}

fn value() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        ".{0,10}".prop_map(AttributeValue::S),
        "-?[0-9.]{0,30}".prop_map(AttributeValue::N),
        prop::collection::vec(".{0,5}", 0..3).prop_map(AttributeValue::Ss),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null(true)),
    ]
}

proptest! {
    #[test]
    fn a_lease_comes_back_from_its_row(lease in lease_strategy()) {
        prop_assert_eq!(decode(&encode(&lease)), Ok(Some(lease)));
    }

    #[test]
    fn no_empty_text_or_set_is_written(lease in lease_strategy()) {
        for (name, value) in encode(&lease) {
            let empty = match &value {
                AttributeValue::S(text) => text.is_empty(),
                AttributeValue::Ss(set) => set.is_empty(),
                _ => false,
            };
            prop_assert!(!empty, "{}", name);
        }
    }

    #[test]
    fn any_row_is_read_or_reported(
        values in prop::collection::vec((prop::sample::select(NAMES.to_vec()), value()), 0..6),
    ) {
        let mut item = row();
        item.extend(values.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let _ = decode(&item);
    }
}

const NAMES: [&str; 15] = [
    LEASE_KEY,
    LEASE_OWNER,
    CHECKPOINT_OWNER,
    LEASE_COUNTER,
    OWNER_SWITCHES,
    CHECKPOINT,
    CHECKPOINT_SUB,
    PENDING,
    PENDING_SUB,
    PENDING_STATE,
    PARENTS,
    CHILDREN,
    STARTING_HASH_KEY,
    ENDING_HASH_KEY,
    THROUGHPUT,
];
