//! The Kinesis aggregated record format: many user records in one Kinesis record.
//!
//! The Kinesis Producer Library packs user records into one blob, and the Kinesis Client Library unpacks
//! them again. This crate does both, byte for byte as they do, and knows the few notions both sides must
//! agree on: hash keys, hash key ranges and shard ids. It does no I/O, needs `alloc` but not `std`, and never
//! panics on what it decodes.
//!
//! # The bytes
//!
//! ```text
//! 0           4                                       N-16              N
//! +-----------+---------------------------------------+-----------------+
//! | magic     | protobuf body                         | MD5 of the body |
//! | F3899AC2  | tables first, then the records        | 16 bytes        |
//! +-----------+---------------------------------------+-----------------+
//!
//! body                                    one record
//!   1: partition key (string), repeated     1: index into table 1, always present
//!   2: explicit hash key,      repeated     2: index into table 2, only if the user gave one
//!   3: record,                 repeated     3: data, always present, may be empty
//!                                           4: tags, never written, ignored when read
//! ```
//!
//! Each distinct key stands once in its table. One record alone is not wrapped: it travels as its own
//! bytes. [`AggregateBuilder`] knows the one exception, a record which would be mistaken for an aggregate.
//!
//! # Example
//!
//! ```
//! use kinesis_aggregation::{
//!     AggregateBuilder, AggregateLimits, Deaggregated, HashKey, HashKeyRange, OutOfRange, deaggregate,
//! };
//!
//! let mut builder = AggregateBuilder::new(AggregateLimits::DEFAULT);
//! for (key, data) in [("till-1", b"bread"), ("till-2", b"apple")] {
//!     builder.try_push(key, None, HashKey::of_partition_key(key), data)?;
//! }
//! let sealed = builder.seal().expect("two records are inside");
//! assert!(sealed.is_aggregate());
//!
//! let range = HashKeyRange::FULL;
//! let Deaggregated::Aggregate(records) = deaggregate(sealed.into_data(), &range, OutOfRange::DropAggregate)
//! else {
//!     panic!("an aggregate comes back as one");
//! };
//! assert_eq!(records[1].partition_key(), "till-2");
//! assert_eq!(records[1].data().as_ref(), b"apple");
//! # Ok::<(), kinesis_aggregation::Full>(())
//! ```

#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod aggregate;
mod deaggregate;
mod decode;
mod digested;
mod envelope;
mod hash_key;
mod key_index;
mod limits;
mod md5_lanes;
mod proto;
mod shard_id;
mod wire;

#[cfg(test)]
mod tests;

/// The examples of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use aggregate::{AggregateBuilder, Full, SealedAggregate, write_digests};
pub use deaggregate::{
    Deaggregated, DroppedAggregate, HandedBackAggregate, MalformedReason, OutOfRange, RawReason, SubRecord,
    SubRecordParts, deaggregate, deaggregate_all,
};
pub use envelope::{DIGEST_LEN, ENVELOPE_LEN, MAGIC, OUTER_PARTITION_KEY, looks_like_aggregate};
pub use hash_key::{HashKey, HashKeyError, HashKeyRange, HashKeyRangeError};
pub use limits::{AggregateLimits, AggregateLimitsError};
pub use shard_id::{ShardId, ShardIdError};
