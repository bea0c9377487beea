//! Which Kinesis and DynamoDB a program talks to, and as whom.
//!
//! Default: AWS, with region and credentials from where every AWS tool takes them. `--endpoint-url` names any other
//! endpoint. For an endpoint on this machine nobody has credentials, so test ones are made up.

mod check;
mod error;
mod url;

use std::io::IsTerminal;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_types::SdkConfig;
use aws_types::region::Region;

use crate::report::say_aside;

pub use self::check::{create_stream, require_stream, require_table_access};
pub use self::error::EndpointError;
pub use self::url::{EndpointUrl, EndpointUrlError};

/// The flags that choose the endpoint of Kinesis.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Endpoint")]
pub struct EndpointArgs {
    /// Kinesis endpoint, such as http://127.0.0.1:4567 [default: AWS]
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<EndpointUrl>,

    /// AWS region [default: AWS_REGION or your AWS profile; us-east-1 for an endpoint on this machine]
    #[arg(long)]
    pub region: Option<String>,
}

/// Region, credentials and endpoints, found and ready.
#[derive(Debug, Clone)]
pub struct Access {
    config: SdkConfig,
    kinesis_url: Option<EndpointUrl>,
    dynamodb_url: Option<EndpointUrl>,
    made_up: bool,
}

impl Access {
    /// Finds region and credentials for Kinesis alone.
    ///
    /// # Errors
    /// [`EndpointError::NoRegion`] and [`EndpointError::NoCredentials`], within 10 seconds.
    pub async fn to_kinesis(args: &EndpointArgs) -> Result<Self, EndpointError> {
        let on_this_machine = args.endpoint_url.as_ref().is_some_and(EndpointUrl::is_loopback);
        Self::find(args, None, on_this_machine).await
    }

    /// Finds region and credentials for Kinesis and DynamoDB.
    ///
    /// # Errors
    /// [`EndpointError::NoRegion`] and [`EndpointError::NoCredentials`], within 10 seconds.
    pub async fn to_both(args: &EndpointArgs, dynamodb: Option<&EndpointUrl>) -> Result<Self, EndpointError> {
        let is_loopback = |url: Option<&EndpointUrl>| url.is_some_and(EndpointUrl::is_loopback);
        let on_this_machine = is_loopback(args.endpoint_url.as_ref()) && is_loopback(dynamodb);
        Self::find(args, dynamodb.cloned(), on_this_machine).await
    }

    /// Access to endpoints of this process: fixed region, test credentials, connections of its own.
    pub async fn inside(kinesis: EndpointUrl, dynamodb: EndpointUrl) -> Self {
        let credentials = SharedCredentialsProvider::new(test_credentials());
        let config = config(Region::from_static(LOCAL_REGION), credentials).await;
        Self {
            config,
            kinesis_url: Some(kinesis),
            dynamodb_url: Some(dynamodb),
            made_up: true,
        }
    }

    /// The configuration of Kinesis clients.
    #[must_use]
    pub fn kinesis(&self) -> SdkConfig {
        at(&self.config, self.kinesis_url.as_ref())
    }

    /// The configuration of DynamoDB clients.
    #[must_use]
    pub fn dynamodb(&self) -> SdkConfig {
        at(&self.config, self.dynamodb_url.as_ref())
    }

    /// Tells a user at a terminal how access was found, if that is not plain. Elsewhere stderr is for errors.
    pub fn tell(&self) {
        if self.made_up && std::io::stderr().is_terminal() {
            say_aside(
                "note: no AWS credentials are configured; for an endpoint on this machine test ones will do",
            );
        }
    }

    async fn find(
        args: &EndpointArgs,
        dynamodb_url: Option<EndpointUrl>,
        on_this_machine: bool,
    ) -> Result<Self, EndpointError> {
        let kinesis_url = args.endpoint_url.clone();
        let flag = args.region.clone().map(Region::new);
        let (config, made_up) = match on_this_machine {
            true => local_config(flag).await,
            false => (aws_config(flag).await?, false),
        };
        Ok(Self {
            config,
            kinesis_url,
            dynamodb_url,
            made_up,
        })
    }
}

/// Environment and profile only: an endpoint on this machine is no reason to ask the network who we are.
async fn local_config(flag: Option<Region>) -> (SdkConfig, bool) {
    let region = RegionProviderChain::first_try(flag)
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new())
        .region()
        .await;
    let configured =
        CredentialsProviderChain::first_try("environment", EnvironmentVariableCredentialsProvider::new())
            .or_else("profile", ProfileFileCredentialsProvider::builder().build());
    let (credentials, made_up) = match configured.provide_credentials().await {
        Ok(_) => (SharedCredentialsProvider::new(configured), false),
        Err(_) => (SharedCredentialsProvider::new(test_credentials()), true),
    };
    let region = region.unwrap_or(Region::from_static(LOCAL_REGION));
    (config(region, credentials).await, made_up)
}

/// The default chains, which end at the metadata service of EC2, with a bound on how long they may look.
async fn aws_config(flag: Option<Region>) -> Result<SdkConfig, EndpointError> {
    let looking = async {
        let region = RegionProviderChain::first_try(flag)
            .or_default_provider()
            .region()
            .await;
        let region = region.ok_or(EndpointError::NoRegion)?;
        let chain = aws_config::default_provider::credentials::DefaultCredentialsChain::builder()
            .region(region.clone())
            .build()
            .await;
        chain
            .provide_credentials()
            .await
            .map_err(|source| EndpointError::NoCredentials { source })?;
        Ok(config(region, SharedCredentialsProvider::new(chain)).await)
    };
    match tokio::time::timeout(LOOK_FOR_ACCESS, looking).await {
        Ok(found) => found,
        Err(_) => Err(EndpointError::AccessTimeout {
            waited: LOOK_FOR_ACCESS,
        }),
    }
}

async fn config(region: Region, credentials: SharedCredentialsProvider) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(region)
        .credentials_provider(credentials)
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).build())
        .load()
        .await
}

fn at(config: &SdkConfig, url: Option<&EndpointUrl>) -> SdkConfig {
    match url {
        Some(url) => config.to_builder().endpoint_url(url.as_str()).build(),
        None => config.clone(),
    }
}

fn test_credentials() -> Credentials {
    Credentials::new(
        "test",
        "test",
        None,
        None,
        "test credentials for an endpoint on this machine",
    )
}

/// The region that endpoints for tests call their own.
const LOCAL_REGION: &str = "us-east-1";

/// How long looking for region and credentials may take. Elsewhere than on EC2 the default chains give up on the
/// metadata service within seconds; this bounds what a strange network makes of it.
const LOOK_FOR_ACCESS: Duration = Duration::from_secs(10);

/// How long opening a connection may take.
const CONNECT: Duration = Duration::from_secs(3);
