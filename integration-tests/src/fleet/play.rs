//! The parts of a run, one after the other, each with a stream and an application of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kinesis_local::{Latency, Local};
use tokio::time::{Instant, sleep};

use super::error::FleetError;
use super::feeder::Feeder;
use super::report::{Measure, Report};
use super::sightings::Sightings;
use super::worker::Worker;

/// How much is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Everything, in less than six minutes.
    Full,
    /// One of each kind, in less than a minute and a half.
    Quick,
}

/// Plays a run on an endpoint with the service's latencies; workers write into `folder`.
///
/// # Errors
/// [`FleetError`]; a record that was lost or a bound that was not kept is in the report instead.
pub async fn play(folder: &Path, length: Length) -> Result<Report, FleetError> {
    let mut report = Report::default();
    let sizes: &[u32] = if length == Length::Full { &[4, 64] } else { &[64] };
    for &shards in sizes {
        starts(folder, shards, &mut report).await?;
    }
    idle(folder, length, &mut report).await?;
    idle_in_private(folder, length, &mut report).await?;
    pair(folder, length, &mut report).await?;
    if length == Length::Full {
        for size in [3, 5] {
            many(folder, size, &mut report).await?;
        }
    }
    Ok(report)
}

/// Workers on one stream.
struct Stage {
    local: Local,
    stream: String,
    shards: u32,
    folder: PathBuf,
    feeder: Feeder,
    sightings: Sightings,
    workers: BTreeMap<usize, Worker>,
    /// Of all workers.
    flags: &'static [&'static str],
}

impl Stage {
    async fn new(folder: &Path, name: &str, shards: u32, every: Duration) -> Result<Self, FleetError> {
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
    fn start(&mut self, name: &str) -> Result<usize, FleetError> {
        let worker = Worker::start(&self.local, &self.folder, name, &self.stream, self.flags)?;
        let index = self.sightings.watch(&worker);
        self.workers.insert(index, worker);
        Ok(index)
    }

    /// Looks until `done` is content; what it gives.
    async fn until<T>(
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
    async fn all_run(
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

    fn all_shards(&self) -> BTreeSet<u32> {
        (0..self.shards).collect()
    }

    /// The shards whose last line a worker wrote.
    fn shards_of(&self, worker: usize) -> BTreeSet<u32> {
        let readers = self.sightings.readers();
        readers
            .into_iter()
            .filter(|(_, reader)| *reader == worker)
            .map(|(shard, _)| shard)
            .collect()
    }

    /// Waits until the workers share the shards evenly, and all have written something lately.
    async fn settle(&mut self) -> Result<(), FleetError> {
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
    fn dynamodb_requests(&self) -> usize {
        let history = self.local.history();
        let calls = history.entries().iter();
        calls.filter(|call| DYNAMODB.contains(&call.operation())).count()
    }

    /// Stops a worker; how long it takes until each of its shards has a line by another one.
    async fn stop(&mut self, index: usize) -> Result<Duration, FleetError> {
        let shards = self.shards_of(index);
        let (mark, began) = (self.sightings.len(), Instant::now());
        self.workers[&index].signal("TERM")?;
        if let Some(worker) = self.workers.remove(&index) {
            worker.end().await?;
        }
        Ok(self.all_run(&shards, Some(index), mark).await? - began)
    }

    /// Kills a worker at once.
    fn kill(&mut self, index: usize) {
        self.workers.remove(&index);
    }

    /// Ends everything, and enters what was put and what was lost.
    async fn close(mut self, report: &mut Report) -> Result<(), FleetError> {
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

/// From a process's start to a record of every shard: without a table, with an empty one, with leases.
async fn starts(folder: &Path, shards: u32, report: &mut Report) -> Result<(), FleetError> {
    let mut stage = Stage::new(folder, &format!("starts-{shards}"), shards, SLOWLY).await?;
    let all = stage.all_shards();
    let before = stage.dynamodb_requests();
    let began = Instant::now();
    let first = stage.start("first")?;
    let done = stage.all_run(&all, None, 0).await?;
    let requests = stage.dynamodb_requests() - before;
    let wide = shards == 64;
    report.enter(
        if wide {
            "first record of 64 shards, no table, s"
        } else {
            "first record of 4 shards, no table, s"
        },
        seconds(done - began),
        Some(3.0),
        if wide {
            ["89", "76", "94"]
        } else {
            ["78", "89", "94"]
        },
    );
    if wide {
        // `consume` checkpoints what it wrote, once a shard so far; the rest is one row and one take for each shard, and looking.
        let requests = requests.saturating_sub(shards as usize);
        let what = "DynamoDB requests for that, without checkpoints";
        report.enter(what, count(requests), Some(145.0), ["272", "414", "345"]);
    }
    stage.workers[&first].signal("TERM")?;
    if let Some(worker) = stage.workers.remove(&first) {
        worker.end().await?;
    }
    stage.sightings.look()?;
    sleep(Duration::from_secs(2)).await;
    let (mark, began) = (stage.sightings.len(), Instant::now());
    stage.start("second")?;
    let done = stage.all_run(&all, None, mark).await?;
    report.enter(
        if wide {
            "first record of 64 shards, leases there, s"
        } else {
            "first record of 4 shards, leases there, s"
        },
        seconds(done - began),
        Some(1.0),
        if wide {
            ["6.9", "7.9", "6.0"]
        } else {
            ["4.5", "4.9", "5.6"]
        },
    );
    stage.close(report).await
}

/// What a worker costs that has nothing to do.
async fn idle(folder: &Path, length: Length, report: &mut Report) -> Result<(), FleetError> {
    let mut stage = Stage::new(folder, "idle", 8, OFTEN).await?;
    let worker = stage.start("idle")?;
    stage.all_run(&stage.all_shards(), None, 0).await?;
    stage.feeder.pause(true);
    sleep(Duration::from_secs(5)).await;
    let (usage, requests, began) = (
        stage.workers[&worker].usage()?,
        stage.dynamodb_requests(),
        Instant::now(),
    );
    sleep(Duration::from_secs(if length == Length::Full { 60 } else { 15 })).await;
    let took = seconds(began.elapsed());
    let after = stage.workers[&worker].usage()?;
    let rate = count(stage.dynamodb_requests() - requests) / took;
    let cpu = seconds(after.cpu - usage.cpu) * 60.0 / took;
    report.enter(
        "idle, 8 shards: CPU seconds in 60 s",
        cpu,
        Some(0.3),
        ["3.2", "3.5", "0.2"],
    );
    let peak = count(usize::try_from(after.peak_bytes / 1024).unwrap_or(usize::MAX)) / 1024.0;
    report.enter(
        "idle, 8 shards: peak memory, MiB",
        peak,
        Some(25.0),
        ["236", "244", "31"],
    );
    report.enter(
        "idle, 8 shards: DynamoDB requests a second",
        rate,
        Some(2.45),
        ["2.5", "2.6", "2.45"],
    );
    stage.feeder.pause(false);
    stage.close(report).await
}

/// The same where a worker sends one heartbeat for all its leases.
async fn idle_in_private(folder: &Path, length: Length, report: &mut Report) -> Result<(), FleetError> {
    let mut stage = Stage::new(folder, "private", 8, OFTEN).await?;
    stage.flags = &["--private-fleet"];
    stage.start("idle")?;
    stage.all_run(&stage.all_shards(), None, 0).await?;
    stage.feeder.pause(true);
    sleep(Duration::from_secs(5)).await;
    let (requests, began) = (stage.dynamodb_requests(), Instant::now());
    sleep(Duration::from_secs(if length == Length::Full { 60 } else { 24 })).await;
    let rate = count(stage.dynamodb_requests() - requests) / seconds(began.elapsed());
    report.enter(
        "idle, 8 shards, private fleet: DynamoDB requests a second",
        rate,
        Some(0.5),
        ["-", "-", "-"],
    );
    stage.feeder.pause(false);
    stage.close(report).await
}

/// Beside one worker others join, are killed, stopped, paused.
async fn pair(folder: &Path, length: Length, report: &mut Report) -> Result<(), FleetError> {
    let mut stage = Stage::new(folder, "pair", 8, OFTEN).await?;
    stage.start("one")?;
    stage.all_run(&stage.all_shards(), None, 0).await?;
    sleep(Duration::from_secs(3)).await;
    stage.sightings.look()?;
    let two = joined(&mut stage, report).await?;
    killed(&mut stage, two, report).await?;
    stopped(&mut stage, report).await?;
    let four = paused(&mut stage, report).await?;
    if length == Length::Full {
        stage.kill(four);
        stage.start("five")?;
        stage.settle().await?;
    }
    stage.close(report).await
}

async fn joined(stage: &mut Stage, report: &mut Report) -> Result<usize, FleetError> {
    let (mark, began) = (stage.sightings.len(), Instant::now());
    let two = stage.start("two")?;
    let done = stage
        .until("half of the shards with the second worker", |sightings| {
            let its = sightings.first_of_each(mark, |line| line.worker == two);
            (its.len() >= 4).then(|| its.values().map(|(_, at)| *at).max())?
        })
        .await?;
    let what = "a second worker has its half, s";
    report.enter(what, seconds(done - began), Some(3.0), ["66", "120", "67"]);
    stage.settle().await?;
    let repeated = count(stage.sightings.repeated(mark));
    report.enter(TWICE, repeated, Some(0.0), ["30", "0", "24"]);
    Ok(two)
}

async fn killed(stage: &mut Stage, two: usize, report: &mut Report) -> Result<(), FleetError> {
    let shards = stage.shards_of(two);
    let (mark, began) = (stage.sightings.len(), Instant::now());
    stage.kill(two);
    let done = stage.all_run(&shards, Some(two), mark).await?;
    let what = "kill -9 of one of two until every shard runs, s";
    report.enter(
        what,
        seconds(done - began),
        Some(12.0),
        ["31-40", "56-175", "30-40"],
    );
    Ok(())
}

async fn stopped(stage: &mut Stage, report: &mut Report) -> Result<(), FleetError> {
    let three = stage.start("three")?;
    stage.settle().await?;
    let mark = stage.sightings.len();
    let took = stage.stop(three).await?;
    let what = "SIGTERM of one of two until every shard runs, s";
    report.enter(what, seconds(took), Some(1.5), ["40", "55", "40"]);
    sleep(Duration::from_secs(1)).await;
    stage.sightings.look()?;
    let repeated = count(stage.sightings.repeated(mark));
    report.enter(TWICE, repeated, Some(0.0), ["0", "0", "9"]);
    Ok(())
}

async fn paused(stage: &mut Stage, report: &mut Report) -> Result<usize, FleetError> {
    let four = stage.start("four")?;
    stage.settle().await?;
    let shards = stage.shards_of(four);
    let (mark, began) = (stage.sightings.len(), Instant::now());
    stage.workers[&four].signal("STOP")?;
    let done = stage.all_run(&shards, Some(four), mark).await?;
    let what = "SIGSTOP of one of two until every shard runs, s";
    report.enter(what, seconds(done - began), Some(12.0), NOBODY);
    sleep(Duration::from_secs(15).saturating_sub(began.elapsed())).await;
    stage.sightings.look()?;
    let mark = stage.sightings.len();
    stage.workers[&four].signal("CONT")?;
    stage.settle().await?;
    // What it wrote that others had written while it stood still.
    let late = count(stage.sightings.repeated(mark));
    report.enter(
        "... records of others it wrote after SIGCONT",
        late,
        Some(0.0),
        NOBODY,
    );
    Ok(four)
}

/// More workers: one killed, one stopped, all stopped at the same time and started again.
async fn many(folder: &Path, size: usize, report: &mut Report) -> Result<(), FleetError> {
    let mut stage = Stage::new(folder, &format!("many-{size}"), 16, OFTEN).await?;
    for number in 0..size {
        stage.start(&format!("worker-{number}"))?;
    }
    stage.settle().await?;
    let (first, second) = (0, 1);

    let shards = stage.shards_of(first);
    let (mark, began) = (stage.sightings.len(), Instant::now());
    stage.kill(first);
    let done = stage.all_run(&shards, Some(first), mark).await?;
    let what = if size == 3 {
        "kill -9 of one of three, 16 shards, s"
    } else {
        "kill -9 of one of five, 16 shards, s"
    };
    report.enter(what, seconds(done - began), Some(12.0), NOBODY);

    stage.settle().await?;
    let took = stage.stop(second).await?;
    let what = if size == 3 {
        "SIGTERM of one of the other two, s"
    } else {
        "SIGTERM of one of the other four, s"
    };
    report.enter(what, seconds(took), Some(1.5), NOBODY);

    let rest = std::mem::take(&mut stage.workers);
    for worker in rest.values() {
        worker.signal("TERM")?;
    }
    for worker in rest.into_values() {
        worker.end().await?;
    }
    stage.sightings.look()?;
    let (mark, began) = (stage.sightings.len(), Instant::now());
    for number in 0..size {
        stage.start(&format!("again-{number}"))?;
    }
    let done = stage.all_run(&stage.all_shards(), None, mark).await?;
    let what = if size == 3 {
        "all stopped at once, three new ones: every shard runs, s"
    } else {
        "all stopped at once, five new ones: every shard runs, s"
    };
    report.enter(what, seconds(done - began), Some(3.0), NOBODY);
    stage.close(report).await
}

impl Report {
    fn enter(&mut self, what: &'static str, ours: f64, bound: Option<f64>, others: [&'static str; 3]) {
        eprintln!("{what}: {ours:.2}");
        self.measures.push(Measure {
            what,
            ours,
            bound,
            others,
        });
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "counts of some thousands")]
fn count(count: usize) -> f64 {
    count as f64
}

const TWICE: &str = "... records processed twice";
const NOBODY: [&str; 3] = ["", "", ""];
/// More than any recovery takes.
const LIMIT: Duration = Duration::from_secs(60);
/// Fine enough for figures with one digit after the point.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// A record into each shard so often: what a figure can be wrong by.
const OFTEN: Duration = Duration::from_millis(100);
const SLOWLY: Duration = Duration::from_millis(250);
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
