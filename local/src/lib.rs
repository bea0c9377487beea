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
//! [`InProcess`] is the same service without a socket: it lives in the SDK clients it makes and goes by tokio's
//! clock, so that producers and consumers run in virtual time, and the same seed gives the same history. Both take
//! [`Faults`] to script what goes wrong, a [`Latency`] model, and the service's limits.
//!
//! How a request travels:
//!
//! ```text
//!  SDK client ──> serve (loopback listener, optional TLS, HTTP/1.1 or h2c) ──┐
//!                                                                            ├─> service ──> wire ──> engine
//!  SDK client of InProcess (no socket) ──────────────────────────────────────┤   clock, latency, faults, history
//!                                                                            └─> dynamodb ──> dynoxide
//!  curl ──> serve ──> control (faults, reshards, state, history)
//! ```
//!
//! What the endpoint does not do: it checks no signatures and keeps nothing after it stops. Limits are off unless
//! asked for. `FIDELITY.md` says rule by rule what is faithful to the service.

mod control;
mod dynamodb;
#[cfg_attr(not(test), expect(dead_code, reason = "what only tests build and ask"))]
mod engine;
mod error;
mod faults;
mod in_process;
mod local;
mod sdk;
mod serve;
mod service;
mod streams;
mod tls;
#[expect(dead_code, reason = "what only tests and the fuzz target ask of a request")]
mod wire;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use crate::wire::fuzzing;

pub use crate::error::{CreateStreamError, StartError};
pub use crate::faults::{
    Fault, FaultError, FaultId, FaultService, FaultStatus, Faults, FaultsBuilder, Reshard,
};
pub use crate::in_process::{InProcess, InProcessBuilder};
pub use crate::local::{Local, LocalBuilder};
pub use crate::service::{FaultControl, History, HistoryEntry, Latency};

/// Runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
