//! The SDK's way in without a socket: its requests are answered in the task that sent them.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use axum::body::{Body, to_bytes};
use axum::http::Request;

use super::{Endpoint, MAX_REQUEST_BYTES, ReplyBody};

/// An HTTP client of the SDK that has one endpoint in it.
#[derive(Clone, Debug)]
pub(crate) struct InProcessClient {
    endpoint: Arc<Endpoint>,
}

impl InProcessClient {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint: Arc::new(endpoint),
        }
    }
}

impl HttpClient for InProcessClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(InProcessConnector {
            endpoint: Arc::clone(&self.endpoint),
            // There is nothing to connect to, so the other timeout cannot strike.
            read_timeout: settings.read_timeout(),
        })
    }
}

#[derive(Debug)]
struct InProcessConnector {
    endpoint: Arc<Endpoint>,
    read_timeout: Option<Duration>,
}

impl HttpConnector for InProcessConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let endpoint = Arc::clone(&self.endpoint);
        let read_timeout = self.read_timeout;
        HttpConnectorFuture::new(async move {
            let answered = answered(&endpoint, request);
            match read_timeout {
                None => answered.await,
                Some(limit) => match tokio::time::timeout(limit, answered).await {
                    Ok(answer) => answer,
                    Err(elapsed) => Err(ConnectorError::timeout(elapsed.into())),
                },
            }
        })
    }
}

async fn answered(endpoint: &Endpoint, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request
        .try_into_http1x()
        .map_err(|error| ConnectorError::user(error.into()))?;
    let (head, body) = request.into_parts();
    let bytes = to_bytes(Body::new(body), MAX_REQUEST_BYTES)
        .await
        .map_err(|error| ConnectorError::user(error.into()))?;
    let answer = endpoint
        .answer(Request::from_parts(head, bytes))
        .await
        .map_err(|cut| ConnectorError::io(cut.into()))?;
    let answer = answer.map(|body| match body {
        ReplyBody::Full(bytes) => bytes.map_or_else(SdkBody::empty, SdkBody::from),
        events @ ReplyBody::Events(_) => SdkBody::from_body_1_x(events),
    });
    HttpResponse::try_from(answer).map_err(|error| ConnectorError::other(error.into(), None))
}
