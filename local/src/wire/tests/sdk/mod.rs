//! The real client of the SDK, which nobody here wrote, writes the requests and reads the answers. No socket.

mod records;
mod resources;
mod streams;
mod subscription;

use std::sync::{Arc, Mutex};

use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::{Client, Config};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

use super::super::*;
use super::golden;
use crate::engine::error::ServiceError;

/// Answers every request with the same bytes, and keeps what the last one meant.
#[derive(Debug, Clone)]
struct Peer {
    status: u16,
    content_type: &'static str,
    error_type: Option<String>,
    body: Bytes,
    seen: Arc<Mutex<Option<Request>>>,
}

impl HttpConnector for Peer {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = Bytes::copy_from_slice(request.body().bytes().unwrap());
        let headers = request.headers();
        let decoded = decode(headers.get("x-amz-target"), headers.get("content-type"), &body);
        let (_, format, request) = decoded.unwrap();
        assert_eq!(format, Format::Json);
        *self.seen.lock().unwrap() = Some(request);
        let mut answer = HttpResponse::new(self.status.try_into().unwrap(), SdkBody::from(self.body.clone()));
        answer.headers_mut().insert("content-type", self.content_type);
        if let Some(error_type) = &self.error_type {
            answer
                .headers_mut()
                .insert("x-amzn-errortype", error_type.clone());
        }
        HttpConnectorFuture::ready(Ok(answer))
    }
}

impl Peer {
    fn new(content_type: &'static str, body: Bytes) -> Self {
        Self {
            status: 200,
            content_type,
            error_type: None,
            body,
            seen: Arc::default(),
        }
    }

    /// Gives the golden answer of an operation, or the empty one if it has no members.
    fn of(operation: Operation) -> Self {
        let golden = golden::replies().into_iter().map(|(reply, _)| reply);
        let reply = golden.into_iter().find(|reply| {
            let name = format!("{reply:?}");
            name.split('(').next() == Some(operation.as_str())
        });
        let body = reply.map_or_else(Bytes::new, |reply| encode(&reply, Format::Json));
        Self::new(Format::Json.content_type(), body)
    }

    fn client(&self) -> Client {
        let connector = SharedHttpConnector::new(self.clone());
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
            .endpoint_url("http://localhost")
            .retry_config(RetryConfig::disabled())
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build();
        Client::from_conf(config)
    }
}

/// Sends the request that is golden for the operation, checks that it was understood, and gives the output.
macro_rules! exchange {
    ($operation:ident, $client:ident => $call:expr) => {{
        let peer = Peer::of(Operation::$operation);
        let $client = peer.client();
        let output = $call.send().await.unwrap();
        let seen = peer.seen.lock().unwrap().take();
        assert_eq!(seen, Some(golden::request_of(Operation::$operation)));
        output
    }};
}

use exchange;

fn tags() -> Option<std::collections::HashMap<String, String>> {
    Some([("team".to_owned(), "till".to_owned())].into())
}

/// The SDK reads a time as a float, and so a hair beside the millisecond that was written.
fn millis(time: &DateTime) -> i128 {
    (time.as_nanos() + 500_000) / 1_000_000
}

#[tokio::test]
async fn errors_keep_their_code_and_their_words() {
    for (error, code) in [
        (ServiceError::not_found("no stream"), "ResourceNotFoundException"),
        (
            ServiceError::throughput_exceeded("slower \"please\""),
            "ProvisionedThroughputExceededException",
        ),
        (ServiceError::internal_failure(), "InternalFailure"),
        (
            ServiceError::new("SerializationException", 400, Some("what".to_owned())),
            "SerializationException",
        ),
        (
            ServiceError::new("UnknownOperationException", 400, None),
            "UnknownOperationException",
        ),
    ] {
        let (status, body, error_type) = encode_error(&error, Format::Json);
        for error_type in [Some(error_type.to_owned()), None] {
            let peer = Peer {
                status,
                error_type,
                ..Peer::new(Format::Json.content_type(), body.clone())
            };
            let outcome = peer
                .client()
                .get_records()
                .shard_iterator("0123abcd")
                .send()
                .await;
            let failure = outcome.unwrap_err();
            assert_eq!(failure.raw_response().unwrap().status().as_u16(), error.status());
            let meta = failure.into_service_error().meta().clone();
            assert_eq!((meta.code(), meta.message()), (Some(code), error.message()));
        }
    }
}
