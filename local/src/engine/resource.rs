//! What has tags and a policy: a stream or a consumer of it, by its ARN.

use super::Engine;
use super::arn::RESOURCE_PATTERN;
use super::consumers::Consumer;
use super::error::ServiceError;
use super::stream::Stream;

/// What an ARN names.
pub(super) enum Resource<'a> {
    Stream(&'a mut Stream),
    Consumer(&'a mut Consumer),
}

impl Engine {
    pub(super) fn resource_mut(
        &mut self,
        arn: Option<&str>,
        now_ms: u64,
    ) -> Result<Resource<'_>, ServiceError> {
        let arn = self.owner.parse_arn("resourceARN", arn, RESOURCE_PATTERN)?;
        let stream = super::find(
            &mut self.streams,
            &mut self.ledger,
            &self.owner,
            arn.stream,
            now_ms,
        )?;
        match arn.consumer {
            None => Ok(Resource::Stream(stream)),
            Some(named) => stream
                .consumer_mut(named, now_ms)
                .map(Resource::Consumer)
                .ok_or_else(|| super::consumers::not_found(named.name, arn.stream)),
        }
    }
}
