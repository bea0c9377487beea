//! Looks for the last record before a moment: `shard::tip` says where, this asks the service.

use std::time::SystemTime;

use kinesis_aggregation::{HashKeyRange, OutOfRange, ShardId};

use super::budget::SharedRate;
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
    let prober = Prober {
        kinesis,
        stream,
        shard,
        until,
        rate: kinesis.rate(stream, shard),
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
    /// Shared with whoever else in this process polls the shard.
    rate: SharedRate,
}

impl Prober<'_> {
    /// `whole`: reads on until the last record is known, however many there are.
    async fn look(&self, look: Look, whole: bool) -> Result<Seen, Failure> {
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
            self.rate.turn().await;
            let turn = self.kinesis.request().await;
            let page = self.kinesis.records(self.stream, &iterator).await?;
            drop(turn);
            self.rate.on_page(page.bytes());
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
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_sdk_kinesis::Client;
    use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
    use aws_sdk_kinesis::operation::get_shard_iterator::GetShardIteratorOutput;
    use aws_smithy_mocks::{RuleMode, mock, mock_client};
    use tokio::time::Instant;

    use super::*;
    use crate::source::scripted_sdk::{record, stream_of};

    /// A page of nothing, then one of a record, over and over.
    fn service() -> Client {
        let iterator = mock!(Client::get_shard_iterator)
            .then_output(|| GetShardIteratorOutput::builder().shard_iterator("first").build());
        let answer = |iterator: &'static str, number: Option<&'static str>| {
            let record = number.map(|number| record(number, vec![0; 512 << 10]));
            mock!(Client::get_records)
                .match_requests(move |request| request.shard_iterator() == Some(iterator))
                .then_output(move || {
                    GetRecordsOutput::builder()
                        .set_records(Some(record.clone().into_iter().collect()))
                        .next_shard_iterator("second")
                        .millis_behind_latest(if record.is_some() { 0 } else { 1_000 })
                        .build()
                        .unwrap()
                })
        };
        let (empty, last) = (answer("first", None), answer("second", Some("7")));
        mock_client!(aws_sdk_kinesis, RuleMode::MatchAny, [&iterator, &empty, &last])
    }

    #[tokio::test(start_paused = true)]
    async fn the_search_takes_turns_with_whoever_else_polls_the_shard() {
        let (kinesis, stream) = stream_of(&service());
        let shard = ShardId::from_number(0);
        let poller = kinesis.rate(&stream, &shard);
        let began = Instant::now();
        poller.turn().await;
        poller.on_page(2 << 20);
        let last = last_before(&kinesis, &stream, &shard, None).await.unwrap();
        assert_eq!(last.unwrap().to_string(), "7/0");
        // A second for the poller's page, a turn for each of the search's two, and a quarter of a second for its record.
        assert_eq!(began.elapsed(), Duration::from_millis(1_200));
        poller.turn().await;
        assert_eq!(began.elapsed().as_millis() / 10, 145);
    }
}
