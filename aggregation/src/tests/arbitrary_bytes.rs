//! Bytes from anywhere: never a panic, and never another reading than prost's.

use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;

use super::model::{any_plains, enveloped, message_of, plain, read_body};
use crate::{
    Deaggregated, HashKey, HashKeyRange, MAGIC, OutOfRange, RawReason, deaggregate, looks_like_aggregate,
};

/// Opens a body under every policy and holds the result against prost's.
fn check(body: &[u8]) {
    let data = enveloped(body);
    let half = HashKeyRange::new(HashKey::MIN, HashKey::new(u128::MAX / 2)).unwrap();
    let ours = deaggregate(data.clone(), &half, OutOfRange::Deliver);
    for policy in [OutOfRange::DropAggregate, OutOfRange::HandBack] {
        let checked = deaggregate(data.clone(), &half, policy);
        assert_eq!(
            matches!(ours, Deaggregated::Raw { .. }),
            matches!(checked, Deaggregated::Raw { .. }),
            "validity depends on the policy"
        );
    }
    match (read_body(body), ours) {
        (Ok(Some(theirs)), Deaggregated::Aggregate(ours)) => assert_eq!(plain(&ours), theirs),
        (
            Ok(None),
            Deaggregated::Raw {
                why: RawReason::Malformed(_),
                ..
            },
        ) => {}
        // Where a known number comes in another layout, prost gives up and the protobuf runtimes of the
        // KPL and the KCL see an unknown field, as we do.
        (Err(_), Deaggregated::Raw { .. } | Deaggregated::Aggregate(_)) => {}
        (theirs, ours) => panic!("prost reads {theirs:?}, we read {ours:?}"),
    }
}

/// Pieces of protobuf, so that random bodies get past the first field.
fn any_piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..6),
        prop::sample::select(vec![
            b"\x0a\x01a".to_vec(),
            b"\x0a\x00".to_vec(),
            b"\x12\x0242".to_vec(),
            b"\x12\x01x".to_vec(),
            b"\x1a\x04\x08\x00\x1a\x00".to_vec(),
            b"\x1a\x06\x08\x01\x10\x00\x1a\x00".to_vec(),
            b"\x1a\x07\x08\x00\x1a\x01x\x22\x00".to_vec(),
            b"\x1a\x0c\x08\x00\x1a\x01x\x22\x05\x0a\x01k\x12\x00".to_vec(),
            b"\x2b\x08\x01\x2c".to_vec(),
            b"\x2d1234".to_vec(),
        ]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn anything_at_all(data in vec(any::<u8>(), 0..200), magic: bool) {
        let data = if magic { [&MAGIC[..], &data].concat() } else { data };
        let looks = looks_like_aggregate(&data);
        let out = deaggregate(data.into(), &HashKeyRange::FULL, OutOfRange::DropAggregate);
        let is_raw = matches!(out, Deaggregated::Raw { .. });
        prop_assert!(looks || is_raw);
    }

    #[test]
    fn any_body(body in vec(any::<u8>(), 1..200)) {
        check(&body);
    }

    #[test]
    fn any_pieces(pieces in vec(any_piece(), 1..12)) {
        let body = pieces.concat();
        prop_assume!(!body.is_empty());
        check(&body);
    }

    #[test]
    fn a_valid_body_with_bytes_changed(
        records in any_plains(1..6),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut body = message_of(&records).encode_to_vec();
        for (place, byte) in changes {
            let place = place.index(body.len());
            body[place] = byte;
        }
        if let Some(cut) = cut {
            body.truncate(1 + cut.index(body.len()));
        }
        check(&body);
    }
}
