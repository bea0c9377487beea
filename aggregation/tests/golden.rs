//! Bytes which other implementations wrote: we read them, and we write the same.

use bytes::Bytes;
use kinesis_aggregation::{
    AggregateBuilder, AggregateLimits, Deaggregated, HashKey, HashKeyRange, OutOfRange, SubRecord,
    deaggregate,
};

const TWO_KEYS: &[u8] = include_bytes!("golden/two-keys.bin");
const EXPLICIT_HASH_KEY: &[u8] = include_bytes!("golden/explicit-hash-key.bin");
const PYTHON_UNICODE: &[u8] = include_bytes!("golden/python-unicode.bin");

type Plain<'a> = (&'a str, Option<HashKey>, &'a [u8]);

fn check(golden: &'static [u8], records: &[Plain<'_>], outer_hash_key: HashKey) {
    let opened = deaggregate(
        Bytes::from_static(golden),
        &HashKeyRange::FULL,
        OutOfRange::DropAggregate,
    );
    let Deaggregated::Aggregate(opened) = opened else {
        panic!("not opened: {opened:?}")
    };
    let read: Vec<Plain<'_>> = opened
        .iter()
        .map(|r| (r.partition_key(), r.explicit_hash_key(), r.data().as_ref()))
        .collect();
    assert_eq!(read, records);
    let numbers: Vec<u64> = opened.iter().map(SubRecord::sub_sequence_number).collect();
    assert_eq!(numbers, (0..records.len() as u64).collect::<Vec<_>>());

    let mut builder = AggregateBuilder::new(AggregateLimits::DEFAULT);
    for (key, explicit, data) in records {
        let hash_key = explicit.unwrap_or_else(|| HashKey::of_partition_key(key));
        builder
            .try_push(key, *explicit, hash_key, data)
            .expect("far below the limit");
    }
    assert_eq!(builder.encoded_len(), golden.len());
    let sealed = builder.seal().expect("records are inside");
    assert_eq!(sealed.data().as_ref(), golden);
    assert_eq!(sealed.outer_partition_key(), "a");
    assert_eq!(sealed.hash_key(), outer_hash_key);
}

#[test]
fn two_keys() {
    let outer = HashKey::new(16_955_237_001_963_240_173_058_271_559_858_726_497);
    check(TWO_KEYS, &[("a", None, b"x"), ("b", None, b"yy")], outer);
}

#[test]
fn an_optional_index_and_empty_data() {
    let explicit = HashKey::new(123);
    check(
        EXPLICIT_HASH_KEY,
        &[("a", Some(explicit), b"x"), ("a", None, b"")],
        explicit,
    );
}

#[test]
fn keys_beyond_ascii_as_python_writes_them() {
    let long = "\u{1F600}".repeat(256);
    let all_bytes: Vec<u8> = (0..=255).collect();
    let records: [Plain<'_>; 4] = [
        ("é", None, "café".as_bytes()),
        ("\u{1F600}", Some(HashKey::MAX), b""),
        ("é", Some(HashKey::MIN), &all_bytes),
        (&long, None, b"a long key"),
    ];
    check(PYTHON_UNICODE, &records, HashKey::of_partition_key("é"));
}

#[test]
fn hash_keys() {
    for (key, hash_key) in [
        ("abcd", "301716283811389038011477436469853762335"),
        ("a", "16955237001963240173058271559858726497"),
        ("b", "195289424170611159128911017612795795343"),
        ("é", "136732923097551493579404309126273812335"),
        ("\u{1F600}", "55842721998748738903166261021950683062"),
    ] {
        assert_eq!(HashKey::of_partition_key(key).to_string(), hash_key, "{key}");
    }
    assert_eq!(
        HashKey::MAX.to_string(),
        "340282366920938463463374607431768211455"
    );
}
