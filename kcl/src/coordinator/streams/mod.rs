//! Follows the list of an application's streams: finds out what each is, has its shards get leases, has it read or left.
//!
//! Whatever is wrong with one stream is told, shown, and tried again later; it holds up no other.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::FutureExt as _;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, info, warn};

use super::audit::create_missing;
use super::membership::Membership;
use crate::config::Several;
use crate::error::{BoxError, StoreError};
use crate::events::ConsumerEvent;
use crate::fleet::Assignment;
use crate::health::{ConsumerState, StreamPhase};
use crate::lease::StreamId;
use crate::metrics::Metric;
use crate::process::hands::Workshop;
use crate::process::keeper::chain;
use crate::processor::RecordProcessorFactory;
use crate::shard_sync::Shard;
use crate::shard_sync::coverage::is_covered;
use crate::shard_sync::view::rows_of;
use crate::source::Source;
use crate::source::failure::{Failure, Kind};
use crate::store::Listing;
use crate::streams::directory::Directory;
use crate::streams::listed::{StreamConfig, StreamTarget};
use crate::streams::roster::{Cadence, Described, Roster};
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
            condemned: BTreeMap::new(),
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
    /// Streams whose leases go, and since when.
    condemned: BTreeMap<StreamId, Instant>,
    /// Streams of other regions: told once.
    refused: BTreeSet<StreamTarget>,
    /// Streams that have leases, and that nobody asked for: told once.
    told_alone: BTreeSet<StreamId>,
    table: Option<(Instant, Arc<Listing>)>,
    list_failures: u32,
}

/// What was found out about one stream.
type Answer = (StreamTarget, Result<(Described, Option<Vec<Shard>>), Failure>);

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
            let removed = self
                .condemned
                .values()
                .min()
                .map(|since| *since + self.failover());
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

    /// Has the application say what it wants to be read. How long until it is asked again.
    async fn ask_for_list(&mut self) -> Duration {
        let interval = self.desk.several.settings.interval;
        // The user's code, which may block its thread or panic.
        let mut asking = JoinSet::new();
        let list = AssertUnwindSafe(self.desk.several.list()).catch_unwind();
        asking.spawn_on(list, &self.desk.floor);
        let patience = interval.max(LIST_PATIENCE);
        let listed: Result<Vec<StreamConfig>, BoxError> = match timeout(patience, asking.join_next()).await {
            Ok(Some(Ok(Ok(listed)))) => listed,
            Ok(_) => Err("the tracker panicked".into()),
            Err(_) => Err(format!("the tracker did not answer in {patience:?}").into()),
        };
        match listed {
            Ok(list) => {
                self.list_failures = 0;
                self.take_list(list);
                interval
            }
            Err(error) => {
                let pause = (RETRY * (1 << self.list_failures.min(10))).min(interval);
                self.list_failures += 1;
                let error = chain(&*error);
                warn!(
                    error,
                    elapsed_ms = pause.as_millis(),
                    "streams cannot be listed, the last list stays in force"
                );
                self.ring(ConsumerEvent::StreamListFailed { error });
                pause
            }
        }
    }

    fn take_list(&mut self, list: Vec<StreamConfig>) {
        let region = self.desk.shop.source.region();
        let is_elsewhere = |config: &StreamConfig| match (config.target(), &region) {
            (StreamTarget::Arn(arn), Some(region)) => arn.region() != region,
            _ => false,
        };
        let (elsewhere, here): (Vec<_>, Vec<_>) = list.into_iter().partition(is_elsewhere);
        for config in elsewhere {
            let target = config.target();
            self.show(target, StreamPhase::OtherRegion);
            if self.refused.insert(target.clone()) {
                warn!(stream = %target, "stream is in another region, it takes a consumer of its own");
                self.ring(ConsumerEvent::StreamFailed {
                    stream: target.clone(),
                    operation: "region",
                    code: "OtherRegion".to_owned(),
                    retry_in: None,
                });
            }
        }
        self.roster.on_list(&here, Instant::now().into_std());
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
        if self.is_mine() {
            let deleted = changes
                .iter()
                .filter(|change| matches!(change, Change::Delete { .. }));
            let counters = &self.desk.shop.counters;
            counters.add(Metric::MissingStreamsDeleted, deleted.count());
        }
        self.apply(changes);
        self.publish();
    }

    fn fail(&self, target: &StreamTarget, phase: StreamPhase, retry_in: Option<Duration>) {
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

    /// Acts on what is known: which streams are read from now on, which are left, whose leases go.
    async fn settle(&mut self, table: &Listing) -> Result<(), StoreError> {
        let in_table: BTreeSet<StreamId> = table
            .leases
            .iter()
            .filter_map(|lease| lease.key.stream())
            .collect();
        let changes = self.roster.changes(&in_table, Instant::now().into_std());
        self.apply(changes);
        let alone: Vec<StreamId> = self.roster.left_alone().cloned().collect();
        for stream in alone {
            if !self.condemned.contains_key(&stream) && self.told_alone.insert(stream.clone()) {
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

    fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Read { stream, .. } => {
                    info!(stream = %stream, "stream is read");
                    self.condemned.remove(&stream);
                    self.told_alone.remove(&stream);
                }
                Change::Stop { stream, why } => {
                    info!(stream = %stream, why = ?why, "stream is read no more");
                    self.ring(ConsumerEvent::StreamLeft { stream, why });
                }
                Change::Delete { stream } => {
                    self.condemned.entry(stream).or_insert_with(Instant::now);
                }
            }
        }
    }

    /// Tells all tasks which streams are read.
    fn publish(&self) {
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

    /// Whether it falls to this worker to delete leases.
    fn is_mine(&self) -> bool {
        match self.desk.membership.borrow().assignment() {
            Assignment::Each => true,
            Assignment::Leader => *self.desk.leads.borrow(),
        }
    }

    /// Deletes leases of streams that are done with: at once those that nobody holds, the others a failover time later, when
    /// whoever held them has had the time to leave.
    async fn remove_condemned(&mut self, table: &Listing) -> Result<(), StoreError> {
        let is_mine = self.is_mine();
        if self.condemned.is_empty() {
            return Ok(());
        }
        let (now, failover) = (Instant::now(), self.failover());
        let mut left: BTreeMap<StreamId, usize> = BTreeMap::new();
        let mut deleted: BTreeMap<StreamId, usize> = BTreeMap::new();
        for lease in &table.leases {
            let Some((stream, since)) = lease
                .key
                .stream()
                .and_then(|id| self.condemned.get_key_value(&id))
            else {
                continue;
            };
            let may_go = lease.actual_owner().is_none() || now >= *since + failover;
            if is_mine && may_go {
                self.desk.shop.store.delete(&lease.key).await?;
                *deleted.entry(stream.clone()).or_default() += 1;
            } else {
                *left.entry(stream.clone()).or_default() += 1;
            }
        }
        if !deleted.is_empty() {
            // It shows rows that are gone.
            self.table = None;
        }
        let done = deleted
            .keys()
            .filter(|stream| !left.contains_key(*stream))
            .count();
        self.desk.shop.counters.add(Metric::DeletedStreams, done);
        for (stream, leases) in deleted {
            info!(stream = %stream, leases, "leases of a former stream deleted");
            self.ring(ConsumerEvent::StreamLeasesDeleted { stream, leases });
        }
        // Where others delete them, it is looked at again when they may be gone.
        for (stream, since) in &mut self.condemned {
            if left.contains_key(stream) && now >= *since + failover {
                *since = now;
            }
        }
        self.condemned.retain(|stream, _| left.contains_key(stream));
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

    fn ring(&self, event: ConsumerEvent) {
        self.desk.shop.bell.ring(event);
    }

    /// Whether that is news.
    fn show(&self, target: &StreamTarget, phase: StreamPhase) -> bool {
        let Some(board) = self.desk.board.upgrade() else {
            return false;
        };
        board.send_if_modified(|state| state.streams.insert(target.clone(), phase.clone()) != Some(phase))
    }
}

/// Finds out what a stream is, and which shards it has if some may lack a lease.
async fn ask_about<S: Source, F>(
    shop: Arc<Workshop<S, F>>,
    target: StreamTarget,
    table: Arc<Listing>,
    synced: Option<StreamId>,
) -> Answer {
    let found = async {
        let described = shop.source.describe(&target).await?;
        if synced.as_ref() == Some(&described.id) || is_covered(&rows_of(Some(&described.id), &table)) {
            return Ok((described, None));
        }
        let position = shop.config.initial_position();
        let stream =
            crate::stream::Stream::one_of_several(described.id.clone(), described.arn.clone(), position);
        let shards = shop.source.list_shards(&stream).await?;
        Ok((described, Some(shards)))
    };
    let found = found.await;
    (target, found)
}

/// Ours: after a first failure.
const RETRY: Duration = Duration::from_secs(1);
/// Ours: a line each so many attempts.
const LOUD_AFTER: u32 = 12;
/// Ours: a request of the tracker's own.
const LIST_PATIENCE: Duration = Duration::from_secs(10);
/// Ours: a stream that does not answer holds up no other.
const ASKED_AT_ONCE: usize = 8;
/// Ours: what is written in consequence has conditions of its own.
const TABLE_AGE: Duration = Duration::from_secs(2);
/// Ours: the least time between two rounds.
const GRAIN: Duration = Duration::from_millis(50);
