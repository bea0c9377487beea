//! Counts, times, chance, and what several faults make of one call.

use proptest::prelude::*;

use super::*;
use crate::faults::{Caller, FaultService};

const SECOND: Duration = Duration::from_secs(1);

fn table(faults: impl IntoIterator<Item = Fault>) -> FaultTable {
    let script = faults
        .into_iter()
        .fold(Faults::builder().seed(1), |builder, fault| builder.fault(fault));
    FaultTable::new(&script.build().unwrap())
}

fn call<'a>(operation: &'a str, caller: &'a Caller) -> Call<'a> {
    Call {
        service: FaultService::Kinesis,
        operation,
        resource: Some("orders"),
        shard: None,
        caller,
        is_conditional: false,
    }
}

#[test]
fn times_skip_and_window() {
    let caller = Caller::default();
    let mut table = table([Fault::connection_cut()
        .operation("PutRecord")
        .after(2 * SECOND)
        .lasting(10 * SECOND)
        .skip(1)
        .times(2)]);
    let mut struck = |second: u32| {
        let verdict = table.decide(&call("PutRecord", &caller), second * SECOND);
        verdict.ending == Some(Ending::Cut)
    };
    let seconds: Vec<bool> = [0, 1, 2, 3, 4, 5].map(&mut struck).to_vec();
    assert_eq!(seconds, [false, false, false, true, true, false]);
    assert_eq!(table.struck(FaultId(1)), Some(2));
    assert_eq!(table.list().len(), 1);
}

#[test]
fn a_window_ends_before_its_last_moment() {
    let caller = Caller::default();
    let mut table = table([]);
    let id = table
        .add(Fault::throttle().after(SECOND).lasting(SECOND), 10 * SECOND)
        .unwrap();
    let mut at = |now: Duration| table.decide(&call("ListShards", &caller), now).ending.is_some();
    assert!(!at(11 * SECOND - Duration::from_millis(1)));
    assert!(at(11 * SECOND) && at(12 * SECOND - Duration::from_millis(1)));
    assert!(!at(12 * SECOND));
    assert!(table.remove(id) && !table.remove(id));
}

#[test]
fn delays_and_skews_add_up_and_the_first_ending_wins() {
    let caller = Caller::default();
    let mut table = table([
        Fault::latency(SECOND),
        Fault::latency(2 * SECOND),
        Fault::clock_ahead(5 * SECOND),
        Fault::clock_behind(SECOND),
        Fault::reply_lost().times(1),
        Fault::error("InternalFailure", 500).times(1),
        Fault::stale_shards(SECOND),
        Fault::stale_shards(3 * SECOND),
    ]);
    let verdict = table.decide(&call("ListShards", &caller), SECOND);
    assert_eq!(
        verdict,
        Verdict {
            delay: 3 * SECOND,
            ending: Some(Ending::LoseReply),
            skew_ms: 4_000,
            stale: Some(3 * SECOND),
            ..Verdict::default()
        }
    );
    // The second ending was not spent on a call that had ended.
    let verdict = table.decide(&call("ListShards", &caller), SECOND);
    assert!(matches!(verdict.ending, Some(Ending::Refuse(refusal)) if refusal.code == "InternalFailure"));
    table.clear();
    assert_eq!(
        table.decide(&call("ListShards", &caller), SECOND),
        Verdict::default()
    );
}

#[test]
fn entries_count_one_by_one() {
    let caller = Caller::default();
    let mut table = table([Fault::throttle().shard("shardId-000000000002").times(5)]);
    let verdict = table.decide(&call("PutRecords", &caller), SECOND);
    let [entry] = &verdict.entries[..] else {
        panic!("{verdict:?}")
    };
    assert_eq!(
        (
            entry.times,
            entry.per_million,
            entry.shard.as_deref(),
            entry.refusal.code.as_str()
        ),
        (
            Some(5),
            1_000_000,
            Some("shardId-000000000002"),
            "ProvisionedThroughputExceededException"
        )
    );
    let id = entry.id;
    table.settle(id, 3);
    assert_eq!(
        table.decide(&call("PutRecord", &caller), SECOND).entries[0].times,
        Some(2)
    );
    table.settle(id, 2);
    assert_eq!(
        table.decide(&call("PutRecords", &caller), SECOND),
        Verdict::default()
    );
    assert_eq!(table.struck(id), Some(5));
}

#[test]
fn events_have_faults_of_their_own() {
    let caller = Caller::default();
    let mut table = table([
        Fault::duplicate_event().times(1),
        Fault::half_open().skip(1),
        Fault::throttle(),
    ]);
    let subscribe = call("SubscribeToShard", &caller);
    let first = table.decide_event(&subscribe, SECOND);
    let second = table.decide_event(&subscribe, SECOND);
    let (duplicate, half_open) = (
        EventVerdict {
            duplicate: true,
            ..EventVerdict::default()
        },
        EventVerdict {
            half_open: true,
            ..EventVerdict::default()
        },
    );
    assert_eq!((first, second), (duplicate, half_open));
    let verdict = table.decide(&subscribe, SECOND);
    assert!(matches!(verdict.ending, Some(Ending::Refuse(_))), "{verdict:?}");
}

#[test]
fn an_index_lags_as_long_as_a_rule_can_strike() {
    let lag = Fault::index_lag(SECOND).lasting(5 * SECOND);
    let table = table([lag]);
    assert!(table.has_index_lag(4 * SECOND));
    assert!(!table.has_index_lag(5 * SECOND));
}

proptest! {
    #[test]
    fn a_seed_gives_one_history_and_chance_its_share(seed: u64, percent in 0_u32..=100) {
        let script = Faults::builder()
            .seed(seed)
            .fault(Fault::connection_cut().chance(f64::from(percent) / 100.0))
            .build()
            .unwrap();
        let caller = Caller::default();
        let history = || -> Vec<bool> {
            let mut table = FaultTable::new(&script);
            (0..2_000)
                .map(|second| table.decide(&call("PutRecord", &caller), second * SECOND).ending.is_some())
                .collect()
        };
        let once = history();
        let hits = u32::try_from(once.iter().filter(|&&hit| hit).count()).unwrap();
        prop_assert!(hits.abs_diff(percent * 20) < 160, "{hits} hits at {percent} %");
        prop_assert_eq!(once, history());
    }
}
