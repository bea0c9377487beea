//! What goes over the wire: looks at each PutRecords of the producer and at its answer, and marks poisoned ones.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_kinesis::config::interceptors::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
    FinalizerInterceptorContextRef,
};
use aws_sdk_kinesis::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_kinesis::error::{BoxError, ProvideErrorMetadata as _};
use aws_sdk_kinesis::operation::put_records::{PutRecordsError, PutRecordsInput, PutRecordsOutput};
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use bytes::Bytes;
use kinesis_aggregation::{Deaggregated, HashKeyRange, OutOfRange, deaggregate};

/// What went over the wire so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wire {
    /// PutRecords calls that have ended.
    pub requests: u64,
    /// Their entries.
    pub entries: u64,
    /// Entries that were refused as over the rate, one by one or with their request.
    pub throttled: u64,
    /// Bytes of all entries, data and keys.
    pub bytes: u64,
    /// Requests that were refused for the poison in them.
    pub poisoned: u64,
    /// User records in the first of those.
    pub first_poisoned_records: u64,
}

/// The interceptor; all clones share what they saw.
#[derive(Debug, Clone, Default)]
pub struct Observer {
    seen: Arc<Mutex<Wire>>,
}

impl Observer {
    /// What was seen so far.
    #[must_use]
    pub fn wire(&self) -> Wire {
        self.seen().clone()
    }

    fn seen(&self) -> MutexGuard<'_, Wire> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_poison(&self, input: &PutRecordsInput) {
        let mut seen = self.seen();
        seen.poisoned += 1;
        if seen.poisoned == 1 {
            let entries = input.records().iter().map(|entry| entry.data().as_ref());
            seen.first_poisoned_records = entries.map(user_records).sum();
        }
    }
}

impl Intercept for Observer {
    fn name(&self) -> &'static str {
        "Observer"
    }

    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(input) = context.input().downcast_ref::<PutRecordsInput>() else {
            return Ok(());
        };
        let is_poisoned = input
            .records()
            .iter()
            .any(|entry| holds_poison(entry.data().as_ref()));
        if is_poisoned {
            self.note_poison(input);
        }
        let bytes = input
            .records()
            .iter()
            .map(|entry| entry.data().as_ref().len() + entry.partition_key().unwrap_or_default().len());
        config.interceptor_state().store_put(Sent {
            entries: input.records().len() as u64,
            bytes: bytes.sum::<usize>() as u64,
            is_poisoned,
        });
        Ok(())
    }

    /// The endpoint cannot know what is poison: it refuses whoever says so of himself.
    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if config.load::<Sent>().is_some_and(|sent| sent.is_poisoned) {
            let headers = context.request_mut().headers_mut();
            headers.insert("x-amz-user-agent", format!("app/{POISONED_CLIENT}"));
        }
        Ok(())
    }

    /// Also after a connection that was lost.
    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(sent) = config.load::<Sent>() else {
            return Ok(());
        };
        let throttled = match context.output_or_error() {
            Some(Ok(output)) => output
                .downcast_ref::<PutRecordsOutput>()
                .map_or(0, throttled_entries),
            Some(Err(error)) => {
                let error = error
                    .as_operation_error()
                    .and_then(|error| error.downcast_ref::<PutRecordsError>());
                match error.and_then(|error| error.code()) {
                    Some(THROTTLED) => sent.entries,
                    _ => 0,
                }
            }
            None => 0,
        };
        let mut seen = self.seen();
        seen.requests += 1;
        seen.entries += sent.entries;
        seen.bytes += sent.bytes;
        seen.throttled += throttled;
        Ok(())
    }
}

/// A PutRecords on its way.
#[derive(Debug)]
struct Sent {
    entries: u64,
    bytes: u64,
    is_poisoned: bool,
}

impl Storable for Sent {
    type Storer = StoreReplace<Self>;
}

fn throttled_entries(output: &PutRecordsOutput) -> u64 {
    let refused = output.records().iter();
    refused
        .filter(|entry| entry.error_code() == Some(THROTTLED))
        .count() as u64
}

/// Whether the poison is in the data, alone or in an aggregate.
fn holds_poison(data: &[u8]) -> bool {
    data.windows(POISON.len()).any(|window| window == POISON)
}

fn user_records(data: &[u8]) -> u64 {
    let data = Bytes::copy_from_slice(data);
    match deaggregate(data, &HashKeyRange::FULL, OutOfRange::Deliver) {
        Deaggregated::Aggregate(records) => records.len() as u64,
        _ => 1,
    }
}

/// What no other record has in its data.
pub(super) const POISON: &[u8] = b"\x01POISON\x01";
/// Who sends a poisoned request, as faults know him.
pub(super) const POISONED_CLIENT: &str = "poisoned";
const THROTTLED: &str = "ProvisionedThroughputExceededException";
