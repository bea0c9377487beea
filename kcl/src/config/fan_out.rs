//! Settings of enhanced fan-out: whether, under which name, how soon a silent subscription is given up.

use std::time::Duration;

use super::ConsumerConfigBuilder;
use crate::error::ConfigError;
use crate::stream::{StreamName, is_service_name};
use crate::streams::arn::ConsumerArn;

/// How records come from the service (KCL: `retrievalSpecificConfig`).
///
/// Polling costs nothing beside the stream itself, and all applications that poll a shard share its 2 MB and five calls a second. With enhanced
/// fan-out each consumer has 2 MB a second of each shard for itself and records come about 70 ms after they were put; the service
/// charges for it by the hour and shard of a registered consumer, used or not, and by the byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Retrieval {
    /// By GetRecords (KCL: `PollingConfig`). The default: it is free and needs no further rights. (KCL's default is fan-out.)
    #[default]
    Polling,
    /// By SubscribeToShard (KCL: `FanOutConfig`). The consumer is registered where it is not yet, and never removed. While
    /// it cannot be registered or subscribed, shards are polled.
    FanOut,
    /// By SubscribeToShard where the consumer is registered, which somebody pays for already, and by GetRecords where
    /// it is not. Registers nothing, so that nothing costs what nobody asked for; looks again every five minutes, so that
    /// a running application follows when its consumer is registered or removed.
    Auto,
}

#[derive(Debug, Clone)]
pub(crate) struct FanOut {
    pub(crate) retrieval: Retrieval,
    consumer_name: Option<String>,
    consumer_arns: Vec<String>,
    arns: Vec<ConsumerArn>,
    pub(crate) silence: Duration,
}

impl Default for FanOut {
    fn default() -> Self {
        Self {
            retrieval: Retrieval::default(),
            consumer_name: None,
            consumer_arns: Vec::new(),
            arns: Vec::new(),
            silence: Duration::from_secs(10),
        }
    }
}

impl FanOut {
    pub(super) fn check(&mut self, application: &str) -> Result<(), ConfigError> {
        let name = self.consumer_name.get_or_insert_with(|| application.to_owned());
        if self.retrieval != Retrieval::Polling && !is_service_name(name, 1, MAX_CONSUMER_NAME) {
            return Err(ConfigError::name(
                "fan-out consumer name",
                name,
                CONSUMER_NAME_RULE,
            ));
        }
        let parse = |text: &String| {
            ConsumerArn::parse(text).map_err(|_| ConfigError::name("fan-out consumer ARN", text, ARN_RULE))
        };
        self.arns = self.consumer_arns.iter().map(parse).collect::<Result<_, _>>()?;
        ConfigError::check_range(
            "fan_out_silence",
            self.silence,
            Duration::from_secs(6),
            Duration::from_secs(60),
        )
    }

    /// What the consumer is registered as.
    pub(crate) fn consumer_name(&self) -> &str {
        self.consumer_name.as_deref().unwrap_or_default()
    }

    /// The ARN that was given for a stream.
    pub(crate) fn arn_of(&self, stream: &StreamName) -> Option<&ConsumerArn> {
        self.arns.iter().find(|arn| arn.stream() == stream)
    }
}

impl ConsumerConfigBuilder {
    /// How records come from the service. Default: [`Retrieval::Polling`].
    pub fn retrieval(mut self, retrieval: Retrieval) -> Self {
        self.fan_out.retrieval = retrieval;
        self
    }

    /// The name under which the consumer is registered with each stream (KCL: `FanOutConfig.consumerName`): 1 to 128 of letters, digits,
    /// `_`, `.`, `-`. Two applications of one name take the subscriptions from each other. Default: the application's name, as the KCL.
    pub fn fan_out_consumer_name(mut self, name: &str) -> Self {
        self.fan_out.consumer_name = Some(name.to_owned());
        self
    }

    /// The ARN of a consumer that is registered already (KCL: `FanOutConfig.consumerArn`), for workers without the right to
    /// register or to look one up. Given several times: one for each stream, told apart by the stream that the ARN names. Default: none,
    /// the consumer is looked up by its name.
    pub fn fan_out_consumer_arn(mut self, arn: &str) -> Self {
        self.fan_out.consumer_arns.push(arn.to_owned());
        self
    }

    /// How long a subscription may be silent before it counts as dead and is opened anew. The service sends an event about
    /// every 5 s even where there is no record. Shorter: a dead connection costs less time; a busy machine may judge live
    /// ones dead. Default 10 s, ours: reading goes on within 15 s; 6 s to 60 s.
    pub fn fan_out_silence(mut self, silence: Duration) -> Self {
        self.fan_out.silence = silence;
        self
    }
}

/// Source: AWS API reference, RegisterStreamConsumer, `ConsumerName`.
const MAX_CONSUMER_NAME: usize = 128;
const CONSUMER_NAME_RULE: &str = "1 to 128 of letters, digits, `_`, `.`, `-`";
const ARN_RULE: &str = "arn:aws:kinesis:REGION:ACCOUNT:stream/STREAM/consumer/NAME:CREATED";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConsumerConfig;

    const ARN: &str = "arn:aws:kinesis:us-east-1:123456789012:stream/sales/consumer/billing:1700000000";

    #[test]
    fn the_application_names_the_consumer_unless_told_otherwise() {
        let builder = || ConsumerConfig::builder("stock", "sales").retrieval(Retrieval::FanOut);
        let config = builder().build().unwrap();
        assert_eq!(config.fan_out.consumer_name(), "stock");
        let config = builder().fan_out_consumer_name("billing").build().unwrap();
        assert_eq!(config.fan_out.consumer_name(), "billing");
        assert_eq!(
            ConsumerConfig::builder("stock", "sales")
                .build()
                .unwrap()
                .fan_out
                .retrieval,
            Retrieval::Polling
        );
    }

    #[test]
    fn an_arn_belongs_to_its_stream() {
        let config = ConsumerConfig::builder("stock", "sales")
            .fan_out_consumer_arn(ARN)
            .build()
            .unwrap();
        let of = |name| config.fan_out.arn_of(&StreamName::new(name).unwrap());
        assert_eq!(of("sales").unwrap().as_str(), ARN);
        assert!(of("other").is_none());
    }

    #[test]
    fn what_is_not_valid_is_named() {
        let builder = || ConsumerConfig::builder("stock", "sales").retrieval(Retrieval::Auto);
        let long = "a".repeat(129);
        let cases = [
            builder().fan_out_consumer_name(""),
            builder().fan_out_consumer_name(&long),
            ConsumerConfig::builder(&long, "sales").retrieval(Retrieval::FanOut),
            builder().fan_out_consumer_arn("arn:aws:kinesis:us-east-1:123456789012:stream/sales"),
            builder().fan_out_silence(Duration::from_secs(5)),
        ];
        for case in cases {
            let error = case.build().unwrap_err().to_string();
            assert!(error.contains("fan-out") || error.contains("fan_out"), "{error}");
        }
    }
}
