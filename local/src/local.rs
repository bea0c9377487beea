//! The handle: both endpoints, their clients, and their end.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use aws_types::SdkConfig;

use crate::control::Control;
use crate::error::{CreateStreamError, StartError};
use crate::faults::Faults;
use crate::serve::{Backend, Lifetime, bind, serve};
use crate::service::{Endpoint, FaultControl, History, HistoryEntry, KinesisService, Latency, Setup};
use crate::{sdk, streams, tls};

/// A running Kinesis and a running DynamoDB on loopback ports of this process.
///
/// Both are empty at start, live in memory, and belong to the handle: [`stop`](Self::stop) ends them in order,
/// dropping the handle cuts them. Several handles in one process know nothing of each other.
///
/// The endpoints run as tasks of the runtime that [`start`](Self::start) was called on. They use sockets, which paused
/// time does not wait for; for virtual time there is [`InProcess`](crate::InProcess).
#[must_use = "the endpoints end when the handle is dropped"]
#[derive(Debug)]
pub struct Local {
    kinesis_url: String,
    dynamodb_url: String,
    control_url: Option<String>,
    certificate_pem: Option<String>,
    config: SdkConfig,
    kinesis: KinesisService,
    lifetime: Lifetime,
}

impl Local {
    /// Starts both endpoints on free ports of 127.0.0.1, without TLS.
    ///
    /// # Errors
    ///
    /// [`StartError`], see there; on a machine with free ports it does not happen.
    ///
    /// # Cancel safety
    ///
    /// A dropped call leaves nothing behind.
    pub async fn start() -> Result<Self, StartError> {
        Self::builder().start().await
    }

    /// Chooses ports, TLS, limits, latency and faults.
    pub fn builder() -> LocalBuilder {
        LocalBuilder::default()
    }

    /// The Kinesis endpoint, e.g. `http://127.0.0.1:40123`.
    #[must_use]
    pub fn kinesis_url(&self) -> &str {
        &self.kinesis_url
    }

    /// The DynamoDB endpoint, e.g. `http://127.0.0.1:40124`.
    #[must_use]
    pub fn dynamodb_url(&self) -> &str {
        &self.dynamodb_url
    }

    /// The control endpoint, e.g. `http://127.0.0.1:40125`, if there is one. The README shows its calls.
    #[must_use]
    pub fn control_url(&self) -> Option<&str> {
        self.control_url.as_deref()
    }

    /// The self-signed certificate of both endpoints, if TLS is on. Clients made by this handle trust it already.
    #[must_use]
    pub fn certificate_pem(&self) -> Option<&str> {
        self.certificate_pem.as_deref()
    }

    /// An SDK configuration **without endpoint**: region `us-east-1`, static credentials, trust in our certificate.
    ///
    /// One configuration holds one endpoint, and the two halves have two, so most callers want
    /// [`kinesis_config`](Self::kinesis_config) and [`dynamodb_config`](Self::dynamodb_config).
    #[must_use]
    pub fn sdk_config(&self) -> SdkConfig {
        self.config.clone()
    }

    /// The SDK configuration for the Kinesis endpoint.
    #[must_use]
    pub fn kinesis_config(&self) -> SdkConfig {
        self.config.to_builder().endpoint_url(&self.kinesis_url).build()
    }

    /// The SDK configuration for the DynamoDB endpoint.
    #[must_use]
    pub fn dynamodb_config(&self) -> SdkConfig {
        self.config.to_builder().endpoint_url(&self.dynamodb_url).build()
    }

    /// As [`kinesis_config`](Self::kinesis_config), signing as `client`: what [`Fault::client`](crate::Fault::client)
    /// and the history know it by.
    #[must_use]
    pub fn kinesis_config_as(&self, client: &str) -> SdkConfig {
        let credentials = sdk::credentials(client);
        self.kinesis_config()
            .into_builder()
            .credentials_provider(credentials)
            .build()
    }

    /// As [`dynamodb_config`](Self::dynamodb_config), signing as `client`.
    #[must_use]
    pub fn dynamodb_config_as(&self, client: &str) -> SdkConfig {
        let credentials = sdk::credentials(client);
        self.dynamodb_config()
            .into_builder()
            .credentials_provider(credentials)
            .build()
    }

    /// A new client of the Kinesis endpoint. Clients of one handle share their connections.
    #[must_use]
    pub fn kinesis_client(&self) -> aws_sdk_kinesis::Client {
        aws_sdk_kinesis::Client::new(&self.kinesis_config())
    }

    /// A new client of the DynamoDB endpoint. Clients of one handle share their connections.
    #[must_use]
    pub fn dynamodb_client(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.dynamodb_config())
    }

    /// Creates a stream of `shards` shards over equal hash ranges and waits until it is active.
    ///
    /// # Errors
    ///
    /// [`CreateStreamError::Refused`] if the name is taken or malformed or the number of shards out of range (1 to
    /// 20,000 over all streams), the others if the endpoint does not answer.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may leave the stream behind.
    pub async fn create_stream(&self, stream: &str, shards: u32) -> Result<(), CreateStreamError> {
        streams::create_stream(&self.kinesis_client(), stream, shards).await
    }

    /// The faults, to change while things run.
    #[must_use]
    pub fn faults(&self) -> FaultControl {
        FaultControl::new(self.kinesis.clone())
    }

    /// What happened so far, if [`history_limit`](LocalBuilder::history_limit) is above 0.
    #[must_use]
    pub fn history(&self) -> History {
        self.kinesis.world().history().snapshot()
    }

    /// Waits for a call or an event: the first in the history that is `wanted`, be it there already or yet to come. `None`
    /// where no history is kept.
    ///
    /// # Cancel safety
    /// Nothing is taken out of the history, so that a dropped call leaves no trace.
    pub async fn wait_for(&self, wanted: impl Fn(&HistoryEntry) -> bool) -> Option<HistoryEntry> {
        self.kinesis.world().history().wait_for(wanted).await
    }

    /// The time both endpoints go by: the wall clock's at the start, then tokio's.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.kinesis.world().clock().now()
    }

    /// Moves that time on by itself: iterators and records age, sessions end.
    pub fn advance_clock(&self, by: Duration) {
        self.kinesis.advance_clock(by);
    }

    /// Stops both endpoints: no new connection, running requests get three seconds, the rest is cut.
    ///
    /// # Cancel safety
    ///
    /// A dropped call cuts what is still running, as dropping the handle does.
    pub async fn stop(self) {
        self.lifetime.stop().await;
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.lifetime.cut();
    }
}

/// Settings of a [`Local`], by [`Local::builder`].
#[must_use = "a builder does nothing until it is started"]
#[derive(Clone, Debug, Default)]
pub struct LocalBuilder {
    kinesis_port: u16,
    dynamodb_port: u16,
    control_port: Option<u16>,
    tls: bool,
    setup: Setup,
}

impl LocalBuilder {
    /// The port of the Kinesis endpoint on 127.0.0.1. Default 0: any free one.
    pub fn kinesis_port(mut self, port: u16) -> Self {
        self.kinesis_port = port;
        self
    }

    /// The port of the DynamoDB endpoint on 127.0.0.1. Default 0: any free one.
    pub fn dynamodb_port(mut self, port: u16) -> Self {
        self.dynamodb_port = port;
        self
    }

    /// Whether both endpoints speak TLS, with a certificate made at start. Default `false`: plain HTTP.
    pub fn tls(mut self, tls: bool) -> Self {
        self.tls = tls;
        self
    }

    /// Opens a control endpoint on this port of 127.0.0.1, 0 for any free one: plain HTTP and JSON, for tests that are
    /// not written in Rust. Whoever can reach the port may do anything. Default: none.
    pub fn control_port(mut self, port: u16) -> Self {
        self.control_port = Some(port);
        self
    }

    /// Whether the service's rates and quotas hold: 1,000 records and 1 MiB written per second and shard, 5 reads and
    /// 2 MiB per second and shard, calls per second of each operation. Default `false`. Sizes of requests and
    /// records are always checked.
    pub fn service_limits(mut self, on: bool) -> Self {
        self.setup.service_limits = on;
        self
    }

    /// How long calls take. Default [`Latency::none`].
    pub fn latency(mut self, latency: Latency) -> Self {
        self.setup.latency = latency;
        self
    }

    /// What goes wrong from the start. Default nothing.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.setup.faults = faults;
        self
    }

    /// Bytes of records that Kinesis holds, data, keys and bookkeeping; above it the oldest records go as if their
    /// retention had ended. Default: no bound but retention. DynamoDB is not counted.
    pub fn max_memory(mut self, bytes: u64) -> Self {
        self.setup.max_memory = Some(bytes);
        self
    }

    /// What the engine draws from: where records of streams without keys go, and how iterators look. Default 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.setup.seed = seed;
        self
    }

    /// How many calls and events are kept as [`history`](Local::history); the oldest go first. Default 0: none.
    pub fn history_limit(mut self, entries: usize) -> Self {
        self.setup.history_limit = entries;
        self
    }

    /// Starts both endpoints, and the control endpoint if there is to be one.
    ///
    /// # Errors
    ///
    /// [`StartError::Bind`] if a port is taken ([`StartError::is_port_in_use`]) or not ours to take; the others if
    /// the certificate or the database cannot be made.
    ///
    /// # Cancel safety
    ///
    /// A dropped call leaves nothing behind.
    #[expect(
        clippy::disallowed_methods,
        reason = "the endpoint's time starts with the wall clock's"
    )]
    pub async fn start(self) -> Result<Local, StartError> {
        let identity = self.tls.then(tls::identity).transpose()?;
        let (acceptor, certificate_pem) = identity
            .map(|identity| (identity.acceptor, identity.certificate_pem))
            .unzip();
        let config = sdk::config(certificate_pem.as_deref())?;
        let (kinesis, dynamodb) = self.setup.build(SystemTime::now())?;
        let (kinesis_listener, kinesis_address) = bind("Kinesis", self.kinesis_port).await?;
        let (dynamodb_listener, dynamodb_address) = bind("DynamoDB", self.dynamodb_port).await?;
        let control = match self.control_port {
            None => None,
            Some(port) => Some(bind("control", port).await?),
        };

        // Nothing fails from here on, so nothing started must be taken back.
        let lifetime = Lifetime::new();
        let backend = Backend::Endpoint(Endpoint::Kinesis(kinesis.clone()));
        serve(kinesis_listener, acceptor.clone(), backend, &lifetime);
        let backend = Backend::Endpoint(Endpoint::DynamoDb(dynamodb));
        serve(dynamodb_listener, acceptor, backend, &lifetime);
        let control_url = control.map(|(listener, address)| {
            let backend = Backend::Control(Control::new(kinesis.clone()));
            serve(listener, None, backend, &lifetime);
            url(address, false)
        });
        Ok(Local {
            kinesis_url: url(kinesis_address, self.tls),
            dynamodb_url: url(dynamodb_address, self.tls),
            control_url,
            certificate_pem,
            config,
            kinesis,
            lifetime,
        })
    }
}

fn url(address: SocketAddr, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{address}")
}
