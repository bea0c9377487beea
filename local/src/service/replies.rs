//! The answers of the Kinesis half.

use super::history::fingerprint;
use super::reply::{Answer, ReplyBody, answer};
use super::world::World;
use crate::engine::error::ServiceError;
use crate::wire::{self, Format};

/// Makes the answers of one request.
pub(super) struct Replies<'a> {
    pub(super) world: &'a World,
    pub(super) request_id: &'a str,
}

impl Replies<'_> {
    pub(super) fn ok(&self, content_type: &'static str, body: ReplyBody, skew_ms: i64) -> Answer {
        let date = self.world.date(skew_ms);
        answer(
            200,
            Some(content_type),
            None,
            self.request_id,
            date.as_deref(),
            body,
        )
    }

    pub(super) fn error(&self, error: &ServiceError, format: Format, skew_ms: i64) -> Answer {
        let (status, body, error_type) = wire::encode_error(error, format);
        let date = self.world.date(skew_ms);
        let body = ReplyBody::full(body);
        let content_type = Some(format.content_type());
        answer(
            status,
            content_type,
            Some(error_type),
            self.request_id,
            date.as_deref(),
            body,
        )
    }

    pub(super) fn refused(&self, refusal: &wire::Refusal) -> Answer {
        let refused = refusal.encode();
        answer(
            refused.status,
            refused.content_type,
            Some(&refused.error_type),
            self.request_id,
            self.world.date(0).as_deref(),
            ReplyBody::full(refused.body),
        )
    }
}

/// To a request that carries no signature.
pub(super) fn unsigned() -> ServiceError {
    ServiceError::new(
        "MissingAuthenticationTokenException",
        400,
        Some("Missing Authentication Token".to_owned()),
    )
}

/// What history says of an answer.
pub(super) fn outcome(answer: &Answer, with_body: bool) -> String {
    let status = answer.status().as_u16();
    match answer.body() {
        ReplyBody::Full(body) if with_body => {
            let body = body.as_ref().map_or(0, |body| fingerprint(body));
            format!("{status} body={body:016x}")
        }
        _ => format!("{status}"),
    }
}
