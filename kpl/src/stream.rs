//! The name of a stream, parsed once.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Which Kinesis data stream: by name, or by ARN.
///
/// A name, 1 to 128 characters out of `a-z A-Z 0-9 _ . -`, is looked for in the account of the credentials and in the
/// client's Region. An ARN also names the account, so that streams of other accounts can be written to, provided that
/// their resource policy permits it; nothing else is asked to find out who one is. Requests then carry the ARN in
/// place of the name. The client's Region still decides which endpoint is called.
///
/// Two that differ in any part are two streams to a producer, with a task and settings each, also where the service
/// knows them as one. Cheap to clone. Source: AWS API reference, PutRecords (`StreamName`, `StreamARN`).
///
/// ```
/// use kpl::StreamName;
///
/// let mine: StreamName = "orders".parse()?;
/// let theirs: StreamName = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders".parse()?;
/// assert_eq!(mine.as_str(), theirs.as_str());
/// assert_ne!(mine, theirs);
/// # Ok::<(), kpl::StreamNameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamName(Arc<Parts>);

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Parts {
    name: Arc<str>,
    arn: Option<Arc<str>>,
    stream_id: Option<Arc<str>>,
}

impl StreamName {
    /// Parses a name. Nothing is trimmed.
    ///
    /// # Errors
    /// [`StreamNameError`] when the name is empty, too long or holds another character.
    pub fn new(name: impl Into<Arc<str>>) -> Result<Self, StreamNameError> {
        let name = name.into();
        check_name(&name)?;
        Ok(Self(Arc::new(Parts {
            name,
            arn: None,
            stream_id: None,
        })))
    }

    /// Parses the ARN of a stream: `arn:aws:kinesis:<region>:<account>:stream/<name>`.
    ///
    /// The partition may be any of AWS's: `aws`, `aws-cn`, `aws-us-gov`, and those to come. Nothing is trimmed.
    ///
    /// # Errors
    /// [`StreamNameError`] tells which part is wrong; the stream's name inside is checked as well.
    pub fn from_arn(arn: impl Into<Arc<str>>) -> Result<Self, StreamNameError> {
        let arn = arn.into();
        let name = name_in_arn(&arn)?;
        check_name(name)?;
        Ok(Self(Arc::new(Parts {
            name: name.into(),
            arn: Some(arn),
            stream_id: None,
        })))
    }

    /// Parses either: what begins with `arn:` is an ARN, for no name holds a colon.
    ///
    /// # Errors
    /// As [`new`](Self::new) and [`from_arn`](Self::from_arn).
    pub fn parse(text: &str) -> Result<Self, StreamNameError> {
        if text.starts_with("arn:") {
            Self::from_arn(text)
        } else {
            Self::new(text)
        }
    }

    /// Sends this `StreamId` along with each request (KPL: `setStreamId`).
    ///
    /// The service reserves it for future use and has not documented its form.
    ///
    /// # Errors
    /// [`StreamNameError::StreamId`] when it is empty, longer than 128 characters, or holds anything but visible
    /// ASCII.
    pub fn with_stream_id(mut self, stream_id: impl Into<Arc<str>>) -> Result<Self, StreamNameError> {
        let stream_id = stream_id.into();
        let is_plain = stream_id.bytes().all(|byte| byte.is_ascii_graphic());
        if stream_id.is_empty() || stream_id.len() > MAX_NAME_LEN || !is_plain {
            return Err(StreamNameError::StreamId);
        }
        Arc::make_mut(&mut self.0).stream_id = Some(stream_id);
        Ok(self)
    }

    /// The stream's name; of an ARN the name inside.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.name
    }

    /// The ARN, when the stream was named by one.
    #[must_use]
    pub fn arn(&self) -> Option<&str> {
        self.0.arn.as_deref()
    }

    /// The `StreamId`, when one was given.
    #[must_use]
    pub fn stream_id(&self) -> Option<&str> {
        self.0.stream_id.as_deref()
    }
}

/// The ARN where there is one, else the name.
impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.arn.as_deref().unwrap_or(&self.0.name))
    }
}

impl fmt::Debug for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamName({self})")
    }
}

impl AsRef<str> for StreamName {
    fn as_ref(&self) -> &str {
        &self.0.name
    }
}

/// As [`StreamName::parse`].
impl FromStr for StreamName {
    type Err = StreamNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Why a text does not name a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamNameError {
    /// The name is empty.
    #[error("stream name is empty")]
    Empty,
    /// The name is longer than 128 characters.
    #[error("stream name has {length} characters, the limit is {MAX_NAME_LEN}")]
    TooLong {
        /// Its length in characters.
        length: usize,
    },
    /// The name holds a character which no stream name has.
    #[error("stream name holds {found:?}; allowed are letters, digits, '_', '.' and '-'")]
    Character {
        /// The first such character.
        found: char,
    },
    /// An ARN has six parts, the first of which is `arn`.
    #[error("not an ARN of the form arn:partition:kinesis:region:account:stream/name")]
    NotAnArn,
    /// The ARN's partition is none of AWS's.
    #[error("ARN has the partition {found:?}, which does not begin with \"aws\"")]
    Partition {
        /// What stands there.
        found: String,
    },
    /// The ARN is of another service.
    #[error("ARN is of the service {found:?}, not of \"kinesis\"")]
    Service {
        /// What stands there.
        found: String,
    },
    /// The ARN's Region is empty, or no Region's name.
    #[error("ARN has the Region {found:?}")]
    Region {
        /// What stands there.
        found: String,
    },
    /// The ARN's account is not 12 digits.
    #[error("ARN has the account {found:?}, not 12 digits")]
    Account {
        /// What stands there.
        found: String,
    },
    /// The ARN is of something other than a stream: a consumer, say.
    #[error("ARN is of {found:?}, not of a stream")]
    Resource {
        /// What stands there.
        found: String,
    },
    /// The `StreamId` is empty, too long, or holds something other than visible ASCII.
    #[error("stream id is not 1 to {MAX_NAME_LEN} visible ASCII characters")]
    StreamId,
}

fn check_name(name: &str) -> Result<(), StreamNameError> {
    if name.is_empty() {
        return Err(StreamNameError::Empty);
    }
    if let Some(found) = name.chars().find(|c| !is_allowed(*c)) {
        return Err(StreamNameError::Character { found });
    }
    if name.len() > MAX_NAME_LEN {
        return Err(StreamNameError::TooLong { length: name.len() });
    }
    Ok(())
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// Checks all of an ARN but the stream's name, which it returns.
fn name_in_arn(arn: &str) -> Result<&str, StreamNameError> {
    let mut parts = arn.splitn(6, ':');
    let (Some("arn"), Some(partition), Some(service), Some(region), Some(account), Some(resource)) = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) else {
        return Err(StreamNameError::NotAnArn);
    };
    let found = |text: &str| text.to_owned();
    let is_label = |text: &str| text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
    if !(partition.starts_with("aws") && is_label(partition)) {
        return Err(StreamNameError::Partition {
            found: found(partition),
        });
    }
    if service != "kinesis" {
        return Err(StreamNameError::Service {
            found: found(service),
        });
    }
    if region.is_empty() || !is_label(region) {
        return Err(StreamNameError::Region { found: found(region) });
    }
    if account.len() != 12 || !account.bytes().all(|c| c.is_ascii_digit()) {
        return Err(StreamNameError::Account {
            found: found(account),
        });
    }
    match resource.strip_prefix("stream/") {
        // A consumer's ARN goes on after the stream's name.
        Some(name) if !name.contains('/') => Ok(name),
        _ => Err(StreamNameError::Resource {
            found: found(resource),
        }),
    }
}

/// Source: AWS API reference, PutRecords. Applies to: names of streams.
const MAX_NAME_LEN: usize = 128;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_parsed_by_the_services_rule() {
        let longest = "x".repeat(128);
        for good in ["orders", "a", "A.b_c-9", longest.as_str()] {
            assert_eq!(StreamName::new(good).expect("valid name").as_str(), good);
        }
        let cases = [
            (String::new(), StreamNameError::Empty),
            ("x".repeat(129), StreamNameError::TooLong { length: 129 }),
            (" orders".to_owned(), StreamNameError::Character { found: ' ' }),
            ("a/b".to_owned(), StreamNameError::Character { found: '/' }),
            ("größe".to_owned(), StreamNameError::Character { found: 'ö' }),
        ];
        for (text, error) in cases {
            assert_eq!(StreamName::new(text.clone()), Err(error.clone()), "{text:?}");
            let arn = format!("arn:aws:kinesis:eu-west-1:123456789012:stream/{text}");
            let inside = if text.contains('/') {
                StreamNameError::Resource {
                    found: format!("stream/{text}"),
                }
            } else {
                error
            };
            assert_eq!(StreamName::from_arn(arn), Err(inside), "{text:?} in an ARN");
        }
    }

    #[test]
    fn arns_of_all_partitions_are_streams() {
        for (partition, region) in [
            ("aws", "eu-west-1"),
            ("aws-cn", "cn-north-1"),
            ("aws-us-gov", "us-gov-west-1"),
            ("aws-iso-b", "us-isob-east-1"),
            ("aws-eusc", "eusc-de-east-1"),
        ] {
            let arn = format!("arn:{partition}:kinesis:{region}:123456789012:stream/a.b_c-9");
            let stream = StreamName::parse(&arn).expect("valid ARN");
            assert_eq!(stream.as_str(), "a.b_c-9");
            assert_eq!(stream.arn(), Some(arn.as_str()));
            assert_eq!(stream.to_string(), arn);
        }
    }

    #[test]
    fn what_is_wrong_with_an_arn_is_told() {
        use StreamNameError as E;
        let found = |text: &str| text.to_owned();
        let cases = [
            ("arn:", E::NotAnArn),
            ("arn:aws:kinesis:eu-west-1:123456789012", E::NotAnArn),
            ("urn:aws:kinesis:eu-west-1:123456789012:stream/a", E::NotAnArn),
            (
                "arn:azure:kinesis:eu-west-1:123456789012:stream/a",
                E::Partition {
                    found: found("azure"),
                },
            ),
            (
                "arn:aws:sqs:eu-west-1:123456789012:stream/a",
                E::Service { found: found("sqs") },
            ),
            (
                "arn:aws:kinesis::123456789012:stream/a",
                E::Region { found: found("") },
            ),
            (
                "arn:aws:kinesis:eu west:123456789012:stream/a",
                E::Region {
                    found: found("eu west"),
                },
            ),
            (
                "arn:aws:kinesis:eu-west-1:12345678901:stream/a",
                E::Account {
                    found: found("12345678901"),
                },
            ),
            (
                "arn:aws:kinesis:eu-west-1:12345678901x:stream/a",
                E::Account {
                    found: found("12345678901x"),
                },
            ),
            (
                "arn:aws:kinesis:eu-west-1:123456789012:table/a",
                E::Resource {
                    found: found("table/a"),
                },
            ),
            (
                "arn:aws:kinesis:eu-west-1:123456789012:stream/a/consumer/b:1",
                E::Resource {
                    found: found("stream/a/consumer/b:1"),
                },
            ),
            (
                "arn:aws:kinesis:eu-west-1:123456789012:stream/a:b",
                E::Character { found: ':' },
            ),
            ("arn:aws:kinesis:eu-west-1:123456789012:stream/", E::Empty),
        ];
        for (arn, error) in cases {
            assert_eq!(StreamName::from_arn(arn), Err(error), "{arn}");
        }
        assert_eq!(StreamName::parse("orders:x"), Err(E::Character { found: ':' }));
    }

    #[test]
    fn each_part_tells_streams_apart() {
        let name = StreamName::new("orders").expect("valid");
        let arn = |account: &str| {
            StreamName::from_arn(format!("arn:aws:kinesis:eu-west-1:{account}:stream/orders")).expect("valid")
        };
        let with_id = name.clone().with_stream_id("id-1").expect("valid");
        assert_eq!(with_id.stream_id(), Some("id-1"));
        let all = [name, arn("123456789012"), arn("210987654321"), with_id];
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 4);
        for bad in ["", "with space", "ü", &"x".repeat(129)] {
            let refused = all[0].clone().with_stream_id(bad);
            assert_eq!(refused, Err(StreamNameError::StreamId), "{bad:?}");
        }
    }
}
