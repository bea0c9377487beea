//! The life of one held lease as a state machine: an event in, the next step out. Knows nothing of records.
//!
//! ```text
//!  Waiting ──> Initializing ──> Reading <──> Processing ──> Finishing ──> Recording ──> Ending ──┐
//!     │             │              └─────┬───────┴──────────────┴────────────┴───────────┘      │
//!     │             │              stop: Stopping ────────────────────────────────────────────> GivingUp ──> Done
//!     └─────────────┴── stop ────────────────────────────────────────────────────────────────────┘
//!  lease lost, anywhere: Losing, if the processor was initialized ─────────────────────────────────────────> Done
//! ```
//!
//! Each step is one action of the driver, and each action is answered by one event. [`Machine::interrupt`] takes what happens
//! meanwhile: it either lets the action go on or replaces it.

/// One held lease.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    state: State,
    /// A pause before the state's action is repeated.
    pausing: bool,
    stop_asked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Initializing,
    Reading,
    Processing { ended: bool },
    Finishing,
    Recording,
    Ending,
    Stopping(End),
    Losing,
    GivingUp(End),
    Done(End),
}

/// What the driver does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Step {
    /// Look whether the parents' leases are finished.
    CheckParents,
    /// Wait, and look at the parents again.
    WaitForParents,
    /// Wait longer each time, and repeat what failed.
    Pause,
    /// Call `initialize`.
    Initialize,
    /// Wait for the next batch.
    Read,
    /// Call `process_records` with the batch in hand.
    Process,
    /// Wait until the processor has finished what it only accepted. `hurry`: see whether it has, and do not wait.
    Finish {
        hurry: bool,
    },
    /// Make the leases of the shards that follow.
    RecordChildren,
    /// Call `shard_ended`.
    EndShard,
    /// Call `shutdown_requested`.
    RequestShutdown,
    /// Call `lease_lost`.
    TellLost,
    /// Give the lease to whoever waits for it, or to nobody.
    GiveUp,
    Done(End),
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    ParentsFinished,
    ParentsUnfinished,
    /// A pause is over.
    Paused,
    Initialized,
    /// A batch came.
    Batch {
        empty: bool,
        ended: bool,
    },
    Processed,
    /// Nothing is left to do for the processor.
    Finished,
    /// Something is, and there is no time for it.
    Unfinished,
    ChildrenRecorded,
    /// `shard_ended` returned, and the end is checkpointed.
    EndCheckpointed,
    /// `shutdown_requested` returned, whatever it said.
    ShutdownAnswered,
    /// `lease_lost` returned.
    LossAnswered,
    /// The lease is given up, or it was lost before.
    GivenUp,
    /// The step failed and may be repeated.
    Failed,
    /// The user's code panicked.
    Panicked,
    /// Reading stands still, and reading anew did not help.
    Stalled,
}

/// What happens while a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// The lease is not ours any more, or may not be.
    LeaseLost,
    /// The worker stops, or another one waits for the shard.
    Stop,
}

/// How a lease's life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The shard is closed, and its end is checkpointed.
    Finished,
    /// Given up because somebody asked.
    Stopped,
    Lost,
    /// Given up because the user's code panicked.
    Panicked,
    /// Given up because reading stood still.
    Stalled,
}

impl Machine {
    /// `finished`: the lease's checkpoint is the end of the shard already.
    pub(crate) fn new(finished: bool) -> Self {
        let state = if finished {
            State::Recording
        } else {
            State::Waiting
        };
        Self {
            state,
            pausing: false,
            stop_asked: false,
        }
    }

    /// The step to begin with.
    pub(crate) fn first(&self) -> Step {
        self.step()
    }

    /// The step that follows on an event. An event that does not answer the present step repeats it.
    pub(crate) fn on(&mut self, event: Event) -> Step {
        if event == Event::Panicked {
            return self.on_panic();
        }
        if event == Event::Failed {
            return self.on_failure();
        }
        if self.pausing {
            self.pausing = event != Event::Paused;
            return self.step();
        }
        match (self.state, event) {
            (State::Waiting, Event::ParentsUnfinished) => {
                self.pausing = true;
                self.step()
            }
            (State::Waiting, Event::ParentsFinished) => self.enter(State::Initializing),
            (State::Initializing, Event::Initialized) if self.stop_asked => {
                self.enter(State::Stopping(End::Stopped))
            }
            (State::Initializing, Event::Initialized) => self.enter(State::Reading),
            (
                State::Reading,
                Event::Batch {
                    empty: true,
                    ended: false,
                },
            ) => self.enter(State::Reading),
            (
                State::Reading,
                Event::Batch {
                    empty: true,
                    ended: true,
                },
            ) => self.enter(State::Finishing),
            // The processor waits and has everything: nothing is asked of it but to checkpoint.
            (State::Reading, Event::Stalled) => self.enter(State::Stopping(End::Stalled)),
            (State::Reading, Event::Batch { empty: false, ended }) => self.enter(State::Processing { ended }),
            (State::Processing { ended: true }, Event::Processed) => self.enter(State::Finishing),
            (State::Finishing, Event::Finished) => self.enter(State::Recording),
            (State::Finishing, Event::Unfinished) => self.enter(State::Stopping(End::Stopped)),
            (State::Processing { .. }, Event::Processed) if self.stop_asked => {
                self.enter(State::Stopping(End::Stopped))
            }
            (State::Processing { .. }, Event::Processed) => self.enter(State::Reading),
            (State::Recording, Event::ChildrenRecorded) => self.enter(State::Ending),
            (State::Ending, Event::EndCheckpointed) => self.enter(State::GivingUp(End::Finished)),
            (State::Stopping(end), Event::ShutdownAnswered) => self.enter(State::GivingUp(end)),
            (State::Losing, Event::LossAnswered) => self.enter(State::Done(End::Lost)),
            (State::GivingUp(end), Event::GivenUp) => self.enter(State::Done(end)),
            _ => self.step(),
        }
    }

    /// The step that replaces the running one. `None`: it goes on.
    pub(crate) fn interrupt(&mut self, interrupt: Interrupt) -> Option<Step> {
        match (interrupt, self.state) {
            (_, State::Losing | State::GivingUp(_) | State::Done(_)) => None,
            (Interrupt::LeaseLost, State::Waiting | State::Initializing) => {
                Some(self.enter(State::Done(End::Lost)))
            }
            (Interrupt::LeaseLost, _) => Some(self.enter(State::Losing)),
            (Interrupt::Stop, State::Waiting) => Some(self.enter(State::GivingUp(End::Stopped))),
            (Interrupt::Stop, State::Initializing) if self.pausing => {
                Some(self.enter(State::GivingUp(End::Stopped)))
            }
            (Interrupt::Stop, State::Reading | State::Finishing) => {
                Some(self.enter(State::Stopping(End::Stopped)))
            }
            (Interrupt::Stop, State::Processing { .. } | State::Recording | State::Ending)
                if self.pausing =>
            {
                Some(self.enter(State::Stopping(End::Stopped)))
            }
            (Interrupt::Stop, _) => {
                self.stop_asked = true;
                None
            }
        }
    }

    fn on_failure(&mut self) -> Step {
        match self.state {
            State::Losing => self.enter(State::Done(End::Lost)),
            State::Stopping(end) => self.enter(State::GivingUp(end)),
            // Nobody else can do it better: the lease expires by itself.
            State::GivingUp(end) => self.enter(State::Done(end)),
            State::Done(_) => self.step(),
            State::Waiting | State::Initializing if self.stop_asked => {
                self.enter(State::GivingUp(End::Stopped))
            }
            _ if self.stop_asked => self.enter(State::Stopping(End::Stopped)),
            _ => {
                self.pausing = true;
                self.step()
            }
        }
    }

    fn on_panic(&mut self) -> Step {
        match self.state {
            State::Losing => self.enter(State::Done(End::Lost)),
            State::GivingUp(_) | State::Done(_) => self.step(),
            _ => self.enter(State::GivingUp(End::Panicked)),
        }
    }

    fn enter(&mut self, state: State) -> Step {
        self.state = state;
        self.pausing = false;
        self.step()
    }

    fn step(&self) -> Step {
        match self.state {
            State::Waiting if self.pausing => Step::WaitForParents,
            _ if self.pausing => Step::Pause,
            State::Waiting => Step::CheckParents,
            State::Initializing => Step::Initialize,
            State::Reading => Step::Read,
            State::Processing { .. } => Step::Process,
            State::Finishing => Step::Finish {
                hurry: self.stop_asked,
            },
            State::Recording => Step::RecordChildren,
            State::Ending => Step::EndShard,
            State::Stopping(_) => Step::RequestShutdown,
            State::Losing => Step::TellLost,
            State::GivingUp(_) => Step::GiveUp,
            State::Done(end) => Step::Done(end),
        }
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
