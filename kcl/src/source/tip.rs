//! Looks for the last record before a moment: `shard::tip` says where, this asks the service.

use std::time::{Duration, SystemTime};

use kinesis_aggregation::{HashKeyRange, OutOfRange, ShardId};
use tokio::time::sleep;

use super::failure::{Failure, Kind};
use super::kinesis::KinesisStream;
use super::{RawRecord, unpack};
use crate::position::Position;
use crate::shard::start::StartAt;
use crate::shard::tip::{Look, Next, Search};
use crate::stream::Stream;

/// The last user record that arrived before `until`, or before about now. `None`: the shard keeps none.
pub(super) async fn last_before(
    kinesis: &KinesisStream,
    stream: &Stream,
    shard: &ShardId,
    until: Option<SystemTime>,
) -> Result<Option<Position>, Failure> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the service compares it with its own wall clock"
    )]
    let mut search = Search::before(until.unwrap_or_else(SystemTime::now));
    let mut prober = Prober {
        kinesis,
        stream,
        shard,
        until,
        calls: 0,
    };
    let last = loop {
        let (look, whole) = match search.next() {
            Next::Probe(look) => (look, false),
            Next::Read(look) => (look, true),
        };
        match prober.look(look, whole).await? {
            Seen::Nothing if whole || !search.on_nothing(look) => break None,
            Seen::Nothing => {}
            Seen::Some => search.on_found(look),
            Seen::Last(record) => break Some(record),
        }
    };
    Ok(last.and_then(|record| {
        let unpacked = unpack(shard, &HashKeyRange::FULL, OutOfRange::Deliver, vec![record]);
        unpacked.records.last().map(|record| record.position().clone())
    }))
}

/// What a look showed.
enum Seen {
    Nothing,
    Some,
    /// The very last one.
    Last(RawRecord),
}

struct Prober<'a> {
    kinesis: &'a KinesisStream,
    stream: &'a Stream,
    shard: &'a ShardId,
    until: Option<SystemTime>,
    calls: u32,
}

impl Prober<'_> {
    /// `whole`: reads on until the last record is known, however many there are.
    async fn look(&mut self, look: Look, whole: bool) -> Result<Seen, Failure> {
        let start = match look {
            Look::At(time) => StartAt::AtTimestamp(time),
            Look::Oldest => StartAt::TrimHorizon,
        };
        let mut iterator = match self.kinesis.shard_iterator(self.stream, self.shard, &start).await {
            // By the service's clock this time is still to come.
            Err(failure) if failure.kind == Kind::InvalidArgument && look != Look::Oldest => {
                return Ok(Seen::Nothing);
            }
            other => other?,
        };
        let mut last = None;
        loop {
            self.turn().await;
            let page = self.kinesis.records(self.stream, &iterator).await?;
            let read = page.records.len();
            let mut before = page.records;
            before.retain(|record| self.is_before(record));
            let past = before.len() < read;
            last = before.pop().or(last);
            let at_tip = page.behind.is_none_or(|behind| behind.is_zero());
            match (page.next_iterator, last) {
                (Some(next), found) if !past && !at_tip => {
                    if found.is_some() && !whole {
                        return Ok(Seen::Some);
                    }
                    (iterator, last) = (next, found);
                }
                (_, Some(record)) => return Ok(Seen::Last(record)),
                (_, None) => return Ok(Seen::Nothing),
            }
        }
    }

    fn is_before(&self, record: &RawRecord) -> bool {
        match (self.until, record.arrived) {
            (Some(until), Some(arrived)) => arrived < until,
            _ => true,
        }
    }

    /// Keeps to the shard's five reads a second.
    async fn turn(&mut self) {
        if self.calls > 0 {
            sleep(BETWEEN_READS).await;
        }
        self.calls += 1;
    }
}

/// Source: AWS API reference, GetRecords: five calls a second for each shard.
const BETWEEN_READS: Duration = Duration::from_millis(200);
