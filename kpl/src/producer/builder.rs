//! Makes producers.

use std::sync::Arc;

use aws_sdk_kinesis::Client;
use aws_types::SdkConfig;

use super::Producer;
use super::attachments::Attachments;
use crate::config::ProducerConfig;
use crate::dead_letter::DeadLetters;
use crate::driver::sdk::SdkTransport;
use crate::error::ConfigError;
use crate::metrics::MetricsSink;

/// Makes a [`Producer`]. From [`Producer::builder`] or [`Producer::builder_with_client`].
#[derive(Debug)]
#[must_use = "a builder makes nothing until it is told to build"]
pub struct ProducerBuilder {
    way: Way,
    config: ProducerConfig,
    attachments: Attachments,
}

/// The way to the service.
#[derive(Debug, Clone)]
enum Way {
    Configured(Box<SdkConfig>),
    Client(Client),
}

impl ProducerBuilder {
    pub(super) fn configured(sdk_config: SdkConfig) -> Self {
        Self::new(Way::Configured(Box::new(sdk_config)))
    }

    pub(super) fn with_client(client: Client) -> Self {
        Self::new(Way::Client(client))
    }

    fn new(way: Way) -> Self {
        Self {
            way,
            config: ProducerConfig::default(),
            attachments: Attachments::default(),
        }
    }

    /// The producer's settings. Default: all defaults.
    pub fn config(mut self, config: ProducerConfig) -> Self {
        self.config = config;
        self
    }

    /// Hands records over that failed, before they are forgotten (no KPL equal): see [`DeadLetters`]. Default: only their
    /// tickets tell.
    pub fn dead_letters(mut self, sink: impl DeadLetters) -> Self {
        self.attachments.set_dead_letters(sink);
        self
    }

    /// Uploads metrics, as the [settings](crate::ProducerConfigBuilder::metrics) say, to CloudWatch or elsewhere: see
    /// [`MetricsSink`]. Default: nothing is uploaded.
    pub fn metrics_sink(mut self, sink: impl MetricsSink) -> Self {
        self.attachments.set_metrics_sink(sink);
        self
    }

    /// Makes the producer. Nothing is called before the first put.
    ///
    /// # Errors
    /// [`ConfigError`] when Region or behaviour version are missing, or outside of a tokio runtime.
    pub fn build(self) -> Result<Producer, ConfigError> {
        let transport = match &self.way {
            Way::Configured(sdk_config) => SdkTransport::from_sdk_config(sdk_config, &self.config)?,
            Way::Client(client) => SdkTransport::from_client(client, &self.config),
        };
        Producer::with_attachments(Arc::new(transport), self.config, self.attachments)
    }
}
