//! What a fleet will ask of DynamoDB, before it does: requests and capacity units per second, by purpose. Beside that, how often it
//! will ask Kinesis for shards.
//!
//! # Formulas
//! With L leases, W workers, f the failover time, p the heartbeat period that follows from it
//! ([`Pace::period`](crate::lease::renewal::Pace::period)), c the time between two checkpoints of a shard, s the time
//! between two looks at the table, P the pages of one look (1 MiB each), a the time between two audits, S streams, and Q the
//! pages of one listing of shards (1,000 shards each, finished ones too):
//!
//! | purpose | requests per second |
//! | --- | --- |
//! | heartbeats, one for each lease | L (⌈c/p⌉ − 1) / c; without checkpoints L / p. A checkpoint is a heartbeat |
//! | heartbeats, private fleet | W / q, with q the period of a worker's heartbeats ([`Pace::worker_period`](crate::lease::renewal::Pace::worker_period)) |
//! | checkpoints | L / c |
//! | looks at the table | N P / s, with N = W where each plans for itself, 1 under a leader |
//! | discovery under a leader | (W − 1) / s |
//! | reports | W / 30 s |
//! | lock | 1 / 30 s + (W − 1) / 5 s |
//! | audit | P / a for each that audits |
//! | listings of shards | S Q / a for each that audits; with children beside their parents also W Q · min(S / min(a, 10 s), 5 / s) |
//!
//! A write of up to 1 KiB is one write unit; a read is half a unit for each 4 KiB, eventually consistent, and one where
//! it must be consistent. Changes of ownership are not counted: a fleet at rest has none. Source of units and page
//! size: AWS DynamoDB developer guide, "Read and write operations".

use std::fmt;
use std::time::Duration;

use crate::lease::renewal::Pace;
use crate::shard_sync::early;

/// What a forecast is made from.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Outlook {
    /// Rows of unfinished shards.
    pub leases: u32,
    /// Workers.
    pub workers: u32,
    /// How workers share leases.
    pub coordination: Coordination,
    /// How long a lease lives without a heartbeat (KCL: `failoverTimeMillis`).
    pub failover: Duration,
    /// How often one shard is checkpointed; `None`: hardly ever.
    pub checkpoint_interval: Option<Duration>,
    /// How often the table is looked at (KCL: `leaseAssignmentIntervalMillis`).
    pub scan_interval: Duration,
    /// Whether looks at the table are consistent, which doubles their read units.
    pub consistent_scans: bool,
    /// Size of one lease row, in bytes. Default 600: keys, owner, counters, checkpoint, parents, hash keys.
    pub row_bytes: u32,
    /// How often shards and leases are compared (KCL: `leasesRecoveryAuditorExecutionFrequencyMillis`).
    pub audit_interval: Duration,
    /// Streams that are read.
    pub streams: u32,
    /// Whether child shards are read beside their parents, for which each worker lists shards.
    pub children_at_once: bool,
}

impl Outlook {
    /// A fleet of workers that each plan for themselves, at default settings.
    #[must_use]
    pub fn new(leases: u32, workers: u32) -> Self {
        Self {
            leases,
            workers,
            coordination: Coordination::EachForItself,
            failover: Duration::from_secs(10),
            checkpoint_interval: None,
            scan_interval: Duration::from_secs(2),
            consistent_scans: true,
            row_bytes: 600,
            audit_interval: AUDIT,
            streams: 1,
            children_at_once: false,
        }
    }
}

/// How workers share leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Coordination {
    /// Every worker looks at the whole table and plans (KCL 2.x, and workers of this crate among themselves).
    EachForItself,
    /// One worker leads; the others ask the index for what is theirs (KCL 3.x).
    Leader,
    /// Workers of this crate alone: one heartbeat for each worker instead of one for each lease.
    Private,
    /// No table: a fixed assignment.
    NoTable,
}

/// Requests and units per second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rate {
    /// Requests.
    pub requests: f64,
    /// Read capacity units.
    pub read_units: f64,
    /// Write capacity units.
    pub write_units: f64,
}

/// What requests are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Purpose {
    /// Keeping leases.
    Heartbeats,
    /// Remembering how far shards were read.
    Checkpoints,
    /// Looking at the whole table.
    Scans,
    /// Looking for own leases.
    Discovery,
    /// Saying how busy a worker is.
    Reports,
    /// Leading, and watching who leads.
    Lock,
    /// Comparing shards and leases.
    Audit,
}

/// A forecast for a fleet at rest.
#[derive(Debug, Clone, PartialEq)]
pub struct CostForecast {
    outlook: Outlook,
    lines: Vec<(Purpose, Rate)>,
}

impl CostForecast {
    /// Computes it.
    #[must_use]
    pub fn new(outlook: Outlook) -> Self {
        let lines = match outlook.coordination {
            Coordination::NoTable => Vec::new(),
            _ => Sum(outlook).lines(),
        };
        Self { outlook, lines }
    }

    /// By purpose; what costs nothing is left out.
    pub fn lines(&self) -> impl Iterator<Item = (Purpose, Rate)> + '_ {
        self.lines.iter().copied()
    }

    /// All together.
    #[must_use]
    pub fn total(&self) -> Rate {
        self.lines.iter().fold(Rate::default(), |sum, (_, rate)| Rate {
            requests: sum.requests + rate.requests,
            read_units: sum.read_units + rate.read_units,
            write_units: sum.write_units + rate.write_units,
        })
    }

    /// Requests to Kinesis per second that list shards (`ListShards`), of the whole fleet. They cost nothing, and a process keeps
    /// below ten a second.
    #[must_use]
    pub fn shard_listings(&self) -> f64 {
        match self.outlook.coordination {
            Coordination::NoTable => 0.0,
            _ => Sum(self.outlook).shard_listings(),
        }
    }

    /// Requests per second for each lease.
    #[must_use]
    pub fn requests_per_lease(&self) -> f64 {
        self.total().requests / f64::from(self.outlook.leases.max(1))
    }

    /// What it was made from.
    #[must_use]
    pub fn outlook(&self) -> &Outlook {
        &self.outlook
    }
}

impl fmt::Display for CostForecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<12} {:>12} {:>12} {:>12}",
            "per second", "requests", "read units", "write units"
        )?;
        let mut line = |name: &str, rate: Rate| {
            let Rate {
                requests,
                read_units,
                write_units,
            } = rate;
            writeln!(
                f,
                "{name:<12} {requests:>12.3} {read_units:>12.3} {write_units:>12.3}"
            )
        };
        for (purpose, rate) in self.lines() {
            line(&format!("{purpose:?}").to_lowercase(), rate)?;
        }
        line("total", self.total())?;
        line(
            "each lease",
            Rate {
                requests: self.requests_per_lease(),
                read_units: self.total().read_units / f64::from(self.outlook.leases.max(1)),
                write_units: self.total().write_units / f64::from(self.outlook.leases.max(1)),
            },
        )?;
        writeln!(
            f,
            "{:<12} {:>12.3} of kinesis",
            "list shards",
            self.shard_listings()
        )
    }
}

struct Sum(Outlook);

impl Sum {
    fn lines(&self) -> Vec<(Purpose, Rate)> {
        let all = [
            (Purpose::Heartbeats, self.heartbeats()),
            (Purpose::Checkpoints, self.checkpoints()),
            (Purpose::Scans, self.scans()),
            (Purpose::Discovery, self.discovery()),
            (Purpose::Reports, self.reports()),
            (Purpose::Lock, self.lock()),
            (Purpose::Audit, self.audit()),
        ];
        all.into_iter().filter(|(_, rate)| rate.requests > 0.0).collect()
    }

    fn leases(&self) -> f64 {
        f64::from(self.0.leases)
    }

    fn workers(&self) -> f64 {
        f64::from(self.0.workers)
    }

    fn has_leader(&self) -> bool {
        self.0.coordination == Coordination::Leader
    }

    fn heartbeats(&self) -> Rate {
        let pace = Pace::new(self.0.failover);
        if self.0.coordination == Coordination::Private {
            return writes(self.workers() / pace.worker_period().as_secs_f64(), 0);
        }
        let period = pace.period().as_secs_f64();
        let each = match self.checkpoint_seconds() {
            Some(interval) => ((interval / period).ceil() - 1.0).max(0.0) / interval,
            None => 1.0 / period,
        };
        writes(self.leases() * each, self.0.row_bytes)
    }

    fn checkpoints(&self) -> Rate {
        let each = self.checkpoint_seconds().map_or(0.0, |interval| 1.0 / interval);
        writes(self.leases() * each, self.0.row_bytes)
    }

    fn checkpoint_seconds(&self) -> Option<f64> {
        let seconds = self.0.checkpoint_interval?.as_secs_f64();
        Some(seconds.max(0.001))
    }

    fn scans(&self) -> Rate {
        let lookers = if self.has_leader() { 1.0 } else { self.workers() };
        self.table_reads(lookers / self.0.scan_interval.as_secs_f64().max(0.001))
    }

    fn audit(&self) -> Rate {
        self.table_reads(self.audits())
    }

    /// Of all streams together, each second.
    fn audits(&self) -> f64 {
        let auditors = if self.has_leader() { 1.0 } else { self.workers() };
        auditors / self.0.audit_interval.as_secs_f64().max(0.001)
    }

    fn shard_listings(&self) -> f64 {
        let streams = self.0.streams.max(1);
        let pages = self.0.leases.div_ceil(streams).div_ceil(LISTED).max(1);
        let audits = self.audits() * f64::from(streams);
        let early = match self.0.children_at_once {
            true => self.workers() * early::Pace::new(self.0.audit_interval).requests_per_second(streams),
            false => 0.0,
        };
        (audits + early) * f64::from(pages)
    }

    /// So many looks at the whole table each second.
    fn table_reads(&self, looks: f64) -> Rate {
        let rows = self.leases()
            + if self.has_rows_of_workers() {
                self.workers()
            } else {
                0.0
            };
        let bytes = rows * f64::from(self.0.row_bytes);
        let units = (bytes / READ_UNIT).ceil().max(1.0);
        Rate {
            requests: looks * (bytes / PAGE).ceil().max(1.0),
            read_units: looks * units * if self.0.consistent_scans { 1.0 } else { 0.5 },
            write_units: 0.0,
        }
    }

    fn has_rows_of_workers(&self) -> bool {
        matches!(self.0.coordination, Coordination::Leader | Coordination::Private)
    }

    fn discovery(&self) -> Rate {
        if !self.has_leader() {
            return Rate::default();
        }
        let requests = (self.workers() - 1.0).max(0.0) / self.0.scan_interval.as_secs_f64().max(0.001);
        Rate {
            requests,
            read_units: requests * 0.5,
            write_units: 0.0,
        }
    }

    fn reports(&self) -> Rate {
        match self.has_leader() {
            true => writes(self.workers() / REPORT.as_secs_f64(), 0),
            false => Rate::default(),
        }
    }

    fn lock(&self) -> Rate {
        if !self.has_leader() {
            return Rate::default();
        }
        let heartbeats = 1.0 / LOCK_HEARTBEAT.as_secs_f64();
        let reads = (self.workers() - 1.0).max(0.0) / LOCK_WATCH.as_secs_f64();
        Rate {
            requests: heartbeats + reads,
            read_units: reads,
            write_units: heartbeats,
        }
    }
}

fn writes(requests: f64, row_bytes: u32) -> Rate {
    Rate {
        requests,
        read_units: 0.0,
        write_units: requests * f64::from(row_bytes.div_ceil(WRITE_UNIT).max(1)),
    }
}

/// Source: AWS DynamoDB developer guide: one unit writes 1 KiB, reads 4 KiB consistently; a page of a scan is 1 MiB.
const WRITE_UNIT: u32 = 1024;
const READ_UNIT: f64 = 4096.0;
const PAGE: f64 = 1_048_576.0;
/// Source: KCL, `workerMetricsReporterFreqInMillis`.
const REPORT: Duration = Duration::from_secs(30);
/// Source: KCL, `dynamoDbLockBasedLeaderHeartbeatPeriodInMillis`.
const LOCK_HEARTBEAT: Duration = Duration::from_secs(30);
/// Ours: `leader::lock::Pace::watch`.
const LOCK_WATCH: Duration = Duration::from_secs(5);
/// Source: KCL, `leasesRecoveryAuditorExecutionFrequencyMillis`.
const AUDIT: Duration = Duration::from_secs(120);
/// Shards of one page. Source: AWS API reference, `ListShards`: 1,000 unless asked otherwise.
const LISTED: u32 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(outlook: Outlook, purpose: Purpose) -> f64 {
        let forecast = CostForecast::new(outlook);
        forecast
            .lines()
            .find(|(of, _)| *of == purpose)
            .map_or(0.0, |(_, rate)| rate.requests)
    }

    fn near(actual: f64, expected: f64) {
        assert!((actual - expected).abs() < 1e-3, "{actual} is not {expected}");
    }

    #[test]
    fn heartbeats_follow_the_failover_time() {
        for seconds in [1, 10, 60] {
            let outlook = Outlook {
                failover: Duration::from_secs(seconds),
                ..Outlook::new(8, 1)
            };
            let period = Pace::new(outlook.failover).period().as_secs_f64();
            near(requests(outlook, Purpose::Heartbeats), 8.0 / period);
        }
    }

    #[test]
    fn checkpoints_take_the_place_of_heartbeats() {
        let period = Pace::new(Duration::from_secs(10)).period();
        let every = |interval: Duration| Outlook {
            checkpoint_interval: Some(interval),
            ..Outlook::new(10, 1)
        };
        let often = every(period / 2);
        near(requests(often, Purpose::Heartbeats), 0.0);
        near(
            requests(often, Purpose::Checkpoints),
            10.0 / (period / 2).as_secs_f64(),
        );
        // Two periods and a half: heartbeats after one and after two.
        let seldom = every(period * 5 / 2);
        let interval = (period * 5 / 2).as_secs_f64();
        near(requests(seldom, Purpose::Heartbeats), 20.0 / interval);
        near(requests(seldom, Purpose::Checkpoints), 10.0 / interval);
    }

    #[test]
    fn a_private_fleet_pays_for_workers_and_not_for_leases() {
        let private = |leases| Outlook {
            coordination: Coordination::Private,
            ..Outlook::new(leases, 3)
        };
        let period = Pace::new(Duration::from_secs(10)).worker_period().as_secs_f64();
        near(requests(private(8), Purpose::Heartbeats), 3.0 / period);
        near(requests(private(800), Purpose::Heartbeats), 3.0 / period);
    }

    #[test]
    fn a_leader_looks_for_all() {
        let with = |coordination, workers| Outlook {
            coordination,
            ..Outlook::new(100, workers)
        };
        near(
            requests(with(Coordination::EachForItself, 4), Purpose::Scans),
            2.0,
        );
        near(requests(with(Coordination::Leader, 4), Purpose::Scans), 0.5);
        near(requests(with(Coordination::Leader, 4), Purpose::Discovery), 1.5);
        near(
            requests(with(Coordination::Leader, 4), Purpose::Lock),
            1.0 / 30.0 + 3.0 / 5.0,
        );
        near(
            requests(with(Coordination::Leader, 4), Purpose::Reports),
            4.0 / 30.0,
        );
    }

    #[test]
    fn large_tables_take_several_pages() {
        // 10,000 rows of 600 bytes: 5.7 MiB.
        near(requests(Outlook::new(10_000, 1), Purpose::Scans), 6.0 / 2.0);
        let forecast = CostForecast::new(Outlook::new(10_000, 1));
        let scans = forecast.lines().find(|(of, _)| *of == Purpose::Scans).unwrap().1;
        near(scans.read_units, 1465.0 / 2.0);
    }

    #[test]
    fn children_at_once_cost_listings_of_each_worker() {
        let with = |children_at_once, streams, leases| {
            let outlook = Outlook {
                children_at_once,
                streams,
                ..Outlook::new(leases, 3)
            };
            CostForecast::new(outlook).shard_listings()
        };
        near(with(false, 1, 8), 3.0 / 120.0);
        near(with(true, 1, 8), 3.0 / 120.0 + 3.0 / 10.0);
        near(with(true, 1, 2_500), 3.0 * (3.0 / 120.0 + 3.0 / 10.0));
        near(with(true, 200, 200), 200.0 * 3.0 / 120.0 + 3.0 * 5.0);
        let requests = |children_at_once| {
            let outlook = Outlook {
                children_at_once,
                ..Outlook::new(8, 3)
            };
            CostForecast::new(outlook).total().requests
        };
        near(requests(true), requests(false));
    }

    #[test]
    fn without_a_table_nothing_is_asked() {
        let outlook = Outlook {
            coordination: Coordination::NoTable,
            ..Outlook::new(8, 1)
        };
        let forecast = CostForecast::new(outlook);
        assert_eq!(
            (forecast.total(), forecast.shard_listings()),
            (Rate::default(), 0.0)
        );
    }

    #[test]
    fn the_lines_add_up_and_print() {
        let forecast = CostForecast::new(Outlook::new(8, 2));
        let sum: f64 = forecast.lines().map(|(_, rate)| rate.requests).sum();
        near(forecast.total().requests, sum);
        near(forecast.requests_per_lease() * 8.0, sum);
        let text = forecast.to_string();
        assert!(
            text.contains("heartbeats") && text.contains("total") && !text.contains("lock"),
            "{text}"
        );
    }
}
