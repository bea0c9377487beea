//! What the keeper of a lease hears of batches.

use super::keeper::{Command, KeeperHandle, tell};
use crate::position::Position;

/// Tells the keeper how batches fare. Each word wakes the thread of the office, so that a batch was processed is told with
/// whatever must be heard next: until then it counts as the one in hand, and a checkpoint of everything covers both alike.
#[derive(Debug, Default)]
pub(super) struct Told {
    done_untold: bool,
}

impl Told {
    /// A batch that ends here goes to the processor.
    pub(super) async fn delivering(&mut self, keeper: &KeeperHandle, last: Position) {
        self.tell_done(keeper).await;
        tell(keeper, Command::Delivering(last)).await;
    }

    /// The batch in hand was processed.
    pub(super) fn processed(&mut self) {
        self.done_untold = true;
    }

    /// The batch in hand failed. Of one without records the keeper has heard nothing: the one before it must not seem to be
    /// what failed.
    pub(super) async fn failed(&mut self, keeper: &KeeperHandle) {
        self.tell_done(keeper).await;
        tell(keeper, Command::ProcessingFailed).await;
    }

    async fn tell_done(&mut self, keeper: &KeeperHandle) {
        if self.done_untold {
            tell(keeper, Command::Processed).await;
            self.done_untold = false;
        }
    }
}
