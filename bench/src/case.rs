//! One case: a process that does one thing against the endpoint and prints its figures as a JSON line.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::{Args, ValueEnum};

use crate::endpoint::Endpoint;
use crate::meter::Figures;
use crate::workload::Workload;
use crate::{BoxError, consumer, producer};

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Who {
    /// Our producer.
    Producer,
    /// The bare client repeating our producer's requests.
    ProducerFloor,
    /// Our consumer.
    Consumer,
    /// The bare client reading the same records.
    ConsumerFloor,
}

/// The arguments of one case.
#[derive(Debug, Args)]
pub(crate) struct Case {
    #[arg(value_enum)]
    pub(crate) who: Who,
    #[arg(long)]
    pub(crate) kinesis: String,
    #[arg(long)]
    pub(crate) dynamodb: String,
    #[arg(long)]
    pub(crate) stream: String,
    #[arg(long)]
    pub(crate) records: usize,
    #[arg(long)]
    pub(crate) size: usize,
    /// Where the producer leaves the shapes of its requests, and the floor finds them.
    #[arg(long)]
    pub(crate) shapes: PathBuf,
    /// Distinguishes the consumer application of each round.
    #[arg(long, default_value = "bench")]
    pub(crate) application: String,
}

impl Case {
    pub(crate) fn workload(&self) -> Workload {
        Workload {
            records: self.records,
            size: self.size,
        }
    }

    /// Runs on two worker threads, as a small service would.
    pub(crate) fn run(&self) -> Result<(), BoxError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let figures = match self.who {
            Who::Producer => runtime.block_on(producer::ours(self)),
            Who::ProducerFloor => runtime.block_on(producer::floor(self)),
            Who::Consumer => runtime.block_on(consumer::ours(self)),
            Who::ConsumerFloor => runtime.block_on(consumer::floor(self)),
        }?;
        println!("{}", figures.to_json());
        Ok(())
    }

    /// Runs this case in a process of its own and reads its figures.
    pub(crate) fn spawn(&self, endpoint: &Endpoint) -> Result<Figures, BoxError> {
        let who = self.who.to_possible_value().ok_or("a case has a name")?;
        let output = Command::new(std::env::current_exe()?)
            .arg("case")
            .arg(who.get_name())
            .args(["--kinesis", &endpoint.kinesis, "--dynamodb", &endpoint.dynamodb])
            .args(["--stream", &self.stream, "--application", &self.application])
            .args([
                "--records",
                &self.records.to_string(),
                "--size",
                &self.size.to_string(),
            ])
            .arg("--shapes")
            .arg(&self.shapes)
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err(format!("case {} ended with {}", who.get_name(), output.status).into());
        }
        Figures::from_json(&serde_json::from_slice(&output.stdout)?)
    }
}
