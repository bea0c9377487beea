//! What workers say of themselves: metrics, and the heartbeats of a private fleet.

use super::DynamoDbLeaseStore;
use super::request::{Answer, Written};
use super::row::value::{Item, number, text};
use super::row::{ENTITY_TYPE, heartbeat, worker};
use super::update::Update;
use crate::error::StoreError;
use crate::fleet::{Beat, Heartbeat, Home, WorkerStats};
use crate::lease::WorkerId;
use crate::store::RetireIf;

impl DynamoDbLeaseStore {
    pub(super) async fn write_worker(&self, home: Home, stats: &WorkerStats) -> Result<(), StoreError> {
        let row = self.names.worker_row(home, stats.worker.as_str());
        let mut update = Update::of(row)
            .set(worker::UPDATED_AT, number(stats.updated_at_s))
            .set(worker::METRICS, worker::map(&stats.metrics))
            .set(worker::RANGES, worker::map(&stats.ranges))
            .set(ENTITY_TYPE, text(worker::ENTITY));
        if let Some(code) = stats.support {
            update = update.set(worker::SUPPORT, number(code));
        }
        if let Some(at) = stats.support_at_s {
            update = update.set(worker::SUPPORT_AT, number(at));
        }
        self.update_row(update, Answer::Nothing).await.map(drop)
    }

    pub(super) async fn remove_worker(
        &self,
        home: Home,
        id: &WorkerId,
        only_if: RetireIf,
    ) -> Result<bool, StoreError> {
        let row = self.names.worker_row(home, id.as_str());
        match only_if {
            RetireIf::Mine => self.delete_row(row).await.map(|_| true),
            RetireIf::UpdatedAt(seconds) => {
                let condition = Update::of(row)
                    .if_equal(worker::UPDATED_AT, number(seconds))
                    .if_exists();
                let written = self.delete_row_if(condition).await?;
                Ok(written.happened(|item| item.is_none()))
            }
        }
    }

    pub(super) async fn put_heartbeat(
        &self,
        watched: Option<&Heartbeat>,
        first: &Heartbeat,
    ) -> Result<bool, StoreError> {
        let key = heartbeat::key(&first.worker);
        let row = Update::of(self.names.lease_row(&key));
        let condition = match watched {
            None => row.if_new(),
            Some(watched) => if_beat(row, watched),
        };
        let written = self.put_row(heartbeat::encode(first), condition).await?;
        Ok(written.happened(|item| item.as_ref().and_then(read).as_ref() == Some(first)))
    }

    pub(super) async fn next_beat(&self, held: &Heartbeat) -> Result<Beat, StoreError> {
        let next = held.next();
        let key = heartbeat::key(&held.worker);
        let update =
            if_beat(Update::of(self.names.lease_row(&key)), held).set(heartbeat::BEAT, number(next.beat));
        match self.update_row(update, Answer::Row).await? {
            Written::Done(item) => Ok(alive(next, item.as_ref())),
            Written::Refused(item) => {
                let row = item.as_ref().and_then(read);
                Ok(match row.as_ref() == Some(&next) {
                    true => alive(next, item.as_ref()),
                    false => Beat::Gone(row),
                })
            }
        }
    }

    pub(super) async fn count_call(&self, worker: &Heartbeat) -> Result<bool, StoreError> {
        let key = heartbeat::key(&worker.worker);
        // Without the condition a call would make a row, or be for a worker that knows nothing of it.
        let update = Update::of(self.names.lease_row(&key))
            .add_one(heartbeat::CALLS)
            .if_equal(heartbeat::INCARNATION, text(&worker.incarnation));
        let written = self.update_row(update, Answer::Nothing).await?;
        Ok(matches!(written, Written::Done(_)))
    }

    pub(super) async fn delete_heartbeat(&self, watched: &Heartbeat) -> Result<bool, StoreError> {
        let key = heartbeat::key(&watched.worker);
        let condition = if_beat(Update::of(self.names.lease_row(&key)), watched);
        let written = self.delete_row_if(condition).await?;
        Ok(written.happened(|item| item.is_none()))
    }
}

fn if_beat<'a>(row: Update<'a>, watched: &Heartbeat) -> Update<'a> {
    row.if_equal(heartbeat::INCARNATION, text(&watched.incarnation))
        .if_equal(heartbeat::BEAT, number(watched.beat))
}

fn read(item: &Item) -> Option<Heartbeat> {
    heartbeat::decode(item).ok()
}

fn alive(row: Heartbeat, item: Option<&Item>) -> Beat {
    let calls = item.map_or(0, heartbeat::calls);
    Beat::Alive { row, calls }
}
