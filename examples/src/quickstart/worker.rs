//! Workers of the applications: one that can be asked to stop, one that can be killed.

use std::sync::Arc;
use std::time::Duration;

use kcl::{Consumer, ConsumerConfig, ConsumerHandle, RunError, RunSummary, ShardContext};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use super::STREAM;
use super::application::{Application, Clerk};
use super::error::QuickstartError;
use crate::endpoint::{Access, EndpointUrl};

/// What every worker needs to start.
#[derive(Debug, Clone)]
pub struct Site {
    /// The endpoint's Kinesis.
    pub kinesis: EndpointUrl,
    /// The endpoint's DynamoDB.
    pub dynamodb: EndpointUrl,
    /// How long a worker may be silent.
    pub failover: Duration,
}

/// A worker with a runtime of its own, as a process would have: killing it takes everything with it.
#[derive(Debug)]
pub struct Worker {
    name: &'static str,
    /// Some until dropped.
    runtime: Option<Runtime>,
    handle: ConsumerHandle,
    run: JoinHandle<Result<RunSummary, RunError>>,
}

impl Worker {
    /// Starts a worker of `application`.
    ///
    /// # Errors
    /// When a setting is not valid, or the system has no thread for it.
    pub async fn start(
        name: &'static str,
        application: &Arc<Application>,
        site: &Site,
    ) -> Result<Self, QuickstartError> {
        let config = ConsumerConfig::builder(application.name(), STREAM)
            .worker_id(name)
            .failover(site.failover)
            .idle_between_reads(IDLE)
            .build()?;
        // Clients of its own: a dead worker's connections are nobody else's.
        let access = Access::inside(site.kinesis.clone(), site.dynamodb.clone()).await;
        let application = Arc::clone(application);
        let consumer = Consumer::builder(config)
            .kinesis_client(aws_sdk_kinesis::Client::new(&access.kinesis()))
            .dynamodb_client(aws_sdk_dynamodb::Client::new(&access.dynamodb()))
            .build(move |shard: &ShardContext| Clerk::new(Arc::clone(&application), name, shard))?;
        let handle = consumer.handle();
        // Last, because a runtime must not be dropped in here by an early return.
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(QuickstartError::Thread)?;
        let run = runtime.spawn(consumer.run());
        Ok(Self {
            name,
            runtime: Some(runtime),
            handle,
            run,
        })
    }

    /// Whether it has ended although nobody asked.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.run.is_finished()
    }

    /// Ends it as a power cut would: nothing is finished, checkpointed or released.
    pub fn kill(self) {
        drop(self);
    }

    /// Ends it cleanly: batches are finished and checkpointed, leases released.
    ///
    /// # Errors
    /// When it had not run in the first place.
    pub async fn stop(mut self) -> Result<(), QuickstartError> {
        self.handle.request_shutdown();
        match (&mut self.run).await {
            Ok(Err(source)) => Err(QuickstartError::Run {
                worker: self.name,
                source,
            }),
            // A worker that panicked has delivered less, and the books tell.
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
    }
}

impl Drop for Worker {
    /// Waits for nothing: a runtime dropped otherwise would, which async code must not.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The least that the consumer allows: the shop likes to see its sales soon.
const IDLE: Duration = Duration::from_millis(200);
