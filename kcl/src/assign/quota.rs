//! Who should hold how many, and which lease goes where: the same answer on every worker.

use std::cmp::Ordering;
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
    /// Free leases that fall to others.
    pub(super) give: Vec<(LeaseKey, WorkerId)>,
    /// Leases that I should ask for.
    pub(super) hand_over: Vec<HandOver>,
}

pub(super) fn share_of(snapshot: &Snapshot) -> Share {
    let mut fleet = Fleet::seen_in(snapshot);
    let (target, quotas) = fleet.quotas(snapshot);
    let me = snapshot.me();
    let held = fleet.loads[me].count;

    let mut places: Vec<Place<'_>> = fleet
        .loads
        .iter()
        .map(|(worker, load)| Place {
            worker,
            quota: quotas[worker],
            has: load.count,
            knows: snapshot.knows_who_is_silent(worker) && !snapshot.is_lapsed(worker),
        })
        .collect();
    let (mut take, mut give) = (Vec::new(), Vec::new());
    for key in by_scatter(&mut fleet.free) {
        match next_in_need(&mut places) {
            Some(worker) if worker == me => take.push((*key).clone()),
            Some(worker) => give.push(((*key).clone(), worker.clone())),
            None => {}
        }
    }
    for key in by_scatter(&mut fleet.lapsed) {
        match next_who_knows(&mut places) {
            Some(worker) if worker == me => take.push((*key).clone()),
            Some(worker) => give.push(((*key).clone(), worker.clone())),
            None => {}
        }
    }

    let mut hand_over = Vec::new();
    for (from, load) in &mut fleet.loads {
        let surplus = load.count.saturating_sub(quotas[from]);
        for key in by_scatter(&mut load.movable).iter().take(surplus) {
            match next_in_need(&mut places) {
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
        free: fleet.free.len() + fleet.lapsed.len(),
        take,
        give,
        hand_over,
    }
}

struct Fleet<'a> {
    loads: BTreeMap<&'a WorkerId, Load<'a>>,
    free: Vec<&'a LeaseKey>,
    lapsed: Vec<&'a LeaseKey>,
}

/// One worker's part while leases are given away.
struct Place<'a> {
    worker: &'a WorkerId,
    quota: usize,
    has: usize,
    /// Who is silent.
    knows: bool,
}

impl Place<'_> {
    /// Who lacks more comes later; among equals the first by id.
    fn by_need(&self, other: &Self) -> Ordering {
        let (mine, others) = (self.quota + other.has, other.quota + self.has);
        mine.cmp(&others).then_with(|| other.worker.cmp(self.worker))
    }
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
            lapsed: Vec::new(),
        };
        let me = snapshot.me();
        fleet.loads.entry(me).or_default();
        for (key, standing) in snapshot.standings() {
            match standing {
                Standing::Free { .. } => fleet.free.push(key),
                Standing::Lapsed { .. } => fleet.lapsed.push(key),
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
    /// today, so that a balanced fleet stays as it is. Who let a lease expire is left with what it has: of a dead worker, leases
    /// expire one after the other, and what were meant for it, to fill the gap, nobody would take.
    fn quotas(&self, snapshot: &Snapshot) -> (usize, BTreeMap<&'a WorkerId, usize>) {
        let loads = self.loads.iter().map(|(worker, load)| (*worker, load.count));
        let (lapsed, mut by_load): (Vec<_>, Vec<_>) =
            loads.partition(|(worker, _)| snapshot.is_lapsed(worker));
        let free = self.free.len() + self.lapsed.len();
        let leases = free + by_load.iter().map(|(_, count)| count).sum::<usize>();
        let workers = by_load.len();
        let (each, extra) = (leases / workers, leases % workers);
        by_load.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        let quotas = by_load
            .into_iter()
            .enumerate()
            .map(|(rank, (worker, _))| (worker, each + usize::from(rank < extra)))
            .chain(lapsed)
            .collect();
        (leases.div_ceil(workers), quotas)
    }
}

/// The worker with the greatest need, by id among equals, and counts it as served.
fn next_in_need<'a>(places: &mut [Place<'a>]) -> Option<&'a WorkerId> {
    let in_need = places.iter_mut().filter(|place| place.has < place.quota);
    serve(in_need.max_by(|a, b| a.by_need(b)))
}

/// The same among those who know of the silent, beyond their quotas if need be: the leases run, and newcomers ask for their share.
fn next_who_knows<'a>(places: &mut [Place<'a>]) -> Option<&'a WorkerId> {
    let who_know = places.iter_mut().filter(|place| place.knows);
    serve(who_know.max_by(|a, b| a.by_need(b)))
}

fn serve<'a>(place: Option<&mut Place<'a>>) -> Option<&'a WorkerId> {
    let place = place?;
    place.has += 1;
    Some(place.worker)
}

/// Orders keys in a way that is the same everywhere and has nothing to do with their names: neighbouring shards
/// are often split from one hot shard, and should not all move to one worker.
fn by_scatter<'k, 'a>(keys: &'k mut [&'a LeaseKey]) -> &'k [&'a LeaseKey] {
    keys.sort_by_cached_key(|key| (scatter(key), (*key).clone()));
    keys
}

/// FNV-1a: fixed for all time, unlike the standard library's hasher.
fn scatter(key: &LeaseKey) -> u64 {
    scatter_of(key.as_str())
}

pub(super) fn scatter_of(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
