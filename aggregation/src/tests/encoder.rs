//! What the builder writes, and what it says of it beforehand.

use prost::Message as _;

use super::model::{Plain, enveloped, enveloped_message, message_of};
use crate::{AggregateBuilder, AggregateLimits, Full, HashKey, looks_like_aggregate};

fn builder() -> AggregateBuilder {
    AggregateBuilder::new(AggregateLimits::DEFAULT)
}

#[test]
fn nothing_gives_nothing() {
    let mut builder = builder();
    assert!(builder.is_empty());
    assert_eq!(builder.encoded_len(), 0);
    assert_eq!(builder.seal(), None);
}

#[test]
fn a_record_alone_is_its_own_bytes() {
    let mut builder = builder();
    Plain::new("till-1", Some(5), b"bread")
        .push_to(&mut builder)
        .unwrap();
    assert_eq!(builder.encoded_len(), 5);
    let sealed = builder.seal().unwrap();
    assert_eq!(sealed.data().as_ref(), b"bread");
    assert!(!sealed.is_aggregate());
    assert_eq!(sealed.record_count(), 1);
    assert_eq!(sealed.partition_key(), "till-1");
    assert_eq!(sealed.outer_partition_key(), "till-1");
    assert_eq!(sealed.hash_key(), HashKey::new(5));
    assert!(builder.is_empty());
}

#[test]
fn an_empty_record_alone_is_no_bytes_and_still_a_record() {
    let mut builder = builder();
    Plain::new("k", None, b"").push_to(&mut builder).unwrap();
    assert_eq!(builder.encoded_len(), 0);
    let sealed = builder.seal().unwrap();
    assert!(sealed.data().is_empty());
    assert_eq!(sealed.record_count(), 1);
}

#[test]
fn a_record_alone_which_looks_like_an_aggregate_is_wrapped() {
    let record = Plain::new("k", None, &enveloped(b"anything"));
    assert!(looks_like_aggregate(&record.data));

    let mut builder = builder();
    record.push_to(&mut builder).unwrap();
    let said = builder.encoded_len();
    let sealed = builder.seal().unwrap();
    assert!(sealed.is_aggregate());
    assert_eq!(sealed.outer_partition_key(), "a");
    assert_eq!(sealed.data(), &enveloped_message(&message_of(&[record])));
    assert_eq!(said, sealed.data().len());

    // The next record alone is judged on its own.
    Plain::new("k", None, b"plain").push_to(&mut builder).unwrap();
    assert!(!builder.seal().unwrap().is_aggregate());
}

#[test]
fn two_records_are_an_aggregate_placed_by_the_first() {
    let records = [Plain::new("a", None, b"x"), Plain::new("b", None, b"yy")];
    let mut builder = builder();
    for record in &records {
        record.push_to(&mut builder).unwrap();
    }
    assert_eq!(builder.len(), 2);
    let sealed = builder.seal().unwrap();
    assert_eq!(sealed.data(), &enveloped_message(&message_of(&records)));
    assert_eq!(sealed.outer_partition_key(), "a");
    assert_eq!(sealed.hash_key(), HashKey::of_partition_key("a"));
}

#[test]
fn the_byte_limit_is_met_exactly_and_never_crossed() {
    let first = Plain::new("key-1", None, &[1; 60]);
    let second = Plain::new("key-2", Some(77), &[2; 40]);
    let both = enveloped_message(&message_of(&[first.clone(), second.clone()]));

    for (max_bytes, fits) in [(both.len(), true), (both.len() - 1, false)] {
        let limits = AggregateLimits::DEFAULT.with_max_bytes(max_bytes).unwrap();
        let mut builder = AggregateBuilder::new(limits);
        first.push_to(&mut builder).unwrap();
        assert_eq!(second.push_to(&mut builder).is_ok(), fits, "limit {max_bytes}");
        let expected = if fits { both.to_vec() } else { first.data.clone() };
        assert_eq!(builder.encoded_len(), expected.len());
        assert_eq!(builder.seal().unwrap().data().as_ref(), expected);
    }
}

#[test]
fn the_record_limit_is_kept() {
    let limits = AggregateLimits::DEFAULT.with_max_records(3).unwrap();
    let mut builder = AggregateBuilder::new(limits);
    let record = Plain::new("k", None, b"x");
    for _ in 0..3 {
        record.push_to(&mut builder).unwrap();
    }
    assert_eq!(record.push_to(&mut builder), Err(Full));
    assert_eq!(builder.seal().unwrap().record_count(), 3);

    let limits = limits.with_max_records(1).unwrap();
    let mut builder = AggregateBuilder::new(limits);
    record.push_to(&mut builder).unwrap();
    assert_eq!(record.push_to(&mut builder), Err(Full));
    assert!(!builder.seal().unwrap().is_aggregate());
}

#[test]
fn a_giant_goes_alone() {
    let mut builder = AggregateBuilder::new(AggregateLimits::DEFAULT.with_max_bytes(64).unwrap());
    let giant = Plain::new("k", None, &[7; 100_000]);
    giant.push_to(&mut builder).unwrap();
    assert_eq!(Plain::new("k", None, b"").push_to(&mut builder), Err(Full));
    assert_eq!(builder.encoded_len(), 100_000);
    assert_eq!(builder.seal().unwrap().data().as_ref(), giant.data);
}

#[test]
fn a_refused_record_leaves_no_trace() {
    let limits = AggregateLimits::DEFAULT.with_max_bytes(200).unwrap();
    let kept = [Plain::new("a", None, b"1"), Plain::new("b", Some(1), b"2")];
    let refused = Plain::new("new key", Some(2), &[0; 200]);

    let mut builder = AggregateBuilder::new(limits);
    for record in &kept {
        record.push_to(&mut builder).unwrap();
        if builder.len() > 1 {
            let before = builder.encoded_len();
            assert_eq!(refused.push_to(&mut builder), Err(Full));
            assert_eq!(builder.encoded_len(), before);
        }
    }
    assert_eq!(
        builder.seal().unwrap().data(),
        &enveloped_message(&message_of(&kept))
    );
}

#[test]
fn lengths_are_exact_where_varints_widen() {
    // Data of 127, 128, 16383, 16384 bytes, alone and behind another; and keys of these lengths.
    let sizes = [
        0, 1, 119, 120, 121, 122, 123, 124, 127, 128, 129, 16_370, 16_383, 16_384, 16_385,
    ];
    let limits = AggregateLimits::DEFAULT
        .with_max_bytes(AggregateLimits::MAX_BYTES)
        .unwrap();
    for size in sizes {
        for key_len in [1, 127, 128, 1024] {
            let records = [
                Plain::new("k", None, b""),
                Plain::new(&"x".repeat(key_len), Some(u128::MAX), &vec![0; size]),
            ];
            let mut builder = AggregateBuilder::new(limits);
            for record in &records {
                record.push_to(&mut builder).unwrap();
            }
            let expected = enveloped_message(&message_of(&records));
            assert_eq!(builder.encoded_len(), expected.len(), "{size} {key_len}");
            assert_eq!(builder.seal().unwrap().data(), &expected, "{size} {key_len}");
        }
    }
}

#[test]
fn many_keys_are_found_again() {
    // Past 16,384 entries, where an index takes three bytes; every key used twice, far apart.
    let records: Vec<Plain> = (0..40_000_u128)
        .map(|n| {
            Plain::new(
                &format!("customer-{}", n % 20_000),
                Some((n % 20_000) << 64),
                b"d",
            )
        })
        .collect();
    let limits = AggregateLimits::DEFAULT
        .with_max_bytes(AggregateLimits::MAX_BYTES)
        .unwrap();
    let mut builder = AggregateBuilder::new(limits);
    for record in &records {
        record.push_to(&mut builder).unwrap();
    }
    let sealed = builder.seal().unwrap();
    let body = &sealed.data()[4..sealed.data().len() - 16];
    let read = crate::proto::message::AggregatedRecord::decode(body).unwrap();
    assert_eq!(read.partition_key_table.len(), 20_000);
    assert_eq!(read.explicit_hash_key_table.len(), 20_000);
    let last = read.records.last().unwrap();
    assert_eq!(last.partition_key_index, Some(19_999));
    assert_eq!(last.explicit_hash_key_index, Some(19_999));
}

#[test]
fn a_used_builder_writes_what_a_new_one_does() {
    let earlier = [
        Plain::new("b", Some(3), b"1"),
        Plain::new("a", None, b"2"),
        Plain::new("c", Some(4), b"3"),
    ];
    let later = [Plain::new("a", None, b"4"), Plain::new("c", Some(4), b"5")];
    let mut used = builder();
    for record in &earlier {
        record.push_to(&mut used).unwrap();
    }
    used.seal().unwrap();
    let mut new = builder();
    for record in &later {
        record.push_to(&mut used).unwrap();
        record.push_to(&mut new).unwrap();
        assert_eq!(used.encoded_len(), new.encoded_len());
    }
    assert_eq!(used.seal(), new.seal());
}

#[test]
fn only_a_whole_envelope_looks_like_an_aggregate() {
    let whole = enveloped(b"b");
    assert!(looks_like_aggregate(&whole));
    assert!(
        !looks_like_aggregate(&enveloped(b"")),
        "KCL wants more than 16 bytes after the magic"
    );
    assert!(!looks_like_aggregate(b""));
    for cut in 1..whole.len() {
        assert!(!looks_like_aggregate(&whole[..cut]));
        assert!(!looks_like_aggregate(&whole[cut..]));
    }
    for place in 0..whole.len() {
        let mut flipped = whole.to_vec();
        flipped[place] ^= 1;
        assert!(!looks_like_aggregate(&flipped), "byte {place}");
    }
}

/// What is digested later, with others, is what would have been digested at once.
#[test]
fn digests_may_come_later() {
    for count in 0..10_usize {
        let sealed = |seal: fn(&mut AggregateBuilder) -> Option<crate::SealedAggregate>| {
            (0..count)
                .map(|n| {
                    let mut builder = AggregateBuilder::new(AggregateLimits::DEFAULT);
                    for record in 0..=n + 1 {
                        let key = format!("key-{record}");
                        let data = vec![b'x'; n * 37];
                        let hash_key = HashKey::of_partition_key(&key);
                        builder.try_push(&key, None, hash_key, &data).unwrap();
                    }
                    seal(&mut builder).unwrap().into_data()
                })
                .collect::<Vec<_>>()
        };
        let at_once = sealed(AggregateBuilder::seal);
        let mut later = sealed(AggregateBuilder::seal_undigested);
        assert!(
            later
                .iter()
                .zip(&at_once)
                .all(|(later, at_once)| later != at_once)
        );
        let _shared = later.first().cloned();
        crate::write_digests(later.iter_mut());
        assert_eq!(later, at_once);
    }
}

#[test]
fn four_keys_are_hashed_as_one() {
    let long = "x".repeat(256);
    for keys in [["", "a", "ab", "abc"], ["a", &long, &long[..55], &long[..56]]] {
        assert_eq!(
            HashKey::of_four_partition_keys(keys.map(str::as_bytes)),
            keys.map(HashKey::of_partition_key)
        );
    }
}
