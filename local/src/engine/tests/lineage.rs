//! Whatever happens to the shards, a reader who follows parents to their children reads every record once, in
//! order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::sequence::SequenceNumber;
use super::*;

#[derive(Debug, Clone)]
enum Step {
    Put(u128),
    Split(u128),
    Merge(u128),
    Scale(i64),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => any::<u128>().prop_map(Step::Put),
        2 => any::<u128>().prop_map(Step::Split),
        2 => any::<u128>().prop_map(Step::Merge),
        1 => (1_i64..7).prop_map(Step::Scale),
        2 => (0_u64..3_000).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..150)
}

fn owner(engine: &mut Engine, key: u128, now_ms: u64) -> (u64, Option<u64>) {
    let open = list(engine, filter("AT_LATEST", None), now_ms);
    let number = |shard: &ShardDescription| shard.shard_id.number().unwrap();
    let found = open
        .iter()
        .find(|shard| shard.hash_key_range.contains(key.into()))
        .unwrap();
    let after = found.hash_key_range.end().get().checked_add(1);
    let next = open
        .iter()
        .find(|shard| Some(shard.hash_key_range.start().get()) == after);
    (number(found), next.map(number))
}

/// Plays the steps; returns each record's key and number in the order in which they were put.
fn play(engine: &mut Engine, steps: Vec<Step>) -> (Vec<(u128, SequenceNumber)>, u64) {
    let (mut now, mut stored) = (START, Vec::new());
    for step in steps {
        match step {
            Step::Wait(wait) => now += wait,
            Step::Put(key) => {
                let data = stored.len().to_string();
                stored.push((key, put(engine, entry_at(key, data), now).sequence_number));
            }
            Step::Split(key) => {
                let (shard, _) = owner(engine, key, now);
                let _ = split(engine, shard, key, now);
            }
            Step::Merge(key) => {
                if let (shard, Some(next)) = owner(engine, key, now) {
                    merge(engine, shard, next, now).unwrap();
                }
            }
            Step::Scale(target) => {
                let _ = scale(engine, target, now);
            }
        }
    }
    (stored, now)
}

/// Reads every shard once all its parents are read, found only through child shards.
fn read_all(engine: &mut Engine, roots: u64, limit: i64, now_ms: u64) -> Vec<Record> {
    let mut ready: BTreeSet<u64> = (0..roots).collect();
    let mut waiting: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    let (mut records, mut done) = (Vec::new(), BTreeSet::new());
    while let Some(shard) = ready.pop_first() {
        let (read, children) = read_shard(engine, shard, limit, now_ms);
        records.extend(read);
        assert!(done.insert(shard));
        for child in children.into_iter().flatten() {
            let parents = child
                .parent_shards
                .iter()
                .map(|id| id.number().unwrap())
                .collect();
            waiting.entry(child.shard_id.number().unwrap()).or_insert(parents);
        }
        let free = |parents: &BTreeSet<u64>| parents.is_subset(&done);
        ready.extend(
            waiting
                .iter()
                .filter(|(_, parents)| free(parents))
                .map(|(child, _)| *child),
        );
        waiting.retain(|_, parents| !free(parents));
    }
    assert!(waiting.is_empty());
    records
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_record_is_read_once_and_in_order(roots in 1_u64..5, steps in steps(), limit in 1_i64..9) {
        let mut engine = engine(i64::try_from(roots).unwrap());
        let (stored, now) = play(&mut engine, steps);
        let read = read_all(&mut engine, roots, limit, now + 1);
        prop_assert_eq!(read.len(), stored.len());
        let mut by_key: BTreeMap<u128, SequenceNumber> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for record in read {
            let index: usize = std::str::from_utf8(&record.data).unwrap().parse().unwrap();
            let (key, number) = stored[index];
            prop_assert_eq!(number, record.sequence_number);
            prop_assert!(seen.insert(index), "read twice");
            // The same hash key: the numbers climb across shards, and so does the order of putting.
            let before = by_key.insert(key, number);
            prop_assert!(before.is_none_or(|before| before < number));
        }
        prop_assert!(stored.windows(2).all(|pair| pair[0].0 != pair[1].0 || pair[0].1 < pair[1].1));
    }

    #[test]
    fn each_shard_starts_above_the_end_of_its_parents(steps in steps()) {
        let mut engine = engine(2);
        let (_, now) = play(&mut engine, steps);
        let shards = list(&mut engine, None, now);
        let ends: BTreeMap<_, _> = shards
            .iter()
            .map(|shard| (shard.shard_id.clone(), shard.ending_sequence_number))
            .collect();
        for shard in &shards {
            let parents = [&shard.parent_shard_id, &shard.adjacent_parent_shard_id];
            for parent in parents.into_iter().flatten() {
                prop_assert!(ends[parent].unwrap() < shard.starting_sequence_number);
            }
            prop_assert!(shard.ending_sequence_number.is_none_or(|end| end > shard.starting_sequence_number));
        }
    }
}
