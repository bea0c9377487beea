//! The command line of `produce`.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgGroup, Parser};
use kpl::{ConfigError, ProducerConfig, RateLimit, StreamName};

use crate::endpoint::EndpointArgs;
use crate::lines::{Keying, Text};

/// Put the lines of a file into a Kinesis data stream, each line one record.
///
/// Lines of one key are stored in their order. The last line on stdout is a JSON object with the counts; the exit
/// code is 0 only if every line was delivered.
///
/// Against an endpoint on this machine no AWS credentials are needed.
#[derive(Debug, Clone, Parser)]
#[command(name = "produce", version, verbatim_doc_comment, after_help = EXAMPLES)]
#[command(group(ArgGroup::new("keying").required(true).args(["key_column", "random_keys"])))]
pub struct ProduceArgs {
    /// Stream to put into
    #[arg(long)]
    pub stream: StreamName,

    /// Create the stream with that many shards if it does not exist
    #[arg(long, value_name = "SHARDS")]
    pub create: Option<NonZeroU32>,

    /// File to read, or - for stdin
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,

    /// The first line is a heading and no record
    #[arg(long)]
    pub header: bool,

    /// CSV column of the partition key, the first being 1
    #[arg(long, value_name = "N")]
    pub key_column: Option<NonZeroUsize>,

    /// A random partition key for each line: even load, no order
    #[arg(long)]
    pub random_keys: bool,

    /// CSV column of an explicit hash key, which decides the shard in place of the partition key
    #[arg(long, value_name = "N")]
    pub explicit_hash_key_column: Option<NonZeroUsize>,

    /// Send lines as raw bytes; only keys must be UTF-8
    #[arg(long)]
    pub binary: bool,

    /// Put at most that many records per second
    #[arg(long, value_name = "N")]
    pub records_per_second: Option<NonZeroU64>,

    /// How long a record may wait for company
    #[arg(
        long,
        value_name = "MILLISECONDS",
        default_value_t = 100,
        help_heading = "Producer"
    )]
    pub linger_ms: u64,

    /// Share of each shard's quota to use, in percent, or "unlimited"
    #[arg(
        long,
        value_name = "PERCENT",
        default_value = "150",
        help_heading = "Producer"
    )]
    pub rate: Rate,

    /// How long delivery of a record is tried
    #[arg(long, value_name = "SECONDS", default_value_t = 30, help_heading = "Producer")]
    pub ttl_seconds: u64,

    /// Most bytes put and not yet delivered; reading waits for room
    #[arg(long, value_name = "BYTES", default_value_t = 32 * 1024 * 1024, help_heading = "Producer")]
    pub max_in_flight_bytes: usize,

    /// Where Kinesis is.
    #[command(flatten)]
    pub endpoint: EndpointArgs,
}

const EXAMPLES: &str = "\
Examples:
  kinesis-local --kinesis-port 4567 &
  produce --stream flights --create 4 --input flights.csv --header --key-column 12 \\
          --endpoint-url http://127.0.0.1:4567
  tail -F app.log | produce --stream logs --input - --random-keys --region eu-central-1";

impl ProduceArgs {
    /// Where keys come from.
    #[must_use]
    pub fn keying(&self) -> Keying {
        match self.key_column {
            Some(column) => Keying::Column(column),
            None => Keying::Random,
        }
    }

    /// What lines must be.
    #[must_use]
    pub fn text(&self) -> Text {
        if self.binary { Text::Binary } else { Text::Utf8 }
    }

    /// The input as messages name it.
    #[must_use]
    pub fn input_name(&self) -> String {
        if self.reads_stdin() {
            "stdin".to_owned()
        } else {
            self.input.display().to_string()
        }
    }

    /// Whether the input is stdin.
    #[must_use]
    pub fn reads_stdin(&self) -> bool {
        self.input.as_os_str() == "-"
    }

    /// The producer's configuration.
    ///
    /// # Errors
    /// When a value is out of its range.
    pub fn producer_config(&self) -> Result<ProducerConfig, ConfigError> {
        ProducerConfig::builder()
            .linger(Duration::from_millis(self.linger_ms))
            .record_ttl(Duration::from_secs(self.ttl_seconds))
            .rate_limit(self.rate.0)
            .max_in_flight_bytes(self.max_in_flight_bytes)
            .build()
    }
}

/// A rate limit as it is written on a command line: `150`, `150%` or `unlimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(pub RateLimit);

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "unlimited" {
            return Ok(Self(RateLimit::Unlimited));
        }
        match text.strip_suffix('%').unwrap_or(text).parse() {
            Ok(percent) if percent > 0 => Ok(Self(RateLimit::Percent(percent))),
            _ => Err(RateError),
        }
    }
}

/// A text that is no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rate is a number of percent from 1, or \"unlimited\"")]
pub struct RateError;

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(more: &[&str]) -> Result<ProduceArgs, clap::Error> {
        ProduceArgs::try_parse_from([&["produce", "--stream", "s", "--input", "-"], more].concat())
    }

    #[test]
    fn the_definition_is_sound() {
        ProduceArgs::command().debug_assert();
    }

    #[test]
    fn exactly_one_way_to_key() {
        assert_eq!(
            parse(&["--random-keys"]).expect("one way").keying(),
            Keying::Random
        );
        let column = NonZeroUsize::new(12).expect("not zero");
        assert_eq!(
            parse(&["--key-column", "12"]).expect("one way").keying(),
            Keying::Column(column)
        );
        assert!(parse(&[]).is_err(), "no way");
        assert!(
            parse(&["--random-keys", "--key-column", "1"]).is_err(),
            "two ways"
        );
        assert!(parse(&["--key-column", "0"]).is_err(), "columns count from 1");
    }

    #[test]
    fn rates_are_percents_or_unlimited() {
        let percent = |n| Ok(Rate(RateLimit::Percent(n)));
        assert_eq!("150".parse(), percent(150));
        assert_eq!("80%".parse(), percent(80));
        assert_eq!("unlimited".parse(), Ok(Rate(RateLimit::Unlimited)));
        for bad in ["", "0", "-1", "fast", "150 %"] {
            assert_eq!(bad.parse::<Rate>(), Err(RateError), "{bad}");
        }
    }

    #[test]
    fn settings_are_checked_before_anything_is_done() {
        let config = |more: &[&str]| {
            parse(&[&["--random-keys"], more].concat())
                .expect("valid flags")
                .producer_config()
        };
        assert!(config(&[]).is_ok());
        assert!(config(&["--ttl-seconds", "0"]).is_err());
        assert!(config(&["--max-in-flight-bytes", "1"]).is_err());
    }
}
