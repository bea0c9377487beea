//! The command line of `consume`.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use aws_sdk_kinesis::primitives::{DateTime, DateTimeFormat};
use clap::Parser;
use kcl::{ConfigError, ConsumerConfigBuilder, InitialPosition, Retrieval, StreamConfig, StreamName};

use super::format::Format;
use crate::endpoint::{EndpointArgs, EndpointUrl};

/// Read a Kinesis data stream and write its records as lines of JSON.
///
/// Workers of one application share the streams' shards: start as many as you like, on as many machines. Each line is
/// {"shard_id", "sequence_number", "sub_sequence_number", "partition_key", "data"}; data that is not UTF-8 is
/// written as base64 and marked with "base64": true. Lines are written before their checkpoint, so a worker that dies
/// loses none; the next one may write some again. Ctrl-C and SIGTERM stop cleanly and hand over the shards without a
/// line written twice.
#[derive(Debug, Clone, Parser)]
#[command(name = "consume", version, verbatim_doc_comment, after_help = EXAMPLES)]
pub struct ConsumeArgs {
    /// Streams to read, each by a flag of its own or with commas between them. An application of several cannot become one
    /// of a single stream, or the other way, without beginning anew; its lines have "stream" too
    #[arg(
        long = "stream",
        value_name = "NAME",
        required_unless_present = "properties",
        value_delimiter = ','
    )]
    pub streams: Vec<StreamName>,

    /// Application; also the name of its lease table in DynamoDB, which is made if it does not exist
    #[arg(long, value_name = "NAME", required_unless_present = "properties")]
    pub application: Option<String>,

    /// Name of this worker, unique among the application's [default: made of host and process]
    #[arg(long, value_name = "NAME")]
    pub worker_id: Option<String>,

    /// File to append to, or - for stdout
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,

    /// Stop when this worker has written that many records
    #[arg(long, value_name = "RECORDS")]
    pub expect: Option<NonZeroU64>,

    /// Stop when no record has come for so long; while other workers hold shards, not before theirs would have come here
    /// had they died (failover and 5 seconds)
    #[arg(long, value_name = "SECONDS")]
    pub idle_exit: Option<NonZeroU64>,

    /// Write a JSON object with the counts there at the end
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,

    /// Write the metrics to stderr at the end, under the KCL's names; with =SECONDS also each so many seconds
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "0"
    )]
    pub metrics: Option<u64>,

    /// Handle records one by one, so many of each shard at a time; those of one partition key stay in order
    #[arg(long, value_name = "N", help_heading = "Consumer")]
    pub parallel_keys: Option<NonZeroUsize>,

    /// What data must be. A record that is something else is not written: this worker stops there, or see --dead-letter
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Consumer")]
    pub require: Option<Format>,

    /// File to append records to that are not what --require says, as JSON with the reason; then they are passed. Without
    /// --parallel-keys the records that came in one batch behind such a record go there with it
    #[arg(long, value_name = "FILE", requires = "require", help_heading = "Consumer")]
    pub dead_letter: Option<PathBuf>,

    /// Settings in a properties file of the Kinesis Client Library; what is given here goes before. Where it is silent about
    /// start and retrieval, that library's defaults hold: latest, and fan-out
    #[arg(long, value_name = "FILE", help_heading = "Consumer")]
    pub properties: Option<PathBuf>,

    /// Where an application without checkpoints starts: trim-horizon (with the oldest record kept), latest (with records
    /// that arrive from now on) or at:TIMESTAMP, such as at:2026-11-21T18:00:00Z or at:1700000000 [default: trim-horizon]
    #[arg(long, value_name = "PLACE", help_heading = "Consumer")]
    pub start: Option<Start>,

    /// Read by enhanced fan-out, as a consumer with the application's name, which is registered if it is not yet and which
    /// the service charges for; shards are polled while that does not work. With =false they are polled only [default: poll]
    #[arg(
        long,
        value_name = "YES",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        help_heading = "Consumer"
    )]
    pub fan_out: Option<bool>,

    /// One heartbeat for each worker instead of one for each shard, which costs DynamoDB less. All workers of the application
    /// must have it, and no other library may use the table
    #[arg(long, help_heading = "Consumer")]
    pub private_fleet: bool,

    /// How long a worker may be silent before others take its shards [default: 10000]
    #[arg(long, value_name = "MILLISECONDS", help_heading = "Consumer")]
    pub failover_ms: Option<u64>,

    /// Where Kinesis is.
    #[command(flatten)]
    pub endpoint: EndpointArgs,

    /// DynamoDB endpoint, such as http://127.0.0.1:8000 [default: AWS]
    #[arg(long, value_name = "URL", help_heading = "Endpoint")]
    pub dynamodb_endpoint_url: Option<EndpointUrl>,
}

const EXAMPLES: &str = "\
Examples:
  consume --stream flights --application board --output board.jsonl \\
          --endpoint-url http://127.0.0.1:4567 --dynamodb-endpoint-url http://127.0.0.1:8000
  consume --stream orders,clicks --application warehouse --private-fleet
  consume --stream orders --application billing --parallel-keys 32 --require json --dead-letter bad.jsonl
  consume --properties kcl.properties --output lines.jsonl
  consume --stream logs --application search --idle-exit 30 | jq .data";

/// Where an application without checkpoints starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the oldest record kept.
    TrimHorizon,
    /// With records that arrive from now on.
    Latest,
    /// With the first record of this time.
    At(SystemTime),
}

impl FromStr for Start {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let place = || "expected trim-horizon, latest or at:TIMESTAMP".to_owned();
        let time = match text {
            "trim-horizon" => return Ok(Self::TrimHorizon),
            "latest" => return Ok(Self::Latest),
            _ => text.strip_prefix("at:").ok_or_else(place)?,
        };
        let time = match time.parse() {
            Ok(seconds) => DateTime::from_secs(seconds),
            Err(_) => DateTime::from_str(time, DateTimeFormat::DateTimeWithOffset)
                .map_err(|_| "expected a time as 2026-11-21T18:00:00Z, or seconds since 1970".to_owned())?,
        };
        SystemTime::try_from(time)
            .map(Self::At)
            .map_err(|error| error.to_string())
    }
}

impl ConsumeArgs {
    /// Whether the output is stdout.
    #[must_use]
    pub fn writes_stdout(&self) -> bool {
        self.output.as_os_str() == "-"
    }

    /// The consumer's configuration: what is given here, else what `base` has.
    ///
    /// # Errors
    /// When a stream cannot be one of several.
    pub fn over(&self, base: ConsumerConfigBuilder) -> Result<ConsumerConfigBuilder, ConfigError> {
        let mut config = match &self.streams[..] {
            [] => base,
            [only] => base.stream(only.as_str()),
            several => {
                let streams: Result<Vec<_>, _> = several
                    .iter()
                    .map(|name| StreamConfig::new(name.as_str()))
                    .collect();
                base.streams(streams?)
            }
        };
        if let Some(application) = &self.application {
            config = config.application_name(application);
        }
        if let Some(id) = &self.worker_id {
            config = config.worker_id(id);
        }
        if let Some(start) = self.start {
            config = config.initial_position(start.into());
        }
        if let Some(fan_out) = self.fan_out {
            config = config.retrieval(if fan_out {
                Retrieval::FanOut
            } else {
                Retrieval::Polling
            });
        }
        if let Some(failover) = self.failover_ms {
            config = config.failover(Duration::from_millis(failover));
        }
        Ok(config.private_fleet(self.private_fleet))
    }
}

impl From<Start> for InitialPosition {
    fn from(start: Start) -> Self {
        match start {
            Start::TrimHorizon => Self::TrimHorizon,
            Start::Latest => Self::Latest,
            Start::At(time) => Self::AtTimestamp(time),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use kcl::ConsumerConfig;

    use super::*;

    impl ConsumeArgs {
        fn consumer_config(&self) -> Result<ConsumerConfig, ConfigError> {
            self.over(ConsumerConfig::builder("", ""))?.build()
        }
    }

    fn parse(more: &[&str]) -> Result<ConsumeArgs, clap::Error> {
        ConsumeArgs::try_parse_from([&["consume", "--stream", "s", "--application", "app"], more].concat())
    }

    #[test]
    fn the_definition_is_sound() {
        ConsumeArgs::command().debug_assert();
    }

    #[test]
    fn flags_reach_the_configuration() {
        let args = parse(&["--worker-id", "w7", "--start", "latest"]).expect("valid flags");
        let config = args.consumer_config().expect("valid settings");
        assert_eq!(config.worker_id().as_str(), "w7");
        assert_eq!(config.initial_position(), InitialPosition::Latest);
        assert_eq!(config.lease_table_name(), "app");
        assert!(args.writes_stdout(), "the default");
        assert_eq!(config.stream().expect("there is one").as_str(), "s");
    }

    #[test]
    fn several_streams_are_one_application() {
        let args = parse(&["--stream", "t,u", "--private-fleet"]).expect("valid flags");
        assert_eq!(args.streams.len(), 3);
        assert!(args.consumer_config().expect("valid settings").stream().is_none());
        assert!(
            parse(&["--stream", "t,t"])
                .expect("valid flags")
                .consumer_config()
                .is_err()
        );
        assert!(parse(&["--stream", "no spaces"]).is_err());
    }

    #[test]
    fn a_start_may_be_a_time() {
        let position = |start: &str| {
            let args = parse(&["--start", start]).expect(start);
            args.consumer_config().expect("valid settings").initial_position()
        };
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(position("at:1700000000"), InitialPosition::AtTimestamp(then));
        assert_eq!(
            position("at:2023-11-14T22:13:20Z"),
            InitialPosition::AtTimestamp(then)
        );
        assert_eq!(
            position("at:2023-11-14T23:13:20+01:00"),
            InitialPosition::AtTimestamp(then)
        );
        for bad in ["at:", "at:noon", "2023-11-14T22:13:20Z"] {
            assert!(parse(&["--start", bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn metrics_are_told_at_the_end_or_each_interval() {
        let metrics = |more: &[&str]| parse(more).expect("valid flags").metrics;
        assert_eq!(metrics(&[]), None);
        assert_eq!(metrics(&["--metrics"]), Some(0));
        assert_eq!(metrics(&["--metrics=5"]), Some(5));
    }

    #[test]
    fn flags_go_before_a_properties_file() {
        let read = ConsumerConfig::from_kcl_properties(
            "applicationName = theirs\nstreamName = sales\nworkerId = w1\nfailoverTimeMillis = 5000\n",
        );
        let read = read.expect("valid");
        let config = |args: &[&str]| {
            let args = [&["consume", "--properties", "f"], args].concat();
            let args = ConsumeArgs::try_parse_from(args).expect("valid flags");
            args.over(read.builder())
                .and_then(ConsumerConfigBuilder::build)
                .expect("valid settings")
        };
        let theirs = config(&[]);
        assert_eq!(theirs.application_name(), "theirs");
        assert_eq!(theirs.stream().expect("one").as_str(), "sales");
        assert_eq!(theirs.worker_id().as_str(), "w1");
        assert_eq!(theirs.initial_position(), InitialPosition::Latest);
        assert_eq!(theirs.failover(), Duration::from_secs(5));
        let ours = config(&[
            "--application",
            "ours",
            "--stream",
            "clicks",
            "--worker-id",
            "w2",
            "--start",
            "trim-horizon",
            "--failover-ms",
            "3000",
        ]);
        assert_eq!(
            (ours.application_name(), ours.lease_table_name()),
            ("ours", "ours")
        );
        assert_eq!(ours.stream().expect("one").as_str(), "clicks");
        assert_eq!(ours.worker_id().as_str(), "w2");
        assert_eq!(ours.initial_position(), InitialPosition::TrimHorizon);
        assert_eq!(ours.failover(), Duration::from_secs(3));
        assert!(config(&["--stream", "a,b"]).stream().is_none());
        assert!(
            ConsumeArgs::try_parse_from(["consume", "--stream", "s"]).is_err(),
            "no application"
        );
    }

    #[test]
    fn settings_are_checked_before_anything_is_done() {
        let config = |more: &[&str]| parse(more).expect("valid flags").consumer_config();
        assert!(config(&[]).is_ok());
        assert!(config(&["--failover-ms", "0"]).is_err());
        assert!(config(&["--worker-id", ""]).is_err());
        assert!(parse(&["--idle-exit", "0"]).is_err());
        assert!(parse(&["--start", "tomorrow"]).is_err());
        assert!(parse(&["--parallel-keys", "0"]).is_err());
        assert!(parse(&["--require", "xml"]).is_err());
        assert!(
            parse(&["--dead-letter", "f"]).is_err(),
            "nothing fails that is not required"
        );
    }
}
