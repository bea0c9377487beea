//! How the figures come about: one function for each purpose, as the table of formulas says.

use std::time::Duration;

use super::{Coordination, Outlook, Purpose, Rate};
use crate::lease::renewal::Pace;
use crate::shard_sync::audit::STREAMS_AT_ONCE;
use crate::shard_sync::early;
use crate::store::dynamodb::INDEX_LOOK;

pub(super) struct Sum(pub(super) Outlook);

impl Sum {
    pub(super) fn lines(&self) -> Vec<(Purpose, Rate)> {
        let all = [
            (Purpose::Heartbeats, self.heartbeats()),
            (Purpose::Checkpoints, self.checkpoints()),
            (Purpose::Scans, self.scans()),
            (Purpose::Discovery, self.discovery()),
            (Purpose::Survey, self.survey()),
            (Purpose::Streams, self.streams()),
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

    fn heartbeats(&self) -> Rate {
        let pace = Pace::new(self.0.failover);
        if self.0.coordination == Coordination::Private {
            return writes(self.workers() * each(pace.worker_period()), 0);
        }
        let beats = match self.0.checkpoint_interval {
            Some(interval) => {
                let periods = seconds(interval) / seconds(pace.period());
                (periods.ceil() - 1.0).max(0.0) * each(interval)
            }
            None => each(pace.period()),
        };
        writes(self.leases() * beats, self.0.row_bytes)
    }

    fn checkpoints(&self) -> Rate {
        let checkpoints = self.0.checkpoint_interval.map_or(0.0, each);
        writes(self.leases() * checkpoints, self.0.row_bytes)
    }

    fn scans(&self) -> Rate {
        let workers = self
            .0
            .lookers()
            .map(|(count, interval)| f64::from(count) * each(interval));
        let leader = self.0.leaders_look().map_or(0.0, each);
        self.table_reads(workers.iter().sum::<f64>() + leader)
    }

    /// The index is asked in every interval between two looks but the one that ends with a look.
    fn discovery(&self) -> Rate {
        if self.0.misses_index() {
            let looks = self
                .0
                .lookers()
                .map(|(count, interval)| f64::from(count) * each(interval.max(INDEX_LOOK)));
            return requests(looks.iter().sum());
        }
        if !self.0.asks_index() {
            return Rate::default();
        }
        let between = seconds(self.0.index_interval());
        let queries = self.0.lookers().map(|(count, interval)| {
            let asked = (seconds(interval) / between).ceil() - 1.0;
            f64::from(count) * asked.max(0.0) * each(interval)
        });
        let bytes = self.leases() / self.workers().max(1.0) * INDEX_ROW;
        read(queries.iter().sum(), bytes, EVENTUALLY)
    }

    /// A look at the whole table, one at tables beside it, of which there are none, and one at what the index is.
    fn survey(&self) -> Rate {
        let surveys = self.workers() * self.0.watch().map_or(0.0, each);
        self.table_reads(surveys).and(requests(surveys * 2.0))
    }

    /// With each list that is asked for, and when it is verified that all streams are still the same.
    fn streams(&self) -> Rate {
        let Some(interval) = self.0.stream_list_interval else {
            return Rate::default();
        };
        let verified = self
            .0
            .audit_interval
            .max(Duration::from_secs(self.0.streams.into()));
        self.table_reads(self.workers() * (each(interval) + each(verified)))
    }

    fn reports(&self) -> Rate {
        match self.0.has_leader() {
            true => writes(self.workers() * each(self.0.report_interval), 0),
            false => Rate::default(),
        }
    }

    fn lock(&self) -> Rate {
        if !self.0.has_leader() {
            return Rate::default();
        }
        let watched = (self.workers() - 1.0).max(0.0) * each(self.0.lock.watch);
        writes(each(self.0.lock.heartbeat), 0).and(read(watched, 0.0, CONSISTENTLY))
    }

    fn audit(&self) -> Rate {
        let streams = usize::try_from(self.0.streams.max(1)).unwrap_or(usize::MAX);
        let looks = streams.div_ceil(STREAMS_AT_ONCE);
        self.table_reads(self.audits() * looks as f64)
    }

    /// Of each stream, by all workers.
    fn audits(&self) -> f64 {
        f64::from(self.0.auditors()) * each(self.0.audit_interval)
    }

    pub(super) fn shard_listings(&self) -> f64 {
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
        let beside = match self.0.has_rows_of_workers() {
            true => self.workers(),
            false => 0.0,
        };
        let bytes = (self.leases() + beside) * f64::from(self.0.row_bytes);
        let units = match self.0.consistent_scans {
            true => CONSISTENTLY,
            false => EVENTUALLY,
        };
        read(looks, bytes, units)
    }
}

/// How often a second is what is done in such intervals.
fn each(interval: Duration) -> f64 {
    1.0 / seconds(interval)
}

fn seconds(interval: Duration) -> f64 {
    interval.as_secs_f64().max(0.001)
}

/// So many reads each second, each of so many bytes, in pages.
fn read(reads: f64, bytes: f64, units: f64) -> Rate {
    Rate {
        requests: reads * (bytes / PAGE).ceil().max(1.0),
        read_units: reads * (bytes / READ_UNIT).ceil().max(1.0) * units,
        write_units: 0.0,
    }
}

fn writes(requests: f64, row_bytes: u32) -> Rate {
    Rate {
        requests,
        read_units: 0.0,
        write_units: requests * f64::from(row_bytes.div_ceil(WRITE_UNIT).max(1)),
    }
}

/// Such as take no units.
fn requests(requests: f64) -> Rate {
    Rate {
        requests,
        ..Rate::default()
    }
}

/// Source: AWS DynamoDB developer guide: one unit writes 1 KiB, reads 4 KiB consistently; a page of a scan is 1 MiB.
const WRITE_UNIT: u32 = 1024;
const READ_UNIT: f64 = 4096.0;
const PAGE: f64 = 1_048_576.0;
const CONSISTENTLY: f64 = 1.0;
const EVENTUALLY: f64 = 0.5;
/// Ours: the names and values of a key and an owner, of ordinary length.
const INDEX_ROW: f64 = 100.0;
/// Shards of one page. Source: AWS API reference, `ListShards`: 1,000 unless asked otherwise.
const LISTED: u32 = 1_000;
