//! The shell around the engine: a request with headers and bytes comes in, an answer goes out, at the time, with
//! the latency and with the faults that a test asked for.
//!
//! ```text
//!  serve (sockets) ────┐                                 ┌─> kinesis ── wire ── engine
//!                      ├─> Request<Bytes> ──> Endpoint ──┤      └── events (bodies of SubscribeToShard)
//!  connector (no socket)┘                                └─> dynamodb
//!                                                 │
//!                                                 └── world: clock, faults, latency, history
//! ```
//!
//! The engine is behind a plain mutex that no await is under. There are no tasks here: whoever waits for an answer
//! or reads a body drives it, so dropping either leaves nothing behind.

mod clock;
mod connector;
mod events;
mod history;
mod kinesis;
mod latency;
mod replies;
mod reply;
mod setup;
mod verdict;
mod world;

pub use self::history::{History, HistoryEntry};
pub use self::latency::Latency;
pub use self::world::FaultControl;

pub(crate) use self::clock::Clock;
pub(crate) use self::connector::InProcessClient;
pub(crate) use self::history::{describe, fingerprint_json};
pub(crate) use self::kinesis::{KinesisService, caller};
pub(crate) use self::latency::LatencyKind;
pub(crate) use self::reply::{Answer, Cut, ReplyBody, answer};
pub(crate) use self::setup::Setup;
pub(crate) use self::world::{Entry, World, pause};

use axum::http::Request;
use bytes::Bytes;

use crate::dynamodb::DynamoDbService;

/// Either half, for whoever has a request and no opinion.
#[derive(Clone, Debug)]
pub(crate) enum Endpoint {
    Kinesis(KinesisService),
    DynamoDb(DynamoDbService),
}

impl Endpoint {
    /// Answers one request.
    ///
    /// # Errors
    ///
    /// [`Cut`] if there is to be no answer and the connection is to end.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its work the call does nothing, dropped after it the work stays done, as with a client that
    /// hangs up.
    pub(crate) async fn answer(&self, request: Request<Bytes>) -> Result<Answer, Cut> {
        match self {
            Self::Kinesis(service) => service.answer(request).await,
            Self::DynamoDb(service) => service.answer(request).await,
        }
    }
}

/// The largest request body in bytes. 10 MiB of data is 13.4 MiB of base64, and names and keys come on top.
/// Source: AWS API reference, PutRecords (10 MiB per request).
pub(crate) const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;
