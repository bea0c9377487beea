//! Listens on loopback and serves connections: HTTP/1.1 and h2c by a service, or byte for byte to another port,
//! both with TLS in front if asked.
//!
//! Knows nothing of Kinesis or DynamoDB.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::error::StartError;

/// The largest request body in bytes. 10 MiB of data is 13.4 MiB of base64, and names and keys come on top.
/// Source: AWS API reference, PutRecords (10 MiB per request).
pub(crate) const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

/// How long running requests may take to end after a stop before their connections are cut.
const DRAIN: Duration = Duration::from_secs(3);

/// How long to wait after a failed accept: the usual cause is that the process has no file handles left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
    pub(crate) fn draining(&self) -> WaitForCancellationFutureOwned {
        self.drain.clone().cancelled_owned()
    }

    /// Runs `task` until it ends or everything is cut.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
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
#[derive(Clone)]
pub(crate) enum Backend {
    /// A service in this process.
    Service(Router),
    /// Another listener of this process that speaks plain HTTP.
    Forward(SocketAddr),
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
    match tls {
        None => plain(stream, backend, lifetime).await,
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => plain(stream, backend, lifetime).await,
            Err(error) => tracing::debug!(%error, "tls handshake failed"),
        },
    }
}

async fn plain<S>(mut stream: S, backend: Backend, lifetime: Lifetime)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let ended = match backend {
        Backend::Service(router) => http(stream, router, &lifetime).await,
        Backend::Forward(address) => forward(&mut stream, address).await.map_err(Into::into),
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

async fn http<S>(stream: S, router: Router, lifetime: &Lifetime) -> Result<(), BoxError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(
        router
            .into_service::<Body>()
            .map_request(|request: Request<Incoming>| request.map(Body::new)),
    );
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = lifetime.draining() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

async fn forward<S>(stream: &mut S, address: SocketAddr) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut upstream = TcpStream::connect(address).await?;
    upstream.set_nodelay(true)?;
    copy_bidirectional(stream, &mut upstream).await?;
    Ok(())
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;
