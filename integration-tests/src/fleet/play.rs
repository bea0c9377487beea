//! The parts of a run, one after the other, each with a stream and an application of its own.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::FleetError;
use super::report::{Measure, Report};
use super::stage::Stage;

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
        // Seconds of whatever machine this is, at an endpoint that takes its time: `bench idle` holds a worker to the floor of its own run.
        None,
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
/// A record into each shard so often: what a figure can be wrong by.
const OFTEN: Duration = Duration::from_millis(100);
const SLOWLY: Duration = Duration::from_millis(250);
