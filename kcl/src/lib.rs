//! An async consumer for Amazon Kinesis Data Streams.

pub mod assign;
pub mod error;
pub mod lease;
pub mod position;
pub mod shard_sync;
pub mod store;

mod config;
mod consumer;
mod process;
mod processor;
mod record;
mod shard;
mod source;
mod stream;

pub use config::{ConsumerConfig, ConsumerConfigBuilder, InitialPosition};
pub use consumer::{Consumer, ConsumerBuilder, ConsumerHandle, RunSummary};
pub use error::{BoxError, CheckpointError, ConfigError, RunError, StoreError};
pub use kinesis_aggregation::{HashKey, ShardId};
pub use lease::{LeaseKey, PendingCheckpoint, WorkerId};
pub use position::{Checkpoint, Position, SequenceNumber};
pub use process::Checkpointer;
pub use processor::{Initialization, RecordBatch, RecordProcessor, RecordProcessorFactory};
pub use record::{ClientRecord, DroppedRecords};
pub use store::LeaseStore;
pub use stream::{ShardContext, StreamName, StreamNameError};
