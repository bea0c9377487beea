//! Cases against one target.

use futures::{StreamExt, stream};

use super::{Case, Need, Target, TargetError, Violation};

/// What became of a case.
#[derive(Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// The rule is kept.
    Kept,
    /// It is not.
    Broken(Violation),
    /// The target has no way to show it, e.g. no clock that can be moved.
    NotOffered,
}

/// Holds a target to each case, in their order.
///
/// # Errors
/// [`TargetError`] if the target does not start. A remote one that is not there breaks every rule.
pub async fn run(target: &Target, cases: &[Case]) -> Result<Vec<Verdict>, TargetError> {
    let verdicts = stream::iter(cases).map(|case| verdict(target, case));
    let verdicts: Vec<_> = verdicts.buffered(target.width()).collect().await;
    verdicts.into_iter().collect()
}

async fn verdict(target: &Target, case: &Case) -> Result<Verdict, TargetError> {
    if !target.offers(case.needs) {
        return Ok(Verdict::NotOffered);
    }
    // Boxed: starting an endpoint is a large future.
    let subject = Box::pin(target.subject(case.needs)).await?;
    let client = subject.client.clone();
    let stream = subject.stream.clone();
    let outcome = tokio::time::timeout(target.longest(), (case.check)(subject)).await;
    if let (Target::Remote { .. }, true) = (target, case.needs != Need::Clock) {
        // Nothing to do about a stream that does not go.
        let delete = client.delete_stream().stream_name(stream);
        let _ = delete.enforce_consumer_deletion(true).send().await;
    }
    Ok(match outcome {
        Ok(Ok(())) => Verdict::Kept,
        Ok(Err(violation)) => Verdict::Broken(violation),
        Err(_) => Verdict::Broken(Violation::Silent(target.longest().as_secs())),
    })
}
