//! Properties of encoder and decoder together.

use bytes::Bytes;
use proptest::prelude::*;

use super::model::{Plain, any_plains, enveloped_message, message_of, plain};
use crate::{AggregateBuilder, AggregateLimits, Deaggregated, HashKeyRange, OutOfRange, deaggregate};

/// The user data inside one Kinesis record, whether or not it is an aggregate.
fn contents(data: Bytes) -> Vec<Vec<u8>> {
    match deaggregate(data, &HashKeyRange::FULL, OutOfRange::DropAggregate) {
        Deaggregated::Raw { data, .. } => vec![data.to_vec()],
        Deaggregated::Aggregate(records) => records.iter().map(|record| record.data().to_vec()).collect(),
        other => panic!("nothing lies outside the full range: {other:?}"),
    }
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(records in any_plains(2..40)) {
        let mut builder = AggregateBuilder::new(AggregateLimits::DEFAULT);
        for record in &records {
            record.push_to(&mut builder).unwrap();
        }
        let sealed = builder.seal().unwrap();
        prop_assert_eq!(sealed.data(), &enveloped_message(&message_of(&records)));
        prop_assert_eq!(sealed.hash_key(), records[0].hash_key());
        prop_assert_eq!(sealed.partition_key(), &records[0].partition_key);
        let Deaggregated::Aggregate(out) =
            deaggregate(sealed.into_data(), &HashKeyRange::FULL, OutOfRange::DropAggregate)
        else {
            panic!("not an aggregate");
        };
        prop_assert!(out.iter().zip(&records).all(|(out, record)| out.hash_key() == record.hash_key()));
        prop_assert_eq!(plain(&out), records);
    }

    #[test]
    fn the_length_is_known_before_sealing(records in any_plains(1..16)) {
        for count in 1..=records.len() {
            let mut builder = AggregateBuilder::new(AggregateLimits::DEFAULT);
            for record in &records[..count] {
                record.push_to(&mut builder).unwrap();
            }
            let said = builder.encoded_len();
            let sealed = builder.seal().unwrap();
            prop_assert_eq!(said, sealed.data().len());
            prop_assert_eq!(sealed.record_count(), count);
        }
    }

    #[test]
    fn packing_keeps_order_loses_nothing_and_stays_within_the_limits(
        records in any_plains(1..80),
        max_bytes in 64_usize..2_000,
        max_records in 1_usize..20,
    ) {
        let limits =
            AggregateLimits::DEFAULT.with_max_bytes(max_bytes).unwrap().with_max_records(max_records).unwrap();
        let mut builder = AggregateBuilder::new(limits);
        let mut sealed = Vec::new();
        for record in &records {
            if record.push_to(&mut builder).is_err() {
                sealed.extend(builder.seal());
                record.push_to(&mut builder).unwrap();
            }
        }
        sealed.extend(builder.seal());

        let mut rest = records.as_slice();
        for aggregate in sealed {
            let (inside, after) = rest.split_at(aggregate.record_count());
            prop_assert!(inside.len() <= max_records);
            prop_assert!(inside.len() == 1 || aggregate.data().len() <= max_bytes);
            // Full means full: with the next record it would have crossed a limit.
            if let Some(next) = after.first() {
                let more = [inside, core::slice::from_ref(next)].concat();
                let len = enveloped_message(&message_of(&more)).len();
                prop_assert!(inside.len() == max_records || len > max_bytes);
            }
            let expected: Vec<Vec<u8>> = inside.iter().map(|Plain { data, .. }| data.clone()).collect();
            prop_assert_eq!(contents(aggregate.into_data()), expected);
            rest = after;
        }
        prop_assert!(rest.is_empty());
    }
}
