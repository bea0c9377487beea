//! Bytes as they come, and as a body whose magic and digest are right: `cargo +nightly fuzz run deaggregate`.
#![no_main]

use bytes::Bytes;
use kinesis_aggregation::{HashKey, HashKeyRange, MAGIC, OutOfRange, deaggregate, deaggregate_all};
use libfuzzer_sys::fuzz_target;
use md5::{Digest as _, Md5};

fuzz_target!(|input: &[u8]| {
    let enveloped = Bytes::from([&MAGIC[..], input, &Md5::digest(input)].concat());
    let half = HashKeyRange::new(HashKey::MIN, HashKey::new(u128::MAX / 2)).expect("start is below end");
    for policy in [
        OutOfRange::DropAggregate,
        OutOfRange::Deliver,
        OutOfRange::HandBack,
    ] {
        let _ = deaggregate(Bytes::copy_from_slice(input), &half, policy);
        let alone = deaggregate(enveloped.clone(), &half, policy);
        let records = [((), enveloped.clone()), ((), Bytes::from_static(b"plain")), ((), enveloped.clone())];
        let mut together = deaggregate_all(records, half, policy).map(|(_, unpacked)| unpacked);
        assert_eq!(together.next(), Some(alone));
    }
});
