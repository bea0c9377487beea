//! Why `produce` gave up.

use std::io;

use crate::endpoint::{EndpointError, EndpointUrlError};
use crate::lines::EventError;
use crate::report::{Failure, causes, grouped};

/// Why `produce` gave up. What it had put before is delivered or counted as failed all the same.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProduceError {
    /// A setting is out of range.
    #[error("a setting is out of range")]
    Config(#[from] kpl::ConfigError),
    /// The properties file is none, or has what no producer takes.
    #[error("the settings of {path} are not taken")]
    Properties {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: kpl::PropertiesError,
    },
    /// The properties file names an endpoint that is none.
    #[error("{path} names an endpoint that is none")]
    PropertiesEndpoint {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: EndpointUrlError,
    },
    /// The endpoint, the stream or a right is missing.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Nobody could listen for signals.
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    /// The input cannot be read.
    #[error("cannot read {input}")]
    Input {
        /// The file.
        input: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The input has no line, or none but a heading.
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
    /// A line is no record.
    #[error("{input} line {line} is no record")]
    Line {
        /// The file.
        input: String,
        /// The line, from 1.
        line: u64,
        /// Why.
        #[source]
        source: EventError,
    },
    /// The producer does not take a record.
    #[error("the record of {input} line {line} was not taken")]
    Put {
        /// The file.
        input: String,
        /// The line, from 1.
        line: u64,
        /// Why.
        #[source]
        source: kpl::PutError,
    },
    /// Records were not delivered.
    #[error("{failed} records were not delivered, the first is {input} line {line}")]
    Undelivered {
        /// The file.
        input: String,
        /// The line of the first such record, from 1.
        line: u64,
        /// How many there are.
        failed: u64,
        /// Why the first was not delivered.
        #[source]
        source: Box<kpl::DeliveryError>,
    },
    /// A signal came.
    #[error("stopped by a signal after {input} line {line}")]
    Stopped {
        /// The file.
        input: String,
        /// The last line put, from 1.
        line: u64,
    },
    /// Nobody reads the summary.
    #[error("the summary could not be written")]
    Summary(#[source] io::Error),
}

impl ProduceError {
    /// The error as the user reads it.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::Config(source) => Failure::new("setting", causes(source), "see produce --help"),
            Self::Properties { path, source } => Failure::new(
                path,
                causes(source),
                "pass a properties file of the Kinesis Producer Library, with values that it takes",
            ),
            Self::PropertiesEndpoint { path, source } => Failure::new(
                path,
                causes(source),
                "correct KinesisEndpoint and KinesisPort, or pass --endpoint-url",
            ),
            Self::Endpoint(error) => error.failure(),
            Self::Signals(source) => {
                Failure::new("signals", source, "start it where signals can be received")
            }
            Self::Input { input, source } => {
                Failure::new(input, source, "pass a readable file, or - for stdin")
            }
            Self::NoRecords { input } => Failure::new(
                input,
                "input has no records",
                "pass a file with at least one line (below its --header)",
            ),
            Self::LineTooLong { input, line, limit } => Failure::new(
                format_args!("{input} line {line}"),
                format_args!("longer than {limit} bytes, the most a record can have"),
                "split the line; those before it are delivered",
            ),
            Self::Line { input, line, source } => Failure::new(
                format_args!("{input} line {line}"),
                causes(source),
                source.way_out(),
            ),
            Self::Put { input, line, source } => Failure::new(
                format_args!("{input} line {line}"),
                causes(source),
                match source {
                    kpl::PutError::ExceedsBudget { .. } => "raise --max-in-flight-bytes",
                    _ => "split the line; those before it are delivered",
                },
            ),
            Self::Undelivered {
                input,
                line,
                failed,
                source,
            } => Failure::new(
                format_args!("{input} line {line} ({} not delivered)", grouped(*failed)),
                causes(source.as_ref()),
                match source.may_have_been_stored() {
                    true => {
                        "when the cause is mended start again from that line; a few lines may then come twice"
                    }
                    false => "when the cause is mended start again from that line",
                },
            ),
            Self::Stopped { input, line } => Failure::new(
                format_args!("{input} line {line}"),
                "stopped by a signal",
                "the lines up to here are delivered: start again from the next",
            ),
            Self::Summary(source) => Failure::new(
                "stdout",
                source,
                "all records are delivered; keep stdout open to see the counts",
            ),
        }
    }
}
