//! What a worker that stops leaves to whom.

use std::collections::HashSet;
use std::time::Duration;

use rand::Rng as _;
use tokio::time::{Instant, timeout};

use super::Assigner;
use crate::assign::central::Settings;
use crate::coordinator::shutdown::Others;
use crate::fleet::HandOvers;
use crate::handover::farewell::farewells;
use crate::lease::{LeaseKey, WorkerId};
use crate::processor::RecordProcessorFactory;
use crate::source::Source;

impl<S: Source, F: RecordProcessorFactory> Assigner<S, F> {
    /// Who gets the leases that this worker gives up, by a last look at the table. Nobody is named while somebody else has our
    /// id, or when the table does not answer at once.
    pub(in crate::coordinator) async fn successors(
        &mut self,
        held: &HashSet<LeaseKey>,
    ) -> Vec<(LeaseKey, WorkerId)> {
        if self.twin.is_suspected() || held.is_empty() {
            return Vec::new();
        }
        let Ok(Ok(listing)) = timeout(LAST_LOOK, self.look()).await else {
            return Vec::new();
        };
        let now = Instant::now().into_std();
        self.observe(&listing.leases, now);
        self.greet(&listing, now);
        let listing = self.of_streams_read(listing);
        let snapshot = self.snapshot(&listing, held, now);
        let seed = self.rng.random();
        farewells(&snapshot, self.takers(), &Settings::default(), seed)
            .into_iter()
            .filter_map(|farewell| Some((farewell.key, farewell.to?)))
            .collect()
    }

    /// What is known of others at the end. `None`: nobody else is there.
    #[expect(clippy::type_complexity, reason = "types of closures have no names")]
    pub(in crate::coordinator) fn others(
        &self,
    ) -> Option<Others<impl Fn(&WorkerId, &LeaseKey) -> bool, impl Fn(&WorkerId) -> bool>> {
        self.in_company().then(|| Others {
            had: |worker: &WorkerId, key: &LeaseKey| self.observed.was_of(key, worker),
            takes: self.takers(),
        })
    }

    /// Who is known to take what bears its name.
    fn takers(&self) -> impl Fn(&WorkerId) -> bool {
        let anybody = self.membership.borrow().hand_overs() == HandOvers::OfAll;
        move |worker| anybody || self.peers.notices(worker)
    }
}

/// Ours: a stop is not held up for longer.
const LAST_LOOK: Duration = Duration::from_secs(1);
