//! ListStreams.

use std::ops::Bound;

use super::Engine;
use super::api::{ListStreamsRequest, ListStreamsResponse, StreamSummary};
use super::constraint::Constraints;
use super::error::ServiceError;
use super::operation::Operation;
use super::seal::Kind;

impl Engine {
    pub(crate) fn list_streams(
        &mut self,
        request: ListStreamsRequest,
        now_ms: u64,
    ) -> Result<ListStreamsResponse, ServiceError> {
        let now_ms = self.begin(Operation::ListStreams, now_ms)?;
        let mut constraints = Constraints::new();
        if let Some(limit) = request.limit {
            constraints.range("limit", limit, 1, 10_000);
        }
        if let Some(start) = &request.exclusive_start_stream_name {
            constraints.name("exclusiveStartStreamName", start);
        }
        constraints.finish()?;
        let after = match (request.next_token.as_deref(), request.exclusive_start_stream_name) {
            (Some(token), _) => Some(self.sealer.open_page(Kind::Streams, token, now_ms)?),
            (None, start) => start,
        };
        let limit = usize::try_from(request.limit.unwrap_or(DEFAULT_STREAMS)).unwrap_or(1);
        let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut streams: Vec<StreamSummary> = self
            .streams
            .range::<str, _>((from, Bound::Unbounded))
            .take(limit + 1)
            .map(|(_, stream)| StreamSummary {
                stream_name: stream.name.to_string(),
                stream_arn: self.owner.stream_arn(&stream.name),
                status: stream.status,
                mode: stream.mode,
                created_ms: stream.created_ms,
            })
            .collect();
        let has_more_streams = streams.len() > limit;
        streams.truncate(limit);
        let last = streams.last().filter(|_| has_more_streams);
        let next_token = last.map(|last| self.sealer.seal_page(Kind::Streams, &last.stream_name, now_ms));
        Ok(ListStreamsResponse {
            streams,
            has_more_streams,
            next_token,
        })
    }
}

/// Source: AWS API reference, ListStreams, `Limit`.
const DEFAULT_STREAMS: i64 = 100;
