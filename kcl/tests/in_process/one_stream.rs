//! One stream, workers of one application on it, and how often each record was processed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::types::AttributeValue;
use kcl::{
    BoxError, Checkpointer, Consumer, ConsumerConfigBuilder, RecordBatch, RecordProcessor,
    RecordProcessorFactory, ShardContext,
};
use kinesis_local::InProcess;

use crate::running::Running;

#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<BTreeMap<String, usize>>>);

impl Seen {
    pub(crate) fn count(&self, data: &str) -> usize {
        self.0.lock().unwrap().get(data).copied().unwrap_or_default()
    }
}

/// Notes and checkpoints what it is given.
pub(crate) struct Noting(Seen);

impl RecordProcessor for Noting {
    async fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), BoxError> {
        for record in batch.records() {
            let data = String::from_utf8(record.data().to_vec())?;
            *self.0.0.lock().unwrap().entry(data).or_default() += 1;
        }
        checkpointer.checkpoint().await?;
        Ok(())
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), BoxError> {
        checkpointer.checkpoint().await?;
        Ok(())
    }
}

pub(crate) struct World {
    pub(crate) local: InProcess,
    pub(crate) seen: Seen,
}

pub(crate) type Rows = BTreeMap<String, BTreeMap<String, AttributeValue>>;

impl World {
    pub(crate) async fn with_shards(shards: u32) -> Self {
        let local = InProcess::builder().seed(7).start().unwrap();
        local.create_stream("sales", shards).await.unwrap();
        let seen = Seen::default();
        Self { local, seen }
    }

    pub(crate) fn consumer(
        &self,
        config: ConsumerConfigBuilder,
    ) -> Consumer<impl RecordProcessorFactory + use<>> {
        let seen = self.seen.clone();
        Consumer::builder(config.build().unwrap())
            .kinesis_client(self.local.kinesis_client())
            .dynamodb_client(self.local.dynamodb_client())
            .build(move |_: &ShardContext| Noting(seen.clone()))
            .unwrap()
    }

    pub(crate) fn start(&self, config: ConsumerConfigBuilder) -> Running {
        Running::of(self.consumer(config))
    }

    pub(crate) async fn rows(&self) -> Rows {
        rows(&self.local).await
    }
}

/// Rows of the lease table, by key; none as long as there is no table.
pub(crate) async fn rows(local: &InProcess) -> Rows {
    let scan = local.dynamodb_client().scan().table_name("app");
    let Ok(found) = scan.consistent_read(true).send().await else {
        return Rows::new();
    };
    let rows = found.items.unwrap_or_default().into_iter();
    rows.map(|row| (row["leaseKey"].as_s().unwrap().clone(), row.into_iter().collect()))
        .collect()
}
