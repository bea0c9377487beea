//! Workers on a stream, and waiting for what they write.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kinesis_local::{Latency, Local};
use tokio::time::{Instant, sleep};

use super::error::FleetError;
use super::feeder::Feeder;
use super::report::Report;
use super::sightings::Sightings;
use super::worker::Worker;

/// Workers on one stream.
pub(super) struct Stage {
    local: Local,
    stream: String,
    shards: u32,
    folder: PathBuf,
    pub(super) feeder: Feeder,
    pub(super) sightings: Sightings,
    pub(super) workers: BTreeMap<usize, Worker>,
    /// Of all workers.
    pub(super) flags: &'static [&'static str],
}

impl Stage {
    pub(super) async fn new(
        folder: &Path,
        name: &str,
        shards: u32,
        every: Duration,
    ) -> Result<Self, FleetError> {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).map_err(FleetError::system("cannot make a folder"))?;
        let local = Local::builder()
            .latency(Latency::service())
            .history_limit(200_000)
            .start()
            .await?;
        local.create_stream(name, shards).await?;
        let feeder = Feeder::start(&local, name, shards, every).await?;
        Ok(Self {
            local,
            stream: name.to_owned(),
            shards,
            folder,
            feeder,
            sightings: Sightings::default(),
            workers: BTreeMap::new(),
            flags: &[],
        })
    }

    /// Starts a worker; its index.
    pub(super) fn start(&mut self, name: &str) -> Result<usize, FleetError> {
        let worker = Worker::start(&self.local, &self.folder, name, &self.stream, self.flags)?;
        let index = self.sightings.watch(&worker);
        self.workers.insert(index, worker);
        Ok(index)
    }

    /// Looks until `done` is content; what it gives.
    pub(super) async fn until<T>(
        &mut self,
        what: &str,
        mut done: impl FnMut(&Sightings) -> Option<T>,
    ) -> Result<T, FleetError> {
        let deadline = Instant::now() + LIMIT;
        loop {
            self.sightings.look()?;
            if let Some(done) = done(&self.sightings) {
                return Ok(done);
            }
            for worker in self.workers.values_mut() {
                worker.check()?;
            }
            if Instant::now() > deadline {
                return Err(FleetError::TooLate {
                    what: what.to_owned(),
                    limit: LIMIT,
                    seen: format!("{:?}", self.sightings.readers()),
                });
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until each of these shards has a line by another than `gone`, since so many lines; when the last one had.
    pub(super) async fn all_run(
        &mut self,
        shards: &BTreeSet<u32>,
        gone: Option<usize>,
        mark: usize,
    ) -> Result<Instant, FleetError> {
        let count = shards.len();
        self.until("line of every shard", |sightings| {
            let first = sightings.first_of_each(mark, |line| {
                Some(line.worker) != gone && shards.contains(&line.shard)
            });
            (first.len() == count).then(|| first.values().map(|(_, at)| *at).max())?
        })
        .await
    }

    pub(super) fn all_shards(&self) -> BTreeSet<u32> {
        (0..self.shards).collect()
    }

    /// The shards whose last line a worker wrote.
    pub(super) fn shards_of(&self, worker: usize) -> BTreeSet<u32> {
        let readers = self.sightings.readers();
        readers
            .into_iter()
            .filter(|(_, reader)| *reader == worker)
            .map(|(shard, _)| shard)
            .collect()
    }

    /// Waits until the workers share the shards evenly, and all have written something lately.
    pub(super) async fn settle(&mut self) -> Result<(), FleetError> {
        let (least, workers) = (
            self.shards as usize / self.workers.len(),
            self.workers.keys().copied(),
        );
        let workers: BTreeSet<usize> = workers.collect();
        self.until("even shares", |sightings| {
            let mut shares: BTreeMap<usize, usize> = workers.iter().map(|worker| (*worker, 0)).collect();
            for reader in sightings.readers().into_values() {
                *shares.entry(reader).or_default() += 1;
            }
            let fair = |(worker, share): (&usize, &usize)| match workers.contains(worker) {
                true => (least..=least + 1).contains(share),
                false => *share == 0,
            };
            shares.iter().all(fair).then_some(())
        })
        .await?;
        sleep(Duration::from_secs(1)).await;
        self.sightings.look()
    }

    /// Requests to DynamoDB since the endpoint's start.
    pub(super) fn dynamodb_requests(&self) -> usize {
        let history = self.local.history();
        let calls = history.entries().iter();
        calls.filter(|call| DYNAMODB.contains(&call.operation())).count()
    }

    /// Stops a worker; how long it takes until each of its shards has a line by another one.
    pub(super) async fn stop(&mut self, index: usize) -> Result<Duration, FleetError> {
        let shards = self.shards_of(index);
        let (mark, began) = (self.sightings.len(), Instant::now());
        self.workers[&index].signal("TERM")?;
        if let Some(worker) = self.workers.remove(&index) {
            worker.end().await?;
        }
        Ok(self.all_run(&shards, Some(index), mark).await? - began)
    }

    /// Kills a worker at once.
    pub(super) fn kill(&mut self, index: usize) {
        self.workers.remove(&index);
    }

    /// Ends everything, and enters what was put and what was lost.
    pub(super) async fn close(mut self, report: &mut Report) -> Result<(), FleetError> {
        let put = self.feeder.put();
        let last = self.feeder.finish().await?;
        let deadline = Instant::now() + LIMIT;
        let expected: BTreeSet<(u32, u64)> = (0..self.shards)
            .flat_map(|shard| (0..put).chain([last]).map(move |number| (shard, number)))
            .collect();
        let lost = loop {
            self.sightings.look()?;
            let seen = self.sightings.records();
            let lost = expected.difference(&seen).count();
            if lost == 0 || Instant::now() > deadline {
                break lost;
            }
            sleep(LOOK_EVERY).await;
        };
        report.put += expected.len() as u64;
        report.lost += lost as u64;
        for worker in self.workers.values() {
            worker.signal("TERM")?;
        }
        for (_, worker) in std::mem::take(&mut self.workers) {
            worker.end().await?;
        }
        self.local.stop().await;
        Ok(())
    }
}

/// More than any recovery takes.
const LIMIT: Duration = Duration::from_secs(60);
/// Fine enough for figures with one digit after the point.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// What counts as a request to DynamoDB.
const DYNAMODB: &[&str] = &[
    "CreateTable",
    "DescribeTable",
    "UpdateTable",
    "DescribeContinuousBackups",
    "UpdateContinuousBackups",
    "TagResource",
    "DescribeTimeToLive",
    "Scan",
    "Query",
    "GetItem",
    "BatchGetItem",
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
    "TransactWriteItems",
    "TransactGetItems",
];
