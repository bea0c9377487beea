//! Who should hold how many, and which lease goes where: the same answer on every worker.

use std::collections::BTreeMap;

use super::HandOver;
use super::model::{Snapshot, Standing};
use crate::lease::{LeaseKey, WorkerId};

/// The planning worker's part of the fleet's plan.
pub(super) struct Share {
    /// Unfinished, unblocked leases that are mine already, promised ones included.
    pub(super) held: usize,
    /// Workers that can be seen, I included.
    pub(super) workers: usize,
    pub(super) target: usize,
    /// Free leases in all.
    pub(super) free: usize,
    /// Free leases that fall to me.
    pub(super) take: Vec<LeaseKey>,
    /// Leases that I should ask for.
    pub(super) hand_over: Vec<HandOver>,
}

pub(super) fn share_of(snapshot: &Snapshot) -> Share {
    let mut fleet = Fleet::seen_in(snapshot);
    let (target, quotas) = fleet.quotas();
    let me = snapshot.me();
    let held = fleet.loads[me].count;

    let mut deficits: Vec<(&WorkerId, usize)> = fleet
        .loads
        .iter()
        .map(|(worker, load)| (*worker, quotas[worker].saturating_sub(load.count)))
        .collect();
    let mut take = Vec::new();
    for key in by_scatter(&mut fleet.free) {
        match next_in_need(&mut deficits) {
            Some(worker) if worker == me => take.push((*key).clone()),
            _ => {}
        }
    }

    let mut hand_over = Vec::new();
    for (from, load) in &mut fleet.loads {
        let surplus = load.count.saturating_sub(quotas[from]);
        for key in by_scatter(&mut load.movable).iter().take(surplus) {
            match next_in_need(&mut deficits) {
                Some(worker) if worker == me => {
                    hand_over.push(HandOver {
                        key: (*key).clone(),
                        from: (*from).clone(),
                    });
                }
                _ => {}
            }
        }
    }
    // `Mine` counts as held above, but a plan takes it before anything else.
    let unheld = snapshot.keys_with(|s| matches!(s, Standing::Mine)).count();
    Share {
        held: held - unheld,
        workers: fleet.loads.len(),
        target,
        free: fleet.free.len(),
        take,
        hand_over,
    }
}

struct Fleet<'a> {
    loads: BTreeMap<&'a WorkerId, Load<'a>>,
    free: Vec<&'a LeaseKey>,
}

#[derive(Default)]
struct Load<'a> {
    count: usize,
    movable: Vec<&'a LeaseKey>,
}

impl<'a> Fleet<'a> {
    fn seen_in(snapshot: &'a Snapshot) -> Self {
        let mut fleet = Self {
            loads: BTreeMap::new(),
            free: Vec::new(),
        };
        let me = snapshot.me();
        fleet.loads.entry(me).or_default();
        for (key, standing) in snapshot.standings() {
            match standing {
                Standing::Free { .. } => fleet.free.push(key),
                Standing::Mine => fleet.loads.entry(me).or_default().count += 1,
                Standing::Held(by) => {
                    let load = fleet.loads.entry(by).or_default();
                    load.count += 1;
                    load.movable.push(key);
                }
                Standing::HandingOver { from, to } => {
                    fleet.loads.entry(from).or_default();
                    fleet.loads.entry(to).or_default().count += 1;
                }
                Standing::Blocked(by) | Standing::Finished(by) => {
                    // No load, but its holder is alive and may have a share.
                    if let Some(by) = by {
                        fleet.loads.entry(by).or_default();
                    }
                }
            }
        }
        fleet
    }

    /// Quotas differ by one at most and add up to all countable leases. The larger ones go to those who hold most
    /// today, so that a balanced fleet stays as it is.
    fn quotas(&self) -> (usize, BTreeMap<&'a WorkerId, usize>) {
        let leases = self.free.len() + self.loads.values().map(|load| load.count).sum::<usize>();
        let workers = self.loads.len();
        let (each, extra) = (leases / workers, leases % workers);
        let mut by_load: Vec<_> = self
            .loads
            .iter()
            .map(|(worker, load)| (*worker, load.count))
            .collect();
        by_load.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        let quotas = by_load
            .into_iter()
            .enumerate()
            .map(|(rank, (worker, _))| (worker, each + usize::from(rank < extra)))
            .collect();
        (leases.div_ceil(workers), quotas)
    }
}

/// The worker with the greatest need, by id among equals, and counts it as served.
fn next_in_need<'a>(deficits: &mut [(&'a WorkerId, usize)]) -> Option<&'a WorkerId> {
    // `max_by` prefers the last of equals, hence the reversed ids.
    let (worker, need) = deficits
        .iter_mut()
        .filter(|(_, need)| *need > 0)
        .max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(a.0)))?;
    *need -= 1;
    Some(worker)
}

/// Orders keys in a way that is the same everywhere and has nothing to do with their names: neighbouring shards
/// are often split from one hot shard, and should not all move to one worker.
fn by_scatter<'k, 'a>(keys: &'k mut [&'a LeaseKey]) -> &'k [&'a LeaseKey] {
    keys.sort_by_cached_key(|key| (scatter(key), (*key).clone()));
    keys
}

/// FNV-1a: fixed for all time, unlike the standard library's hasher.
fn scatter(key: &LeaseKey) -> u64 {
    key.as_str().bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
