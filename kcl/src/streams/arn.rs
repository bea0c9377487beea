//! `arn:aws:kinesis:region:account:stream/name`.

use std::fmt;
use std::str::FromStr;

use crate::stream::StreamName;

/// The ARN of a stream, taken apart. Equal when the text is.
///
/// ```
/// use kcl::streams::arn::StreamArn;
///
/// let arn: StreamArn = "arn:aws:kinesis:eu-central-1:123456789012:stream/orders".parse()?;
/// assert_eq!((arn.region(), arn.account(), arn.name().as_str()), ("eu-central-1", "123456789012", "orders"));
/// # Ok::<(), kcl::streams::arn::StreamArnError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamArn {
    partition: String,
    region: String,
    account: String,
    name: StreamName,
}

/// A text that is not the ARN of a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not the ARN of a stream: {fault}")]
pub struct StreamArnError {
    /// What was given, cut to 200 characters.
    text: String,
    fault: &'static str,
}

impl StreamArn {
    /// An ARN from its parts, for streams that are named without one. `partition` is `aws` in most regions.
    ///
    /// # Errors
    /// When a part has characters that an ARN cannot hold.
    pub fn new(
        partition: &str,
        region: &str,
        account: &str,
        name: &StreamName,
    ) -> Result<Self, StreamArnError> {
        Self::parse(&format!(
            "arn:{partition}:kinesis:{region}:{account}:stream/{name}"
        ))
    }

    /// Takes an ARN apart.
    ///
    /// # Errors
    /// When it is the ARN of something else, or of nothing.
    pub fn parse(text: &str) -> Result<Self, StreamArnError> {
        let fault = |fault| StreamArnError {
            text: text.chars().take(200).collect(),
            fault,
        };
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let &[scheme, partition, service, region, account, resource] = &parts[..] else {
            return Err(fault("it has fewer than six parts"));
        };
        if scheme != "arn" || !partition.starts_with("aws") || !is_label(partition) {
            return Err(fault("it does not begin with `arn:aws`"));
        }
        if service != "kinesis" {
            return Err(fault("its service is not kinesis"));
        }
        if region.is_empty() || !is_label(region) {
            return Err(fault("its region is not one"));
        }
        if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            return Err(fault("its account is not of 12 digits"));
        }
        let name = resource
            .strip_prefix("stream/")
            .ok_or_else(|| fault("it does not name a stream"))?;
        // A consumer's ARN goes on after the stream's name.
        let name = StreamName::new(name).map_err(|_| fault("what it names is not a stream"))?;
        Ok(Self {
            partition: partition.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
            name,
        })
    }

    /// `aws`, `aws-cn`, `aws-us-gov`, ...
    #[must_use]
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// The region.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The account, 12 digits.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The stream.
    #[must_use]
    pub fn name(&self) -> &StreamName {
        &self.name
    }
}

impl fmt::Display for StreamArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            region,
            account,
            name,
        } = self;
        write!(f, "arn:{partition}:kinesis:{region}:{account}:stream/{name}")
    }
}

impl FromStr for StreamArn {
    type Err = StreamArnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

fn is_label(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// The ARN of a consumer registered for enhanced fan-out: its stream's ARN, `/consumer/`, its name, `:` and when it was made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ConsumerArn {
    text: String,
    stream: StreamName,
}

impl ConsumerArn {
    pub(crate) fn parse(text: &str) -> Result<Self, StreamArnError> {
        let fault = || StreamArnError {
            text: text.chars().take(200).collect(),
            fault: "it does not name a consumer",
        };
        let (stream, consumer) = text.split_once("/consumer/").ok_or_else(fault)?;
        let stream = StreamArn::parse(stream)?.name;
        let (name, created) = consumer.split_once(':').ok_or_else(fault)?;
        if name.is_empty() || created.is_empty() || !created.bytes().all(|b| b.is_ascii_digit()) {
            return Err(fault());
        }
        Ok(Self {
            text: text.to_owned(),
            stream,
        })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn stream(&self) -> &StreamName {
        &self.stream
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_of_streams_come_back_as_they_were() {
        for text in [
            "arn:aws:kinesis:eu-central-1:123456789012:stream/orders",
            "arn:aws-cn:kinesis:cn-north-1:000000000000:stream/a.b_c-D",
            "arn:aws-us-gov:kinesis:us-gov-west-1:123456789012:stream/x",
        ] {
            assert_eq!(StreamArn::parse(text).unwrap().to_string(), text);
        }
        let name = StreamName::new("orders").unwrap();
        let built = StreamArn::new("aws", "eu-west-1", "123456789012", &name).unwrap();
        assert_eq!(
            built.to_string(),
            "arn:aws:kinesis:eu-west-1:123456789012:stream/orders"
        );
        assert!(StreamArn::new("aws", "eu west", "123456789012", &name).is_err());
    }

    #[test]
    fn other_arns_are_refused_with_a_reason() {
        for (text, reason) in [
            ("", "six parts"),
            ("orders", "six parts"),
            ("arn:azure:kinesis:r:123456789012:stream/x", "arn:aws"),
            ("arn:aws:sqs:r:123456789012:stream/x", "service"),
            ("arn:aws:kinesis::123456789012:stream/x", "region"),
            ("arn:aws:kinesis:r:12345:stream/x", "account"),
            ("arn:aws:kinesis:r:123456789012:table/x", "name a stream"),
            ("arn:aws:kinesis:r:123456789012:stream/", "not a stream"),
            (
                "arn:aws:kinesis:r:123456789012:stream/x/consumer/c:17",
                "not a stream",
            ),
        ] {
            let error = StreamArn::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
