//! A stream whose service distributes records by itself, found out before and after.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use kinesis_aggregation::{
    AggregateBuilder, AggregateLimits, Deaggregated, HashKey, HashKeyRange, OutOfRange, deaggregate,
};
use proptest::prelude::*;

use super::rig::{Rig, by_key, config, equal_shards, members, ms, shard, stored, throttled};
use crate::config::{AdaptiveRate, Aggregation, OuterKey};
use crate::failure::{Failure, FailureKind};
use crate::pipeline::{Distribution, Entry, Notice, StreamSummary};
use crate::record::Record;

const AUTO: StreamSummary = StreamSummary {
    distribution: Distribution::ByService,
    max_record_size: Some(1 << 20),
};
const MINUTES: Duration = Duration::from_secs(60);

/// A stream in AUTO with this many shards, before the first record.
fn auto(shards: u64) -> Rig {
    let mut rig = Rig::new(config());
    rig.says = Some(AUTO);
    rig.list(&equal_shards(0, shards));
    rig
}

/// Everything under way is stored, each entry on the next shard in turn. Counts the entries.
fn scatter(rig: &mut Rig, shards: u64) -> usize {
    let mut entries = 0;
    while !rig.sent.is_empty() {
        let request = rig.take_request();
        let replies = (0..)
            .zip(&request.entries)
            .map(|(n, _)| stored(n % shards))
            .collect();
        entries += request.entries.len();
        rig.reply(&request, Ok(replies));
    }
    entries
}

#[test]
fn list_and_summary_are_asked_for_at_once() {
    let mut rig = Rig::new(config());
    rig.says = None;
    rig.put_at(1, 0);
    assert_eq!((rig.lists, rig.describes), (1, 1));
    rig.list(&equal_shards(0, 1));
    rig.wait(ms(500));
    assert!(rig.sent.is_empty(), "not before the stream has told");
    rig.describe(Ok(by_key(1 << 20)));
    assert_eq!(rig.sent.len(), 1);
    assert_eq!((rig.lists, rig.describes), (1, 1));
}

#[test]
fn an_answer_that_fails_holds_nobody_for_long() {
    let mut rig = Rig::new(config());
    rig.says = None;
    rig.put_at(1, 0);
    rig.put_at(2, 0);
    rig.list(&equal_shards(0, 1));
    rig.describe(Err(Failure::of_code("LimitExceededException", "")));
    rig.wait(ms(1_900));
    assert!(rig.sent.is_empty());
    assert!(rig.describes > 1, "asked again");
    rig.wait(ms(200));
    assert_eq!(
        members(&rig.take_request().entries[0]),
        1,
        "unpacked while unknown"
    );
    assert!(rig.failed.is_empty());
}

#[test]
fn without_permission_nothing_is_packed_and_all_is_delivered() {
    let mut rig = Rig::new(config());
    rig.says = None;
    for token in 0..5 {
        rig.put_at(token, u128::from(token));
    }
    rig.list(&equal_shards(0, 1));
    rig.describe(Err(Failure::of_code("AccessDeniedException", "not authorized")));
    assert!(
        matches!(rig.notices.as_slice(), [Notice::NotPermitted(_)]),
        "{:?}",
        rig.notices
    );
    rig.wait(ms(200));
    let request = rig.take_request();
    assert_eq!(request.entries.len(), 5);
    rig.reply(&request, Ok((0..5).map(|_| stored(0)).collect()));
    assert_eq!(rig.delivered_tokens(), [0, 1, 2, 3, 4]);
}

#[test]
fn nothing_is_packed_and_nothing_is_sent_twice() {
    let mut rig = auto(4);
    for token in 0..400 {
        rig.put_at(token, 7);
    }
    rig.wait(ms(1_000));
    let keys: usize = rig.sent.iter().map(|request| request.entries.len()).sum();
    assert_eq!(keys, 400, "one key does not wait for itself");
    assert!(
        rig.sent
            .iter()
            .flat_map(|request| &request.entries)
            .all(|entry| members(entry) == 1)
    );
    scatter(&mut rig, 4);
    rig.wait(MINUTES);
    assert_eq!(rig.delivered.len(), 400);
    assert!(rig.sent.is_empty(), "landing elsewhere is no failure");
    assert_eq!(rig.lists, 0, "and no news about the shards");
}

#[test]
fn records_of_one_key_take_all_lanes_and_each_lane_keeps_its_rate() {
    let mut rig = Rig::new(config().adaptive_rate(AdaptiveRate::Disabled));
    rig.says = Some(AUTO);
    rig.list(&equal_shards(0, 4));
    let (rate, seconds) = (1_500.0, 5);
    let mut token = 0;
    let mut sent = 0;
    for _ in 0..seconds * 100 {
        for _ in 0..200 {
            rig.put_at(token, 7);
            token += 1;
        }
        rig.wait(ms(10));
        sent += scatter(&mut rig, 4);
    }
    let most = 4.0 * (rate * f64::from(seconds) + 1_000.0);
    #[expect(clippy::cast_precision_loss, reason = "a count of thousands")]
    let sent = sent as f64;
    assert!(sent <= most, "{sent} records, four shards take {most}");
    assert!(
        sent >= most * 0.8,
        "{sent} records of {most}: not one shard's rate"
    );
}

#[test]
fn an_unknown_shard_is_news_in_any_case() {
    let mut rig = auto(2);
    rig.put_at(1, 0);
    rig.wait(ms(1_000));
    rig.stored_on(9);
    assert_eq!(rig.delivered_tokens(), [1]);
    assert_eq!(rig.lists, 1);
    rig.list(&[shard(8, 0, u128::MAX / 2), shard(9, u128::MAX / 2 + 1, u128::MAX)]);
    rig.put_at(2, 0);
    rig.wait(ms(1_000));
    rig.stored_on(9);
    assert_eq!(rig.delivered_tokens(), [1, 2]);
}

#[test]
fn a_stream_switched_to_auto_is_found_out_by_its_strays() {
    let mut rig = Rig::with_shards(config(), 4);
    let width = u128::MAX / 4;
    for token in 0..40 {
        rig.put_at(token, u128::from(token % 4) * width + u128::from(token));
    }
    rig.wait(ms(10_000));
    let request = rig.take_request();
    assert_eq!(request.entries.len(), 4, "an aggregate for each shard");
    assert_eq!(rig.describes, 1);
    // The service has begun to distribute records; the strays are sent again.
    rig.says = Some(AUTO);
    rig.reply(&request, Ok(vec![stored(1), stored(2), stored(3), stored(3)]));
    assert_eq!(rig.delivered.len(), 10, "one happened to land right");
    assert_eq!(rig.describes, 2, "three strays in a row ask");
    assert_eq!(rig.notices, [Notice::Auto]);
    rig.list(&equal_shards(0, 4));
    rig.wait(ms(2_000));
    let again: Vec<_> = rig.sent.iter().flat_map(|request| &request.entries).collect();
    assert_eq!(again.len(), 30);
    assert!(
        again.iter().all(|entry| members(entry) == 1),
        "single records, not aggregates"
    );
    scatter(&mut rig, 4);
    assert_eq!(rig.delivered.len(), 40);
    assert!(rig.failed.is_empty());
    let tokens: HashSet<_> = rig.delivered_tokens().into_iter().collect();
    assert_eq!(tokens.len(), 40, "each once");
}

#[test]
fn who_always_packs_does_not_stray_for_ever() {
    let mut rig = Rig::new(config().aggregation(Aggregation::Always));
    rig.says = None;
    rig.put_at(1, 0);
    rig.put_at(2, 5);
    rig.list(&equal_shards(0, 2));
    rig.wait(ms(1_000));
    let mut sizes = Vec::new();
    while rig.delivered.len() < 2 {
        let request = rig.take_request();
        sizes.push(request.entries.len());
        let replies = request.entries.iter().map(|_| stored(1)).collect();
        rig.reply(&request, Ok(replies));
        rig.list(&equal_shards(0, 2));
        rig.wait(ms(5_000));
    }
    assert_eq!(sizes, [1, 1, 2], "twice together, then alone");
    for (_, delivery) in &rig.delivered {
        let strayed = delivery
            .attempts()
            .filter_map(|attempt| attempt.failure())
            .all(|failure| failure.kind() == FailureKind::WrongShard);
        assert!(strayed);
    }
}

#[test]
fn back_under_hash_keys_records_are_packed_where_they_belong() {
    let mut rig = auto(2);
    for token in 0..10 {
        rig.put_at(token, u128::from(token) + 1);
    }
    // They wait in both lanes when hash keys count again.
    rig.describe(Ok(by_key(1 << 20)));
    assert_eq!(rig.notices, [Notice::Auto, Notice::ByKey]);
    for token in 10..20 {
        rig.put_at(token, u128::from(token) + 1);
    }
    let mut aggregates = 0;
    for _ in 0..20 {
        rig.wait(ms(1_000));
        while !rig.sent.is_empty() {
            let request = rig.take_request();
            aggregates += request.entries.iter().filter(|entry| members(entry) > 1).count();
            let replies = request
                .entries
                .iter()
                .map(|entry| stored(u64::from(entry.hash_key > HashKey::new(u128::MAX / 2))))
                .collect();
            rig.reply(&request, Ok(replies));
        }
    }
    assert!(aggregates > 0);
    assert_eq!(rig.delivered.len(), 20);
    assert!(
        rig.delivered
            .iter()
            .all(|(_, delivery)| delivery.attempt_count() == 1)
    );
}

#[test]
fn what_looks_like_an_aggregate_is_tried_until_it_lies_right() {
    let mut rig = auto(2);
    let mut builder = AggregateBuilder::new(AggregateLimits::DEFAULT);
    for key in ["a", "b"] {
        builder
            .try_push(key, None, HashKey::of_partition_key(key), b"data")
            .expect("fits");
    }
    let data = builder.seal().expect("two inside").into_data();
    let record = Record::new("k", data).expect("valid");
    // Consumers check the hash key of what is inside the wrapping.
    let home = u64::from(record.hash_key() > HashKey::new(u128::MAX / 2));
    rig.put(1, record);
    let mut landed = BTreeMap::new();
    for on in [1 - home, 1 - home, home] {
        rig.wait(ms(5_000));
        rig.stored_on(on);
        landed.insert(on, rig.delivered.len());
    }
    assert_eq!(landed, BTreeMap::from([(1 - home, 0), (home, 1)]));
}

/// The records that a consumer finds which goes by the KCL's rule.
fn visible(entry: &Entry, range: &HashKeyRange) -> Vec<u32> {
    let number = |data: &[u8]| String::from_utf8_lossy(data).parse().expect("a number");
    match deaggregate(entry.data.clone(), range, OutOfRange::DropAggregate) {
        Deaggregated::Aggregate(records) => records.iter().map(|record| number(record.data())).collect(),
        Deaggregated::Raw { data, .. } => vec![number(&data)],
        _ => Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// However often the service changes who distributes records, whatever it throttles, and whoever may ask it: each
    /// record is seen once by consumers, and delivered once.
    #[test]
    fn each_record_is_seen_once(
        aggregation in prop_oneof![
            4 => Just(Aggregation::Enabled),
            1 => Just(Aggregation::Always),
            1 => Just(Aggregation::Disabled),
        ],
        outer_key in prop::sample::select(vec![OuterKey::Fixed, OuterKey::PerKey]),
        may_ask in prop::bool::weighted(0.8),
        steps in prop::collection::vec((any::<bool>(), 1_u32..60, any::<u64>()), 1..12),
    ) {
        let often = Duration::from_secs(1);
        let config = config().aggregation(aggregation).outer_key(outer_key).summary_refresh(often);
        let mut rig = Rig::new(config);
        let shards = equal_shards(0, 4);
        rig.says = None;
        let (mut put, mut asked) = (0, 0);
        let mut seen = Vec::new();
        let mut is_auto = false;
        let mut steps = steps.into_iter();
        while rig.delivered.len() < put as usize || steps.len() > 0 {
            let mut dice = 0x9e37_79b9_7f4a_7c15;
            if let Some((auto, records, seed)) = steps.next() {
                is_auto = auto;
                dice ^= seed;
                for _ in 0..records {
                    let record = Record::new(format!("key-{}", put % 7), put.to_string()).expect("valid");
                    rig.put(put, record);
                    put += 1;
                }
            }
            for _ in asked..rig.describes {
                let distribution = if is_auto { Distribution::ByService } else { Distribution::ByKey };
                let summary = StreamSummary { distribution, max_record_size: None };
                rig.describe(if may_ask { Ok(summary) } else { Err(Failure::of_code("AccessDeniedException", "")) });
            }
            asked = rig.describes;
            rig.list(&shards);
            rig.wait(ms(700));
            while !rig.sent.is_empty() {
                let request = rig.take_request();
                let mut replies = Vec::new();
                for entry in &request.entries {
                    dice = dice.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1_442_695_040_888_963_407);
                    if dice >> 61 == 0 {
                        replies.push(throttled());
                        continue;
                    }
                    let home = shards.iter().position(|shard| shard.range.contains(entry.hash_key)).expect("covered");
                    let scattered = usize::try_from(dice >> 40 & 3).expect("small");
                    let at = if is_auto { scattered } else { home };
                    seen.extend(visible(entry, &shards[at].range));
                    replies.push(stored(at as u64));
                }
                rig.reply(&request, Ok(replies));
            }
            prop_assert!(rig.failed.is_empty(), "{:?}", rig.failed);
        }
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..put).collect::<Vec<_>>());
    }
}
