//! Why a trial could not be played to its end.

use std::io;

use aws_sdk_kinesis::error::BoxError;

/// Why a trial could not be played to its end. A promise that was broken is no error: the report tells it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrialError {
    /// The endpoint did not start.
    #[error("the endpoint did not start")]
    Start(#[from] kinesis_local::StartError),
    /// The scenario's faults cannot be.
    #[error("the scenario's faults cannot be")]
    Faults(#[from] kinesis_local::FaultError),
    /// The stream was not created.
    #[error("the stream was not created")]
    Create(#[from] kinesis_local::CreateStreamError),
    /// The scenario's settings are refused.
    #[error("the scenario's settings are refused")]
    Config(#[from] kpl::ConfigError),
    /// The scenario's settings of the consumer are refused.
    #[error("the scenario's settings of the consumer are refused")]
    ConsumerConfig(#[from] kcl::ConfigError),
    /// A worker did not end as it should.
    #[error("{worker} failed")]
    Run {
        /// Who.
        worker: &'static str,
        /// Why.
        #[source]
        source: Box<kcl::RunError>,
    },
    /// A record was not delivered, by which a trial of the consumer shows nothing.
    #[error("record {number} was not delivered")]
    Delivery {
        /// Its number.
        number: u32,
        /// Why.
        #[source]
        source: Box<kpl::DeliveryError>,
    },
    /// The producer does not take a record.
    #[error("record {number} was not taken")]
    Put {
        /// Records put before.
        number: usize,
        /// Why.
        #[source]
        source: kpl::PutError,
    },
    /// An event is no record.
    #[error("event {number} is no record")]
    Record {
        /// Events before.
        number: usize,
        /// Why.
        #[source]
        source: kpl::RecordError,
    },
    /// The file of events cannot be read.
    #[error("cannot read {path}")]
    Input {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file of events has no line below its heading.
    #[error("{path} has no events")]
    NoEvents {
        /// The file.
        path: String,
    },
    /// The stream cannot be read or changed.
    #[error("{operation} failed")]
    Call {
        /// The operation.
        operation: &'static str,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// The stream holds what a trial does not put.
    #[error("the stream holds what no trial puts: {what}")]
    Content {
        /// What is wrong.
        what: &'static str,
    },
    /// The process cannot look at itself.
    #[error("cannot read {path}")]
    System {
        /// The file of the kernel.
        path: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another process, or a thread of this one, ended before its time.
    #[error("{what} ended before its time")]
    Ended {
        /// What it was.
        what: &'static str,
    },
}

impl TrialError {
    pub(super) fn call(operation: &'static str) -> impl FnOnce(BoxError) -> Self {
        move |source| Self::Call { operation, source }
    }
}
