//! PutRecord and PutRecords: where a record goes, and whether it is let in.

use std::sync::Arc;

use bytes::Bytes;
use kinesis_aggregation::HashKey;

use super::api::{
    Distribution, PutEntry, PutRecordRequest, PutRecordResponse, PutRecordsRequest, PutRecordsResponse,
    PutRecordsResult,
};
use super::arn::stream_not_found;
use super::constraint::Constraints;
use super::dice::Dice;
use super::error::ServiceError;
use super::fault::{Effect, Faults, Occasion, Stage};
use super::ledger::Ledger;
use super::operation::Operation;
use super::sequence::SequenceNumber;
use super::shard::{footprint, size};
use super::stream::Stream;
use super::{Engine, retention};

impl Engine {
    pub(crate) fn put_record(
        &mut self,
        request: PutRecordRequest,
        now_ms: u64,
    ) -> Result<PutRecordResponse, ServiceError> {
        let now_ms = self.begin(Operation::PutRecord, now_ms)?;
        let mut constraints = Constraints::new();
        check_entry(&request.entry, None, &mut constraints);
        if let Some(number) = &request.sequence_number_for_ordering {
            let fits = super::sequence::is_decimal(number);
            constraints.pattern("sequenceNumberForOrdering", number, fits, r"0|([1-9]\d{0,128})");
        }
        constraints.finish()?;
        let mut put = self.put_to(Operation::PutRecord, &request.stream, now_ms)?;
        let encryption_type = put.stream.encryption;
        let key = put.check(&request.entry, None)?;
        put.check_ordering(request.sequence_number_for_ordering.as_deref())?;
        if request.dry_run {
            return Err(ServiceError::dry_run());
        }
        let stored = put.store(request.entry, key);
        self.trim_to_memory();
        match stored {
            PutRecordsResult::Stored {
                shard_id,
                sequence_number,
            } => Ok(PutRecordResponse {
                shard_id,
                sequence_number,
                encryption_type,
            }),
            PutRecordsResult::Failed(refused) => Err(refused),
        }
    }

    pub(crate) fn put_records(
        &mut self,
        request: PutRecordsRequest,
        now_ms: u64,
    ) -> Result<PutRecordsResponse, ServiceError> {
        let now_ms = self.begin(Operation::PutRecords, now_ms)?;
        let entries = checked_entries(request.records)?;
        let mut put = self.put_to(Operation::PutRecords, &request.stream, now_ms)?;
        let encryption_type = put.stream.encryption;
        // One entry that cannot be is a refusal of them all; only then is anything stored.
        let keys: Vec<HashKey> = entries
            .iter()
            .enumerate()
            .map(|(index, entry)| put.check(entry, Some(index)))
            .collect::<Result<_, _>>()?;
        let total: u64 = entries.iter().map(entry_size).sum();
        if total > MAX_REQUEST_BYTES {
            return Err(ServiceError::invalid_argument("Records size exceeds 10 MB limit"));
        }
        if request.dry_run {
            return Err(ServiceError::dry_run());
        }
        let records: Vec<PutRecordsResult> = entries
            .into_iter()
            .zip(keys)
            .map(|(entry, key)| put.store(entry, key))
            .collect();
        self.trim_to_memory();
        let failed = |result: &&PutRecordsResult| matches!(result, PutRecordsResult::Failed(_));
        Ok(PutRecordsResponse {
            failed_record_count: records.iter().filter(failed).count(),
            records,
            encryption_type,
        })
    }

    fn put_to(
        &mut self,
        operation: Operation,
        address: &super::StreamAddress,
        now_ms: u64,
    ) -> Result<Put<'_>, ServiceError> {
        let name = self.owner.resolve(address)?;
        let account = self.owner.account();
        let stream = super::find(&mut self.streams, &mut self.ledger, &self.owner, name, now_ms)?;
        if !stream.is_usable() {
            return Err(stream_not_found(name, account));
        }
        Ok(Put {
            operation,
            stream,
            account,
            limited: self.settings.limits.writes,
            ledger: &mut self.ledger,
            sessions: &mut self.sessions,
            faults: &mut self.faults,
            dice: &mut self.dice,
            now_ms,
        })
    }
}

/// One request being written to a stream.
struct Put<'a> {
    operation: Operation,
    stream: &'a mut Stream,
    account: &'a str,
    limited: bool,
    ledger: &'a mut Ledger,
    sessions: &'a mut super::Sessions,
    faults: &'a mut Faults,
    dice: &'a mut Dice,
    now_ms: u64,
}

impl Put<'_> {
    /// What can be said against an entry on this stream before it is put, and else where it belongs.
    fn check(&self, entry: &PutEntry, index: Option<usize>) -> Result<HashKey, ServiceError> {
        if entry_size(entry) > self.stream.max_record_bytes() {
            return Err(ServiceError::invalid_argument(format!(
                "Record size exceeds the maximum record size of {} KiB of stream {} under account {}.",
                self.stream.max_record_kib, self.stream.name, self.account
            )));
        }
        if self.stream.distribution == Distribution::Auto {
            return Ok(HashKey::MIN);
        }
        let Some(partition_key) = entry.partition_key.as_deref() else {
            let mut constraints = Constraints::new();
            constraints.missing(&member(index, "partitionKey"));
            constraints.finish()?;
            return Ok(HashKey::MIN);
        };
        match entry.explicit_hash_key.as_deref() {
            None => Ok(HashKey::of_partition_key(partition_key)),
            Some(explicit) => explicit.parse().map_err(|_cause| {
                ServiceError::invalid_argument(format!(
                    "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value \
                     was {explicit}"
                ))
            }),
        }
    }

    /// `SequenceNumberForOrdering` must be a number this stream has given.
    fn check_ordering(&self, number: Option<&str>) -> Result<(), ServiceError> {
        let Some(number) = number else { return Ok(()) };
        if self.stream.distribution == Distribution::Auto {
            return Err(ServiceError::invalid_argument(
                "SequenceNumberForOrdering is not supported for streams with the AUTO record distribution strategy.",
            ));
        }
        let given = number.parse::<SequenceNumber>().is_ok_and(|number| {
            let shard = self.stream.shard(number.shard().number);
            // A shard that has expired can no longer be asked, but numbers of the future are of no shard.
            match shard {
                Some(shard) => number.shard() == shard.epoch() && number.counter() < shard.next(),
                None => number.time_s() <= super::shard::seconds(self.now_ms),
            }
        });
        if given {
            return Ok(());
        }
        Err(ServiceError::invalid_argument(format!(
            "ExclusiveMinimumSequenceNumber {number} used in PutRecord on stream {} under account {} is invalid.",
            self.stream.name, self.account
        )))
    }

    fn store(&mut self, entry: PutEntry, key: HashKey) -> PutRecordsResult {
        let number = match self.stream.distribution {
            Distribution::UserPartitionKey => self.stream.route(key),
            Distribution::Auto => {
                let open = self.stream.open();
                open.get(self.dice.below(open.len())).map(|open| open.shard)
            }
        };
        let stored = match number {
            Some(number) => self.store_in(number, entry),
            None => Err(ServiceError::internal_failure()),
        };
        stored.unwrap_or_else(PutRecordsResult::Failed)
    }

    fn store_in(&mut self, number: u32, entry: PutEntry) -> Result<PutRecordsResult, ServiceError> {
        retention::trim_expired(self.stream, number, self.ledger, self.now_ms);
        let largest = self.stream.max_record_bytes();
        let encryption = self.stream.encryption;
        let name = Arc::clone(&self.stream.name);
        let Some(shard) = self.stream.shard_mut(number) else {
            return Err(ServiceError::internal_failure());
        };
        let at = Occasion {
            operation: self.operation,
            stream: Some(&name),
            shard: Some(shard.id().as_str()),
            now_ms: self.now_ms,
        };
        if let Some(Effect::RefuseEntry(refused)) =
            self.faults.draw(Stage::Entry, at, self.dice).into_iter().next()
        {
            return Err(refused);
        }
        if self.limited && !shard.writes.admit(entry_size(&entry), largest, self.now_ms) {
            return Err(rate_exceeded(shard.id().as_str(), &name, self.account));
        }
        let data = entry.data.unwrap_or_default();
        let key_len = entry.partition_key.as_deref().map_or(0, str::len);
        let before = shard.oldest_ms();
        self.ledger.add(footprint(data.len(), key_len));
        let sequence_number = shard.append(data, entry.partition_key, encryption, self.now_ms);
        self.ledger.moved(&name, number, before, shard.oldest_ms());
        self.sessions.wake(shard.subscriptions.iter().copied());
        Ok(PutRecordsResult::Stored {
            shard_id: shard.id().clone(),
            sequence_number,
        })
    }
}

/// How a shard refuses what is too much for it, reading and writing.
pub(super) fn rate_exceeded(shard: &str, stream: &str, account: &str) -> ServiceError {
    ServiceError::throughput_exceeded(format!(
        "Rate exceeded for shard {shard} in stream {stream} under account {account}."
    ))
}

fn checked_entries(records: Option<Vec<PutEntry>>) -> Result<Vec<PutEntry>, ServiceError> {
    let mut constraints = Constraints::new();
    let Some(entries) = records else {
        constraints.missing("records");
        return constraints.finish().map(|()| Vec::new());
    };
    let count = entries.len();
    if count == 0 {
        constraints.violated(
            "records",
            "[]",
            "Member must have length greater than or equal to 1",
        );
    }
    if count > MAX_ENTRIES {
        constraints.violated(
            "records",
            &format!("[{count} entries]"),
            "Member must have length less than or equal to 500",
        );
    }
    // No look at what may be a million entries.
    for (index, entry) in entries.iter().enumerate().take(MAX_ENTRIES) {
        check_entry(entry, Some(index), &mut constraints);
    }
    constraints.finish()?;
    Ok(entries)
}

fn check_entry(entry: &PutEntry, index: Option<usize>, constraints: &mut Constraints) {
    match &entry.data {
        None => constraints.missing(&member(index, "data")),
        Some(data) if data.len() as u64 > MAX_DATA_BYTES => constraints.violated(
            &member(index, "data"),
            &format!("java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]", data.len()),
            "Member must have length less than or equal to 10485760",
        ),
        Some(_) => {}
    }
    if let Some(key) = entry.partition_key.as_deref()
        && (key.is_empty() || key.len() > 256)
    {
        constraints.length(&member(index, "partitionKey"), key, 1, 256);
    }
    if let Some(explicit) = entry.explicit_hash_key.as_deref() {
        let fits = explicit.len() <= 39 && super::sequence::is_decimal(explicit);
        if !fits {
            constraints.pattern(
                &member(index, "explicitHashKey"),
                explicit,
                false,
                r"0|([1-9]\d{0,38})",
            );
        }
    }
}

/// How the service names a member of an entry; the entry of PutRecord is the request itself.
fn member(index: Option<usize>, name: &str) -> String {
    match index {
        None => name.to_owned(),
        Some(index) => format!("records.{}.member.{name}", index + 1),
    }
}

fn entry_size(entry: &PutEntry) -> u64 {
    size(
        entry.data.as_ref().unwrap_or(&Bytes::new()),
        entry.partition_key.as_deref(),
    )
}

/// Source: AWS API reference, PutRecords. Applies to: one request.
const MAX_ENTRIES: usize = 500;
/// Source: as above, "10 MiB for the entire request, including partition keys".
const MAX_REQUEST_BYTES: u64 = 10 << 20;
/// Source: AWS API reference, `Data` of PutRecord.
const MAX_DATA_BYTES: u64 = 10 << 20;
