//! The partition key of a Kinesis record as a whole, and who shares one.

use std::collections::{BTreeMap, HashMap, HashSet};

use kinesis_aggregation::{
    AggregateBuilder, AggregateLimits, Deaggregated, HashKey, HashKeyRange, OutOfRange,
};
use kinesis_aggregation::{SubRecord, deaggregate};
use proptest::prelude::*;

use super::rig::{Rig, by_key, config, equal_shards, ms, stored};
use crate::config::{Ordering, OuterKey, ProducerConfigBuilder, RateLimit};
use crate::pipeline::Entry;
use crate::record::Record;

/// What consumers find in an entry: key and data.
fn inside(entry: &Entry) -> Vec<(String, Vec<u8>)> {
    match deaggregate(entry.data.clone(), &HashKeyRange::FULL, OutOfRange::DropAggregate) {
        Deaggregated::Aggregate(records) => records
            .iter()
            .map(|record: &SubRecord| (record.partition_key().to_owned(), record.data().to_vec()))
            .collect(),
        Deaggregated::Raw { data, .. } => vec![(entry.partition_key.clone(), data.to_vec())],
        other => panic!("{other:?}"),
    }
}

fn keyed(outer_key: OuterKey) -> ProducerConfigBuilder {
    config().outer_key(outer_key).rate_limit(RateLimit::Unlimited)
}

fn record(key: &str, data: &str) -> Record {
    Record::new(key, data.to_owned()).expect("valid")
}

/// The entries of the first request, after these records were put.
fn entries(outer_key: OuterKey, records: &[(&str, &str)]) -> Vec<Entry> {
    let mut rig = Rig::with_shards(keyed(outer_key), 1);
    for (token, (key, data)) in (0..).zip(records) {
        rig.put(token, record(key, data));
    }
    rig.wait(ms(100));
    rig.take_request().entries
}

#[test]
fn the_first_aggregate_to_the_byte() {
    let sent = |outer_key| entries(outer_key, &[("a", "x"), ("b", "yy")]);
    let golden = "f3899ac20a01610a01621a0508001a01781a0608011a027979f82e061bc4ee657e48c2a3e03e58a950";
    for (outer_key, key) in [(OuterKey::Fixed, "a"), (OuterKey::FirstRecord, "a")] {
        let sent = sent(outer_key);
        assert_eq!(sent.len(), 1);
        let hex: String = sent[0].data.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, golden, "source: the published form of this aggregate");
        assert_eq!(sent[0].partition_key, key);
        assert_eq!(sent[0].hash_key, HashKey::of_partition_key("a"));
    }
}

#[test]
fn whose_key_an_aggregate_has() {
    let put = [("till", "1"), ("desk", "2"), ("till", "3")];
    let outer = |outer_key| -> Vec<(String, usize)> {
        entries(outer_key, &put)
            .iter()
            .map(|entry| (entry.partition_key.clone(), inside(entry).len()))
            .collect()
    };
    assert_eq!(outer(OuterKey::Fixed), [("a".to_owned(), 3)]);
    assert_eq!(outer(OuterKey::FirstRecord), [("till".to_owned(), 3)]);
    assert_eq!(
        outer(OuterKey::PerKey),
        [("till".to_owned(), 2), ("desk".to_owned(), 1)]
    );
}

#[test]
fn what_looks_like_an_aggregate_is_wrapped_under_the_right_key() {
    let mut builder = AggregateBuilder::new(AggregateLimits::DEFAULT);
    for data in ["x", "y"] {
        builder
            .try_push("inner", None, HashKey::of_partition_key("inner"), data.as_bytes())
            .expect("fits");
    }
    let lookalike = builder.seal().expect("two inside").into_data();
    for (outer_key, key) in [
        (OuterKey::Fixed, "a"),
        (OuterKey::FirstRecord, "till"),
        (OuterKey::PerKey, "till"),
    ] {
        for aggregation in [crate::Aggregation::Enabled, crate::Aggregation::Disabled] {
            let mut rig = Rig::with_shards(keyed(outer_key).aggregation(aggregation), 1);
            rig.put(1, Record::new("till", lookalike.clone()).expect("valid"));
            rig.wait(ms(100));
            let entry = rig.take_request().entries.remove(0);
            assert_eq!(entry.partition_key, key, "{aggregation:?}");
            assert_eq!(inside(&entry), [("till".to_owned(), lookalike.to_vec())]);
            assert_eq!(entry.hash_key, HashKey::of_partition_key("till"));
        }
    }
}

#[test]
fn a_long_outer_key_counts_in_the_request() {
    let long = "\u{1F600}".repeat(256);
    for outer_key in [OuterKey::FirstRecord, OuterKey::PerKey] {
        let config = keyed(outer_key)
            .collection_max_size(52_224)
            .aggregation_max_size(51_200);
        let mut rig = Rig::with_shards(config, 8);
        for token in 0..300_u32 {
            let key = format!("{}{token:03}", &long[..long.len() - 12]);
            let record = Record::new(key, vec![7; 700]).expect("valid");
            let explicit = HashKey::new(u128::from(token % 8) * (u128::MAX / 8) + 1);
            rig.put(token, record.with_explicit_hash_key(explicit));
        }
        rig.wait(ms(100));
        assert!(!rig.sent.is_empty());
        for request in &rig.sent {
            let size: usize = request.entries.iter().map(Entry::size).sum();
            assert!(size <= 52_224, "{outer_key:?}: {size} bytes");
        }
    }
}

#[test]
fn an_aggregate_with_its_key_is_no_larger_than_the_stream_takes() {
    for outer_key in [OuterKey::Fixed, OuterKey::FirstRecord, OuterKey::PerKey] {
        let config = keyed(outer_key)
            .collection_max_size(10 << 20)
            .aggregation_max_size(5 << 20)
            .max_user_record_size(200);
        let mut rig = Rig::new(config);
        rig.says = Some(by_key(1 << 20));
        rig.list(&equal_shards(0, 1));
        let key = "k".repeat(256);
        for token in 0..30_000_u32 {
            rig.put(token, Record::new(key.as_str(), vec![7; 100]).expect("valid"));
        }
        rig.wait(ms(100));
        let mut largest = 0;
        while rig.delivered.len() < 30_000 {
            let request = rig.take_request();
            largest = request
                .entries
                .iter()
                .map(Entry::size)
                .max()
                .max(Some(largest))
                .unwrap_or(0);
            let replies = request.entries.iter().map(|_| stored(0)).collect();
            rig.reply(&request, Ok(replies));
            rig.wait(ms(100));
        }
        assert!(largest <= 1 << 20, "{outer_key:?}: {largest} bytes");
        assert!(largest >= 1 << 19, "{outer_key:?}: {largest} bytes");
    }
}

#[test]
fn a_hundred_thousand_keys_leave_in_full_requests() {
    let mut rig = Rig::with_shards(keyed(OuterKey::PerKey), 1);
    let keys: u32 = 100_000;
    for token in 0..keys {
        rig.put(token, record(&format!("key-{token}"), "data"));
    }
    rig.flush();
    let mut requests = 0;
    while rig.delivered.len() < keys as usize {
        let request = rig.take_request();
        requests += 1;
        let replies = request.entries.iter().map(|_| stored(0)).collect();
        rig.reply(&request, Ok(replies));
    }
    assert_eq!(requests, keys / 500);
    assert_eq!(rig.delivered_tokens(), (0..keys).collect::<Vec<_>>());
}

#[test]
fn one_key_packs_as_without() {
    let mut rig = Rig::with_shards(keyed(OuterKey::PerKey), 1);
    for token in 0..5_000 {
        rig.put(token, record("till", "0123456789"));
    }
    rig.wait(ms(100));
    let request = rig.take_request();
    assert_eq!(request.entries.len(), 1, "one entry of a key at a time");
    assert!(
        request.entries[0].data.len() > 48_000,
        "{}",
        request.entries[0].data.len()
    );
    assert!(request.entries[0].data.len() <= 51_200);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each record is stored once, each aggregate holds what its outer key says, and a key's order is kept, whatever is
    /// throttled meanwhile. Without ordering all of it but the order holds.
    #[test]
    fn per_key(
        relaxed in any::<bool>(),
        puts in prop::collection::vec((0_u8..12, 0_usize..3_000), 1..400),
        throttled in prop::collection::vec(any::<bool>(), 50),
    ) {
        let ordering = if relaxed { Ordering::Relaxed } else { Ordering::PerKey };
        let mut rig = Rig::with_shards(keyed(OuterKey::PerKey).ordering(ordering), 2);
        for (token, (key, size)) in (0..).zip(&puts) {
            let mut data = token.to_string().into_bytes();
            data.resize(data.len().max(*size), b' ');
            rig.put(token, Record::new(format!("key-{key}"), data).expect("valid"));
        }
        let mut read: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let mut dice = throttled.into_iter();
        while rig.delivered.len() < puts.len() {
            rig.wait(ms(100));
            if rig.sent.is_empty() {
                continue;
            }
            let request = rig.take_request();
            let keys: HashSet<_> = request.entries.iter().map(|entry| entry.partition_key.as_str()).collect();
            prop_assert_eq!(keys.len(), request.entries.len(), "a key has one entry");
            let mut replies = Vec::new();
            for entry in &request.entries {
                if dice.next().unwrap_or(false) {
                    replies.push(super::rig::throttled());
                    continue;
                }
                for (key, data) in inside(entry) {
                    prop_assert_eq!(&key, &entry.partition_key);
                    let number = String::from_utf8(data).expect("text").trim().parse().expect("a number");
                    read.entry(key).or_default().push(number);
                }
                replies.push(stored(u64::from(entry.hash_key > HashKey::new(u128::MAX / 2))));
            }
            rig.reply(&request, Ok(replies));
        }
        let mut expected: HashMap<String, Vec<u32>> = HashMap::new();
        for (token, (key, _)) in (0..).zip(&puts) {
            expected.entry(format!("key-{key}")).or_default().push(token);
        }
        for (key, mut numbers) in read {
            if relaxed {
                numbers.sort_unstable();
            }
            prop_assert_eq!(Some(numbers), expected.remove(&key));
        }
        prop_assert!(expected.is_empty());
    }
}
