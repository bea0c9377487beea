//! Decides who answers a request: we, for the regular PutRecords and GetRecords, or the engine for all the rest.
//!
//! Also the gate between writes and reads. The engine gives a record its sequence number in one step and lets it be
//! read in a later one. A reader that comes between the steps of one write, after another write has ended, is given
//! a later record and a position behind the earlier one, which is then lost to it. So writes share the gate and a
//! read takes it alone: it sees no write half done.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use ferrokinesis::error::KinesisErrorResponse;
use ferrokinesis::store::Store;
use serde::Serialize;
use tokio::sync::RwLock;
use tower::ServiceExt;

use super::{get_records, put_records};
use crate::serve::MAX_REQUEST_BYTES;

/// What a request is answered with.
#[derive(Clone)]
pub(super) struct Front {
    store: Store,
    engine: Router,
    gate: Arc<RwLock<()>>,
}

impl Front {
    pub(super) fn new(store: Store, engine: Router) -> Self {
        Self {
            store,
            engine,
            gate: Arc::new(RwLock::new(())),
        }
    }

    async fn by_engine(&self, request: Request) -> Response {
        let answered: Result<Response, Infallible> = self.engine.clone().oneshot(request).await;
        match answered {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    async fn put_records(&self, parts: Parts, body: Bytes) -> Response {
        if is_plain(&parts)
            && let Some(batch) = put_records::Batch::parse(&body)
        {
            let stored = {
                let _writing = self.gate.read().await;
                batch.store(&self.store).await
            };
            return reply(stored);
        }
        self.write(parts, body).await
    }

    async fn get_records(&self, parts: Parts, body: Bytes) -> Response {
        if is_plain(&parts)
            && let Some(read) = get_records::Read::parse(&body, &self.store)
        {
            let alone = self.gate.write().await;
            if let Some(page) = read.page(&self.store).await {
                drop(alone);
                return reply(Ok(page.answer()));
            }
        }
        let _alone = self.gate.write().await;
        self.by_engine(Request::from_parts(parts, Body::from(body))).await
    }

    async fn write(&self, parts: Parts, body: Bytes) -> Response {
        let _writing = self.gate.read().await;
        self.by_engine(Request::from_parts(parts, Body::from(body))).await
    }
}

/// Answers one request.
pub(super) async fn answer(State(front): State<Front>, request: Request) -> Response {
    let target = request
        .headers()
        .get(TARGET)
        .and_then(|value| value.to_str().ok());
    let operation = match target.and_then(|target| target.strip_prefix(TARGET_PREFIX)) {
        Some("PutRecords") => Operation::PutRecords,
        Some("PutRecord") => Operation::PutRecord,
        Some("GetRecords") => Operation::GetRecords,
        _ => return front.by_engine(request).await,
    };
    if announced_bytes(&request).is_some_and(|bytes| bytes > MAX_REQUEST_BYTES) {
        return front.by_engine(request).await;
    }
    // The whole body first: a slow client must not hold the gate.
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_REQUEST_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    match operation {
        Operation::PutRecords => front.put_records(parts, body).await,
        Operation::PutRecord => front.write(parts, body).await,
        Operation::GetRecords => front.get_records(parts, body).await,
    }
}

enum Operation {
    PutRecords,
    PutRecord,
    GetRecords,
}

/// Whether the request is what a JSON SDK sends, so that the engine would find no fault with its head.
fn is_plain(parts: &Parts) -> bool {
    let header = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    parts.method == axum::http::Method::POST
        && parts.uri.query().is_none()
        && header(CONTENT_TYPE) == Some(JSON)
        && parts.headers.contains_key(DATE)
        && header(AUTHORIZATION).is_some_and(|value| {
            ["Credential=", "SignedHeaders=", "Signature="]
                .iter()
                .all(|part| value.contains(part))
        })
}

fn announced_bytes(request: &Request) -> Option<usize> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn reply(answer: Result<impl Serialize, KinesisErrorResponse>) -> Response {
    let (status, error, body) = match &answer {
        Ok(body) => (StatusCode::OK, None, serde_json::to_vec(body)),
        Err(refused) => (
            StatusCode::from_u16(refused.status_code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            Some(refused.body.error_type.clone()),
            serde_json::to_vec(&refused.body),
        ),
    };
    let Ok(body) = body else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = (status, [(CONTENT_TYPE, JSON)], body).into_response();
    if let Some(error) = error.and_then(|error| error.parse().ok()) {
        response.headers_mut().insert(ERROR_TYPE, error);
    }
    response
}

const JSON: &str = "application/x-amz-json-1.1";
const TARGET_PREFIX: &str = "Kinesis_20131202.";
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
