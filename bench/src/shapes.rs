//! The requests our client made, reduced to what they cost: entries and their sizes. The floor replays them.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_kinesis::config::interceptors::BeforeSerializationInterceptorContextRef;
use aws_sdk_kinesis::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_kinesis::error::BoxError as SdkBoxError;
use aws_sdk_kinesis::operation::get_records::GetRecordsInput;
use aws_sdk_kinesis::operation::put_records::PutRecordsInput;

use crate::BoxError;

/// Payload sizes of the entries of each PutRecords request; GetRecords calls only counted.
#[derive(Debug, Default, Clone)]
pub(crate) struct Shapes {
    pub(crate) puts: Vec<Vec<usize>>,
    pub(crate) gets: u64,
}

/// Looks at each request on its way out.
#[derive(Debug, Default, Clone)]
pub(crate) struct Recorder {
    seen: Arc<Mutex<Shapes>>,
}

impl Recorder {
    pub(crate) fn shapes(&self) -> Shapes {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Intercept for Recorder {
    fn name(&self) -> &'static str {
        "Recorder"
    }

    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), SdkBoxError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(put) = context.input().downcast_ref::<PutRecordsInput>() {
            seen.puts.push(
                put.records()
                    .iter()
                    .map(|entry| entry.data().as_ref().len())
                    .collect(),
            );
        } else if context.input().downcast_ref::<GetRecordsInput>().is_some() {
            seen.gets += 1;
        }
        Ok(())
    }
}

impl Shapes {
    pub(crate) fn save(&self, path: &Path) -> Result<(), BoxError> {
        fs::write(path, serde_json::to_vec(&self.puts)?)?;
        Ok(())
    }

    pub(crate) fn load(path: &Path) -> Result<Self, BoxError> {
        Ok(Self {
            puts: serde_json::from_slice(&fs::read(path)?)?,
            gets: 0,
        })
    }
}
