//! When a flush is done: all records put before it have their outcomes.

use std::collections::VecDeque;

use super::action::FlushId;

/// Counts outstanding records between flushes, so that a completion costs one search however many flushes wait.
#[derive(Debug, Default)]
pub(super) struct Flushes {
    waiting: VecDeque<Waiting>,
    /// Outstanding records put after the last waiting flush.
    since_last: usize,
    next_id: u64,
}

#[derive(Debug)]
struct Waiting {
    id: FlushId,
    /// Records with a smaller number were put before.
    before: u64,
    /// Outstanding records put before this flush and after the one in front of it.
    outstanding: usize,
}

impl Flushes {
    /// A record was put.
    pub(super) fn on_put(&mut self) {
        self.since_last += 1;
    }

    /// A flush of all records with numbers below `before`.
    pub(super) fn begin(&mut self, before: u64) -> FlushId {
        let id = FlushId(self.next_id);
        self.next_id += 1;
        self.waiting.push_back(Waiting {
            id,
            before,
            outstanding: std::mem::take(&mut self.since_last),
        });
        id
    }

    /// The record of this number has its outcome.
    pub(super) fn on_outcome(&mut self, number: u64) {
        let place = self.waiting.partition_point(|flush| flush.before <= number);
        let counter = self
            .waiting
            .get_mut(place)
            .map_or(&mut self.since_last, |flush| &mut flush.outstanding);
        *counter = counter
            .checked_sub(1)
            .expect("invariant: a record has one outcome");
    }

    /// A flush that is done, in the order they were asked for.
    pub(super) fn pop_done(&mut self) -> Option<FlushId> {
        if self.waiting.front()?.outstanding > 0 {
            return None;
        }
        self.waiting.pop_front().map(|flush| flush.id)
    }

    /// Records without an outcome.
    pub(super) fn outstanding(&self) -> usize {
        self.since_last + self.waiting.iter().map(|flush| flush.outstanding).sum::<usize>()
    }

    /// Whether nothing is outstanding, neither record nor flush.
    pub(super) fn is_idle(&self) -> bool {
        self.since_last == 0 && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Put,
        Flush,
        Complete(prop::sample::Index),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => Just(Step::Put),
            1 => Just(Step::Flush),
            3 => any::<prop::sample::Index>().prop_map(Step::Complete),
        ];
        prop::collection::vec(step, 1..200)
    }

    proptest! {
        /// Against a model that keeps all numbers: a flush is done exactly when none below it is outstanding.
        #[test]
        fn a_flush_is_done_when_all_before_it_are(steps in steps()) {
            let mut flushes = Flushes::default();
            let (mut open, mut next) = (Vec::new(), 0_u64);
            let mut waiting: VecDeque<(FlushId, u64)> = VecDeque::new();
            for step in steps {
                match step {
                    Step::Put => {
                        flushes.on_put();
                        open.push(next);
                        next += 1;
                    }
                    Step::Flush => waiting.push_back((flushes.begin(next), next)),
                    Step::Complete(index) if !open.is_empty() => {
                        flushes.on_outcome(open.remove(index.index(open.len())));
                    }
                    Step::Complete(_) => {}
                }
                while let Some(done) = flushes.pop_done() {
                    let (id, before) = waiting.pop_front().expect("a flush that was asked for");
                    prop_assert_eq!(done, id);
                    prop_assert!(open.iter().all(|number| *number >= before), "too early");
                }
                if let Some((_, before)) = waiting.front() {
                    prop_assert!(open.iter().any(|number| number < before), "too late");
                }
                prop_assert_eq!(flushes.outstanding(), open.len());
                prop_assert_eq!(flushes.is_idle(), open.is_empty() && waiting.is_empty());
            }
        }
    }
}
