//! Positions in a shard: where the five types point, and the iterators that carry them.

use kinesis_aggregation::ShardId;

use super::api::{GetShardIteratorRequest, GetShardIteratorResponse};
use super::arn::Owner;
use super::constraint::Constraints;
use super::error::ServiceError;
use super::operation::Operation;
use super::put::rate_exceeded;
use super::seal::{Kind, Reader, Sealer, Writer};
use super::sequence::{ForeignSequenceNumber, SequenceNumber, is_decimal};
use super::shard::Shard;
use super::stream::Stream;
use super::{Engine, TrimmedPosition, retention};

impl Engine {
    pub(crate) fn get_shard_iterator(
        &mut self,
        request: GetShardIteratorRequest,
        now_ms: u64,
    ) -> Result<GetShardIteratorResponse, ServiceError> {
        let now_ms = self.begin(Operation::GetShardIterator, now_ms)?;
        let mut constraints = Constraints::new();
        let shard_id = constraints.required("shardId", request.shard_id.as_deref());
        if let Some(shard_id) = shard_id {
            constraints.name("shardId", shard_id);
        }
        let names = PositionNames {
            position_type: "shardIteratorType",
            number: "startingSequenceNumber",
            operation: "GetShardIterator",
        };
        let asked = Asked {
            position_type: request.iterator_type.as_deref(),
            number: request.starting_sequence_number.as_deref(),
            timestamp_ms: request.timestamp_ms,
        };
        asked.check(names, &mut constraints);
        constraints.finish()?;
        let shard_id = shard_id.unwrap_or_default();
        let name = self.owner.resolve(&request.stream)?;
        let stream = super::find(&mut self.streams, &mut self.ledger, &self.owner, name, now_ms)?;
        let number = readable_shard(stream, shard_id, &self.owner)?;
        retention::trim_expired(stream, number, &mut self.ledger, now_ms);
        let incarnation = stream.incarnation;
        let shard = stream
            .shard_mut(number)
            .ok_or_else(ServiceError::internal_failure)?;
        let finder = Finder {
            shard,
            stream: name,
            owner: &self.owner,
            trimmed: self.settings.trimmed_positions,
            names,
            now_ms,
        };
        let next = finder.find(&asked)?;
        if self.settings.limits.reads && !shard.reads.admit_iterator(now_ms) {
            return Err(rate_exceeded(shard_id, name, self.owner.account()));
        }
        if request.dry_run {
            return Err(ServiceError::dry_run());
        }
        let position = Position {
            stream: name.to_owned(),
            incarnation,
            shard: number,
            next,
            issued_ms: now_ms,
        };
        Ok(GetShardIteratorResponse {
            shard_iterator: position.seal(&self.sealer),
        })
    }

    /// The stream and the shard an iterator reads, for faults that concern one shard. `None` if it is no iterator.
    pub(crate) fn iterator_target(&self, iterator: &str) -> Option<(String, ShardId)> {
        let position = Position::open(&self.sealer, iterator)?;
        Some((position.stream, ShardId::from_number(u64::from(position.shard))))
    }
}

/// The number of a shard that may be read from.
pub(super) fn readable_shard(stream: &Stream, shard_id: &str, owner: &Owner) -> Result<u32, ServiceError> {
    let shard = stream
        .is_usable()
        .then(|| stream.shard_called(shard_id))
        .flatten();
    shard
        .map(Shard::number)
        .ok_or_else(|| shard_not_found(shard_id, &stream.name, owner))
}

pub(super) fn shard_not_found(shard: &str, stream: &str, owner: &Owner) -> ServiceError {
    ServiceError::not_found(format!(
        "Shard {shard} in stream {stream} under account {} does not exist",
        owner.account()
    ))
}

/// What an iterator says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) stream: String,
    pub(super) incarnation: u64,
    pub(super) shard: u32,
    /// The counter of the next record to read.
    pub(super) next: u64,
    pub(super) issued_ms: u64,
}

impl Position {
    pub(super) fn seal(&self, sealer: &Sealer) -> String {
        let content = Writer::default()
            .text(&self.stream)
            .number(self.incarnation)
            .number(u64::from(self.shard))
            .number(self.next)
            .number(self.issued_ms)
            .finish();
        sealer.seal(Kind::Iterator, &content)
    }

    pub(super) fn open(sealer: &Sealer, iterator: &str) -> Option<Self> {
        let content = sealer.open(Kind::Iterator, iterator)?;
        let mut reader = Reader(&content);
        Some(Self {
            stream: reader.text()?.to_owned(),
            incarnation: reader.number()?,
            shard: u32::try_from(reader.number()?).ok()?,
            next: reader.number()?,
            issued_ms: reader.number()?,
        })
    }
}

/// How an operation calls the members of a position.
#[derive(Debug, Clone, Copy)]
pub(super) struct PositionNames {
    pub(super) position_type: &'static str,
    pub(super) number: &'static str,
    pub(super) operation: &'static str,
}

/// A position as a request gives it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) position_type: Option<&'a str>,
    pub(super) number: Option<&'a str>,
    pub(super) timestamp_ms: Option<u64>,
}

impl Asked<'_> {
    pub(super) fn check(&self, names: PositionNames, constraints: &mut Constraints) {
        if let Some(position_type) = constraints.required(names.position_type, self.position_type) {
            constraints.one_of(names.position_type, position_type, &TYPES);
        }
        if let Some(number) = self.number {
            constraints.pattern(names.number, number, is_decimal(number), r"0|([1-9]\d{0,128})");
        }
    }
}

/// Finds positions in one shard.
#[derive(Debug)]
pub(super) struct Finder<'a> {
    pub(super) shard: &'a Shard,
    pub(super) stream: &'a str,
    pub(super) owner: &'a Owner,
    pub(super) trimmed: TrimmedPosition,
    pub(super) names: PositionNames,
    pub(super) now_ms: u64,
}

impl Finder<'_> {
    /// The counter of the first record to read.
    pub(super) fn find(&self, asked: &Asked<'_>) -> Result<u64, ServiceError> {
        let position_type = asked.position_type.unwrap_or_default();
        match (position_type, asked.number) {
            ("AT_SEQUENCE_NUMBER", Some(number)) => {
                let number = self.own(number)?;
                self.not_trimmed(number, self.shard.first_from(number))
            }
            ("AFTER_SEQUENCE_NUMBER", Some(number)) => {
                let number = self.own(number)?;
                self.not_trimmed(number, self.shard.first_after(number))
            }
            ("TRIM_HORIZON", None) => Ok(self.shard.oldest()),
            ("LATEST", None) => Ok(self.shard.next()),
            ("AT_TIMESTAMP", None) => self.since(asked.timestamp_ms),
            (_, number) => Err(mismatch(position_type, number.is_some())),
        }
    }

    fn since(&self, timestamp_ms: Option<u64>) -> Result<u64, ServiceError> {
        let Some(moment_ms) = timestamp_ms else {
            return Err(ServiceError::invalid_argument(
                "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no \
                 timestamp parameter.",
            ));
        };
        if moment_ms > self.now_ms {
            return Err(ServiceError::invalid_argument(format!(
                "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. \
                 timestampInMillis: {moment_ms}, currentTimestampInMillis: {}",
                self.now_ms
            )));
        }
        Ok(self.shard.first_since(moment_ms))
    }

    /// A number that this shard has given or will give.
    fn own(&self, text: &str) -> Result<SequenceNumber, ServiceError> {
        let refused = |because: &str| {
            Err(ServiceError::invalid_argument(format!(
                "StartingSequenceNumber {text} used in {} on shard {} in stream {} under account {} is \
                 invalid{because}.",
                self.names.operation,
                self.shard.id(),
                self.stream,
                self.owner.account()
            )))
        };
        let number: SequenceNumber = match text.parse() {
            Ok(number) => number,
            Err(ForeignSequenceNumber::NotANumber | ForeignSequenceNumber::NotOurs) => return refused(""),
        };
        if number.shard().number != self.shard.number() {
            return Err(ServiceError::invalid_argument(format!(
                "Invalid StartingSequenceNumber. It encodes {}, while it was used in a call to a shard with {}",
                ShardId::from_number(u64::from(number.shard().number)),
                self.shard.id()
            )));
        }
        if number.shard() != self.shard.epoch() {
            return refused(" because it did not come from this stream");
        }
        Ok(number)
    }

    /// Numbers below the oldest record are of records that are gone; the shard's start is always there.
    fn not_trimmed(&self, number: SequenceNumber, next: u64) -> Result<u64, ServiceError> {
        let is_gone = number.counter() > 0 && next < self.shard.oldest();
        if is_gone && self.trimmed == TrimmedPosition::Refuse {
            return Err(ServiceError::invalid_argument(format!(
                "StartingSequenceNumber {number} used in {} on shard {} in stream {} under account {} is invalid \
                 because it is older than the trim horizon.",
                self.names.operation,
                self.shard.id(),
                self.stream,
                self.owner.account()
            )));
        }
        Ok(next)
    }
}

fn mismatch(position_type: &str, has_number: bool) -> ServiceError {
    let given = if has_number { "also a" } else { "no" };
    ServiceError::invalid_argument(format!(
        "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) \
         TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified {position_type} and {given} \
         StartingSequenceNumber."
    ))
}

/// In the order in which the service's refusal names them.
const TYPES: [&str; 5] = [
    "AFTER_SEQUENCE_NUMBER",
    "LATEST",
    "AT_TIMESTAMP",
    "AT_SEQUENCE_NUMBER",
    "TRIM_HORIZON",
];

/// How long an iterator may be used. Source: AWS API reference, GetShardIterator.
pub(super) const ITERATOR_MS: u64 = 300_000;
