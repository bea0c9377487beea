//! Where a trial is played: an engine in this process and in virtual time, or an endpoint behind a socket.

use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::{BehaviorVersion, Builder, Credentials, Region};
use kinesis_local::{InProcess, Local};

use super::error::TrialError;
use super::scenario::Scenario;

/// Where a trial is played.
#[derive(Debug, Clone)]
pub enum Stage {
    /// An engine in this process.
    InProcess(InProcess),
    /// An endpoint at this URL, prepared by [`serve`].
    Remote(String),
}

impl Stage {
    /// An engine in this process with the scenario's stream and troubles. Its times count from now.
    ///
    /// # Errors
    /// [`TrialError`] when it does not start.
    pub async fn in_process(scenario: &Scenario, seed: u64) -> Result<Self, TrialError> {
        let local = InProcess::builder()
            .seed(seed)
            .service_limits(scenario.limits)
            .latency(scenario.latency.clone())
            .faults(scenario.script(seed)?)
            .history_limit(0)
            .start()?;
        local.create_stream(STREAM, scenario.shards).await?;
        Ok(Self::InProcess(local))
    }

    /// The client configuration of whoever signs as `client`; nothing is tried again by itself.
    pub(super) fn config_as(&self, client: &str) -> Builder {
        let builder = match self {
            Self::InProcess(local) => Builder::from(&local.kinesis_config_as(client)),
            Self::Remote(url) => Builder::new()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .region(Region::from_static("us-east-1"))
                .credentials_provider(Credentials::new(client, "trial", None, None, "trial"))
                .endpoint_url(url),
        };
        builder.retry_config(RetryConfig::disabled())
    }

    pub(super) fn client_as(&self, client: &str) -> aws_sdk_kinesis::Client {
        aws_sdk_kinesis::Client::from_conf(self.config_as(client).build())
    }
}

/// An endpoint for [`Stage::Remote`], with the scenario's stream and troubles. Its times count from now.
///
/// # Errors
/// [`TrialError`] when it does not start.
pub async fn serve(scenario: &Scenario, seed: u64) -> Result<Local, TrialError> {
    let local = Local::builder()
        .seed(seed)
        .service_limits(scenario.limits)
        .latency(scenario.latency.clone())
        .faults(scenario.script(seed)?)
        .history_limit(0)
        .start()
        .await?;
    local.create_stream(STREAM, scenario.shards).await?;
    Ok(local)
}

/// The stream of every trial.
pub(super) const STREAM: &str = "trial";
