//! Whether a stream is still the one it was: the service knows streams by name, and a name may be given again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::StreamDescriptionSummary;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::failure::{Failure, Kind};
use super::listing::Listings;
use crate::lease::StreamId;
use crate::stream::Stream;
use crate::streams::arn::StreamArn;
use crate::streams::listed::StreamTarget;
use crate::streams::roster::Described;

/// When each stream was last seen to be itself. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Identities {
    seen: Arc<Mutex<HashMap<StreamId, Instant>>>,
    doubts: Arc<Notify>,
}

impl Identities {
    pub(super) fn doubts(&self) -> Arc<Notify> {
        Arc::clone(&self.doubts)
    }

    /// Asks the service what a stream is.
    pub(super) async fn describe(
        &self,
        client: &Client,
        listings: &Listings,
        target: &StreamTarget,
    ) -> Result<Described, Failure> {
        let call = client.describe_stream_summary();
        let call = match target {
            StreamTarget::Name(name) => call.stream_name(name.as_str()),
            StreamTarget::Arn(arn) => call.stream_arn(arn.to_string()),
        };
        listings.turn().await;
        let output = call.send().await.map_err(|error| {
            let failure = Failure::of_sdk(OPERATION, error);
            if failure.kind == Kind::Throttled {
                listings.throttled();
            }
            failure
        })?;
        let summary = output.stream_description_summary();
        let described = described(summary.ok_or_else(|| bad("no description in the answer"))?)?;
        self.seen().insert(described.id.clone(), Instant::now());
        Ok(described)
    }

    /// Fails unless the stream was seen to be itself at most `age` ago, or is now. Passes where nothing is known that could be
    /// compared: an application's only stream may be one that may not be described.
    pub(super) async fn ensure(
        &self,
        client: &Client,
        listings: &Listings,
        stream: &Stream,
        age: Duration,
    ) -> Result<(), Failure> {
        let Some(id) = stream.origin() else {
            return Ok(());
        };
        if self.seen().get(id).is_some_and(|at| at.elapsed() <= age) {
            return Ok(());
        }
        let target = target_of(stream);
        match self.describe(client, listings, &target).await {
            Ok(now) if now.id == *id => Ok(()),
            Ok(now) => {
                self.doubts.notify_one();
                Err(Failure {
                    operation: OPERATION,
                    kind: Kind::Recreated,
                    code: "Recreated".to_owned(),
                    source: format!("`{id}` was deleted, its name is that of `{}` now", now.id).into(),
                })
            }
            // Its readers did well without until now.
            Err(failure) if failure.kind.is_denied() && stream.id().is_none() => {
                self.seen().insert(id.clone(), Instant::now());
                Ok(())
            }
            Err(failure) => {
                if failure.kind == Kind::NotFound {
                    self.doubts.notify_one();
                }
                Err(failure)
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<StreamId, Instant>> {
        // Each use is one step, so a thread that died in between left nothing half done.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the service is asked about a stream: by its ARN where that is known, else by its name.
pub(crate) fn target_of(stream: &Stream) -> StreamTarget {
    match stream.arn() {
        Some(arn) => StreamTarget::Arn(arn.clone()),
        None => StreamTarget::Name(stream.name().clone()),
    }
}

fn described(summary: &StreamDescriptionSummary) -> Result<Described, Failure> {
    let arn = StreamArn::parse(summary.stream_arn()).map_err(bad)?;
    let created = u64::try_from(summary.stream_creation_timestamp().secs()).map_err(bad)?;
    let id = StreamId::new(arn.account(), arn.name(), created).map_err(bad)?;
    Ok(Described { id, arn })
}

fn bad(source: impl Into<crate::error::BoxError>) -> Failure {
    Failure::bad_answer(OPERATION, source)
}

const OPERATION: &str = "DescribeStreamSummary";
