//! The shards of one listing and how they descend from each other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kinesis_aggregation::ShardId;

use super::Shard;

/// A shard listing with its parent and child relations. Parents that are no longer listed do not exist here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShardGraph {
    shards: BTreeMap<ShardId, Shard>,
    children: BTreeMap<ShardId, BTreeSet<ShardId>>,
}

impl ShardGraph {
    /// Links the shards of one listing. Of two with the same id the later one counts.
    #[must_use]
    pub fn new(shards: impl IntoIterator<Item = Shard>) -> Self {
        let shards: BTreeMap<_, _> = shards
            .into_iter()
            .map(|shard| (shard.id.clone(), shard))
            .collect();
        let mut children: BTreeMap<ShardId, BTreeSet<ShardId>> = BTreeMap::new();
        for shard in shards.values() {
            for parent in shard.parents().filter(|parent| shards.contains_key(*parent)) {
                children
                    .entry(parent.clone())
                    .or_default()
                    .insert(shard.id.clone());
            }
        }
        Self { shards, children }
    }

    /// How many shards are listed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.len()
    }

    /// Whether no shard is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shards.is_empty()
    }

    /// One shard.
    #[must_use]
    pub fn get(&self, id: &ShardId) -> Option<&Shard> {
        self.shards.get(id)
    }

    /// All shards, by id.
    pub fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.shards.values()
    }

    /// The shards that receive records.
    pub fn open(&self) -> impl Iterator<Item = &Shard> {
        self.shards.values().filter(|shard| !shard.closed)
    }

    /// The listed parents of a shard.
    pub fn parents<'a>(&'a self, shard: &'a Shard) -> impl Iterator<Item = &'a Shard> {
        shard.parents().filter_map(|parent| self.shards.get(parent))
    }

    /// The listed children of a shard.
    pub fn children(&self, id: &ShardId) -> impl Iterator<Item = &ShardId> {
        self.children.get(id).into_iter().flatten()
    }

    /// These shards and everything that descends from them.
    #[must_use]
    pub fn with_descendants<'a>(
        &'a self,
        roots: impl IntoIterator<Item = &'a ShardId>,
    ) -> BTreeSet<&'a ShardId> {
        let mut found: BTreeSet<&ShardId> = BTreeSet::new();
        let mut ahead: VecDeque<&ShardId> = roots.into_iter().collect();
        while let Some(id) = ahead.pop_front() {
            // Each shard is visited once, so even a listing that claims a circle ends here.
            if found.insert(id) {
                ahead.extend(self.children(id));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{id, reference_graph, shard};
    use super::*;

    fn ids<'a>(shards: impl IntoIterator<Item = &'a Shard>) -> Vec<u64> {
        shards.into_iter().filter_map(|shard| shard.id.number()).collect()
    }

    #[test]
    fn links_parents_and_children() {
        let graph = reference_graph();
        assert_eq!(graph.len(), 11);
        assert_eq!(ids(graph.open()), [4, 8, 9, 10]);
        let merged = graph.get(&id(8)).unwrap();
        assert_eq!(ids(graph.parents(merged)), [6, 7]);
        assert_eq!(
            graph.children(&id(5)).cloned().collect::<Vec<_>>(),
            [id(9), id(10)]
        );
        assert_eq!(graph.children(&id(8)).count(), 0);
    }

    #[test]
    fn a_parent_that_is_not_listed_is_no_parent_here() {
        let graph = ShardGraph::new([shard(7).child_of(&[3, 4])]);
        let only = graph.get(&id(7)).unwrap();
        assert_eq!(graph.parents(only).count(), 0);
        assert_eq!(only.parents().count(), 2);
        assert_eq!(graph.children(&id(3)).count(), 0);
    }

    #[test]
    fn descendants_include_the_roots_and_stop_in_circles() {
        let graph = reference_graph();
        let found = graph.with_descendants([&id(2), &id(5)].map(|i| &graph.get(i).unwrap().id));
        assert_eq!(
            found.into_iter().filter_map(ShardId::number).collect::<Vec<_>>(),
            [2, 5, 7, 8, 9, 10]
        );

        let circle = ShardGraph::new([shard(1).child_of(&[2]), shard(2).child_of(&[1])]);
        assert_eq!(
            circle.with_descendants([&circle.get(&id(1)).unwrap().id]).len(),
            2
        );
    }
}
