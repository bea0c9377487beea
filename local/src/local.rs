//! The handle: both endpoints, their clients, and their end.

use std::net::SocketAddr;
use std::time::Duration;

use aws_sdk_kinesis::types::StreamStatus;
use aws_types::SdkConfig;
use tokio::time::Instant;

use crate::error::{CreateStreamError, StartError};
use crate::serve::{Backend, Lifetime, bind, serve};
use crate::{dynamodb, kinesis, sdk, tls};

/// A running Kinesis and a running DynamoDB on loopback ports of this process.
///
/// Both are empty at start, live in memory, and belong to the handle: [`stop`](Self::stop) ends them in order,
/// dropping the handle cuts them. Several handles in one process know nothing of each other.
///
/// The endpoints run as tasks of the runtime that [`start`](Self::start) was called on. They use sockets and the
/// wall clock, so they do not follow `tokio::time::pause`.
#[must_use = "the endpoints end when the handle is dropped"]
#[derive(Debug)]
pub struct Local {
    kinesis_url: String,
    dynamodb_url: String,
    certificate_pem: Option<String>,
    config: SdkConfig,
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

    /// Chooses ports and TLS.
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
        let client = self.kinesis_client();
        client
            .create_stream()
            .stream_name(stream)
            // What no stream can have is for the endpoint to refuse, with the service's own words.
            .shard_count(i32::try_from(shards).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|source| CreateStreamError::Refused {
                stream: stream.to_owned(),
                source: Box::new(source),
            })?;

        let deadline = Instant::now() + ACTIVE_WITHIN;
        loop {
            let description = client
                .describe_stream_summary()
                .stream_name(stream)
                .send()
                .await
                .map_err(|source| CreateStreamError::Describe {
                    stream: stream.to_owned(),
                    source: Box::new(source),
                })?;
            let status = description
                .stream_description_summary()
                .map(|summary| summary.stream_status());
            if status == Some(&StreamStatus::Active) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(CreateStreamError::NotActive {
                    stream: stream.to_owned(),
                    waited: ACTIVE_WITHIN,
                });
            }
            tokio::time::sleep(ACTIVE_POLL).await;
        }
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

/// Ports and TLS of a [`Local`], by [`Local::builder`].
#[must_use = "a builder does nothing until it is started"]
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalBuilder {
    kinesis_port: u16,
    dynamodb_port: u16,
    tls: bool,
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

    /// Starts both endpoints.
    ///
    /// # Errors
    ///
    /// [`StartError::Bind`] if a port is taken ([`StartError::is_port_in_use`]) or not ours to take; the others if
    /// the certificate or the database cannot be made.
    ///
    /// # Cancel safety
    ///
    /// A dropped call leaves nothing behind.
    pub async fn start(self) -> Result<Local, StartError> {
        let identity = self.tls.then(tls::identity).transpose()?;
        let (acceptor, certificate_pem) = identity
            .map(|identity| (identity.acceptor, identity.certificate_pem))
            .unzip();
        let config = sdk::config(certificate_pem.as_deref())?;
        let database = dynamodb::open()?;
        let (kinesis_listener, kinesis_address) = bind("Kinesis", self.kinesis_port).await?;
        let (dynamodb_listener, dynamodb_address) = bind("DynamoDB", self.dynamodb_port).await?;
        let private = match acceptor {
            None => None,
            Some(_) => Some(bind("DynamoDB", 0).await?),
        };

        // Nothing fails from here on, so nothing started must be taken back.
        let lifetime = Lifetime::new();
        match private {
            None => dynamodb::serve(dynamodb_listener, database, &lifetime),
            Some((listener, address)) => {
                dynamodb::serve(listener, database, &lifetime);
                serve(
                    dynamodb_listener,
                    acceptor.clone(),
                    Backend::Forward(address),
                    &lifetime,
                );
            }
        }
        serve(
            kinesis_listener,
            acceptor,
            Backend::Service(kinesis::service(&lifetime)),
            &lifetime,
        );
        Ok(Local {
            kinesis_url: url(kinesis_address, self.tls),
            dynamodb_url: url(dynamodb_address, self.tls),
            certificate_pem,
            config,
            lifetime,
        })
    }
}

fn url(address: SocketAddr, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{address}")
}

/// How long `create_stream` waits; the embedded engine needs milliseconds.
const ACTIVE_WITHIN: Duration = Duration::from_secs(10);

/// The pause between two looks at a stream that is not active yet.
const ACTIVE_POLL: Duration = Duration::from_millis(5);
