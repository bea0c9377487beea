//! Answers: a status, a few headers, and a body that is there or still to come.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::http::header::{CONTENT_TYPE, DATE};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::events::Events;

/// What a request is answered with.
pub(crate) type Answer = Response<ReplyBody>;

/// The connection ends here, without an answer or in the middle of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection was cut, as a fault asked for")]
pub(crate) struct Cut;

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    /// All of it; taken when sent.
    Full(Option<Bytes>),
    /// Frames as they come.
    Events(Box<Events>),
}

impl ReplyBody {
    pub(crate) fn full(bytes: Bytes) -> Self {
        Self::Full((!bytes.is_empty()).then_some(bytes))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.get_mut() {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Events(events) => events
                .poll_next(context)
                .map(|next| next.map(|frame| frame.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Full(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Events(_) => SizeHint::default(),
        }
    }
}

/// Puts an answer together. `request_id` and `date` are ours and are valid headers; a code that a test made up may
/// not be one and is then left out.
pub(crate) fn answer(
    status: u16,
    content_type: Option<&'static str>,
    error_type: Option<&str>,
    request_id: &str,
    date: Option<&str>,
    body: ReplyBody,
) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    let texts = [
        (REQUEST_ID, Some(request_id)),
        (ERROR_TYPE, error_type),
        (DATE, date),
    ];
    for (name, text) in texts {
        if let Some(value) = text.and_then(|text| HeaderValue::from_str(text).ok()) {
            headers.insert(name, value);
        }
    }
    answer
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
