//! When records leave.

use super::rig::{Rig, at, config, members, ms};
use crate::config::Aggregation;
use crate::record::Record;

const HALF: u128 = u128::MAX / 2 + 1;

#[test]
fn a_record_waits_for_company_as_long_as_it_lingers() {
    let mut rig = Rig::with_shards(config(), 1);
    rig.put_at(1, 0);
    rig.wait(ms(60));
    rig.put_at(2, 0);
    rig.wait(ms(39));
    assert!(rig.sent.is_empty());
    rig.wait(ms(1));
    let batch = rig.take_request();
    assert_eq!(batch.entries.len(), 1);
    assert_eq!(members(&batch.entries[0]), 2, "the younger left with the older");
}

#[test]
fn a_full_aggregate_leaves_at_once() {
    let mut rig = Rig::with_shards(config(), 1);
    for token in 0..51 {
        rig.put(token, at(0, 1_000));
    }
    assert_eq!(rig.sent.len(), 1, "sent before any time has passed");
    let batch = rig.take_request();
    assert!(batch.entries[0].data.len() <= 51_200);
    assert!(batch.entries[0].data.len() > 45_000, "as full as it gets");
}

#[test]
fn by_count_as_well() {
    let mut rig = Rig::with_shards(config().aggregation_max_count(3), 1);
    for token in 0..3 {
        assert!(rig.sent.is_empty());
        rig.put_at(token, 0);
    }
    assert_eq!(members(&rig.take_request().entries[0]), 3);
}

/// While a request is on its way, what comes gathers behind it and leaves as one.
#[test]
fn an_aggregate_stays_open_while_its_shard_is_busy() {
    let mut rig = Rig::with_shards(config(), 1);
    rig.put_at(1, 0);
    rig.wait(ms(100));
    for token in 2..12 {
        rig.put_at(token, 0);
        rig.wait(ms(50));
    }
    assert_eq!(rig.sent.len(), 1, "one request for a shard at a time");
    rig.stored_on(0);
    let batch = rig.take_request();
    assert_eq!(members(&batch.entries[0]), 10);
}

#[test]
fn who_would_soon_be_due_joins_a_request_that_goes_anyway() {
    for (later, joins) in [(19, true), (21, false)] {
        let mut rig = Rig::with_shards(config(), 2);
        rig.put_at(1, 0);
        rig.wait(ms(later));
        rig.put_at(2, HALF);
        rig.wait(ms(100 - later));
        assert_eq!(
            rig.take_request().entries.len(),
            if joins { 2 } else { 1 },
            "{later} ms later"
        );
    }
}

#[test]
fn no_linger_means_no_waiting() {
    let mut rig = Rig::with_shards(config().linger(ms(0)), 1);
    rig.put_at(1, 0);
    assert_eq!(rig.sent.len(), 1);
}

#[test]
fn a_giant_travels_alone_and_in_its_turn() {
    let mut rig = Rig::with_shards(config(), 1);
    rig.put_at(1, 0);
    rig.put(2, at(0, 60_000));
    let first = rig.take_request();
    assert_eq!(
        first.entries.len(),
        1,
        "the giant's key is the same: it must not overtake"
    );
    assert_eq!(first.entries[0].data.len(), 10);
    rig.reply(&first, Ok(vec![super::rig::stored(0)]));
    rig.wait(ms(100));
    let second = rig.take_request();
    assert_eq!(second.entries[0].data.len(), 60_000);
    assert_eq!(second.entries[0].partition_key, "k");
}

#[test]
fn without_aggregation_a_key_has_one_record_in_a_request() {
    let mut rig = Rig::with_shards(config().aggregation(Aggregation::Disabled), 1);
    for (token, key) in [(1, "a"), (2, "b"), (3, "a"), (4, "c")] {
        rig.put(token, Record::new(key, "data").expect("valid"));
    }
    rig.wait(ms(100));
    let batch = rig.take_request();
    let keys: Vec<_> = batch
        .entries
        .iter()
        .map(|entry| entry.partition_key.as_str())
        .collect();
    assert_eq!(keys, ["a", "b", "c"]);
    let replies = keys.iter().map(|_| super::rig::stored(0)).collect();
    rig.reply(&batch, Ok(replies));
    rig.wait(ms(100));
    assert_eq!(rig.take_request().entries[0].partition_key, "a");
}

/// Consumers would split data that looks like an aggregate: it is wrapped, whichever way it travels.
#[test]
fn data_that_looks_like_an_aggregate_is_wrapped() {
    let mut builder =
        kinesis_aggregation::AggregateBuilder::new(kinesis_aggregation::AggregateLimits::DEFAULT);
    for key in ["x", "y"] {
        let hash_key = kinesis_aggregation::HashKey::of_partition_key(key);
        builder
            .try_push(key, None, hash_key, &[0; 30_000][..20_000])
            .expect("fits");
    }
    let lookalike = builder.seal().expect("two inside").into_data();
    for config in [
        config(),
        config().aggregation(Aggregation::Disabled),
        config().aggregation_max_size(10_000),
    ] {
        let mut rig = Rig::with_shards(config, 1);
        rig.put(1, Record::new("k", lookalike.clone()).expect("valid"));
        rig.wait(ms(100));
        let batch = rig.take_request();
        assert_eq!(members(&batch.entries[0]), 1);
        assert!(batch.entries[0].data.len() > lookalike.len());
        rig.reply(&batch, Ok(vec![super::rig::stored(0)]));
        assert_eq!(rig.delivered[0].1.sub_sequence_number(), Some(0));
    }
}

#[test]
fn it_is_known_why_records_left() {
    let mut rig = Rig::with_shards(config(), 2);
    rig.put_at(1, 0);
    rig.wait(ms(100));
    rig.request_fails("InternalFailure");
    rig.wait(ms(200));
    rig.stored_on(0);
    rig.put_at(2, 0);
    rig.flush();
    rig.stored_on(0);
    for token in 3..6 {
        rig.put(token, at(0, 20_000));
    }
    rig.stored_on(0);
    let departures = rig.pipeline.take_departures();
    assert_eq!(
        departures.to_string(),
        "linger 1, full 1, flush 1, again 1, company 0"
    );
    assert_eq!(rig.pipeline.take_departures().records, 0, "taken");
}
