//! What a properties file says about the way to the service: the SDK's business.

use std::fmt;
use std::path::{Path, PathBuf};

use aws_types::SdkConfig;
use aws_types::region::Region;
use kinesis_properties::{Value, ValueError};

/// Region, endpoints, proxy and certificates out of a properties file, for the SDK's configuration.
///
/// [`apply`](Self::apply) sets what an `SdkConfig` holds as a value. A proxy and certificates belong to its HTTP client:
/// build one with them when [`proxy`](Self::proxy), [`ca_file`](Self::ca_file) or [`ca_path`](Self::ca_path) say so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KplConnection {
    pub(super) region: Option<String>,
    pub(super) kinesis: Endpoint,
    pub(super) cloudwatch: Endpoint,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) ca_path: Option<PathBuf>,
    pub(super) proxy: Option<KplProxy>,
}

/// Host and port; the KPL always speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Endpoint {
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
}

/// An HTTP proxy (KPL: `ProxyHost`, `ProxyPort`, `ProxyUserName`, `ProxyPassword`).
#[derive(Clone, PartialEq, Eq)]
pub struct KplProxy {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

impl KplConnection {
    /// The Region (KPL: `Region`); `None` for the environment's.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// The URL of Kinesis (KPL: `KinesisEndpoint`, `KinesisPort`); `None` for the Region's own.
    #[must_use]
    pub fn kinesis_endpoint(&self) -> Option<String> {
        self.kinesis.url()
    }

    /// The URL of CloudWatch (KPL: `CloudwatchEndpoint`, `CloudwatchPort`); `None` for the Region's own.
    #[must_use]
    pub fn cloudwatch_endpoint(&self) -> Option<String> {
        self.cloudwatch.url()
    }

    /// A file of certificates to trust, in PEM (KPL: `CaCertFile`).
    #[must_use]
    pub fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    /// A directory of certificates to trust, in PEM (KPL: `CaCertPath`).
    #[must_use]
    pub fn ca_path(&self) -> Option<&Path> {
        self.ca_path.as_deref()
    }

    /// The proxy.
    #[must_use]
    pub fn proxy(&self) -> Option<&KplProxy> {
        self.proxy.as_ref()
    }

    /// The same configuration with Region and endpoint of Kinesis.
    #[must_use]
    pub fn apply(&self, config: &SdkConfig) -> SdkConfig {
        self.with_endpoint(config, self.kinesis_endpoint())
    }

    /// The same configuration with Region and endpoint of CloudWatch.
    #[must_use]
    pub fn apply_for_cloudwatch(&self, config: &SdkConfig) -> SdkConfig {
        self.with_endpoint(config, self.cloudwatch_endpoint())
    }

    fn with_endpoint(&self, config: &SdkConfig, endpoint: Option<String>) -> SdkConfig {
        let mut builder = config.to_builder();
        if let Some(region) = &self.region {
            builder.set_region(Some(Region::new(region.clone())));
        }
        if endpoint.is_some() {
            builder.set_endpoint_url(endpoint);
        }
        builder.build()
    }
}

impl Endpoint {
    fn url(&self) -> Option<String> {
        let host = self.host.as_ref()?;
        let port = self.port.unwrap_or(HTTPS);
        Some(format!("https://{host}:{port}"))
    }
}

impl KplProxy {
    /// Its host name.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port. Default 443, as the KPL's.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its URL, without credentials.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}:{}", self.host, self.port)
    }

    /// The user's name, where it wants one.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The password, where it wants one.
    #[must_use]
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }
}

impl Default for KplProxy {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: HTTPS,
            user: None,
            password: None,
        }
    }
}

impl fmt::Debug for KplProxy {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KplProxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("has_user", &self.user.is_some())
            .finish_non_exhaustive()
    }
}

/// A host's name, where there is one.
pub(super) fn host(value: &Value<'_>) -> Result<Option<String>, ValueError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if !value.text().chars().all(is_plain) {
        return Err(value.unexpected("a host name, without scheme, port and path"));
    }
    Ok(value.filled())
}

pub(super) fn port(value: &Value<'_>) -> Result<u16, ValueError> {
    let port = value.number(1, 65_535)?;
    Ok(u16::try_from(port).unwrap_or(u16::MAX))
}

/// `eu-west-1`, `us-gov-west-1`.
pub(super) fn region(value: &Value<'_>) -> Result<Option<String>, ValueError> {
    let parts: Vec<_> = value.text().split('-').collect();
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    let is_region = match parts.split_last() {
        Some((number, words)) => {
            number.len() == 1
                && number.bytes().all(|b| b.is_ascii_digit())
                && (2..=3).contains(&words.len())
                && words.iter().all(is_word)
        }
        None => false,
    };
    if is_region || value.text().is_empty() {
        return Ok(value.filled());
    }
    Err(value.unexpected("a Region, as in eu-west-1"))
}

const HTTPS: u16 = 443;
