//! An async producer for Amazon Kinesis Data Streams.

mod config;
mod driver;
mod error;
mod failure;
mod outcome;
mod pipeline;
mod producer;
mod record;
mod stream;

pub use config::{Aggregation, ProducerConfig, ProducerConfigBuilder, RateLimit};
pub use error::{
    CloseError, ConfigError, DeliveryError, DeliveryErrorKind, FlushError, PutError, TryPutError,
};
pub use failure::{Failure, FailureKind};
pub use kinesis_aggregation::{HashKey, HashKeyError, ShardId};
pub use outcome::{Attempt, Delivery, MAX_KEPT_ATTEMPTS};
pub use producer::Producer;
pub use producer::permits::RECORD_OVERHEAD;
pub use producer::ticket::DeliveryTicket;
pub use record::{Record, RecordError};
pub use stream::{StreamName, StreamNameError};
