//! Records handled one by one: many at a time, each key in its order.
//!
//! ```text
//!                         lane of key "a"   ● running
//!  shard ──batches──>     lane of key "b"   ● ○ ○              ──> your handler, many calls at a time
//!                         lane of key "c"   ◌ comes again in 2 s         │
//!                                                                       Ack, Retry, Skip, DeadLetter, Stop
//!                 ✓✓✓✓✓●✓✓◌✓○○○                                          │
//!                     └ watermark: the checkpoint, before the first unfinished record <──┘
//! ```
//!
//! ```no_run
//! use kcl::{BoxError, Consumer, ConsumerConfig, Outcome, ReceivedRecord};
//!
//! # async fn example(sdk_config: aws_types::SdkConfig) -> Result<(), BoxError> {
//! let config = ConsumerConfig::builder("stock", "sales").build()?;
//! let consumer = Consumer::builder(config)
//!     .sdk_config(&sdk_config)
//!     .for_each_record(|record: ReceivedRecord| async move {
//!         println!("{}: {} bytes", record.id(), record.data().len());
//!         Outcome::Ack
//!     })?;
//! consumer.run_until(async { /* e.g. tokio::signal::ctrl_c() */ }).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! - **Order**: the records of one partition key come one after the other, in the order of the shard, also over retries. A
//!   key that waits holds up nobody else. Over a split or merge the order holds as well: the shards that follow are read
//!   when every record of theirs before is passed.
//! - **No loss**: the checkpoint is always before the first record without an outcome. What is done behind it comes again
//!   after a crash, at most the [window](crate::RecordOptionsBuilder::window); after a clean stop within the
//!   [drain time](crate::RecordOptionsBuilder::drain) nothing does.
//! - **Bounds**: calls at a time, records accepted, and, by the budget of what is read, bytes: a batch counts against it until
//!   its last record is passed.
//! - **Fencing**: handlers run inside the shard's task. When the lease is lost, by this worker's own clock, they are dropped
//!   where they wait, and none is begun.
//!
//! The handlers of one shard share a task: they wait at the same time, and compute one after the other. A handler with much to
//! compute spawns it and waits for it.
//!
//! A handler's types know of no shard: where a record comes from is behind its [`RecordId`].

mod answers;
mod attend;
mod builder;
mod counts;
mod handed_out;
mod processor;
mod received;
mod saves;
mod shared;
mod stream;
mod teller;
mod verdicts;

pub use self::answers::{Answers, IntoOutcome, IntoOutcomes};
pub use self::counts::RecordCounts;
pub(crate) use self::counts::{Counted, Counting};
pub use self::processor::RecordLanes;
pub use self::received::{ReceivedRecord, RecordId};
pub use self::shared::ByRecord;
pub(crate) use self::shared::Fittings;
pub use self::stream::{AckRecord, AckToken, RecordStream};
