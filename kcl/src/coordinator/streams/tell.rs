//! What the rest of the worker, and whoever watches it, learns of streams.

use std::time::Duration;

use super::Follower;
use crate::events::ConsumerEvent;
use crate::health::StreamPhase;
use crate::streams::directory::Directory;
use crate::streams::listed::StreamTarget;

impl<S, F> Follower<S, F> {
    /// Tells all tasks which streams are read.
    pub(super) fn publish(&self) {
        let reading = Directory::Several(self.roster.reading());
        let changed = self.desk.shop.streams.send_if_modified(|directory| {
            let changed = *directory != reading;
            if changed {
                *directory = reading;
            }
            changed
        });
        if changed {
            self.desk.news.notify_one();
        }
        if let Some(board) = self.desk.board.upgrade() {
            let is_known = |target: &StreamTarget| self.roster.knows(target) || self.refused.contains(target);
            board.send_if_modified(|state| {
                let before = state.streams.len();
                state.streams.retain(|target, _| is_known(target));
                state.streams.len() != before
            });
        }
    }

    pub(super) fn fail(&self, target: &StreamTarget, phase: StreamPhase, retry_in: Option<Duration>) {
        let (operation, code) = match &phase {
            StreamPhase::Failing { operation, code } => (*operation, code.clone()),
            _ => ("DescribeStreamSummary", "ResourceNotFoundException".to_owned()),
        };
        if self.show(target, phase) {
            self.ring(ConsumerEvent::StreamFailed {
                stream: target.clone(),
                operation,
                code,
                retry_in,
            });
        }
    }

    pub(super) fn ring(&self, event: ConsumerEvent) {
        self.desk.shop.bell.ring(event);
    }

    /// Whether that is news.
    pub(super) fn show(&self, target: &StreamTarget, phase: StreamPhase) -> bool {
        let Some(board) = self.desk.board.upgrade() else {
            return false;
        };
        board.send_if_modified(|state| state.streams.insert(target.clone(), phase.clone()) != Some(phase))
    }
}
