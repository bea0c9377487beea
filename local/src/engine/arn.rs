//! Amazon Resource Names of streams and consumers.

use super::api::StreamAddress;
use super::constraint::Constraints;
use super::error::ServiceError;

/// Whose streams these are, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    account: String,
    region: String,
}

impl Owner {
    pub(crate) fn new(account: String, region: String) -> Self {
        Self { account, region }
    }

    pub(crate) fn account(&self) -> &str {
        &self.account
    }

    pub(crate) fn stream_arn(&self, stream: &str) -> String {
        format!("arn:aws:kinesis:{}:{}:stream/{stream}", self.region, self.account)
    }

    /// A consumer's ARN ends with its creation in seconds, so that one made again has another ARN.
    pub(crate) fn consumer_arn(&self, stream: &str, consumer: &str, created_s: u64) -> String {
        format!("{}/consumer/{consumer}:{created_s}", self.stream_arn(stream))
    }

    /// The name of the stream a request means.
    ///
    /// # Errors
    ///
    /// Neither name nor ARN, one that the service's model does not allow, or two that mean different streams.
    pub(crate) fn resolve<'a>(&self, address: &'a StreamAddress) -> Result<&'a str, ServiceError> {
        let mut constraints = Constraints::new();
        if let Some(name) = &address.name {
            constraints.name("streamName", name);
        }
        let by_arn = address.arn.as_deref().map(Arn::parse);
        if let (Some(arn), Some(None)) = (&address.arn, &by_arn) {
            constraints.pattern("streamARN", arn, false, STREAM_PATTERN);
        }
        constraints.finish()?;
        match (address.name.as_deref(), by_arn.flatten()) {
            (None, None) => Err(ServiceError::invalid_argument(
                "Either StreamARN or StreamName must be provided.",
            )),
            (Some(name), None) => Ok(name),
            (name, Some(arn)) => {
                self.check_owner(&arn)?;
                if arn.consumer.is_some() || name.is_some_and(|name| name != arn.stream) {
                    return Err(ServiceError::invalid_argument(
                        "StreamARN and StreamName do not name the same stream.",
                    ));
                }
                Ok(arn.stream)
            }
        }
    }

    /// Reads an ARN member of a request.
    ///
    /// # Errors
    ///
    /// It is absent, or not the ARN of a stream or consumer, or one of another account.
    pub(crate) fn parse_arn<'a>(
        &self,
        member: &str,
        arn: Option<&'a str>,
        pattern: &str,
    ) -> Result<Arn<'a>, ServiceError> {
        let mut constraints = Constraints::new();
        let parsed = constraints.required(member, arn).and_then(|text| {
            let parsed = Arn::parse(text);
            constraints.pattern(member, text, parsed.is_some(), pattern);
            parsed
        });
        constraints.finish()?;
        let arn = parsed.ok_or_else(ServiceError::internal_failure)?;
        self.check_owner(&arn)?;
        Ok(arn)
    }

    /// No policy lets one account into another here, and a Region knows only its own streams.
    fn check_owner(&self, arn: &Arn<'_>) -> Result<(), ServiceError> {
        if arn.account == self.account && arn.region == self.region {
            return Ok(());
        }
        Err(stream_not_found(arn.stream, arn.account))
    }
}

pub(crate) fn stream_not_found(stream: &str, account: &str) -> ServiceError {
    ServiceError::not_found(format!("Stream {stream} under account {account} not found."))
}

/// The parts of an ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arn<'a> {
    region: &'a str,
    account: &'a str,
    pub(crate) stream: &'a str,
    pub(crate) consumer: Option<Consumer<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Consumer<'a> {
    pub(crate) name: &'a str,
    pub(crate) created_s: u64,
}

impl<'a> Arn<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        if text.len() > 2_048 {
            return None;
        }
        let rest = text.strip_prefix("arn:aws")?;
        let (_partition, rest) = rest.split_once(":kinesis:")?;
        let (region, rest) = rest.split_once(':')?;
        let (account, resource) = rest.split_once(':')?;
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let path = resource.strip_prefix("stream/")?;
        let (stream, consumer) = match path.split_once('/') {
            None => (path, None),
            Some((stream, path)) => (stream, Some(consumer_of(path)?)),
        };
        is_name(stream).then_some(Self {
            region,
            account,
            stream,
            consumer,
        })
    }
}

fn consumer_of(path: &str) -> Option<Consumer<'_>> {
    let (name, created) = path.strip_prefix("consumer/")?.rsplit_once(':')?;
    let digits = created.bytes().all(|byte| byte.is_ascii_digit());
    (is_name(name) && digits).then_some(Consumer {
        name,
        created_s: created.parse().ok()?,
    })
}

fn is_name(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

pub(crate) const STREAM_PATTERN: &str = r"arn:aws.*:kinesis:.*:\d{12}:stream/\S+";
pub(crate) const RESOURCE_PATTERN: &str = r"arn:aws.*:kinesis:.*:\d{12}:.*stream/\S+";
pub(crate) const CONSUMER_PATTERN: &str =
    r"^(arn):aws.*:kinesis:.*:\d{12}:.*stream\/[a-zA-Z0-9_.-]+\/consumer\/[a-zA-Z0-9_.-]+:[0-9]+";

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner::new("123456789012".to_owned(), "eu-west-1".to_owned())
    }

    #[test]
    fn streams_are_found_by_name_by_arn_and_by_both() {
        let arn = owner().stream_arn("orders");
        assert_eq!(arn, "arn:aws:kinesis:eu-west-1:123456789012:stream/orders");
        let both = StreamAddress {
            name: Some("orders".to_owned()),
            arn: Some(arn.clone()),
        };
        for address in [StreamAddress::name("orders"), StreamAddress::arn(arn), both] {
            assert_eq!(owner().resolve(&address), Ok("orders"), "{address:?}");
        }
    }

    #[test]
    fn addresses_that_mean_nothing_are_refused() {
        let arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";
        let at = |name: Option<&str>, arn: Option<&str>| StreamAddress {
            name: name.map(str::to_owned),
            arn: arn.map(str::to_owned),
        };
        for (address, code) in [
            (at(None, None), "InvalidArgumentException"),
            (at(Some("other"), Some(arn)), "InvalidArgumentException"),
            (at(Some("a b"), None), "ValidationException"),
            (at(None, Some("orders")), "ValidationException"),
            (
                at(None, Some("arn:aws:kinesis:eu-west-1:1234:stream/orders")),
                "ValidationException",
            ),
            (
                at(None, Some("arn:aws:sns:eu-west-1:123456789012:stream/orders")),
                "ValidationException",
            ),
            (
                at(
                    None,
                    Some("arn:aws:kinesis:eu-west-1:123456789012:stream/orders/consumer/app:1"),
                ),
                "InvalidArgumentException",
            ),
            (
                at(None, Some("arn:aws:kinesis:eu-west-1:999999999999:stream/orders")),
                "ResourceNotFoundException",
            ),
            (
                at(None, Some("arn:aws:kinesis:us-east-1:123456789012:stream/orders")),
                "ResourceNotFoundException",
            ),
        ] {
            let refused = owner().resolve(&address).unwrap_err();
            assert_eq!(refused.code(), code, "{address:?}: {refused}");
        }
    }

    #[test]
    fn a_consumers_arn_reads_back() {
        let text = owner().consumer_arn("orders", "app", 1_700_000_000);
        let arn = owner()
            .parse_arn("consumerARN", Some(&text), CONSUMER_PATTERN)
            .unwrap();
        assert_eq!(arn.stream, "orders");
        let consumer = arn.consumer.unwrap();
        assert_eq!((consumer.name, consumer.created_s), ("app", 1_700_000_000));
        for wrong in [
            "/consumer/app",
            "/consumer/app:",
            "/consumer/app:x",
            "/channel/app:1",
        ] {
            let text = format!("{}{wrong}", owner().stream_arn("orders"));
            assert!(
                owner()
                    .parse_arn("consumerARN", Some(&text), CONSUMER_PATTERN)
                    .is_err(),
                "{wrong}"
            );
        }
    }
}
