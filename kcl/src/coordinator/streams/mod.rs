//! Follows the list of an application's streams: finds out what each is, has its shards get leases, has it read or left.
//!
//! Whatever is wrong with one stream is told, shown, and tried again later; it holds up no other.

mod ask;
mod list;
mod tell;

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use self::ask::{Answer, ask_about};
use super::audit::create_missing;
use super::membership::Membership;
use crate::config::Several;
use crate::error::StoreError;
use crate::events::ConsumerEvent;
use crate::fleet::Assignment;
use crate::health::{ConsumerState, StreamPhase};
use crate::lease::StreamId;
use crate::metrics::Metric;
use crate::process::hands::Workshop;
use crate::process::keeper::chain;
use crate::processor::RecordProcessorFactory;
use crate::source::Source;
use crate::source::failure::{Failure, Kind};
use crate::store::Listing;
use crate::streams::condemned::Condemned;
use crate::streams::listed::StreamTarget;
use crate::streams::roster::{Cadence, Roster};
use crate::streams::tracker::Change;

/// What is needed to follow a list of streams.
pub(super) struct Desk<S, F> {
    pub(super) shop: Arc<Workshop<S, F>>,
    pub(super) several: Several,
    pub(super) membership: Arc<Membership>,
    pub(super) leads: watch::Receiver<bool>,
    /// Told when streams came or went.
    pub(super) news: Arc<Notify>,
    pub(super) board: Weak<watch::Sender<ConsumerState>>,
    /// Where the user's code runs.
    pub(super) floor: Handle,
}

impl<S: Source, F: RecordProcessorFactory> Desk<S, F> {
    /// Follows the list for ever.
    pub(super) async fn run(self) {
        let config = &self.shop.config;
        let settings = &self.several.settings;
        let cadence = Cadence {
            verify: config.coordination.shard_sync_interval,
            retry: RETRY.min(settings.interval),
            patience: settings.interval,
        };
        let (former, unlisted) = (settings.former.clone(), settings.unlisted);
        let roster = Roster::new(unlisted, former, cadence, config.initial_position());
        let follower = Follower {
            roster,
            condemned: Condemned::default(),
            refused: BTreeSet::new(),
            told_alone: BTreeSet::new(),
            table: None,
            list_failures: 0,
            desk: self,
        };
        follower.run().await;
    }
}

struct Follower<S, F> {
    desk: Desk<S, F>,
    roster: Roster,
    /// Streams whose leases go.
    condemned: Condemned,
    /// Streams of other regions: told once.
    refused: BTreeSet<StreamTarget>,
    /// Streams that have leases, and that nobody asked for: told once.
    told_alone: BTreeSet<StreamId>,
    table: Option<(Instant, Arc<Listing>)>,
    list_failures: u32,
}

impl<S: Source, F: RecordProcessorFactory> Follower<S, F> {
    async fn run(mut self) {
        let doubts = self.desk.shop.source.doubts();
        let (mut next_list, mut asked_at) = (Instant::now(), Instant::now());
        loop {
            if Instant::now() >= next_list {
                next_list = Instant::now() + self.ask_for_list().await;
                asked_at = Instant::now();
            }
            let mut pause = GRAIN;
            if let Err(error) = self.round().await {
                warn!(error = %chain(&error), "streams cannot be compared with leases");
                pause = RETRY;
            }
            let now = Instant::now();
            let asked = self.roster.next_due().map(Instant::from);
            let removed = self.condemned.next_due(self.failover()).map(Instant::from);
            let next = [Some(next_list), asked, removed].into_iter().flatten().min();
            let next = next.unwrap_or(next_list).max(now + pause);
            tokio::select! {
                biased;
                () = sleep_until(next) => {}
                () = doubts.notified() => {
                    self.roster.on_doubt(Instant::now().into_std());
                    next_list = next_list.min(asked_at + RETRY);
                }
            }
        }
    }

    fn failover(&self) -> Duration {
        self.desk.shop.config.leasing.failover
    }

    /// Asks about the streams that are due, several at a time, and acts on each answer as it comes.
    async fn round(&mut self) -> Result<(), StoreError> {
        let table = self.table().await?;
        self.settle(&table).await?;
        let mut due = self.roster.due(Instant::now().into_std()).into_iter();
        let mut asked = FuturesUnordered::new();
        loop {
            while asked.len() < ASKED_AT_ONCE
                && let Some(target) = due.next()
            {
                let shop = Arc::clone(&self.desk.shop);
                let (table, synced) = (self.table().await?, self.roster.synced(&target).cloned());
                asked.push(ask_about(shop, target, table, synced));
            }
            let Some(answer) = asked.next().await else {
                return Ok(());
            };
            self.take_in(answer).await?;
        }
    }

    async fn take_in(&mut self, (target, answer): Answer) -> Result<(), StoreError> {
        let (described, shards) = match answer {
            Ok(found) => found,
            Err(failure) => {
                self.on_failure(&target, &failure).await;
                return Ok(());
            }
        };
        let id = described.id.clone();
        let now = Instant::now().into_std();
        self.roster.on_described(&target, described, now);
        let table = self.table().await?;
        self.settle(&table).await?;
        let Some(stream) = self.roster.reading().remove(&id) else {
            return Ok(());
        };
        self.show(&target, StreamPhase::Reading);
        let Some(shards) = shards.filter(|_| self.roster.synced(&target).is_none()) else {
            self.roster.on_synced(&target);
            return Ok(());
        };
        match create_missing(&self.desk.shop, &stream, &shards, &table).await {
            Ok(leases_created) => {
                self.roster.on_synced(&target);
                info!(stream = %stream, leases = leases_created, "stream has its leases");
                self.ring(ConsumerEvent::StreamAdded {
                    stream: id,
                    leases_created,
                });
                self.desk.news.notify_one();
            }
            Err(error) => {
                let (pause, _) = self.roster.on_failure(&target, false, now);
                warn!(stream = %stream, error = %chain(&error), "leases of a stream cannot be made");
                let phase = StreamPhase::Failing {
                    operation: "PutItem",
                    code: chain(&error),
                };
                self.fail(&target, phase, Some(pause));
            }
        }
        Ok(())
    }

    async fn on_failure(&mut self, target: &StreamTarget, failure: &Failure) {
        let missing = failure.kind == Kind::NotFound;
        let now = Instant::now().into_std();
        let (pause, changes) = self.roster.on_failure(target, missing, now);
        let attempt = self.roster.failures(target);
        if attempt == 1 || attempt.is_multiple_of(LOUD_AFTER) {
            warn!(stream = %target, attempt, error = %chain(failure), "stream cannot be read, it is tried again");
        } else {
            debug!(stream = %target, attempt, error = %chain(failure), "stream cannot be read, it is tried again");
        }
        let phase = match missing {
            true => StreamPhase::Missing,
            false => StreamPhase::Failing {
                operation: failure.operation,
                code: failure.code.clone(),
            },
        };
        self.fail(target, phase, Some(pause));
        self.apply(changes, missing);
        self.publish();
    }

    /// Acts on what is known: which streams are read from now on, which are left, whose leases go.
    async fn settle(&mut self, table: &Listing) -> Result<(), StoreError> {
        let in_table: BTreeSet<StreamId> = table
            .leases
            .iter()
            .filter_map(|lease| lease.key.stream())
            .collect();
        let changes = self.roster.changes(&in_table, Instant::now().into_std());
        self.apply(changes, false);
        let alone: Vec<StreamId> = self.roster.left_alone().cloned().collect();
        for stream in alone {
            if !self.condemned.contains(&stream) && self.told_alone.insert(stream.clone()) {
                info!(stream = %stream, "leases of a stream that is not listed are left alone");
                self.ring(ConsumerEvent::StreamLeftAlone { stream });
            }
        }
        self.publish();
        let removed = self.remove_condemned(table).await;
        let counters = &self.desk.shop.counters;
        counters.set(Metric::ActiveStreams, self.roster.reading().len());
        let going = self.roster.pending_deletion() + self.condemned.len();
        counters.set(Metric::StreamsPendingDeletion, going);
        removed
    }

    /// `missing`: the service knows the streams no more.
    fn apply(&mut self, changes: Vec<Change>, missing: bool) {
        for change in changes {
            match change {
                Change::Read { stream, .. } => {
                    info!(stream = %stream, "stream is read");
                    self.condemned.pardon(&stream);
                    self.told_alone.remove(&stream);
                }
                Change::Stop { stream, why } => {
                    info!(stream = %stream, why = ?why, "stream is read no more");
                    self.ring(ConsumerEvent::StreamLeft { stream, why });
                }
                Change::Delete { stream } => {
                    self.condemned.condemn(stream, missing, Instant::now().into_std());
                }
            }
        }
    }

    /// Whether it falls to this worker to delete leases.
    fn is_mine(&self) -> bool {
        match self.desk.membership.borrow().assignment() {
            Assignment::Each => true,
            Assignment::Leader => *self.desk.leads.borrow(),
        }
    }

    /// Deletes leases of streams that are done with, and counts each stream of which it deletes the last.
    async fn remove_condemned(&mut self, table: &Listing) -> Result<(), StoreError> {
        let (now, failover) = (Instant::now().into_std(), self.failover());
        let round = self.condemned.round(&table.leases, self.is_mine(), failover, now);
        if !round.removals.is_empty() {
            // It shows rows that are gone soon.
            self.table = None;
        }
        let shop = &self.desk.shop;
        for removal in &round.removals {
            let (mut leases, mut was_last) = (0, false);
            for key in &removal.keys {
                was_last = shop.store.delete(key).await?;
                leases += usize::from(was_last);
            }
            if removal.ends && was_last {
                shop.counters.add(Metric::DeletedStreams, 1);
                let missing = usize::from(removal.missing);
                shop.counters.add(Metric::MissingStreamsDeleted, missing);
            }
            if leases > 0 {
                let stream = removal.stream.clone();
                info!(stream = %stream, leases, "leases of a former stream deleted");
                self.ring(ConsumerEvent::StreamLeasesDeleted { stream, leases });
            }
        }
        self.condemned.on_round(&round, failover, now);
        Ok(())
    }

    /// The leases, as they were a moment ago.
    async fn table(&mut self) -> Result<Arc<Listing>, StoreError> {
        if let Some((at, table)) = &self.table
            && at.elapsed() < TABLE_AGE
        {
            return Ok(Arc::clone(table));
        }
        let table = Arc::new(self.desk.shop.store.list().await?);
        self.table = Some((Instant::now(), Arc::clone(&table)));
        Ok(table)
    }
}

/// Ours: after a first failure.
const RETRY: Duration = Duration::from_secs(1);
/// Ours: a line each so many attempts.
const LOUD_AFTER: u32 = 12;
/// Ours: a stream that does not answer holds up no other.
const ASKED_AT_ONCE: usize = 8;
/// Ours: what is written in consequence has conditions of its own.
const TABLE_AGE: Duration = Duration::from_secs(2);
/// Ours: the least time between two rounds.
const GRAIN: Duration = Duration::from_millis(50);
