//! A worker's heartbeat in a private fleet: one row for all its leases, written as long as it lives.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use rand::rngs::SmallRng;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::error::{RunError, StoreError};
use crate::fleet::{Beat, FleetError, Heartbeat, NotPrivate};
use crate::lease::renewal::Pace;
use crate::process::hands::Workshop;
use crate::process::keeper::{Life, chain};

/// Beats for one worker.
#[derive(Debug)]
pub(super) struct Heart<S, F> {
    shop: Arc<Workshop<S, F>>,
    held: Heartbeat,
    life: watch::Sender<Option<Life>>,
    /// Of this life.
    number: u64,
    beat_at: Instant,
    /// By others, on this incarnation.
    calls: u64,
    rng: SmallRng,
}

impl<S: Send + Sync, F: Send + Sync> Heart<S, F> {
    /// Begins to live. Waits until an earlier worker of the same name has been still for long enough to be dead.
    pub(super) async fn begin(shop: Arc<Workshop<S, F>>) -> Result<Self, RunError> {
        let mut rng = shop.config.rng("heart");
        let patience = shop.config.coordination.start_timeout;
        let mut failing_since: Option<Instant> = None;
        let mut watched: Option<(Heartbeat, Instant)> = None;
        loop {
            let first = first(&shop, &mut rng);
            let beat_at = Instant::now();
            match attempt(&shop, &mut watched, &first).await {
                Ok(Attempt::Alive) => {
                    let life = Life {
                        number: 0,
                        beat_at: beat_at.into_std(),
                    };
                    return Ok(Self {
                        shop,
                        held: first,
                        life: watch::Sender::new(Some(life)),
                        number: 0,
                        beat_at,
                        calls: 0,
                        rng,
                    });
                }
                Ok(Attempt::Wait(pause)) => {
                    failing_since = None;
                    sleep(pause).await;
                }
                Ok(Attempt::InUse) => return Err(in_use(&shop)),
                Err(error) => {
                    let since = *failing_since.get_or_insert_with(Instant::now);
                    if !error.is_retryable() || since.elapsed() > patience {
                        let table = shop.config.lease_table_name().to_owned();
                        return Err(RunError::LeaseTable { table, source: error });
                    }
                    warn!(error = %chain(&error), "start has to wait");
                    sleep(RETRY).await;
                }
            }
        }
    }

    /// The signs of life.
    pub(super) fn life(&self) -> watch::Receiver<Option<Life>> {
        self.life.subscribe()
    }

    /// Beats until told to stop, then takes its row away. `news` is told when others call.
    pub(super) async fn run(mut self, news: Arc<Notify>, stop: CancellationToken) {
        let period = self.period();
        let mut next = self.beat_at + period;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = sleep_until(next) => {}
            }
            let (sent_at, number) = (Instant::now(), self.number);
            let deadline = (self.beat_at + self.lifetime()).max(sent_at + period);
            next = match timeout_at(deadline, self.shop.store.beat(&self.held)).await {
                Ok(Ok(Beat::Alive { row, calls })) => {
                    self.on_beat(row, sent_at);
                    if std::mem::replace(&mut self.calls, calls) != calls {
                        news.notify_one();
                    }
                    sent_at + period
                }
                Ok(Ok(Beat::Gone(None))) => {
                    warn!("taken for dead by the others, everything held is lost");
                    self.die();
                    self.live_again().await
                }
                Ok(Ok(Beat::Gone(Some(_)))) => {
                    self.die();
                    self.shop.halt.ask(in_use(&self.shop));
                    return;
                }
                Ok(Err(error)) => {
                    warn!(error = %chain(&error), "heartbeat failed");
                    Instant::now() + period / 4
                }
                Err(_) => Instant::now(),
            };
            // What was lost may be taken again.
            if self.number != number && self.life.borrow().is_some() {
                news.notify_one();
            }
        }
        match self.shop.store.end_heartbeat(&self.held).await {
            Ok(_) => info!("heartbeat ended"),
            // Others see it stand still.
            Err(error) => warn!(error = %chain(&error), "heartbeat cannot be taken away"),
        }
    }

    fn period(&self) -> Duration {
        Pace::new(self.lifetime()).worker_period()
    }

    fn lifetime(&self) -> Duration {
        self.shop.config.leasing.failover
    }

    fn on_beat(&mut self, row: Heartbeat, sent_at: Instant) {
        // Late by our own clock: everything held then has been given up already.
        if Instant::now() > self.beat_at + self.lifetime() {
            self.number += 1;
        }
        self.held = row;
        self.beat_at = sent_at;
        self.life.send_replace(Some(Life {
            number: self.number,
            beat_at: sent_at.into_std(),
        }));
    }

    fn die(&mut self) {
        self.number += 1;
        self.life.send_replace(None);
    }

    /// When to beat next.
    async fn live_again(&mut self) -> Instant {
        let first = first(&self.shop, &mut self.rng);
        let sent_at = Instant::now();
        match self.shop.store.start_heartbeat(None, &first).await {
            Ok(true) => {
                self.on_beat(first, sent_at);
                self.calls = 0;
                sent_at + self.period()
            }
            // Looked at with the next beat, which finds what is there.
            Ok(false) => Instant::now() + RETRY,
            Err(error) => {
                warn!(error = %chain(&error), "heartbeat failed");
                Instant::now() + RETRY
            }
        }
    }
}

enum Attempt {
    Alive,
    /// An earlier worker of our name may still live.
    Wait(Duration),
    /// It does.
    InUse,
}

async fn attempt<S, F>(
    shop: &Workshop<S, F>,
    watched: &mut Option<(Heartbeat, Instant)>,
    first: &Heartbeat,
) -> Result<Attempt, StoreError> {
    let rows = shop.store.scan().await?.beside.heartbeats;
    let mine = rows.into_iter().find(|row| row.worker == first.worker);
    let now = Instant::now();
    let expected = match (mine, watched.as_ref()) {
        (None, _) => None,
        (Some(row), Some((seen, since))) if row == *seen => {
            let still_for = now - *since;
            if still_for <= row.lifetime {
                return Ok(Attempt::Wait((row.lifetime - still_for).min(LOOK) + GRAIN));
            }
            Some(row)
        }
        (Some(_), Some(_)) => return Ok(Attempt::InUse),
        (Some(row), None) => {
            info!("waiting until an earlier worker of this name is surely dead");
            *watched = Some((row, now));
            return Ok(Attempt::Wait(LOOK));
        }
    };
    match shop.store.start_heartbeat(expected.as_ref(), first).await? {
        true => Ok(Attempt::Alive),
        // Somebody moved it: look again.
        false => Ok(Attempt::Wait(LOOK)),
    }
}

fn first<S, F>(shop: &Workshop<S, F>, rng: &mut SmallRng) -> Heartbeat {
    let incarnation = format!("{:032x}", rng.random::<u128>());
    Heartbeat::first(
        shop.config.worker_id().clone(),
        incarnation,
        shop.config.leasing.failover,
    )
}

fn in_use<S, F>(shop: &Workshop<S, F>) -> RunError {
    let worker = shop.config.worker_id().clone();
    let source = FleetError::from(NotPrivate::SameName { worker });
    let table = shop.config.lease_table_name().to_owned();
    RunError::Fleet { table, source }
}

/// Ours: soon, and not at once.
const RETRY: Duration = Duration::from_millis(500);
/// Ours: how often an earlier heartbeat of one's own name is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Source: tokio, the resolution of its timer.
const GRAIN: Duration = Duration::from_millis(2);
