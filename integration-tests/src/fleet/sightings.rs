//! What the workers wrote, and when it was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use serde::Deserialize;
use tokio::time::Instant;

use super::error::FleetError;
use super::worker::Worker;

/// All lines of all workers, in the order in which they were seen.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    tails: Vec<Tail>,
    seen: Vec<Sighting>,
}

/// One line.
#[derive(Debug, Clone)]
pub(super) struct Sighting {
    pub(super) at: Instant,
    pub(super) worker: usize,
    pub(super) shard: u32,
    pub(super) number: u64,
}

#[derive(Debug)]
struct Tail {
    worker: String,
    path: PathBuf,
    read: u64,
    half: String,
}

#[derive(Deserialize)]
struct Line<'a> {
    data: &'a str,
}

impl Sightings {
    /// Watches a worker from now on; its index.
    pub(super) fn watch(&mut self, worker: &Worker) -> usize {
        self.tails.push(Tail {
            worker: worker.name.clone(),
            path: worker.output.clone(),
            read: 0,
            half: String::new(),
        });
        self.tails.len() - 1
    }

    /// How many lines were seen.
    pub(super) fn len(&self) -> usize {
        self.seen.len()
    }

    /// The lines since so many.
    pub(super) fn since(&self, mark: usize) -> &[Sighting] {
        &self.seen[mark..]
    }

    /// Takes in what was written since the last look.
    pub(super) fn look(&mut self) -> Result<(), FleetError> {
        for (worker, tail) in self.tails.iter_mut().enumerate() {
            let Ok(mut file) = File::open(&tail.path) else {
                // Not started far enough to have one.
                continue;
            };
            let cannot = || FleetError::system(format!("cannot read {}", tail.path.display()));
            file.seek(SeekFrom::Start(tail.read)).map_err(cannot())?;
            let read = file.read_to_string(&mut tail.half).map_err(cannot())?;
            tail.read += read as u64;
            let at = Instant::now();
            let end = tail.half.rfind('\n').map_or(0, |end| end + 1);
            for line in tail.half[..end].lines() {
                let (shard, number) = parse(line).ok_or_else(|| FleetError::Line {
                    worker: tail.worker.clone(),
                    line: line.chars().take(200).collect(),
                })?;
                self.seen.push(Sighting {
                    at,
                    worker,
                    shard,
                    number,
                });
            }
            tail.half.drain(..end);
        }
        Ok(())
    }

    /// Who wrote a line of each shard first, since so many lines, and when.
    pub(super) fn first_of_each(
        &self,
        mark: usize,
        by: impl Fn(&Sighting) -> bool,
    ) -> BTreeMap<u32, (usize, Instant)> {
        let mut first = BTreeMap::new();
        for sighting in self.since(mark).iter().filter(|sighting| by(sighting)) {
            first
                .entry(sighting.shard)
                .or_insert((sighting.worker, sighting.at));
        }
        first
    }

    /// Who wrote the last line of each shard.
    pub(super) fn readers(&self) -> BTreeMap<u32, usize> {
        self.seen
            .iter()
            .map(|sighting| (sighting.shard, sighting.worker))
            .collect()
    }

    /// Lines of records that were seen before, since so many lines.
    pub(super) fn repeated(&self, mark: usize) -> usize {
        let mut seen: BTreeSet<(u32, u64)> = self.seen[..mark].iter().map(record).collect();
        let fresh = |sighting: &&Sighting| !seen.insert(record(sighting));
        self.since(mark).iter().filter(fresh).count()
    }

    /// The records seen, each once.
    pub(super) fn records(&self) -> BTreeSet<(u32, u64)> {
        self.seen.iter().map(record).collect()
    }
}

fn record(sighting: &Sighting) -> (u32, u64) {
    (sighting.shard, sighting.number)
}

/// A record's data is `shard-number`.
fn parse(line: &str) -> Option<(u32, u64)> {
    let line: Line<'_> = serde_json::from_str(line).ok()?;
    let (shard, number) = line.data.split_once('-')?;
    Some((shard.parse().ok()?, number.parse().ok()?))
}
