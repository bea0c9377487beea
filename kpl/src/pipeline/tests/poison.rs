//! A request that the service refuses as a whole for the sake of one record.

use std::collections::BTreeSet;

use kinesis_aggregation::{Deaggregated, HashKeyRange, OutOfRange, deaggregate};

use super::rig::{Rig, config, ms, stored, throttled};
use crate::config::{ProducerConfigBuilder, RetryPolicy, RetryRule};
use crate::error::DeliveryErrorKind;
use crate::failure::{Failure, FailureKind};
use crate::pipeline::Entry;
use crate::record::Record;
use kinesis_aggregation::HashKey;

/// Requests by their records, the tokens in the order they are in.
type Requests = Vec<Vec<u32>>;

fn tokens(entry: &Entry) -> Vec<u32> {
    let token = |data: &[u8]| u32::from_be_bytes(*data.first_chunk().expect("a token"));
    match deaggregate(entry.data.clone(), &HashKeyRange::FULL, OutOfRange::Deliver) {
        Deaggregated::Aggregate(records) => records.iter().map(|r| token(r.data())).collect(),
        Deaggregated::Raw { data, .. } => vec![token(&data)],
        _ => panic!("nothing is out of range"),
    }
}

fn rig(config: ProducerConfigBuilder, shards: u64, records: u32) -> Rig {
    let mut rig = Rig::with_shards(config, shards);
    for token in 0..records {
        let data = token.to_be_bytes().to_vec();
        let spread = (u128::MAX / 1_000) * u128::from(token % 1_000);
        let record = Record::new("k", data)
            .expect("valid")
            .with_explicit_hash_key(HashKey::new(spread));
        rig.put(token, record);
    }
    rig.wait(ms(1_000));
    rig
}

/// Answers until all is quiet: whole requests with any of the poisoned are refused in these words.
fn serve(
    rig: &mut Rig,
    shards: u64,
    poison: impl Fn(u32) -> bool,
    words: impl Fn(&[Vec<u32>]) -> String,
) -> Requests {
    let mut requests = Vec::new();
    while !rig.sent.is_empty() {
        let batch = rig.take_request();
        let entries: Vec<_> = batch.entries.iter().map(tokens).collect();
        requests.push(entries.concat());
        let reply = if entries.iter().flatten().any(|token| poison(*token)) {
            Err(Failure::of_code("ValidationException", words(&entries)))
        } else {
            Ok(batch
                .entries
                .iter()
                .map(|entry| stored(shard_of(entry, shards)))
                .collect())
        };
        rig.reply(&batch, reply);
        rig.wait(ms(10));
    }
    eprintln!(
        "{:?} {}",
        rig.pipeline.poll_timeout().map(|t| t - rig.now),
        rig.delivered.len()
    );
    requests
}

/// Where the service puts it.
fn shard_of(entry: &Entry, shards: u64) -> u64 {
    let width = u128::MAX / u128::from(shards);
    u64::try_from(entry.hash_key.get() / width)
        .expect("small")
        .min(shards - 1)
}

fn silent(_: &[Vec<u32>]) -> String {
    String::new()
}

#[test]
fn the_poison_record_alone_fails_and_the_others_go_through() {
    for (shards, poison) in [(1, 0), (1, 777), (1, 999), (8, 500), (64, 31)] {
        let mut rig = rig(config(), shards, 1_000);
        let requests = serve(&mut rig, shards, |token| token == poison, silent);
        assert_eq!(rig.failed_tokens(), [poison], "{shards} shards");
        let error = &rig.failed[0].1;
        assert!(matches!(error.kind(), DeliveryErrorKind::Rejected { .. }));
        assert!(!error.is_retryable() && !error.may_have_been_stored());
        let mut delivered = rig.delivered_tokens();
        delivered.sort_unstable();
        assert_eq!(delivered, (0..1_000).filter(|t| *t != poison).collect::<Vec<_>>());
        assert!(
            rig.delivered.iter().all(|(_, d)| !d.may_be_duplicate()),
            "nothing of a refused request is stored"
        );
        // Ten halvings, each of which sends one half that is stored at most, and the poison by itself.
        assert!(requests.len() <= 24, "{} requests", requests.len());
        assert!(rig.pipeline.is_idle());
    }
}

#[test]
fn a_refusal_that_names_an_entry_is_believed_first() {
    let singles = config().aggregation(crate::config::Aggregation::Disabled);
    let mut rig = rig(singles, 4, 400);
    let words = |entries: &[Vec<u32>]| {
        let place = entries
            .iter()
            .position(|tokens| tokens.contains(&123))
            .expect("in it")
            + 1;
        format!(
            "1 validation error detected: Value at 'records.{place}.member.data' failed to satisfy constraint"
        )
    };
    let requests = serve(&mut rig, 4, |token| token == 123, words);
    assert_eq!(rig.failed_tokens(), [123]);
    assert_eq!(rig.delivered.len(), 399);
    assert_eq!(requests.iter().filter(|r| r.contains(&123)).count(), 2);
    assert_eq!(
        requests.iter().position(|r| *r == [123]),
        requests
            .iter()
            .position(|r| r.contains(&123))
            .map(|first| first + 1),
        "the named one is next"
    );
}

#[test]
fn a_refusal_that_names_the_wrong_entry_does_no_harm() {
    for place in ["0", "1", "4", "99", "99999999999999999999"] {
        let mut rig = rig(config(), 4, 100);
        let requests = serve(
            &mut rig,
            4,
            |token| token == 60,
            |_| format!("records.{place}.member"),
        );
        assert_eq!(rig.failed_tokens(), [60], "{place}");
        assert_eq!(rig.delivered.len(), 99, "{place}");
        assert!(requests.len() < 20, "{place}: {}", requests.len());
    }
}

#[test]
fn a_keys_records_stay_in_order_around_the_poison() {
    let mut rig = Rig::with_shards(config(), 1);
    for token in 0_u32..64 {
        let record = Record::new("one", token.to_be_bytes().to_vec()).expect("valid");
        rig.put(token, record);
    }
    rig.wait(ms(100));
    // The second part that holds no poison is throttled: those behind it must not overtake it.
    let (mut stored_order, mut parts) = (Vec::new(), 0);
    while !rig.sent.is_empty() {
        let batch = rig.take_request();
        let entries: Vec<_> = batch.entries.iter().map(tokens).collect();
        let reply = if entries.iter().flatten().any(|token| *token == 20) {
            Err(Failure::of_code("ValidationException", ""))
        } else {
            parts += 1;
            let reply = |entry: &Vec<u32>| {
                if parts == 2 {
                    throttled()
                } else {
                    stored_as(entry, &mut stored_order)
                }
            };
            Ok(entries.iter().map(reply).collect())
        };
        rig.reply(&batch, reply);
        rig.wait(ms(500));
    }
    assert_eq!(rig.failed_tokens(), [20]);
    let expected: Vec<_> = (0..64).filter(|token| *token != 20).collect();
    assert_eq!(stored_order, expected);
}

fn stored_as(tokens: &[u32], order: &mut Vec<u32>) -> crate::pipeline::EntryReply {
    order.extend(tokens);
    stored(0)
}

#[test]
fn many_poison_records_fail_each_by_itself() {
    let poison: BTreeSet<u32> = [3, 4, 5, 6, 7, 300, 999].into();
    let mut rig = rig(config(), 4, 1_000);
    serve(&mut rig, 4, |token| poison.contains(&token), silent);
    let failed: BTreeSet<u32> = rig.failed_tokens().into_iter().collect();
    assert_eq!(failed, poison);
    assert_eq!(rig.delivered.len(), 993);
}

#[test]
fn a_run_of_poison_at_the_front_condemns_nobody_else() {
    for shards in [2, 16] {
        let mut rig = rig(config(), shards, 1_000);
        serve(&mut rig, shards, |token| token < 40, silent);
        assert_eq!(rig.failed.len(), 40, "{shards} shards");
        assert_eq!(rig.delivered.len(), 960);
    }
}

/// The service takes nothing of this stream, whatever is sent: that is no reason to send everything by itself.
#[test]
fn a_refusal_of_everything_ends_without_a_storm() {
    for shards in [1, 4, 64] {
        let mut rig = rig(config(), shards, 1_000);
        let requests = serve(&mut rig, shards, |_| true, silent);
        assert_eq!(rig.failed.len(), 1_000, "{shards} shards");
        assert!(
            requests.len() <= 50,
            "{shards} shards: {} requests",
            requests.len()
        );
        for (_, error) in &rig.failed {
            assert_eq!(error.failure().map(Failure::kind), Some(FailureKind::Invalid));
            assert!(error.attempt_count() >= 1);
        }
        rig.put_at(5_000, 0);
        rig.put_at(5_001, 1);
        rig.wait(ms(200));
        assert_eq!(serve(&mut rig, shards, |_| true, silent).len(), 1, "known by now");
        rig.wait(ms(6_000));
        rig.put_at(6_000, 0);
        rig.put_at(6_001, 1);
        rig.wait(ms(200));
        assert_eq!(
            serve(&mut rig, shards, |_| true, silent).len(),
            3,
            "tried again later"
        );
        assert!(rig.pipeline.is_idle());
    }
}

#[test]
fn without_retries_the_neighbours_of_poison_still_go_through() {
    let mut rig = rig(config().retry(RetryPolicy::none()), 2, 200);
    serve(&mut rig, 2, |token| token == 77, silent);
    assert_eq!(rig.failed_tokens(), [77]);
    assert_eq!(rig.delivered.len(), 199);
}

#[test]
fn who_wants_refused_records_tried_again_gets_that_in_order() {
    let rule = RetryRule::retry(ms(50), ms(100));
    let policy = RetryPolicy::default()
        .with_rule(FailureKind::Invalid, rule)
        .with_max_attempts(std::num::NonZeroU32::new(3));
    let mut rig = Rig::with_shards(config().retry(policy), 1);
    for token in 0_u32..16 {
        let record = Record::new("one", token.to_be_bytes().to_vec()).expect("valid");
        rig.put(token, record);
    }
    rig.wait(ms(100));
    let mut order = Vec::new();
    while !rig.sent.is_empty() {
        let batch = rig.take_request();
        let entries: Vec<_> = batch.entries.iter().map(tokens).collect();
        let reply = if entries.iter().flatten().any(|token| *token == 9) {
            Err(Failure::of_code("ValidationException", ""))
        } else {
            Ok(entries.iter().map(|entry| stored_as(entry, &mut order)).collect())
        };
        rig.reply(&batch, reply);
        rig.wait(ms(1_000));
    }
    assert_eq!(rig.failed_tokens(), [9]);
    assert!(matches!(
        rig.failed[0].1.kind(),
        DeliveryErrorKind::AttemptsExhausted { .. }
    ));
    assert_eq!(order, (0..16).filter(|token| *token != 9).collect::<Vec<_>>());
}

#[test]
fn records_that_expire_meanwhile_are_not_sent_any_more() {
    let mut rig = rig(config().record_ttl(ms(2_000)), 1, 100);
    let first = rig.take_request();
    rig.reply(&first, Err(Failure::of_code("ValidationException", "")));
    rig.wait(ms(2_000));
    let part = rig.take_request();
    let replies = part.entries.iter().map(|_| stored(0)).collect();
    rig.reply(&part, Ok(replies));
    assert!(rig.sent.is_empty());
    assert_eq!(rig.delivered.len() + rig.failed.len(), 100);
    assert!(!rig.failed.is_empty());
    assert!(rig.pipeline.is_idle());
}
