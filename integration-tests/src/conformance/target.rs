//! What is held to the rules: our engine over sockets and in process, and the witnesses.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use ferrokinesis::store::StoreOptions;
use kinesis_local::{InProcess, Local, StartError};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::Need;
use super::subject::Subject;

/// Something that claims to be the service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// Our engine over sockets: a new one for each case.
    Sockets,
    /// Our engine without sockets: a new one for each case, on tokio's clock.
    InProcess,
    /// `ferrokinesis` over a socket: a new one for each case.
    Ferrokinesis,
    /// Anything that answers at a URL, under a name of its own.
    Remote {
        /// For the table.
        name: String,
        /// Where it is, e.g. `http://127.0.0.1:4568`.
        url: String,
    },
}

/// Why a target could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// Our own endpoint did not start.
    #[error("kinesis-local does not start")]
    Ours(#[from] StartError),
    /// No port for a witness.
    #[error("no port for ferrokinesis")]
    Bind(#[from] std::io::Error),
}

/// What must live as long as a subject, and what can be done to it beyond the protocol.
#[derive(Debug)]
pub(super) enum Endpoint {
    Sockets(Box<Local>),
    InProcess(InProcess),
    /// The server's task ends with this.
    Ferrokinesis(#[expect(dead_code, reason = "held, not read")] JoinSet<()>),
    Remote,
}

impl Target {
    /// `ours`, `in-process`, `ferrokinesis`, a URL, or `NAME=URL`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_url = |url: &str| url.starts_with("http://") || url.starts_with("https://");
        let remote = |name: &str, url: &str| Self::Remote {
            name: name.to_owned(),
            url: url.to_owned(),
        };
        match text {
            "ours" => Some(Self::Sockets),
            "in-process" => Some(Self::InProcess),
            "ferrokinesis" => Some(Self::Ferrokinesis),
            url if is_url(url) => Some(remote(url, url)),
            named => {
                let (name, url) = named.split_once('=')?;
                (!name.is_empty() && is_url(url)).then(|| remote(name, url))
            }
        }
    }

    /// For the table.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Sockets => "ours, sockets",
            Self::InProcess => "ours, in process",
            Self::Ferrokinesis => "ferrokinesis",
            Self::Remote { name, .. } => name,
        }
    }

    /// Whether it is ours, and so must keep every rule.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        matches!(self, Self::Sockets | Self::InProcess)
    }

    /// Whether it offers what a case needs.
    pub(super) const fn offers(&self, need: Need) -> bool {
        match need {
            Need::Nothing | Need::Limits => true,
            Need::Clock => self.is_ours(),
        }
    }

    /// How many cases may run at once.
    pub(super) const fn width(&self) -> usize {
        match self {
            Self::Sockets | Self::Ferrokinesis => 8,
            // One thread, and its time is what it takes.
            Self::InProcess => 1,
            // Of 5 streams in CREATING, which one endpoint for all cases may count.
            Self::Remote { .. } => 4,
        }
    }

    /// How long a case may take. The longest of ours waits a little over five seconds for a subscription to be taken
    /// over; the rest is for busy machines, and for witnesses that are slow with many bytes.
    pub(super) const fn longest(&self) -> Duration {
        match self {
            Self::Remote { .. } => Duration::from_secs(40),
            Self::Sockets | Self::InProcess | Self::Ferrokinesis => Duration::from_secs(20),
        }
    }

    /// An endpoint for one case.
    pub(super) async fn subject(&self, need: Need) -> Result<Subject, TargetError> {
        let limits = need == Need::Limits;
        let (endpoint, config) = match self {
            Self::Sockets => {
                let local = Local::builder().service_limits(limits).start().await?;
                let config = aws_sdk_kinesis::config::Builder::from(&local.kinesis_config());
                (Endpoint::Sockets(Box::new(local)), config)
            }
            Self::InProcess => {
                let local = InProcess::builder().service_limits(limits).start()?;
                let config = aws_sdk_kinesis::config::Builder::from(&local.kinesis_config());
                (Endpoint::InProcess(local), config)
            }
            Self::Ferrokinesis => {
                let (server, url) = ferrokinesis(limits).await?;
                (Endpoint::Ferrokinesis(server), plain(&url))
            }
            Self::Remote { url, .. } => (Endpoint::Remote, plain(url)),
        };
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Subject {
            client: Client::from_conf(config.retry_config(RetryConfig::disabled()).build()),
            stream: format!("conformance-{}-{number}", std::process::id()),
            endpoint,
        })
    }
}

impl Endpoint {
    pub(super) fn advance(&self, by: Duration) {
        match self {
            Self::Sockets(local) => local.advance_clock(by),
            Self::InProcess(local) => local.advance_clock(by),
            // `Target::offers` keeps such cases away.
            Self::Ferrokinesis(_) | Self::Remote => {}
        }
    }
}

/// The witness on a port of its own, with room for all shards and states that last as short as it lets them.
async fn ferrokinesis(limits: bool) -> Result<(JoinSet<()>, String), std::io::Error> {
    let (app, _store) = ferrokinesis::create_app(StoreOptions {
        create_stream_ms: 0,
        delete_stream_ms: 0,
        update_stream_ms: 0,
        shard_limit: 20_000,
        enforce_limits: limits,
        ..StoreOptions::default()
    });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let mut server = JoinSet::new();
    server.spawn(async move {
        // It has no end but this task's.
        let _ = axum::serve(listener, app).await;
    });
    Ok((server, url))
}

fn plain(url: &str) -> aws_sdk_kinesis::config::Builder {
    aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new(
            "conformance",
            "local",
            None,
            None,
            "conformance",
        ))
        .endpoint_url(url)
}
