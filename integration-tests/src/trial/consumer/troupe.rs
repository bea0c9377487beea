//! The workers of a trial: real consumers, that join, die, are held and stop when they are told to.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use futures::StreamExt as _;
use kcl::events::Notice;
use kcl::{Consumer, ConsumerHandle, ReadBudget, RecordProcessorFactory, RunError, RunSummary};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Duration, timeout};

use super::super::error::TrialError;
use super::gate::Gate;
use super::ledger::Ledger;
use super::scenario::{Scenario, Work};
use super::stage::Stage;

/// Everybody who plays.
#[derive(Debug)]
pub(super) struct Troupe<'a> {
    scenario: &'a Scenario,
    stage: &'a Stage,
    seed: u64,
    ledger: Ledger,
    present: BTreeMap<&'static str, Worker>,
    /// The runs of those who are there, and those who take down what they tell.
    runs: JoinSet<(&'static str, Result<RunSummary, RunError>)>,
    listeners: JoinSet<()>,
    /// What those told who stopped.
    pub(super) summaries: BTreeMap<&'static str, RunSummary>,
    /// Leases of those who were killed or held, at that moment.
    pub(super) struck: Vec<(&'static str, usize)>,
    budgets: Budgets,
}

/// What the workers hold of what they read, for others to look at.
pub(super) type Budgets = Rc<RefCell<Vec<ReadBudget>>>;

#[derive(Debug)]
struct Worker {
    handle: ConsumerHandle,
    gate: Gate,
    run: AbortHandle,
}

impl<'a> Troupe<'a> {
    pub(super) fn new(scenario: &'a Scenario, stage: &'a Stage, seed: u64, ledger: &Ledger) -> Self {
        Self {
            scenario,
            stage,
            seed,
            ledger: ledger.clone(),
            present: BTreeMap::new(),
            runs: JoinSet::new(),
            listeners: JoinSet::new(),
            summaries: BTreeMap::new(),
            struck: Vec::new(),
            budgets: Rc::default(),
        }
    }

    pub(super) fn budgets(&self) -> Budgets {
        Rc::clone(&self.budgets)
    }

    /// A worker begins.
    pub(super) fn join(&mut self, name: &'static str) -> Result<(), TrialError> {
        let gate = Gate::default();
        let budget = ReadBudget::of_bytes(self.scenario.budget);
        self.budgets.borrow_mut().push(budget.clone());
        let config = self
            .scenario
            .consumer
            .clone()
            .worker_id(name)
            .seed(self.seed)
            .build()?;
        let builder = Consumer::builder(config)
            .kinesis_client(self.stage.kinesis(name, &gate))
            .dynamodb_client(self.stage.dynamodb(name, &gate))
            .read_budget(budget);
        match self.scenario.work {
            Work::Batches(work) => {
                let consumer = builder.build(work.factory(name, &self.ledger, &gate))?;
                self.begin(name, consumer, gate);
            }
            Work::Records(work) => {
                let consumer = work.consumer(builder, name, &self.ledger, &gate)?;
                self.begin(name, consumer, gate);
            }
        }
        Ok(())
    }

    fn begin<F: RecordProcessorFactory>(&mut self, name: &'static str, consumer: Consumer<F>, gate: Gate) {
        let handle = consumer.handle();
        let (mut events, ledger) = (handle.events(), self.ledger.clone());
        self.listeners.spawn(async move {
            while let Some(notice) = events.next().await {
                if let Notice::Event(event) = notice {
                    ledger.note(name, event);
                }
            }
        });
        let run = self.runs.spawn(async move { (name, consumer.run().await) });
        self.present.insert(name, Worker { handle, gate, run });
    }

    /// A worker's tasks are dropped wherever they are.
    pub(super) async fn kill(&mut self, name: &'static str) -> Result<(), TrialError> {
        let worker = self.present.remove(name).ok_or(NOT_THERE)?;
        self.struck.push((name, worker.handle.leases_held()));
        worker.run.abort();
        while self.ended().await?.is_some() {}
        self.ledger.books().died(name);
        Ok(())
    }

    /// A worker is held for so long.
    pub(super) fn hold(&mut self, name: &'static str, period: Duration) -> Result<(), TrialError> {
        let worker = self.present.get(name).ok_or(NOT_THERE)?;
        worker.gate.close(period);
        self.struck.push((name, worker.handle.leases_held()));
        Ok(())
    }

    /// A worker is asked to stop, and is waited for.
    pub(super) async fn stop(&mut self, name: &'static str) -> Result<(), TrialError> {
        let worker = self.present.remove(name).ok_or(NOT_THERE)?;
        worker.handle.request_shutdown();
        while !self.summaries.contains_key(name) {
            self.ended().await?;
        }
        Ok(())
    }

    /// All who are there stop, one after the other has been asked.
    pub(super) async fn stop_all(&mut self) -> Result<(), TrialError> {
        let present = std::mem::take(&mut self.present);
        for worker in present.values() {
            worker.handle.request_shutdown();
        }
        while !self.runs.is_empty() {
            self.ended().await?;
        }
        Ok(())
    }

    /// Waits for the end of one; `None` if it was killed.
    async fn ended(&mut self) -> Result<Option<&'static str>, TrialError> {
        let ended = timeout(PATIENCE, self.runs.join_next()).await;
        let ended = ended.map_err(|_| TrialError::Ended {
            what: "patience with a worker",
        })?;
        let (name, run) = match ended {
            Some(Ok(ended)) => ended,
            Some(Err(error)) if error.is_cancelled() => return Ok(None),
            Some(Err(_)) | None => return Err(NOT_THERE),
        };
        let summary = run.map_err(|source| TrialError::Run {
            worker: name,
            source: Box::new(source),
        })?;
        self.summaries.insert(name, summary);
        Ok(Some(name))
    }
}

const NOT_THERE: TrialError = TrialError::Ended {
    what: "a worker that was to do something",
};
/// Longer than any clean stop may take by default.
const PATIENCE: Duration = Duration::from_secs(120);
