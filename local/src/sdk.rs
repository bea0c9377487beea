//! SDK configurations that reach the endpoint with no file, no environment and no network.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_kinesis::config::{BehaviorVersion, SharedHttpClient};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_types::SdkConfig;
use aws_types::region::Region;

use crate::error::StartError;

/// The region both halves call their own.
const REGION: &str = "us-east-1";

/// A configuration without endpoint: region, static credentials, and a client that trusts our certificate if there
/// is one. Retries and timeouts are the SDK's own defaults.
pub(crate) fn config(certificate_pem: Option<&str>) -> Result<SdkConfig, StartError> {
    let credentials = Credentials::new("local", "local", None, None, "kinesis-local");
    let client = match certificate_pem {
        None => Builder::new().build_http(),
        Some(pem) => trusting(pem)?,
    };
    Ok(SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static(REGION))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(client)
        .build())
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
