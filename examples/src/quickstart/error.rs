//! Why `quickstart` could not play its play.

use std::io;
use std::time::Duration;

use crate::endpoint::EndpointUrlError;
use crate::lines::EventError;
use crate::report::{Failure, causes};

/// Why `quickstart` could not play its play to the end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuickstartError {
    /// The endpoint inside this process did not start.
    #[error("the endpoint did not start")]
    Start(#[from] kinesis_local::StartError),
    /// Its URL is no URL.
    #[error("the endpoint has no usable url")]
    Url(#[from] EndpointUrlError),
    /// The stream could not be made.
    #[error("the stream was not created")]
    Stream(#[from] kinesis_local::CreateStreamError),
    /// The stream's name is none.
    #[error("the stream has no name")]
    StreamName(#[from] kpl::StreamNameError),
    /// The file cannot be read.
    #[error("cannot read {input}")]
    Input {
        /// The file.
        input: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file has no records.
    #[error("{input} has no records")]
    NoRecords {
        /// The file.
        input: String,
    },
    /// A line has no end.
    #[error("{input} line {line} is longer than {limit} bytes")]
    LineTooLong {
        /// The file.
        input: String,
        /// The line, from 1.
        line: u64,
        /// The limit in bytes.
        limit: usize,
    },
    /// A line is no event.
    #[error("{input} line {line} is no event")]
    Line {
        /// The file.
        input: String,
        /// The line, from 1.
        line: u64,
        /// Why.
        #[source]
        source: EventError,
    },
    /// An event cannot be a record.
    #[error("event {number} is no record")]
    Record {
        /// Its number, from 0.
        number: u64,
        /// Why.
        #[source]
        source: kpl::RecordError,
    },
    /// The producer's settings are at odds.
    #[error("the producer's settings are not valid")]
    Producer(#[from] kpl::ConfigError),
    /// The producer did not take an event.
    #[error("event {number} was not taken")]
    Put {
        /// Its number, from 0.
        number: u64,
        /// Why.
        #[source]
        source: kpl::PutError,
    },
    /// An event was not delivered.
    #[error("event {number} was not delivered")]
    Undelivered {
        /// Its number, from 0.
        number: u64,
        /// Why.
        #[source]
        source: Box<kpl::DeliveryError>,
    },
    /// A consumer's settings are at odds.
    #[error("the consumer's settings are not valid")]
    Consumer(#[from] kcl::ConfigError),
    /// A worker did not start.
    #[error("worker {worker} did not run")]
    Run {
        /// The worker.
        worker: &'static str,
        /// Why.
        #[source]
        source: kcl::RunError,
    },
    /// The workers did not share out the shards.
    #[error("the workers did not share out the shards within {waited:?}")]
    NotReady {
        /// How long that was waited for.
        waited: Duration,
    },
    /// A thread for a worker was refused.
    #[error("no thread for a worker")]
    Thread(#[source] io::Error),
    /// The books do not balance.
    #[error("{lost} lost, {order_breaks} order breaks")]
    Broken {
        /// Deliveries missing, over both applications.
        lost: u64,
        /// Orders broken, over both applications.
        order_breaks: u64,
    },
    /// Nobody reads the table.
    #[error("the result could not be written")]
    Stdout(#[source] io::Error),
}

impl QuickstartError {
    /// The error as the user reads it.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::Input { input, source } => Failure::new(input, source, "pass a readable CSV file"),
            Self::NoRecords { input } => Failure::new(
                input,
                "input has no records",
                "pass a file with at least one line (below its --header)",
            ),
            Self::LineTooLong { input, line, limit } => Failure::new(
                format_args!("{input} line {line}"),
                format_args!("longer than {limit} bytes"),
                "split the line",
            ),
            Self::Line { input, line, source } => Failure::new(
                format_args!("{input} line {line}"),
                causes(source),
                "mend the line or choose another --key-column",
            ),
            Self::Consumer(source) => Failure::new("setting", causes(source), "see quickstart --help"),
            Self::NotReady { .. } => Failure::new("workers", self, "try again with a longer --failover-ms"),
            Self::Broken { .. } => {
                Failure::new("promises", self, "this is a bug: report it with the table above")
            }
            Self::Stdout(source) => Failure::new("stdout", source, "keep stdout open to see the result"),
            _ => Failure::new(
                "quickstart",
                causes(self),
                "run it again with RUST_LOG=info and report what it says",
            ),
        }
    }
}
