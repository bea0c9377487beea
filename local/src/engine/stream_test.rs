use proptest::prelude::*;

use super::*;

fn stream(shards: u32) -> Stream {
    let mut stream = Stream::new(Arc::from("orders"), 1, 5_000);
    stream.open_evenly(shards, 5_000);
    stream
}

fn tiles(stream: &Stream) -> bool {
    let ranges: Vec<_> = stream
        .open()
        .iter()
        .map(|open| (open.start, stream.shard(open.shard).unwrap()))
        .collect();
    ranges.first().is_some_and(|first| first.0 == HashKey::MIN)
        && ranges.last().unwrap().1.range().end() == HashKey::MAX
        && ranges
            .iter()
            .all(|(start, shard)| shard.is_open() && shard.range().start() == *start)
        && ranges
            .windows(2)
            .all(|pair| pair[0].1.range().end().get() + 1 == pair[1].0.get())
        && stream.shards_after(None).filter(|shard| shard.is_open()).count() == ranges.len()
}

#[test]
fn even_ranges_are_the_services() {
    // What the service gives a stream of three shards.
    let ranges: Vec<_> = even_ranges(3).map(|range| range.to_string()).collect();
    assert_eq!(
        ranges,
        [
            "0..=113427455640312821154458202477256070484",
            "113427455640312821154458202477256070485..=226854911280625642308916404954512140969",
            "226854911280625642308916404954512140970..=340282366920938463463374607431768211455",
        ]
    );
    assert_eq!(even_ranges(1).collect::<Vec<_>>(), [HashKeyRange::FULL]);
    let halves: Vec<_> = even_ranges(2).map(|range| range.start().get()).collect();
    assert_eq!(halves, [0, 1 << 127]);
}

#[test]
fn a_split_makes_two_children_and_a_merge_one() {
    let mut stream = stream(1);
    assert!(stream.split(0, HashKey::new(1 << 127), 6_000));
    assert!(stream.merge(2, 1, 7_000));
    let shards: Vec<_> = stream.shards_after(None).collect();
    let ids = |number: usize| -> Vec<_> {
        let parents = shards[number].parents().ids();
        parents.iter().map(|id| id.as_str().to_owned()).collect()
    };
    assert_eq!(ids(1), ["shardId-000000000000"]);
    assert_eq!(ids(3), ["shardId-000000000002", "shardId-000000000001"]);
    assert_eq!(shards[3].range(), HashKeyRange::FULL);
    let children: Vec<_> = stream
        .children_of(shards[0])
        .into_iter()
        .map(|c| c.shard_id)
        .collect();
    assert_eq!(children, [ShardId::from_number(1), ShardId::from_number(2)]);
    assert_eq!(stream.children_of(shards[1])[0].parent_shards.len(), 2);
    // All in one second or not, a child starts above its parents' end.
    for pair in [(0, 1), (0, 2), (1, 3), (2, 3)] {
        let end = shards[pair.0].describe(9_000).ending_sequence_number.unwrap();
        assert!(
            end < shards[pair.1].describe(9_000).starting_sequence_number,
            "{pair:?}"
        );
    }
}

#[test]
fn a_chain_of_splits_within_a_second_still_climbs() {
    let mut stream = stream(1);
    for number in 0..5 {
        let last = stream.open().last().unwrap();
        let start = stream.shard(last.shard).unwrap().range().start().get();
        assert!(
            stream.split(last.shard, HashKey::new(start / 2 + (1 << 127)), 5_000),
            "{number}"
        );
    }
    for shard in stream.shards_after(None) {
        let start = shard.describe(5_000).starting_sequence_number;
        for parent in shard.parents().ids() {
            let parent = stream.shard_called(parent.as_str()).unwrap();
            assert!(parent.describe(5_000).ending_sequence_number.unwrap() < start);
        }
    }
}

#[test]
fn what_cannot_be_split_or_merged_is_left_alone() {
    let mut stream = stream(4);
    let range = stream.shard(1).unwrap().range();
    for at in [
        range.start(),
        HashKey::new(range.end().get() + 1),
        HashKey::MIN,
        HashKey::MAX,
    ] {
        assert!(!stream.split(1, at, 6_000), "{at}");
    }
    assert!(
        stream.split(1, range.end(), 6_000),
        "a range of one key is a range"
    );
    assert!(
        !stream.split(1, HashKey::new(range.start().get() + 1), 6_000),
        "closed"
    );
    for (one, other) in [(0, 2), (0, 0), (0, 1), (0, 99)] {
        assert!(!stream.merge(one, other, 6_000), "{one} and {other}");
    }
    assert!(tiles(&stream));
}

#[test]
fn ids_must_match_exactly() {
    let stream = stream(2);
    assert!(stream.shard_called("shardId-000000000001").is_some());
    for id in [
        "shardId-1",
        "shardId-000000000002",
        "shardId-",
        "x",
        "",
        "shardId-99999999999999",
    ] {
        assert!(stream.shard_called(id).is_none(), "{id}");
    }
}

#[test]
fn closed_shards_expire_a_retention_after_they_closed() {
    let mut stream = stream(1);
    let day = stream.retention_ms();
    stream.split(0, HashKey::new(7), 10_000);
    stream.split(2, HashKey::new(70), 20_000);
    assert!(stream.take_expired(10_000 + day - 1).is_none());
    assert_eq!(stream.take_expired(10_000 + day).unwrap().number(), 0);
    assert!(stream.take_expired(10_000 + day).is_none());
    assert_eq!(stream.take_expired(20_000 + day).unwrap().number(), 2);
    assert!(stream.take_expired(u64::MAX).is_none(), "open shards stay");
}

proptest! {
    #[test]
    fn open_shards_always_tile_the_hash_keys(
        count in 1_u32..9,
        steps in prop::collection::vec((any::<bool>(), any::<u128>(), 0_u64..2_000), 0..60),
        keys in prop::collection::vec(any::<u128>(), 20),
    ) {
        let mut stream = stream(count);
        let mut now = 5_000;
        for (is_split, key, wait) in steps {
            now += wait;
            let owner = stream.route(HashKey::new(key)).unwrap();
            if is_split {
                let inside = stream.shard(owner).unwrap().range().start().get() < key;
                prop_assert_eq!(stream.split(owner, HashKey::new(key), now), inside);
            } else {
                let at = stream.open().iter().position(|open| open.shard == owner).unwrap();
                let neighbour = stream.open().get(at + 1).map(|open| open.shard);
                prop_assert_eq!(neighbour.is_some_and(|next| stream.merge(owner, next, now)), neighbour.is_some());
            }
            prop_assert!(tiles(&stream));
        }
        for key in keys {
            let owner = stream.route(HashKey::new(key)).unwrap();
            prop_assert!(stream.shard(owner).unwrap().range().contains(HashKey::new(key)));
        }
    }

    #[test]
    fn even_ranges_tile_and_are_even(count in 1_u32..3_000) {
        let stream = stream(count);
        prop_assert!(tiles(&stream));
        prop_assert_eq!(stream.open().len(), count as usize);
        let widths: Vec<u128> = even_ranges(count).map(|range| range.end().get() - range.start().get()).collect();
        let (first, rest) = widths.split_first().unwrap();
        prop_assert!(rest.iter().all(|width| width.abs_diff(*first) < u128::from(count)));
    }
}
