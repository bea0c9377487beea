//! An async producer for Amazon Kinesis Data Streams, compatible with the Kinesis Producer Library (KPL).
//!
//! It packs many user records into one Kinesis record as the KPL does, so that the Kinesis Client Library and
//! everything else that reads the KPL's format takes them apart again. It knows which shard a record goes to, sends to
//! each shard one request at a time, retries only what failed, and tells for each record what became of it.
//!
//! ```text
//!  put(stream, record)                                                    DeliveryTicket
//!   │ waits for room: bytes and records in flight are bounded                  ▲
//!   ▼                                                                          │ one outcome each
//!  one task per stream ──────────────────────────────────────────────┐         │
//!   │  hash key ─► shard ─► queue ─► aggregate ─► request            │─────────┘
//!   │               │        │ order, linger, rate,                  │
//!   │               │        │ backoff: one shard delays no other    │
//!   └───────────────┼────────┴───────────────────────┬───────────────┘
//!            ListShards                          PutRecords
//! ```
//!
//! # Example
//!
//! ```no_run
//! use kpl::{Producer, ProducerConfig, Record, StreamName};
//!
//! # async fn run(sdk_config: aws_types::SdkConfig) -> Result<(), Box<dyn std::error::Error>> {
//! // or `Producer::from_env().await?`
//! let producer = Producer::new(&sdk_config, ProducerConfig::default())?;
//! let orders = producer.stream(&StreamName::new("orders")?);
//!
//! let mut tickets = Vec::new();
//! for n in 0..1_000 {
//!     let record = Record::new(format!("till-{}", n % 10), format!("sale {n}"))?;
//!     tickets.push(orders.put(record).await?); // waits when too much is in flight
//! }
//! for ticket in tickets {
//!     let delivery = ticket.await?; // or the error, with the record handed back
//!     println!("{} {}", delivery.shard_id().as_str(), delivery.sequence_number());
//! }
//! producer.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! - *At least once.* Each record that was taken has exactly one outcome. A delivered record is in the stream, on a shard
//!   where KCL consumers find it. It may be there twice: when a reply was lost, it was sent again;
//!   [`Delivery::may_be_duplicate`] tells.
//! - *Order per key.* What one caller puts under one key, one after the other, is first stored in that order: through
//!   retries, throttling, lost replies and resharding. A record that fails is passed over. A request that ran out of
//!   time and is carried out after all may add a second copy later.
//! - *Bounds.* Records in flight are bounded in bytes of memory and in number: [`Producer::put`] waits,
//!   [`Producer::try_put`] hands the record back, [`Producer::reserve`] waits once for many. Who waits is served in turn.
//!   Requests on their way are bounded for each stream.
//! - *An end in time.* A record has its outcome within its time to live and one request, or, when the stream never
//!   answered, within the time for first contact. So [`Producer::close`] ends as well; [`Producer::close_within`] ends
//!   when it must, and hands back what is left.
//!
//! Where the service distributes records by itself (record distribution `AUTO`) keys have no order, and KCL consumers
//! would drop aggregates: the producer finds that out and sends such streams one Kinesis record for each user record.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod config;
mod dead_letter;
mod driver;
mod error;
mod failure;
mod limits;
mod metrics;
mod outcome;
mod pipeline;
mod producer;
mod record;
mod seldom;
#[cfg(feature = "spool")]
mod spool;
mod stream;
#[cfg(feature = "serde")]
mod typed;

pub use config::{
    AdaptiveRate, Aggregation, EscapeError, KPL_SETTINGS, KplConnection, KplProperties, KplProxy,
    MetricsConfig, MetricsDimension, MetricsGranularity, MetricsLevel, NoteKind, Ordering, OuterKey,
    ProducerConfig, ProducerConfigBuilder, PropertiesError, PropertyNote, RateLimit, RetryBudget,
    RetryPolicy, RetryRule, StreamConfig, ValueError,
};
pub use dead_letter::{
    DeadLetter, DeadLetterReceiver, DeadLetterSender, DeadLetters, ReceiverGone, dead_letter_channel,
};
pub use error::{
    CloseError, ConfigError, DeliveryError, DeliveryErrorKind, FlushError, PutError, TryPutError,
    UndeliveredError,
};
pub use failure::{Failure, FailureKind};
pub use kinesis_aggregation::{HashKey, HashKeyError, ShardId};
#[cfg(feature = "cloudwatch")]
pub use metrics::{CloudWatch, CloudWatchError};
pub use metrics::{
    Metric, MetricDatum, MetricKind, MetricSeries, MetricUnit, MetricsSink, MetricsSnapshot, MetricsUpload,
    Statistics,
};
pub use outcome::{Attempt, Delivery, MAX_KEPT_ATTEMPTS};
pub use producer::permits::RECORD_OVERHEAD;
pub use producer::ticket::DeliveryTicket;
pub use producer::{Leftover, Producer, ProducerBuilder, PutAll, RecordSink, Reservation, StreamProducer};
pub use record::{Record, RecordError};
#[cfg(feature = "spool")]
pub use spool::{Replay, ReplayReport, Spool, SpoolConfig, SpoolError, SpoolSync, SpooledRecord};
pub use stream::{StreamName, StreamNameError};
#[cfg(feature = "serde")]
pub use typed::{Codec, Json, TryTypedPutError, TypedProducer, TypedPutError};
