//! Kinesis and DynamoDB inside your own process, for tests, examples and benchmarks.
//!
//! [`Local::start`] listens on two loopback ports that the system chooses and hands back a handle with the
//! endpoint URLs and ready SDK clients. Nothing is written to disk, nothing leaves the machine, and everything
//! ends with the handle.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let local = kinesis_local::Local::start().await?;
//! local.create_stream("orders", 4).await?;
//!
//! let kinesis = local.kinesis_client();
//! let put = kinesis
//!     .put_record()
//!     .stream_name("orders")
//!     .partition_key("till-7")
//!     .data(aws_sdk_kinesis::primitives::Blob::new("one coffee"))
//!     .send()
//!     .await?;
//! assert!(put.shard_id().starts_with("shardId-"));
//! local.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! How a request travels:
//!
//! ```text
//!  SDK client ──> serve (loopback listener, optional TLS, HTTP/1.1 or h2c)
//!                   ├─> kinesis   the Kinesis half, everything that knows its engine
//!                   └─> dynamodb  the DynamoDB half, everything that knows its engine
//! ```
//!
//! What the endpoint does not do: it checks no signatures, keeps nothing after it stops, and enforces no write or
//! read limits of a shard. The crate's README says rule by rule what is faithful to the service and what is not.

mod dynamodb;
mod error;
mod kinesis;
mod local;
mod sdk;
mod serve;
mod tls;

pub use crate::error::{CreateStreamError, StartError};
pub use crate::local::{Local, LocalBuilder};

/// Runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
