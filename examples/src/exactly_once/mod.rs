//! The program `exactly_once`: effects in a table of one's own, each exactly once, whatever happens to the worker.
//!
//! ```text
//!  shard ──> Poster ──> one transaction ─┬─ the effects of some records
//!                                        ├─ the position of the last of them
//!                                        └─ if the books hold the position before, and this tenure's token
//! ```
//!
//! Position and effects change together or not at all, so a worker that dies anywhere leaves books that say how far they are, and
//! the next one starts there. A worker that only stood still, and wakes up after its shard went to another one, is refused: the
//! other one has put its greater fencing token into the books. Checkpoints in the lease table are not needed, but for the end of a
//! shard.
//!
//! Any database with transactions will do; here it is DynamoDB, which the consumer needs anyway.

mod books;
mod poster;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use kcl::{BoxError, CheckpointPolicy, Consumer, ConsumerConfig, ShardContext, StreamName};

pub use self::books::{Books, BooksError, EFFECT_PREFIX};
pub use self::poster::Poster;
use crate::endpoint::{Access, EndpointArgs, EndpointUrl};
use crate::program;
use crate::report::Failure;

/// Count the records of a Kinesis data stream by their data, in a DynamoDB table, each record exactly once.
#[derive(Debug, Clone, Parser)]
#[command(name = "exactly_once", version)]
pub struct ExactlyOnceArgs {
    /// Stream to read
    #[arg(long)]
    pub stream: StreamName,

    /// Application; also the name of its lease table in DynamoDB, which is made if it does not exist
    #[arg(long)]
    pub application: String,

    /// Table for the effects and the positions, with the partition key `id` (S), which is made if it does not exist
    #[arg(long)]
    pub books: String,

    /// Name of this worker, unique among the application's [default: made of host and process]
    #[arg(long, value_name = "NAME")]
    pub worker_id: Option<String>,

    /// How long a worker may be silent before others take its shards
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 10_000)]
    pub failover_ms: u64,

    /// Where Kinesis is.
    #[command(flatten)]
    pub endpoint: EndpointArgs,

    /// DynamoDB endpoint, such as http://127.0.0.1:8000 [default: AWS]
    #[arg(long, value_name = "URL", help_heading = "Endpoint")]
    pub dynamodb_endpoint_url: Option<EndpointUrl>,
}

/// Runs the program on this process's arguments, until Ctrl-C or SIGTERM.
pub fn main() -> ExitCode {
    let args = ExactlyOnceArgs::parse();
    program::run(THREADS, async move {
        match run(&args).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => Failure::new("exactly_once", error, "see the README of the kcl crate").exit(),
        }
    })
}

async fn run(args: &ExactlyOnceArgs) -> Result<(), BoxError> {
    let mut config = ConsumerConfig::builder(&args.application, args.stream.as_str())
        .failover(Duration::from_millis(args.failover_ms))
        // The books know how far we are.
        .checkpoint_policy(CheckpointPolicy::Never);
    if let Some(id) = &args.worker_id {
        config = config.worker_id(id);
    }
    let config = config.build()?;
    let stop = program::stop_on_signal()?;
    let access = Access::to_both(&args.endpoint, args.dynamodb_endpoint_url.as_ref()).await?;
    let books = Books::open(aws_sdk_dynamodb::Client::new(&access.dynamodb()), &args.books).await?;
    let consumer = Consumer::builder(config)
        .kinesis_client(aws_sdk_kinesis::Client::new(&access.kinesis()))
        .sdk_config(&access.dynamodb())
        .build(move |shard: &ShardContext| Poster::new(books.clone(), shard.lease_key()))?;
    consumer.run_until(stop.cancelled()).await?;
    Ok(())
}

const THREADS: usize = 2;
