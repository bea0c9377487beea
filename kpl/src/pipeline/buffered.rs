//! A record on its way.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use kinesis_aggregation::HashKey;

use crate::error::{DeliveryError, DeliveryErrorKind};
use crate::outcome::History;
use crate::record::Record;
use crate::stream::StreamName;

/// A record, what is known about it, and the token by which its owner knows it.
#[derive(Debug)]
pub(super) struct Buffered<T> {
    /// Place in the order of puts. A lane is sorted by it at all times.
    pub(super) number: u64,
    pub(super) arrival: Instant,
    pub(super) record: Record,
    pub(super) hash_key: HashKey,
    pub(super) history: History,
    pub(super) token: T,
}

impl<T> Buffered<T> {
    /// When it stops being tried for.
    pub(super) fn expires_at(&self, ttl: Duration) -> Instant {
        self.arrival + ttl
    }

    /// Bytes it takes in an aggregate, at most: data, key, and the wrapping of both.
    pub(super) fn weight(&self) -> usize {
        let explicit = if self.record.explicit_hash_key().is_some() {
            EXPLICIT_KEY_COST
        } else {
            0
        };
        let size = self.record.size();
        size + explicit
            + if size < SHORT {
                SHORT_WRAPPING
            } else {
                LONG_WRAPPING
            }
    }

    /// Its outcome when it is given up.
    pub(super) fn give_up(self, stream: &StreamName, kind: DeliveryErrorKind) -> (T, DeliveryError) {
        (
            self.token,
            DeliveryError::new(stream.clone(), kind, self.history, Some(self.record)),
        )
    }

    /// Its outcome when its time is over.
    pub(super) fn expire(self, stream: &StreamName) -> (T, DeliveryError) {
        let failure = self.history.last_failure().cloned();
        self.give_up(stream, DeliveryErrorKind::Expired { failure })
    }
}

/// Records in the order they were put, whatever order they come in: both parts are sorted by number.
pub(super) fn merge<T>(front: Vec<Buffered<T>>, queue: &mut VecDeque<Buffered<T>>) {
    let Some(last) = front.last().map(|record| record.number) else {
        return;
    };
    // Usually what comes back is older than all that waits; else only the overlap is touched.
    let mut overlap = Vec::new();
    while queue.front().is_some_and(|waiting| waiting.number < last) {
        overlap.extend(queue.pop_front());
    }
    let mut front = front.into_iter().rev().peekable();
    let mut overlap = overlap.into_iter().rev().peekable();
    loop {
        let next = match (front.peek(), overlap.peek()) {
            (Some(a), Some(b)) if a.number > b.number => front.next(),
            (_, Some(_)) => overlap.next(),
            (Some(_), None) => front.next(),
            (None, None) => return,
        };
        if let Some(record) = next {
            queue.push_front(record);
        }
    }
}

/// Tags, lengths and the index of one record in an aggregate, for data below 16 KiB and above.
const SHORT_WRAPPING: usize = 14;
const LONG_WRAPPING: usize = 17;
const SHORT: usize = 16_384;
/// 39 digits, their tag and length, and their index.
const EXPLICIT_KEY_COST: usize = 45;

#[cfg(test)]
mod tests {
    use kinesis_aggregation::{AggregateBuilder, AggregateLimits};
    use proptest::prelude::*;

    use super::*;
    use crate::pipeline::tests::{buffered, start};

    fn numbers(of: impl IntoIterator<Item = u64>) -> Vec<Buffered<u32>> {
        of.into_iter()
            .map(|number| buffered(number, "k", 1, start()))
            .collect()
    }

    proptest! {
        #[test]
        fn merging_sorts_by_number(of in prop::collection::btree_map(0_u64..100, any::<bool>(), 0..60)) {
            let part = |wanted| of.iter().filter(move |(_, side)| **side == wanted).map(|(number, _)| *number);
            let mut queue = VecDeque::from(numbers(part(false)));
            merge(numbers(part(true)), &mut queue);
            let merged: Vec<_> = queue.iter().map(|record| record.number).collect();
            prop_assert_eq!(merged, of.keys().copied().collect::<Vec<_>>());
        }

        /// The weight is an upper bound of what a record adds to an aggregate.
        #[test]
        fn weight_covers_the_encoding(
            records in prop::collection::vec((".{1,40}", 0_usize..40_000, prop::option::of(any::<u128>())), 2..20)
        ) {
            let mut builder = AggregateBuilder::new(AggregateLimits::DEFAULT.with_max_bytes(10 << 20).expect("in range"));
            let mut weight = 20;
            for (key, data, explicit) in records {
                let mut record = Record::new(key.as_str(), vec![0; data]).expect("valid");
                if let Some(explicit) = explicit {
                    record = record.with_explicit_hash_key(HashKey::new(explicit));
                }
                let hash_key = record.hash_key();
                let buffered = Buffered {
                    number: 0,
                    arrival: start(),
                    hash_key,
                    history: History::default(),
                    token: (),
                    record,
                };
                weight += buffered.weight();
                let record = &buffered.record;
                builder
                    .try_push(record.partition_key(), record.explicit_hash_key(), hash_key, record.data())
                    .expect("fits");
            }
            prop_assert!(builder.encoded_len() <= weight, "{} bytes weigh {weight}", builder.encoded_len());
        }
    }
}
