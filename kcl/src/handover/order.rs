//! The steps of a worker's stop, in their order, each with its end.

use std::time::{Duration, Instant};

/// One step of a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Take nothing, assign nothing, begin no hand-over; a leader ends its round.
    StopPlanning,
    /// Delete the own metrics row, so that no leader assigns anything to this worker while it empties (KCL leaves the
    /// row; a leader believes in it for another minute).
    DeleteReport,
    /// Ask every processor to finish, and give each lease away as soon as its processor has.
    GiveLeases,
    /// Cut off the processors that have not finished, and give their leases away.
    CutOff,
    /// Delete the lock row if this worker leads. Last but one: until now a leader's leases and reports were its own
    /// affair, and now the next leader finds them done.
    ReleaseLeadership,
    /// All is done, or time is up.
    Done,
}

/// How long a stop may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// For processors to finish.
    pub drain: Duration,
    /// For what needs only the table: each of the other steps.
    pub write: Duration,
}

/// A stop under way.
#[derive(Debug, Clone)]
pub struct Stop {
    deadlines: Deadlines,
    step: Step,
    until: Instant,
}

impl Stop {
    /// A stop that begins at `now`.
    #[must_use]
    pub fn new(deadlines: Deadlines, now: Instant) -> Self {
        Self {
            deadlines,
            step: Step::StopPlanning,
            until: now + deadlines.write,
        }
    }

    /// The step to do, and until when.
    #[must_use]
    pub fn current(&self) -> (Step, Instant) {
        (self.step, self.until)
    }

    /// The present step succeeded, failed or ran out of time; `leases_left`: how many leases are still held.
    pub fn on_step_over(&mut self, leases_left: usize, now: Instant) {
        self.step = match self.step {
            Step::StopPlanning => Step::DeleteReport,
            Step::DeleteReport if leases_left > 0 => Step::GiveLeases,
            Step::GiveLeases if leases_left > 0 => Step::CutOff,
            Step::DeleteReport | Step::GiveLeases | Step::CutOff => Step::ReleaseLeadership,
            Step::ReleaseLeadership | Step::Done => Step::Done,
        };
        let patience = match self.step {
            Step::GiveLeases => self.deadlines.drain,
            _ => self.deadlines.write,
        };
        self.until = now + patience;
    }

    /// The longest a stop may take.
    #[must_use]
    pub fn longest(deadlines: Deadlines) -> Duration {
        deadlines.drain + deadlines.write * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    fn walk(mut leases: impl FnMut(Step) -> usize) -> (Vec<Step>, Duration) {
        let deadlines = Deadlines {
            drain: Duration::from_secs(30),
            write: Duration::from_secs(5),
        };
        let start = Instant::now();
        let mut now = start;
        let mut stop = Stop::new(deadlines, now);
        let mut steps = Vec::new();
        loop {
            let (step, until) = stop.current();
            steps.push(step);
            if step == Step::Done {
                let took = now - start;
                assert!(took <= Stop::longest(deadlines));
                return (steps, took);
            }
            now = until;
            stop.on_step_over(leases(step), now);
        }
    }

    #[test]
    fn every_step_comes_in_order_and_the_stop_has_an_end() {
        use Step::{CutOff, DeleteReport, Done, GiveLeases, ReleaseLeadership, StopPlanning};
        let all = [
            StopPlanning,
            DeleteReport,
            GiveLeases,
            CutOff,
            ReleaseLeadership,
            Done,
        ];
        assert_eq!(walk(|_| 3).0, all);
        assert_eq!(walk(|_| 3).1, Duration::from_secs(50));
        let drained = [StopPlanning, DeleteReport, GiveLeases, ReleaseLeadership, Done];
        assert_eq!(walk(|step| usize::from(step < GiveLeases)).0, drained);
        let idle = [StopPlanning, DeleteReport, ReleaseLeadership, Done];
        assert_eq!(walk(|_| 0).0, idle);
    }
}
