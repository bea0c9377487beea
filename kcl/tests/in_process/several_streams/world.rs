//! Workers of one application on an endpoint in this process, and everything they were given.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_kinesis::primitives::Blob;
use kcl::{
    BoxError, Checkpointer, Consumer, ConsumerConfig, ConsumerConfigBuilder, RecordBatch, RecordProcessor,
    ShardContext, StreamConfig,
};
use kinesis_local::InProcess;
use tokio::time::sleep;

use super::ROUND;
use crate::one_stream::{Rows, rows};
use crate::running::Running;

/// What was processed: of which stream, by which worker.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<(String, String, String)>>>);

impl Seen {
    /// Each record of a stream (by its identity's beginning) and how often it was processed.
    pub(crate) fn of(&self, stream: &str) -> BTreeMap<String, usize> {
        let mut records = BTreeMap::new();
        for (of, data, _) in &*self.0.lock().unwrap() {
            if of.split(':').nth(1) == Some(stream) || of == stream {
                *records.entry(data.clone()).or_default() += 1;
            }
        }
        records
    }

    pub(crate) fn has(&self, stream: &str, data: &str) -> bool {
        self.of(stream).contains_key(data)
    }

    /// Which workers processed anything.
    pub(crate) fn workers(&self) -> BTreeSet<String> {
        let seen = self.0.lock().unwrap();
        seen.iter().map(|(_, _, worker)| worker.clone()).collect()
    }
}

struct Noting {
    shard: ShardContext,
    seen: Seen,
}

impl RecordProcessor for Noting {
    async fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), BoxError> {
        let stream = match self.shard.stream_id() {
            Some(id) => id.to_string(),
            None => self.shard.stream().to_string(),
        };
        for record in batch.records() {
            let data = String::from_utf8(record.data().to_vec())?;
            let worker = self.shard.worker_id().to_string();
            self.seen.0.lock().unwrap().push((stream.clone(), data, worker));
        }
        checkpointer.checkpoint().await?;
        Ok(())
    }
}

pub(crate) struct World {
    pub(crate) local: InProcess,
    pub(crate) seen: Seen,
    list: Arc<Mutex<Vec<StreamConfig>>>,
}

impl World {
    pub(crate) async fn with_streams(streams: &[(&str, u32)]) -> Self {
        let local = InProcess::builder().seed(7).start().unwrap();
        for (name, shards) in streams {
            local.create_stream(name, *shards).await.unwrap();
        }
        Self {
            local,
            seen: Seen::default(),
            list: Arc::default(),
        }
    }

    /// What the tracker lists from now on.
    pub(crate) fn list(&self, names: &[&str]) {
        let streams = names.iter().map(|name| StreamConfig::new(name).unwrap());
        *self.list.lock().unwrap() = streams.collect();
    }

    /// Settings of a worker that follows the list.
    pub(crate) fn tracking(&self, worker: &str) -> ConsumerConfigBuilder {
        let list = Arc::clone(&self.list);
        let tracker = move || {
            let list = list.lock().unwrap().clone();
            async move { Ok::<_, BoxError>(list) }
        };
        ConsumerConfig::tracking("app", tracker)
            .stream_list_interval(ROUND)
            .shard_sync_interval(2 * ROUND)
            .worker_id(worker)
            .seed(7)
    }

    pub(crate) fn start(&self, config: ConsumerConfigBuilder) -> Running {
        let seen = self.seen.clone();
        let consumer = Consumer::builder(config.build().unwrap())
            .kinesis_client(self.local.kinesis_client())
            .dynamodb_client(self.local.dynamodb_client())
            .build(move |shard: &ShardContext| Noting {
                shard: shard.clone(),
                seen: seen.clone(),
            })
            .unwrap();
        Running::of(consumer)
    }

    /// A record for each of these hash keys' shards.
    pub(crate) async fn put(&self, stream: &str, data: &str) {
        let put = self.local.kinesis_client().put_record().stream_name(stream);
        let put = put.partition_key(data).data(Blob::new(data));
        put.send().await.unwrap();
    }

    pub(crate) async fn rows(&self) -> Rows {
        rows(&self.local).await
    }

    /// Of which streams there are rows, by name.
    pub(crate) async fn leased(&self) -> BTreeSet<String> {
        let keys = self.rows().await.into_keys();
        keys.filter_map(|key| key.split(':').nth(1).map(str::to_owned))
            .collect()
    }

    /// What the service says a stream is.
    pub(crate) async fn id(&self, stream: &str) -> String {
        let describe = self.local.kinesis_client().describe_stream_summary();
        let answer = describe.stream_name(stream).send().await.unwrap();
        let summary = answer.stream_description_summary.unwrap();
        let account = summary.stream_arn.split(':').nth(4).unwrap().to_owned();
        let created = summary.stream_creation_timestamp.secs();
        format!("{account}:{stream}:{created}")
    }

    pub(crate) async fn delete_stream(&self, stream: &str) {
        let client = self.local.kinesis_client();
        client.delete_stream().stream_name(stream).send().await.unwrap();
        while client
            .describe_stream_summary()
            .stream_name(stream)
            .send()
            .await
            .is_ok()
        {
            sleep(Duration::from_millis(100)).await;
        }
    }
}
