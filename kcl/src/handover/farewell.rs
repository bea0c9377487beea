//! Where the leases of a worker that stops should go.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::assign::central::{LeaseLoad, Presence, Problem, Reach, Settings, Stands, Worker, solve};
use crate::assign::{Snapshot, Standing};
use crate::lease::{Lease, LeaseKey, WorkerId};

/// What to do with one lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Farewell {
    /// Which lease.
    pub key: LeaseKey,
    /// Who gets it. `None`: it is released, for whoever plans next.
    pub to: Option<WorkerId>,
}

/// Each lease that the stopping worker `snapshot.me()` holds, and its best next owner.
///
/// Only workers that renew something now, and let nothing expire, are given anything, in even numbers; a lease that was asked for goes to who
/// asked. With nobody else in sight everything is released. Finished leases, and blocked ones, are released as well.
/// `active` says of other workers whether they take part: under a leader, those with a fresh report.
#[must_use]
pub fn farewells(
    snapshot: &Snapshot,
    active: impl Fn(&WorkerId) -> bool,
    settings: &Settings,
    seed: u64,
) -> Vec<Farewell> {
    let me = snapshot.me();
    let mut ordinals: HashMap<&WorkerId, usize> = HashMap::new();
    let mut workers: Vec<&WorkerId> = Vec::new();
    for (_, standing) in snapshot.standings() {
        // The next owner of a hand-over has shown nothing yet.
        if let Standing::Held(by) | Standing::HandingOver { from: by, .. } = standing
            && by != me
        {
            ordinals.entry(by).or_insert_with(|| {
                workers.push(by);
                workers.len() - 1
            });
        }
    }
    let mut problem = Problem {
        workers: workers
            .iter()
            .map(|worker| Worker {
                presence: match active(worker) && !snapshot.is_lapsed(worker) {
                    true => Presence::Active,
                    false => Presence::Gone,
                },
                ..Worker::default()
            })
            .collect(),
        leases: Vec::new(),
    };
    let mut farewells: Vec<Farewell> = Vec::new();
    let mut mine: Vec<(usize, usize)> = Vec::new();
    for (key, standing) in snapshot.standings() {
        let (ours, to, stands) = match standing {
            Standing::Held(by) if by == me => (true, None, Some(Stands::Vacant { avoid: None })),
            Standing::HandingOver { from, to } if from == me => (true, Some(to.clone()), None),
            Standing::Blocked(Some(by)) | Standing::Finished(Some(by)) if by == me => (true, None, None),
            Standing::Held(by) => (false, None, held(&ordinals, by)),
            Standing::HandingOver { to, .. } => (false, None, held(&ordinals, to)),
            _ => continue,
        };
        if let Some(stands) = stands {
            if ours {
                mine.push((problem.leases.len(), farewells.len()));
            }
            problem.leases.push(LeaseLoad {
                throughput: None,
                stands,
            });
        }
        if ours {
            farewells.push(Farewell { key: key.clone(), to });
        }
    }
    let solution = solve(&problem, settings, Reach::Vacant, seed);
    let owners: HashMap<usize, usize> = solution.assign.iter().map(|a| (a.lease, a.to)).collect();
    for (lease, place) in mine {
        farewells[place].to = owners.get(&lease).map(|to| workers[*to].clone());
    }
    farewells
}

fn held(ordinals: &HashMap<&WorkerId, usize>, by: &WorkerId) -> Option<Stands> {
    let by = *ordinals.get(by)?;
    Some(Stands::Held { by, measured: true })
}

/// The leases that nobody would take before they expire, after `me` gave its own up: those that peers gave to `me`, and
/// those of `given` whose next owner has left at the same time. Each with its next owner: of the workers that have least, one that
/// `takes` what bears its name; `None`: nobody is known to, and it is released.
///
/// Who still has a lease that it `had` when `me` looked before it stopped is believed to be there. What others gave it since then says
/// nothing: those who stop at the same moment give each other leases, too.
#[must_use]
pub fn strays<'a>(
    leases: &'a [Lease],
    me: &WorkerId,
    given: &[(LeaseKey, WorkerId)],
    had: impl Fn(&WorkerId, &LeaseKey) -> bool,
    takes: impl Fn(&WorkerId) -> bool,
) -> Vec<(&'a Lease, Option<WorkerId>)> {
    let given: HashMap<&LeaseKey, &WorkerId> = given.iter().map(|(key, to)| (key, to)).collect();
    let is_given = |lease: &Lease, owner: &WorkerId| given.get(&lease.key) == Some(&owner);
    let there: HashSet<&WorkerId> = leases
        .iter()
        .filter_map(|lease| lease.actual_owner().filter(|owner| had(owner, &lease.key)))
        .filter(|owner| *owner != me)
        .collect();
    let mut loads: BTreeMap<&WorkerId, usize> = BTreeMap::new();
    for owner in leases.iter().filter_map(|lease| lease.owner.as_ref()) {
        if there.contains(owner) && takes(owner) {
            *loads.entry(owner).or_default() += 1;
        }
    }
    let is_stray = |lease: &&Lease| {
        lease
            .actual_owner()
            .is_some_and(|owner| owner == me || (is_given(lease, owner) && !there.contains(owner)))
    };
    let mut next = || {
        let (worker, load) = loads.iter_mut().min_by_key(|(_, load)| **load)?;
        *load += 1;
        Some((*worker).clone())
    };
    let strays = leases.iter().filter(is_stray);
    strays.map(|lease| (lease, next())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(name: &str) -> WorkerId {
        WorkerId::new(name)
    }

    fn goodbye(standings: Vec<Standing>, dead: &str) -> Vec<Option<String>> {
        let numbered = standings
            .into_iter()
            .enumerate()
            .map(|(n, standing)| (LeaseKey::new(&format!("s{n:03}")), standing));
        let snapshot = Snapshot::from_standings(worker("me"), numbered);
        farewells(&snapshot, |id| id.as_str() != dead, &Settings::default(), 1)
            .into_iter()
            .map(|farewell| farewell.to.map(|to| to.as_str().to_owned()))
            .collect()
    }

    fn held_by(name: &str, count: usize) -> Vec<Standing> {
        vec![Standing::Held(worker(name)); count]
    }

    #[test]
    fn strays_are_what_nobody_would_take() {
        let lease = |n: u64, owner: Option<&str>| {
            let mut lease = Lease::new(
                LeaseKey::new(&format!("s{n}")),
                crate::position::Checkpoint::TrimHorizon,
            );
            lease.owner = owner.map(WorkerId::new);
            lease
        };
        let leases = [
            lease(0, Some("me")),
            lease(1, Some("gone")),
            lease(2, Some("there")),
            lease(3, Some("there")),
            lease(4, None),
            lease(5, Some("quick")),
            lease(6, Some("gone")),
        ];
        // 5 was given to another than has it now; somebody gave 6 to "gone", which had none of those here.
        let given = [(1, "gone"), (2, "there"), (5, "slow")]
            .map(|(n, to)| (LeaseKey::new(&format!("s{n}")), WorkerId::new(to)));
        let had = |worker: &WorkerId, key: &LeaseKey| {
            matches!((worker.as_str(), key.as_str()), ("there", "s3") | ("quick", "s5"))
        };
        let found = |takes: fn(&WorkerId) -> bool| -> Vec<_> {
            strays(&leases, &worker("me"), &given, had, takes)
                .into_iter()
                .map(|(lease, to)| (lease.key.as_str(), to))
                .collect()
        };
        assert_eq!(found(|_| false), [("s0", None), ("s1", None)]);
        let to = |name: &str| Some(worker(name));
        // "quick" has one, "there" two: then it is even.
        assert_eq!(found(|_| true), [("s0", to("quick")), ("s1", to("quick"))]);
        let only = |worker: &WorkerId| worker.as_str() == "there";
        assert_eq!(found(only), [("s0", to("there")), ("s1", to("there"))]);
    }

    #[test]
    fn leases_go_to_who_has_least() {
        let standings = [held_by("me", 6), held_by("a", 5), held_by("b", 1)].concat();
        let to = goodbye(standings, "");
        let count = |name: &str| to.iter().flatten().filter(|to| *to == name).count();
        assert_eq!((to.len(), count("a"), count("b")), (6, 1, 5));
    }

    #[test]
    fn who_asked_gets_it_and_nobody_dead_does() {
        let asked = Standing::HandingOver {
            from: worker("me"),
            to: worker("b"),
        };
        let standings = [vec![asked], held_by("me", 2), held_by("a", 1)].concat();
        assert_eq!(goodbye(standings, "a"), [Some("b".to_owned()), None, None]);
    }

    #[test]
    fn who_lets_leases_expire_gets_none() {
        let standings = [held_by("me", 2), held_by("a", 1), held_by("dying", 1)].concat();
        let numbered = standings
            .into_iter()
            .enumerate()
            .map(|(n, standing)| (LeaseKey::new(&format!("s{n:03}")), standing));
        let snapshot = Snapshot::from_standings(worker("me"), numbered).with_lapsed([worker("dying")]);
        let given = farewells(&snapshot, |_| true, &Settings::default(), 1);
        let to: Vec<_> = given.into_iter().map(|farewell| farewell.to).collect();
        assert_eq!(to, [Some(worker("a")), Some(worker("a"))]);
    }

    #[test]
    fn alone_everything_is_released_and_so_is_what_nobody_reads() {
        let standings = [
            held_by("me", 2),
            vec![
                Standing::Finished(Some(worker("me"))),
                Standing::Blocked(Some(worker("me"))),
                Standing::Free { neglected: false },
                Standing::Finished(Some(worker("a"))),
            ],
        ];
        assert_eq!(goodbye(standings.concat(), ""), [None, None, None, None]);
    }
}
