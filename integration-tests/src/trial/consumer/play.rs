//! Plays a scenario: one puts, one gives the cues, the workers do what they do, others look; then the books are closed.

use std::time::Duration;

use kcl::ReadBudget;
use kinesis_local::Local;
use tokio::time::{sleep, timeout};

use super::super::error::TrialError;
use super::super::play::on_paused_clock;
use super::super::process::Usage;
use super::auditor::Auditor;
use super::feed;
use super::ledger::Ledger;
use super::report::{Report, Samples};
use super::scenario::{Act, Scenario, When};
use super::stage::Stage;
use super::troupe::{Budgets, Troupe};

/// Plays a scenario to its end.
///
/// # Errors
/// [`TrialError`] when it could not be played; a promise that was broken is in the report.
pub async fn play(scenario: &Scenario, stage: &Stage, seed: u64) -> Result<Report, TrialError> {
    let ledger = Ledger::new();
    if matches!(stage, Stage::Remote { .. }) {
        feed::recall(&scenario.load, seed, &ledger)?;
    }
    let mut troupe = Troupe::new(scenario, stage, seed, &ledger);
    let auditor = Auditor::new(stage, &ledger);
    let budgets = troupe.budgets();
    let mut seen = Samples::default();
    let begin = Usage::now()?;
    let mut took = Duration::ZERO;
    // The others last as long as something is to do.
    tokio::select! {
        biased;
        played = course(scenario, stage, seed, &ledger, &mut troupe, &mut took) => played?,
        () = auditor.watch() => {}
        sampled = sample(&ledger, &budgets, &mut seen) => sampled?,
    }
    let end = Usage::now()?;
    auditor.look().await;
    let (balance, waits) = {
        let books = ledger.books();
        (books.balance(), books.waits().clone())
    };
    Ok(Report {
        scenario: scenario.clone(),
        balance,
        waits,
        diary: ledger.diary().clone(),
        summaries: troupe.summaries,
        struck: troupe.struck,
        took,
        seen,
        calls: stage.calls(),
        usage: Usage {
            cpu_seconds: end.cpu_seconds - begin.cpu_seconds,
            ..end
        },
        idle_memory: begin.resident,
        is_alone: matches!(stage, Stage::Remote { .. }),
    })
}

/// From the first record to the last clean stop.
async fn course(
    scenario: &Scenario,
    stage: &Stage,
    seed: u64,
    ledger: &Ledger,
    troupe: &mut Troupe<'_>,
    took: &mut Duration,
) -> Result<(), TrialError> {
    let feeding = async {
        match stage.local() {
            Some(local) => feed::feed(local, &scenario.load, seed, ledger).await,
            None => Ok(()),
        }
    };
    let cues = async {
        for cue in &scenario.cues {
            wait_for(cue.when, scenario.load.records, ledger).await;
            act(&cue.act, stage, troupe).await?;
        }
        Ok::<_, TrialError>(())
    };
    tokio::try_join!(feeding, cues)?;
    let all = scenario.load.records;
    // What is not done by then is lost: the report tells.
    let _ = timeout(PATIENCE, ledger.until(|books| books.done_count() >= all)).await;
    *took = ledger.now();
    sleep(scenario.settle).await;
    troupe.stop_all().await
}

async fn wait_for(when: When, records: usize, ledger: &Ledger) {
    match when {
        When::Start => {}
        When::Stored => ledger.until(|books| books.stored_count() >= records).await,
        When::Put(share) => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of a number of records is one"
            )]
            let wanted = (records as f64 * share) as usize;
            ledger.until(|books| books.put_count() >= wanted).await;
        }
    }
}

async fn act(act: &Act, stage: &Stage, troupe: &mut Troupe<'_>) -> Result<(), TrialError> {
    match act {
        Act::Join(worker) => troupe.join(worker),
        Act::Kill(worker) => troupe.kill(worker).await,
        Act::Hold(worker, period) => troupe.hold(worker, *period),
        Act::Stop(worker) => troupe.stop(worker).await,
        Act::Reshard(reshard) => {
            let local = stage.local().ok_or(TrialError::Ended {
                what: "the way to the endpoint",
            })?;
            Ok(local
                .faults()
                .reshard(Duration::ZERO, super::stage::STREAM, reshard.clone())?)
        }
    }
}

async fn sample(ledger: &Ledger, budgets: &Budgets, seen: &mut Samples) -> Result<(), TrialError> {
    loop {
        let now = ledger.now();
        let waiting = ledger.books().lag(now);
        seen.lag
            .note(now, u64::try_from(waiting.as_millis()).unwrap_or(u64::MAX));
        let held = budgets.borrow().iter().map(ReadBudget::used_bytes).max();
        seen.held.note(now, held.unwrap_or_default() as u64);
        seen.resident.note(now, Usage::now()?.resident);
        sleep(SAMPLE).await;
    }
}

/// Plays a trial on a thread, a runtime and a paused clock of its own.
///
/// # Errors
/// As [`play`].
pub fn play_in_virtual_time(scenario: &Scenario, seed: u64) -> Result<Report, TrialError> {
    on_paused_clock(async {
        let stage = Stage::in_process(scenario, seed).await?;
        play(scenario, &stage, seed).await
    })
}

/// Puts what a scenario's load says at an endpoint for [`Stage::Remote`].
///
/// # Errors
/// [`TrialError`] for what cannot be put.
pub async fn fill(scenario: &Scenario, local: &Local, seed: u64) -> Result<(), TrialError> {
    feed::fill(local, &scenario.load, seed).await
}

/// After the last record is put: longer than several leases in a row may need to find new holders.
const PATIENCE: Duration = Duration::from_secs(600);
const SAMPLE: Duration = Duration::from_millis(250);
