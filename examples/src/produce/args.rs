//! The command line of `produce`.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgGroup, Parser, ValueEnum};
use kpl::{ConfigError, KplProperties, ProducerConfig, PropertiesError, RateLimit, StreamConfig, StreamName};

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
    /// Stream to put into, by name or ARN
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

    /// How long a record may wait for company [default: 100]
    #[arg(long, value_name = "MILLISECONDS", help_heading = "Producer")]
    pub linger_ms: Option<u64>,

    /// What is kept when something fails [default: key]
    #[arg(long, value_enum, value_name = "WHAT", help_heading = "Producer")]
    pub ordering: Option<Ordering>,

    /// Share of each shard's quota to use, in percent, or "unlimited" [default: 150]
    #[arg(long, value_name = "PERCENT", help_heading = "Producer")]
    pub rate: Option<Rate>,

    /// How long delivery of a record is tried: seconds, 500ms, 5m, 2h, or "none" for without end [default: 30]
    #[arg(long, alias = "ttl-seconds", value_name = "TIME", help_heading = "Producer")]
    pub ttl: Option<Ttl>,

    /// Most bytes put and not yet delivered; reading waits for room [default: 33554432]
    #[arg(long, value_name = "BYTES", help_heading = "Producer")]
    pub max_in_flight_bytes: Option<usize>,

    /// Settings in a properties file of the Kinesis Producer Library; what is given here goes before
    #[arg(long, value_name = "FILE", help_heading = "Producer")]
    pub properties: Option<PathBuf>,

    /// Print the producer's metrics at the end; with a number, also every so many seconds
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    #[arg(help_heading = "Producer")]
    pub metrics: Option<u64>,

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

    /// The settings that these flags go before: a properties file's, or the producer's own.
    ///
    /// # Errors
    /// When the file cannot be read, or has what the Kinesis Producer Library refuses.
    pub fn base(&self) -> Result<Option<KplProperties>, PropertiesError> {
        let read = self
            .properties
            .as_ref()
            .map(ProducerConfig::from_kpl_properties_file);
        read.transpose()
    }

    /// The producer's configuration: what is given here, else what `base` has.
    ///
    /// # Errors
    /// When a value is out of its range.
    pub fn producer_config(&self, base: &ProducerConfig) -> Result<ProducerConfig, ConfigError> {
        let mut config = base.to_builder();
        if let Some(linger) = self.linger_ms {
            config = config.linger(Duration::from_millis(linger));
        }
        if let Some(ordering) = self.ordering {
            config = config.ordering(ordering.into());
        }
        if let Some(rate) = self.rate {
            config = config.rate_limit(rate.0);
        }
        if let Some(ttl) = self.ttl {
            config = config.record_ttl(ttl.0);
        }
        if let Some(bytes) = self.max_in_flight_bytes {
            config = config.max_in_flight_bytes(bytes);
        }
        config.build()
    }
}

/// What is kept when something fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Ordering {
    /// Records of one key are stored in order, whatever fails
    Key,
    /// What fails delays nothing else; records of one key may then be stored out of order
    Relaxed,
}

impl From<Ordering> for kpl::Ordering {
    fn from(ordering: Ordering) -> Self {
        match ordering {
            Ordering::Key => Self::PerKey,
            Ordering::Relaxed => Self::Relaxed,
        }
    }
}

/// A time to live as it is written on a command line: `30`, `30s`, `500ms`, `5m`, `2h` or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttl(pub Duration);

impl FromStr for Ttl {
    type Err = TtlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Self(StreamConfig::NO_TTL));
        }
        let digits = text.trim_end_matches(|c: char| c.is_ascii_lowercase());
        let millis_each: u64 = match &text[digits.len()..] {
            "ms" => 1,
            "" | "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(TtlError),
        };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(TtlError);
        }
        let count: u64 = digits.parse().map_err(|_| TtlError)?;
        let millis = count.checked_mul(millis_each).ok_or(TtlError)?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

/// A text that is no time to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time to live is a number of seconds, a number with ms, s, m or h, or \"none\"")]
pub struct TtlError;

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
    fn times_have_units_or_are_seconds() {
        let ms = |millis| Ok(Ttl(Duration::from_millis(millis)));
        let good = [
            ("30", 30_000),
            ("30s", 30_000),
            ("500ms", 500),
            ("5m", 300_000),
            ("2h", 7_200_000),
        ];
        for (text, millis) in good {
            assert_eq!(text.parse(), ms(millis), "{text}");
        }
        assert_eq!("none".parse(), Ok(Ttl(StreamConfig::NO_TTL)));
        for bad in [
            "",
            "s",
            "-1",
            "+1",
            "1.5",
            "5 m",
            "5M",
            "5d",
            "soon",
            "18446744073709551615h",
        ] {
            assert_eq!(bad.parse::<Ttl>(), Err(TtlError), "{bad}");
        }
    }

    #[test]
    fn settings_are_checked_before_anything_is_done() {
        let config = |more: &[&str]| {
            parse(&[&["--random-keys"], more].concat())
                .expect("valid flags")
                .producer_config(&ProducerConfig::default())
        };
        assert_eq!(config(&[]), Ok(ProducerConfig::default()));
        assert!(config(&["--ttl", "none"]).is_ok());
        for bad in [
            ["--ttl", "0"],
            ["--ttl", "99ms"],
            ["--ttl", "25h"],
            ["--ttl-seconds", "0"],
            ["--linger-ms", "3600001"],
            ["--linger-ms", "30000"],
            ["--max-in-flight-bytes", "1"],
            ["--max-in-flight-bytes", "4294967296"],
        ] {
            assert!(config(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn metrics_are_told_at_the_end_or_every_so_many_seconds() {
        let metrics = |more: &[&str]| parse(&[&["--random-keys"], more].concat()).map(|args| args.metrics);
        assert_eq!(metrics(&[]).expect("valid flags"), None);
        assert_eq!(metrics(&["--metrics"]).expect("valid flags"), Some(0));
        assert_eq!(metrics(&["--metrics=5"]).expect("valid flags"), Some(5));
        for bad in ["--metrics=-1", "--metrics=often", "--metrics="] {
            assert!(metrics(&[bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn flags_go_before_a_properties_file() {
        let base = ProducerConfig::from_kpl_properties("RecordTtl = 60000\nRateLimit = 70\n").expect("valid");
        let args = parse(&["--random-keys", "--rate", "90"]).expect("valid flags");
        let config = args.producer_config(base.config()).expect("in range");
        assert_eq!(config.streams().record_ttl(), Duration::from_secs(60));
        assert_eq!(config.streams().rate_limit(), RateLimit::Percent(90));
    }

    #[test]
    fn settings_that_are_not_given_are_the_producers() {
        let flags = [
            "--random-keys",
            "--ordering",
            "relaxed",
            "--rate",
            "80",
            "--ttl",
            "5m",
            "--max-in-flight-bytes",
            "65536",
        ];
        let config = parse(&flags)
            .expect("valid flags")
            .producer_config(&ProducerConfig::default());
        let expected = ProducerConfig::builder()
            .ordering(kpl::Ordering::Relaxed)
            .rate_limit(RateLimit::Percent(80))
            .record_ttl(Duration::from_secs(300))
            .max_in_flight_bytes(65_536)
            .build();
        assert_eq!(config, expected);
        assert!(parse(&["--random-keys", "--ordering", "none"]).is_err());
    }
}
