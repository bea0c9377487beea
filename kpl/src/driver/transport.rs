//! The calls the producer makes, in our words.

use std::fmt;

use futures::future::BoxFuture;

use crate::failure::Failure;
use crate::pipeline::{Entry, EntryReply, ListedShard, StreamSummary};
use crate::stream::StreamName;

/// The way to the service. Each call ends within its own time limit, and is tried once: trying again is the
/// pipeline's business.
pub(crate) trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends one request. The answer has one reply for each entry, in their order.
    fn put_records(
        &self,
        stream: &StreamName,
        entries: Vec<Entry>,
    ) -> BoxFuture<'static, Result<Vec<EntryReply>, Failure>>;

    /// Lists the shards that are open now, all pages of them.
    fn list_shards(&self, stream: &StreamName) -> BoxFuture<'static, Result<Vec<ListedShard>, Failure>>;

    /// Asks what the stream says of itself.
    fn describe(&self, stream: &StreamName) -> BoxFuture<'static, Result<StreamSummary, Failure>>;
}
