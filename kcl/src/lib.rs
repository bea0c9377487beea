//! An async consumer for Amazon Kinesis Data Streams, in the manner of the Kinesis Client Library (KCL).
//!
//! Workers of one application share the shards of a stream by *leases*, rows of a DynamoDB table in KCL's own layout. Each
//! shard is read by one worker at a time; its records go to a [`RecordProcessor`] of yours, in order, aggregates taken
//! apart; checkpoints remember how far it came. A worker that stops hands its shards over at once, one that dies loses
//! them after the failover time (10 s), and nothing is lost: every record is processed at least once, and after a clean
//! stop exactly once.
//!
//! ```text
//!                     ┌────────────────────────────── one worker ──────────────────────────────┐
//!  shard ──GetRecords──> source ──batches──> driver ──process_records──> your RecordProcessor  │
//!                     │                        │ one for each lease                │           │
//!                     │  coordinator           └──────> keeper <──checkpoints──────┘           │
//!                     │   scan, plan, take, audit         │ heartbeats, checkpoints            │
//!                     └──────────┬────────────────────────┴────────────────────────────────────┘
//!                                └──> lease table <── other workers, KCL's own among them
//! ```
//!
//! # Example
//!
//! ```no_run
//! use kcl::{BoxError, Checkpointer, Consumer, ConsumerConfig, RecordBatch, RecordProcessor, ShardContext};
//!
//! struct Printer;
//!
//! impl RecordProcessor for Printer {
//!     async fn process_records(&mut self, batch: RecordBatch, checkpointer: &Checkpointer) -> Result<(), BoxError> {
//!         for record in batch.records() {
//!             println!("{}: {} bytes", record.position(), record.data().len());
//!         }
//!         checkpointer.checkpoint().await?;
//!         Ok(())
//!     }
//! }
//!
//! # async fn example(sdk_config: aws_types::SdkConfig) -> Result<(), BoxError> {
//! let config = ConsumerConfig::builder("stock", "sales").build()?;
//! let consumer = Consumer::builder(config)
//!     .sdk_config(&sdk_config) // e.g. aws_config::load_defaults(BehaviorVersion::latest()).await
//!     .build(|_: &ShardContext| Printer)?;
//! let summary = consumer.run_until(async { /* e.g. tokio::signal::ctrl_c() */ }).await?;
//! println!("{} records", summary.records());
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! - **Order**: the records of a shard come in order, those of a child shard after all of its parents'.
//! - **No loss**: a record is left behind only by a checkpoint at or after it. A processor that fails gets the same records
//!   again; one that panics loses its lease, and the records come again.
//! - **Bounds**: memory for records read ahead, tasks (two a lease and one for reading), requests in flight (one a shard).
//!   Nothing retries without a pause.
//! - **Fencing**: by its own clock a worker stops before another one may start. Heartbeats run beside your code, but a
//!   processor that blocks its thread is stopped only when it waits.

pub mod assign;
pub mod by_record;
pub mod cost;
pub mod dead_letter;
pub mod error;
pub mod events;
pub mod fleet;
pub mod handover;
pub mod health;
pub mod leader;
pub mod lease;
pub mod metrics;
pub mod position;
pub mod reader;
pub mod shard_sync;
pub mod store;
pub mod streams;
pub mod trace;

mod config;
mod consumer;
mod coordinator;
mod initialization;
mod lanes;
mod process;
mod processor;
mod record;
mod seek;
mod shard;
mod source;
mod stream;
mod text;
mod worker_load;

pub use by_record::{AckRecord, ReceivedRecord, RecordId, RecordStream};
pub use config::{
    BatchOptions, CheckpointPolicy, ChildShards, ConsumerConfig, ConsumerConfigBuilder, Diversion,
    EscapeError, InitialPosition, KCL_SETTINGS, KclConnection, KclProperties, MetricsConfig,
    MetricsDimension, MetricsLevel, NoteKind, OnDeadline, OnRecreated, OnStray, OnTrimmed, ProcessingFailure,
    PropertiesError, PropertyNote, RecordOptions, RecordOptionsBuilder, Retrieval, ShardStart, StreamTracker,
    ValueError,
};
pub use consumer::{Consumer, ConsumerBuilder, ConsumerHandle, RunEnd, RunSummary};
pub use error::{BoxError, CheckpointError, ConfigError, RunError, StoreError};
pub use initialization::{FencingToken, Initialization};
pub use kinesis_aggregation::{HashKey, HashKeyRange, ShardId};
pub use lanes::outcome::{Outcome, Reason, WhenExhausted};
pub use lanes::rules::Order;
pub use lease::{LeaseKey, PendingCheckpoint, WorkerId};
pub use position::{Checkpoint, Position, SequenceNumber};
pub use process::{AsPosition, Checkpointer, Place, PreparedCheckpoint};
pub use processor::{RecordBatch, RecordProcessor, RecordProcessorFactory, WorkUntil};
pub use record::{ClientRecord, DroppedRecords, StrayAggregate};
pub use seek::{SeekError, SeekShards, SeekTo, Sought};
pub use source::budget::ReadBudget;
pub use store::LeaseStore;
pub use store::dynamodb::DynamoDbLeaseStore;
pub use store::memory::MemoryLeaseStore;
pub use stream::{ShardContext, StreamName, StreamNameError};
pub use streams::arn::{StreamArn, StreamArnError};
pub use streams::listed::{StreamConfig, StreamTarget};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
