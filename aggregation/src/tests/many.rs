//! Many records at once: the same as one by one, whatever comes between the aggregates.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::model::{any_plains, enveloped, enveloped_message, message_of};
use crate::{HashKey, HashKeyRange, MAGIC, OutOfRange, deaggregate, deaggregate_all};

/// Data of all kinds: plain, aggregates, envelopes with nothing sensible inside, wrong digests.
fn any_data() -> impl Strategy<Value = Bytes> {
    let aggregate = || any_plains(1..8).prop_map(|records| enveloped_message(&message_of(&records)));
    prop_oneof![
        2 => vec(any::<u8>(), 0..40).prop_map(Bytes::from),
        4 => aggregate(),
        1 => vec(any::<u8>(), 1..200).prop_map(|body| enveloped(&body)),
        1 => (aggregate(), any::<prop::sample::Index>()).prop_map(|(data, place)| {
            let mut data = data.to_vec();
            let place = MAGIC.len() + place.index(data.len() - MAGIC.len());
            data[place] ^= 1;
            Bytes::from(data)
        }),
    ]
}

proptest! {
    #[test]
    fn as_one_by_one_in_order_and_each_with_its_tag(
        kinds in vec((any_data(), 1..6_usize), 0..12),
        policy in prop::sample::select(vec![OutOfRange::DropAggregate, OutOfRange::Deliver, OutOfRange::HandBack]),
    ) {
        let range = HashKeyRange::new(HashKey::MIN, HashKey::new(u128::MAX / 4 * 3)).unwrap();
        let all: Vec<Bytes> =
            kinds.into_iter().flat_map(|(data, times)| std::iter::repeat_n(data, times)).collect();
        let together: Vec<_> =
            deaggregate_all(all.iter().cloned().enumerate(), range, policy).collect();
        let alone: Vec<_> =
            all.into_iter().map(|data| deaggregate(data, &range, policy)).enumerate().collect();
        prop_assert_eq!(together, alone);
    }
}

#[test]
fn no_record_waits_for_more_than_its_neighbours() {
    let aggregate = enveloped_message(&message_of(&[super::model::Plain::new("a", None, b"1")]));
    let mut asked = 0;
    let records = (0..1_000).map(|number: u32| {
        asked += 1;
        // The others are far apart.
        let data = if number.is_multiple_of(100) {
            aggregate.clone()
        } else {
            Bytes::from_static(b"plain")
        };
        (number, data)
    });
    let mut unpacked = deaggregate_all(records, HashKeyRange::FULL, OutOfRange::DropAggregate);
    assert_eq!(unpacked.next().map(|(number, _)| number), Some(0));
    drop(unpacked);
    assert!(asked <= 16, "{asked} records were looked at for the first");
}
