//! Listens on loopback and serves connections: HTTP/1.1 and h2c, with TLS in front if asked, by something that
//! answers whole requests.
//!
//! Knows nothing of Kinesis or DynamoDB.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

use crate::control::Control;
use crate::error::StartError;
use crate::service::{Cut, Endpoint, MAX_REQUEST_BYTES, ReplyBody};

/// How long running requests may take to end after a stop before their connections are cut.
const DRAIN: Duration = Duration::from_secs(3);

/// How long to wait after a failed accept: the usual cause is that the process has no file handles left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Bytes a client may have on the way in one HTTP/2 stream, and in one connection: a whole PutRecords at once, so that
/// the endpoint is not what a producer waits for.
const STREAM_WINDOW: u32 = 16 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 64 * 1024 * 1024;

/// Requests at once on one HTTP/2 connection. A subscription is one, and a consumer has one for each shard.
const MOST_STREAMS: u32 = 20_000;

/// Owner of every task of one endpoint, and their end.
#[derive(Clone, Debug)]
pub(crate) struct Lifetime {
    tasks: TaskTracker,
    /// Ends the accepting of connections and lets running requests finish. A child of `cut`.
    drain: CancellationToken,
    /// Ends everything now.
    cut: CancellationToken,
}

impl Lifetime {
    pub(crate) fn new() -> Self {
        let cut = CancellationToken::new();
        Self {
            tasks: TaskTracker::new(),
            drain: cut.child_token(),
            cut,
        }
    }

    /// Resolves once the endpoint should take no further request.
    fn draining(&self) -> WaitForCancellationFutureOwned {
        self.drain.clone().cancelled_owned()
    }

    /// Runs `task` until it ends or everything is cut.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cut = self.cut.clone();
        self.tasks.spawn(async move {
            cut.run_until_cancelled(task).await;
        });
    }

    /// Stops accepting, lets running requests end for a few seconds, then cuts what is left.
    pub(crate) async fn stop(&self) {
        self.drain.cancel();
        self.tasks.close();
        if tokio::time::timeout(DRAIN, self.tasks.wait()).await.is_err() {
            tracing::debug!(tasks = self.tasks.len(), "cutting connections that did not end");
            self.cut.cancel();
            self.tasks.wait().await;
        }
    }

    /// Ends everything now; running requests are lost.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
    }
}

/// Listens on loopback; port 0 takes any free one.
pub(crate) async fn bind(endpoint: &'static str, port: u16) -> Result<(TcpListener, SocketAddr), StartError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let failed = |source| StartError::Bind {
        endpoint,
        address,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// What answers on a listener.
#[derive(Clone, Debug)]
pub(crate) enum Backend {
    /// One half of the service.
    Endpoint(Endpoint),
    /// The control calls.
    Control(Control),
}

/// Accepts connections until the lifetime ends, and serves each by `backend`, behind TLS if there is an acceptor.
pub(crate) fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, backend: Backend, lifetime: &Lifetime) {
    let owner = lifetime.clone();
    lifetime.spawn(async move {
        let mut draining = std::pin::pin!(owner.draining());
        loop {
            let accepted = tokio::select! {
                () = &mut draining => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    owner.spawn(connection(stream, tls.clone(), backend.clone(), owner.clone()));
                }
                Err(error) => {
                    tracing::debug!(%error, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    });
}

/// Serves one connection to its end. What goes wrong on it is the client's to see, so it is only traced.
async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, backend: Backend, lifetime: Lifetime) {
    // Small replies must not wait for the client's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set nodelay");
    }
    let ended = match tls {
        None => http(stream, backend, &lifetime).await,
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => http(stream, backend, &lifetime).await,
            Err(error) => {
                tracing::debug!(%error, "tls handshake failed");
                return;
            }
        },
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

async fn http<S>(stream: S, backend: Backend, lifetime: &Lifetime) -> Result<(), BoxError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| answer(backend.clone(), request));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(MOST_STREAMS);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = lifetime.draining() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// Takes in a whole request and answers it.
async fn answer(backend: Backend, request: Request<Incoming>) -> Result<Response<ReplyBody>, Cut> {
    let (head, body) = request.into_parts();
    let most = match backend {
        Backend::Endpoint(_) => MAX_REQUEST_BYTES,
        Backend::Control(_) => MAX_CONTROL_BYTES,
    };
    if declared(&head.headers) > most {
        return Ok(too_large(head.version));
    }
    let Ok(body) = to_bytes(Body::new(body), most).await else {
        // Too large after all, or cut by the client, who then does not read this.
        return Ok(too_large(head.version));
    };
    match backend {
        Backend::Endpoint(endpoint) => endpoint.answer(Request::from_parts(head, body)).await,
        Backend::Control(control) => {
            let (status, reply) = control.answer(&head.method, head.uri.path(), &body);
            Ok(json(status, &reply))
        }
    }
}

fn declared(headers: &HeaderMap) -> usize {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    length.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The rest of the body is not read, so that with HTTP/1.1 nothing more can come on the connection.
fn too_large(version: Version) -> Response<ReplyBody> {
    let refusal = serde_json::json!({ "__type": "RequestEntityTooLargeException" });
    let mut response = json(StatusCode::PAYLOAD_TOO_LARGE, &refusal);
    if version < Version::HTTP_2 {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn json(status: StatusCode, value: &serde_json::Value) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::full(Bytes::from(value.to_string())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The largest control call.
const MAX_CONTROL_BYTES: usize = 64 * 1024;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
