//! Where a trial is played: an engine in this process and in virtual time, or an endpoint behind sockets.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use aws_sdk_kinesis::config::timeout::TimeoutConfig;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_types::SdkConfig;
use kinesis_local::{InProcess, Local};

use super::super::error::TrialError;
use super::gate::Gate;
use super::scenario::Scenario;

/// Where a trial is played.
#[derive(Debug, Clone)]
pub enum Stage {
    /// An engine in this process.
    InProcess(InProcess),
    /// An endpoint at these URLs, prepared and filled by somebody else.
    Remote {
        /// That of Kinesis.
        kinesis: String,
        /// That of DynamoDB.
        dynamodb: String,
    },
}

impl Stage {
    /// An engine in this process with the scenario's stream and faults. Its times count from now.
    ///
    /// # Errors
    /// [`TrialError`] when it does not start.
    pub async fn in_process(scenario: &Scenario, seed: u64) -> Result<Self, TrialError> {
        let local = InProcess::builder()
            .seed(seed)
            .service_limits(scenario.limits)
            .latency(scenario.latency.clone())
            .faults(scenario.script(seed)?)
            .history_limit(HISTORY)
            .start()?;
        local.create_stream(STREAM, scenario.shards).await?;
        Ok(Self::InProcess(local))
    }

    /// The engine, where it can be told what to do.
    pub(super) fn local(&self) -> Option<&InProcess> {
        match self {
            Self::InProcess(local) => Some(local),
            Self::Remote { .. } => None,
        }
    }

    /// How often each operation of Kinesis that reads was called; nothing where nobody counts.
    pub(super) fn calls(&self) -> BTreeMap<&'static str, u64> {
        let mut calls = BTreeMap::new();
        if let Self::InProcess(local) = self {
            for entry in local.history().entries() {
                if READS.contains(&entry.operation()) {
                    *calls.entry(entry.operation()).or_default() += 1;
                }
            }
        }
        calls
    }

    /// The client of Kinesis that signs as `client`.
    pub(super) fn kinesis(&self, client: &str, gate: &Gate) -> aws_sdk_kinesis::Client {
        let config = match self {
            Self::InProcess(local) => local.kinesis_config_as(client),
            Self::Remote { kinesis, .. } => remote(client, kinesis),
        };
        let mut builder = aws_sdk_kinesis::config::Builder::from(&config);
        if let Some(http) = config.http_client() {
            builder = builder.http_client(gate.before(http));
        }
        aws_sdk_kinesis::Client::from_conf(builder.build())
    }

    /// The client of DynamoDB that signs as `client`, with timeouts as one made for leases has them.
    pub(super) fn dynamodb(&self, client: &str, gate: &Gate) -> aws_sdk_dynamodb::Client {
        let config = match self {
            Self::InProcess(local) => local.dynamodb_config_as(client),
            Self::Remote { dynamodb, .. } => remote(client, dynamodb),
        };
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(ATTEMPT * 3);
        // Else all clients of this process, of other trials too, would share what they may spend on retries.
        let partition = RetryPartition::custom("worker")
            .token_bucket(TokenBucket::new(RETRY_TOKENS))
            .build();
        // Pauses would be drawn from chance that has no seed.
        let retries = RetryConfig::standard().with_initial_backoff(Duration::ZERO);
        let mut builder = aws_sdk_dynamodb::config::Builder::from(&config)
            .timeout_config(timeouts.build())
            .retry_partition(partition)
            .retry_config(retries);
        if let Some(http) = config.http_client() {
            builder = builder.http_client(gate.before(http));
        }
        aws_sdk_dynamodb::Client::from_conf(builder.build())
    }
}

fn remote(client: &str, url: &str) -> SdkConfig {
    let credentials = Credentials::new(client, "trial", None, None, "trial");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(url)
        .build()
}

/// An endpoint for [`Stage::Remote`], with the scenario's stream and faults. Without the service's limits: it is to be
/// filled, and read as fast as can be.
///
/// # Errors
/// [`TrialError`] when it does not start.
pub async fn serve(scenario: &Scenario, seed: u64) -> Result<Local, TrialError> {
    let local = Local::builder()
        .seed(seed)
        .faults(scenario.script(seed)?)
        .history_limit(0)
        .start()
        .await?;
    local.create_stream(STREAM, scenario.shards).await?;
    Ok(local)
}

/// The stream of every trial, and the application that reads it.
pub(super) const STREAM: &str = "trial";
/// Enough for every call of the longest trial.
const HISTORY: usize = 1_000_000;
const READS: [&str; 3] = ["GetShardIterator", "GetRecords", "SubscribeToShard"];
/// As many as the SDK gives a process.
const RETRY_TOKENS: usize = 500;
/// A third of the default failover time, as the builder of a consumer asks for.
const ATTEMPT: Duration = Duration::from_secs(3);
