//! One case: a process that does one thing against the endpoint and prints its figures as a JSON line.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use clap::{Args, ValueEnum};
use kcl::Retrieval;

use crate::endpoint::Endpoint;
use crate::meter::Figures;
use crate::producer::Tickets;
use crate::workload::Workload;
use crate::{BoxError, consumer, consumer_floor, idle, low_rate, memory, producer};

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Who {
    /// Our producer.
    Producer,
    /// Our producer, given all records as one stream.
    ProducerPutAll,
    /// Our producer, and nobody who looks at a ticket.
    ProducerUnobserved,
    /// The bare client repeating our producer's requests.
    ProducerFloor,
    /// Our producer, given a few records in a second.
    LowRate,
    /// Our producer, its endpoint gone and its budget used up; `--records` are the seconds.
    Memory,
    /// Our producer without aggregates, to feed consumers.
    Plain,
    /// Our consumer, polling.
    Consumer,
    /// The bare client polling the same records.
    ConsumerFloor,
    /// Our consumer, by enhanced fan-out.
    FanOut,
    /// The bare client subscribing to the same records.
    FanOutFloor,
    /// Our consumer, with nothing to read; `--records` are the seconds.
    Idle,
    /// The bare clients sending the requests of one that has nothing to read.
    IdleFloor,
}

/// The arguments of one case.
#[derive(Debug, Clone, Args)]
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
    /// Whether the records of consumers are in aggregates.
    #[arg(long)]
    pub(crate) aggregated: bool,
    /// Distinguishes the consumer application of each round.
    #[arg(long, default_value = "bench")]
    pub(crate) application: String,
}

impl Case {
    /// A case with nothing to tell from others of its kind.
    pub(crate) fn of(who: Who, endpoint: &Endpoint, stream: &str, records: usize, size: usize) -> Self {
        Self {
            who,
            kinesis: endpoint.kinesis.clone(),
            dynamodb: endpoint.dynamodb.clone(),
            stream: stream.to_owned(),
            records,
            size,
            shapes: std::env::temp_dir().join(format!("kinesis-bench-{}.json", std::process::id())),
            aggregated: false,
            application: "bench".to_owned(),
        }
    }

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
            Who::Producer => runtime.block_on(producer::ours(self, Tickets::Awaited)),
            Who::ProducerUnobserved => runtime.block_on(producer::ours(self, Tickets::Dropped)),
            Who::ProducerPutAll => runtime.block_on(producer::put_all(self)),
            Who::LowRate => runtime.block_on(low_rate::ours(self)),
            Who::Memory => runtime.block_on(memory::ours(self)),
            Who::ProducerFloor => runtime.block_on(producer::floor(self)),
            Who::Plain => runtime.block_on(producer::plain(self)),
            Who::Consumer => runtime.block_on(consumer::ours(self, Retrieval::Polling)),
            Who::FanOut => runtime.block_on(consumer::ours(self, Retrieval::FanOut)),
            Who::ConsumerFloor => runtime.block_on(consumer_floor::polling(self)),
            Who::FanOutFloor => runtime.block_on(consumer_floor::fan_out(self)),
            Who::Idle => runtime.block_on(idle::ours(self)),
            Who::IdleFloor => runtime.block_on(idle::floor(self)),
        }?;
        println!("{}", figures.to_json());
        Ok(())
    }

    /// Runs this case in a process of its own and reads its figures.
    pub(crate) fn spawn(&self, endpoint: &Endpoint) -> Result<Figures, BoxError> {
        let output = self.command(endpoint)?.output()?;
        self.figures(output.status, &output.stdout)
    }

    /// The same, and the endpoint ends once the process says that it may.
    pub(crate) fn spawn_and_lose(&self, endpoint: Endpoint) -> Result<Figures, BoxError> {
        let mut child = self.command(&endpoint)?.stdout(Stdio::piped()).spawn()?;
        let mut output = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        if line.trim() != memory::READY {
            return Err(format!("the case said {line:?}").into());
        }
        drop(endpoint);
        let mut rest = Vec::new();
        output.read_to_end(&mut rest)?;
        self.figures(child.wait()?, &rest)
    }

    fn figures(&self, status: ExitStatus, output: &[u8]) -> Result<Figures, BoxError> {
        if !status.success() {
            return Err(format!("case {:?} ended with {status}", self.who).into());
        }
        Figures::from_json(&serde_json::from_slice(output)?)
    }

    fn command(&self, endpoint: &Endpoint) -> Result<Command, BoxError> {
        let who = self.who.to_possible_value().ok_or("a case has a name")?;
        let mut command = Command::new(std::env::current_exe()?);
        command
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
            .stderr(Stdio::inherit());
        if self.aggregated {
            command.arg("--aggregated");
        }
        Ok(command)
    }
}
