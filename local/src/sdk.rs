//! SDK configurations that reach the endpoint with no file, no environment and no network.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::{AsyncSleep, SharedAsyncSleep, Sleep};
use aws_sdk_kinesis::config::{BehaviorVersion, SharedHttpClient};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::sdk_config::{SharedTimeSource, TimeSource};

use crate::error::StartError;

/// The region both halves call their own.
const REGION: &str = "us-east-1";

/// Who clients sign as unless told otherwise.
pub(crate) const ACCESS_KEY: &str = "local";

/// A configuration without endpoint: region, static credentials, and a client that trusts our certificate if there
/// is one. Retries and timeouts are the SDK's own defaults.
pub(crate) fn config(certificate_pem: Option<&str>) -> Result<SdkConfig, StartError> {
    let client = match certificate_pem {
        None => Builder::new().build_http(),
        Some(pem) => trusting(pem)?,
    };
    Ok(SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static(REGION))
        .credentials_provider(credentials(ACCESS_KEY))
        .http_client(client)
        .build())
}

/// Credentials of this access key id, which may be any text.
pub(crate) fn credentials(access_key: &str) -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::new(access_key, "local", None, None, "kinesis-local"))
}

/// A configuration that is answered by `client`, on the endpoint's own clock. Retries are the SDK's standard ones, at
/// once: their pauses are drawn from chance that cannot be seeded.
pub(crate) fn in_process(
    client: SharedHttpClient,
    endpoint_url: &str,
    clock: crate::service::Clock,
    access_key: &str,
) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static(REGION))
        .credentials_provider(credentials(access_key))
        .endpoint_url(endpoint_url)
        .http_client(client)
        .retry_config(RetryConfig::standard().with_initial_backoff(std::time::Duration::ZERO))
        .sleep_impl(SharedAsyncSleep::new(Timers))
        .time_source(SharedTimeSource::new(WallClock(clock)))
        .build()
}

/// The endpoint's clock as the SDK's, so that signatures and deadlines go by it.
#[derive(Debug)]
struct WallClock(crate::service::Clock);

impl TimeSource for WallClock {
    fn now(&self) -> std::time::SystemTime {
        self.0.now()
    }
}

/// Tokio's timers as the SDK's.
#[derive(Debug)]
struct Timers;

impl AsyncSleep for Timers {
    fn sleep(&self, duration: std::time::Duration) -> Sleep {
        Sleep::new(tokio::time::sleep(duration))
    }
}

fn trusting(pem: &str) -> Result<SharedHttpClient, StartError> {
    let context = TlsContext::builder()
        .with_trust_store(TrustStore::empty().with_pem_certificate(pem))
        .build()
        .map_err(|source| StartError::TrustStore {
            source: Box::new(source),
        })?;
    Ok(Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(context)
        .build_https())
}
