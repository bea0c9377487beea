//! The out-of-range policies, against the rule applied record by record.

use bytes::Bytes;
use proptest::prelude::*;

use super::model::{Plain, any_plains, enveloped_message, message_of, plain};
use crate::{Deaggregated, HashKey, HashKeyRange, OutOfRange, RawReason, SubRecord, deaggregate};

fn range(start: u128, end: u128) -> HashKeyRange {
    HashKeyRange::new(HashKey::new(start), HashKey::new(end)).unwrap()
}

fn aggregate(records: &[Plain]) -> Bytes {
    enveloped_message(&message_of(records))
}

#[test]
fn one_record_outside_drops_all_and_is_reported() {
    let records = [
        Plain::new("a", Some(10), b"1"),
        Plain::new("a", Some(21), b"2"),
        Plain::new("a", Some(9), b"3"),
    ];
    let out = deaggregate(aggregate(&records), &range(10, 20), OutOfRange::DropAggregate);
    let Deaggregated::Dropped(dropped) = out else {
        panic!("{out:?}")
    };
    assert_eq!(dropped.record_count(), 3);
    assert_eq!(dropped.first_outside(), 1);
    assert_eq!(dropped.hash_key(), HashKey::new(21));
}

#[test]
fn both_ends_are_inside() {
    let records = [Plain::new("a", Some(10), b"1"), Plain::new("a", Some(20), b"2")];
    for policy in [OutOfRange::DropAggregate, OutOfRange::HandBack] {
        let out = deaggregate(aggregate(&records), &range(10, 20), policy);
        let Deaggregated::Aggregate(out) = out else {
            panic!("{out:?}")
        };
        assert_eq!(plain(&out), records);
        assert!(out.iter().all(|record| record.in_range() == Some(true)));
    }
}

#[test]
fn the_partition_key_decides_where_no_explicit_hash_key_does() {
    let at = HashKey::of_partition_key("a").get();
    let records = [Plain::new("a", None, b"1"), Plain::new("b", Some(at), b"2")];
    let inside = deaggregate(aggregate(&records), &range(at, at), OutOfRange::DropAggregate);
    assert!(matches!(inside, Deaggregated::Aggregate(_)), "{inside:?}");
    let outside = deaggregate(
        aggregate(&records),
        &range(at + 1, u128::MAX),
        OutOfRange::DropAggregate,
    );
    let Deaggregated::Dropped(dropped) = outside else {
        panic!("{outside:?}")
    };
    assert_eq!((dropped.first_outside(), dropped.hash_key().get()), (0, at));
}

#[test]
fn a_plain_record_is_never_held_against_the_range() {
    for policy in [
        OutOfRange::DropAggregate,
        OutOfRange::Deliver,
        OutOfRange::HandBack,
    ] {
        let out = deaggregate(Bytes::from_static(b"plain"), &range(0, 0), policy);
        assert_eq!(
            out,
            Deaggregated::Raw {
                data: Bytes::from_static(b"plain"),
                why: RawReason::NotAggregate
            }
        );
    }
}

#[test]
fn a_malformed_aggregate_is_raw_even_if_a_record_before_lies_outside() {
    let mut message = message_of(&[Plain::new("a", Some(99), b"1"), Plain::new("a", None, b"2")]);
    message.records[1].partition_key_index = Some(1);
    let data = enveloped_message(&message);
    let out = deaggregate(data.clone(), &range(0, 1), OutOfRange::DropAggregate);
    assert!(
        matches!(&out, Deaggregated::Raw { data: untouched, .. } if *untouched == data),
        "{out:?}"
    );
}

#[test]
fn handing_back_marks_each_record() {
    let records = [
        Plain::new("a", Some(5), b"1"),
        Plain::new("a", Some(15), b"2"),
        Plain::new("a", Some(25), b"3"),
    ];
    let out = deaggregate(aggregate(&records), &range(10, 20), OutOfRange::HandBack);
    let Deaggregated::HandedBack(back) = out else {
        panic!("{out:?}")
    };
    let marks: Vec<_> = back.records().iter().map(SubRecord::in_range).collect();
    assert_eq!(marks, [Some(false), Some(true), Some(false)]);
    assert_eq!((back.first_outside(), back.hash_key().get()), (0, 5));
    assert_eq!(plain(&back.into_records()), records);
}

/// Ranges cut at hash keys of the records themselves, so that inside, outside and the ends all occur.
fn any_case() -> impl Strategy<Value = (Vec<Plain>, HashKeyRange)> {
    any_plains(1..20).prop_flat_map(|records| {
        let cut = (any::<prop::sample::Index>(), -1_i8..=1);
        (Just(records), cut.clone(), cut).prop_map(|(records, one, other)| {
            let at = |(index, nudge): (prop::sample::Index, i8)| {
                index
                    .get(&records)
                    .hash_key()
                    .get()
                    .saturating_add_signed(i128::from(nudge))
            };
            let (one, other) = (at(one), at(other));
            let range = range(one.min(other), one.max(other));
            (records, range)
        })
    })
}

proptest! {
    #[test]
    fn every_policy_does_as_the_rule_says((records, range) in any_case()) {
        let inside: Vec<bool> =
            records.iter().map(|r| range.start() <= r.hash_key() && r.hash_key() <= range.end()).collect();
        let first_outside = inside.iter().position(|inside| !inside);

        let dropped = deaggregate(aggregate(&records), &range, OutOfRange::DropAggregate);
        let back = deaggregate(aggregate(&records), &range, OutOfRange::HandBack);
        match (first_outside, &dropped, &back) {
            (None, Deaggregated::Aggregate(kept), Deaggregated::Aggregate(also)) => {
                prop_assert_eq!(kept, also);
                prop_assert_eq!(plain(kept), &records[..]);
            }
            (Some(first), Deaggregated::Dropped(dropped), Deaggregated::HandedBack(back)) => {
                prop_assert_eq!(dropped.record_count(), records.len());
                prop_assert_eq!((dropped.first_outside(), back.first_outside()), (first, first));
                let culprit = records[first].hash_key();
                prop_assert_eq!((dropped.hash_key(), back.hash_key()), (culprit, culprit));
                let marks: Vec<bool> = back.records().iter().map(|r| r.in_range() == Some(true)).collect();
                prop_assert_eq!(&marks, &inside);
                prop_assert_eq!(plain(back.records()), &records[..]);
            }
            other => prop_assert!(false, "{other:?}"),
        }

        let Deaggregated::Aggregate(delivered) = deaggregate(aggregate(&records), &range, OutOfRange::Deliver)
        else { panic!("nothing is held back") };
        prop_assert!(delivered.iter().all(|record| record.in_range().is_none()));
        prop_assert_eq!(plain(&delivered), records);
    }
}
