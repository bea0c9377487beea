//! A validated list of faults and reshards to start an endpoint with.

use std::time::Duration;

use kinesis_aggregation::{HashKey, ShardId};

use super::error::FaultError;
use super::fault::Fault;

/// What goes wrong from the start, and what chance is drawn from. Made by [`Faults::builder`].
///
/// ```
/// use std::time::Duration;
/// use kinesis_local::{Fault, Faults, Reshard};
///
/// let faults = Faults::builder()
///     .seed(7)
///     .fault(Fault::reply_lost().operation("PutRecords").chance(0.01))
///     .fault(Fault::half_open().client("worker-2").times(1))
///     .reshard(Duration::from_secs(30), "orders", Reshard::split("shardId-000000000000"))
///     .build()?;
/// # let _ = faults;
/// # Ok::<(), kinesis_local::FaultError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Faults {
    pub(super) seed: u64,
    pub(super) rules: Vec<Fault>,
    reshards: Vec<ScriptedReshard>,
}

impl Faults {
    /// Starts an empty script.
    pub fn builder() -> FaultsBuilder {
        FaultsBuilder {
            script: Self::default(),
        }
    }

    /// The reshards, for the service to do.
    pub(crate) fn reshards(&self) -> &[ScriptedReshard] {
        &self.reshards
    }
}

/// Collects a script of faults; see [`Faults`].
#[must_use = "a builder does nothing until it is built"]
#[derive(Clone, Debug)]
pub struct FaultsBuilder {
    script: Faults,
}

impl FaultsBuilder {
    /// What [`Fault::chance`] and the jitter of the latency model are drawn from. Default 0. The same seed and the
    /// same calls in the same order give the same faults.
    pub fn seed(mut self, seed: u64) -> Self {
        self.script.seed = seed;
        self
    }

    /// Adds a fault. Its times count from the start of the endpoint.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.script.rules.push(fault);
        self
    }

    /// Has a stream reshard by itself this long after the start, whatever its mode or state, as an on-demand
    /// stream does. One that is impossible by then does nothing.
    pub fn reshard(mut self, after: Duration, stream: impl Into<String>, reshard: Reshard) -> Self {
        self.script.reshards.push(ScriptedReshard {
            after,
            stream: stream.into(),
            reshard,
        });
        self
    }

    /// Checks every fault and reshard.
    ///
    /// # Errors
    ///
    /// [`FaultError`] for the first that cannot be.
    pub fn build(self) -> Result<Faults, FaultError> {
        self.script.rules.iter().try_for_each(Fault::check)?;
        self.script
            .reshards
            .iter()
            .try_for_each(|scripted| scripted.reshard.check())?;
        Ok(self.script)
    }
}

/// A reshard and its moment.
#[derive(Clone, Debug)]
pub(crate) struct ScriptedReshard {
    pub(crate) after: Duration,
    pub(crate) stream: String,
    pub(crate) reshard: Reshard,
}

/// A change of a stream's shards that no client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reshard {
    /// One open shard becomes two.
    Split {
        /// The shard's id.
        shard: String,
        /// The first hash key of the upper half; `None` is the middle.
        at: Option<u128>,
    },
    /// Two open neighbours become one.
    Merge {
        /// One of them.
        shard: String,
        /// The other.
        adjacent: String,
    },
    /// As UpdateShardCount, by splits and merges.
    Scale {
        /// Open shards in the end, 1 to 10,000.
        target: u32,
    },
}

impl Reshard {
    /// A split in the middle.
    pub fn split(shard: impl Into<String>) -> Self {
        Self::Split {
            shard: shard.into(),
            at: None,
        }
    }

    /// A merge of two neighbours.
    pub fn merge(shard: impl Into<String>, adjacent: impl Into<String>) -> Self {
        Self::Merge {
            shard: shard.into(),
            adjacent: adjacent.into(),
        }
    }

    /// A change of the number of open shards.
    pub fn scale(target: u32) -> Self {
        Self::Scale { target }
    }

    pub(crate) fn check(&self) -> Result<(), FaultError> {
        let known = |shard: &String| match shard_number(shard) {
            Some(_) => Ok(()),
            None => Err(FaultError::Shard { shard: shard.clone() }),
        };
        match self {
            Self::Split { shard, .. } => known(shard),
            Self::Merge { shard, adjacent } => known(shard).and_then(|()| known(adjacent)),
            Self::Scale { target } if (1..=10_000).contains(target) => Ok(()),
            Self::Scale { target } => Err(FaultError::Target { target: *target }),
        }
    }

    /// In the engine's terms, or `None` if it is impossible. `middle` tells where a shard is split in half.
    pub(crate) fn resolve(
        &self,
        middle: impl FnOnce(&str) -> Option<HashKey>,
    ) -> Option<crate::engine::Reshard> {
        Some(match self {
            Self::Split { shard, at } => crate::engine::Reshard::Split {
                shard: shard_number(shard)?,
                at: match at {
                    Some(at) => HashKey::new(*at),
                    None => middle(shard)?,
                },
            },
            Self::Merge { shard, adjacent } => crate::engine::Reshard::Merge {
                shard: shard_number(shard)?,
                adjacent: shard_number(adjacent)?,
            },
            Self::Scale { target } => crate::engine::Reshard::Scale { target: *target },
        })
    }
}

/// The number in a shard's id.
pub(super) fn shard_number(shard: &str) -> Option<u32> {
    u32::try_from(ShardId::new(shard).ok()?.number()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_checked_as_a_whole() {
        let shard = "shardId-000000000000";
        let later = Duration::from_secs(1);
        let build = |fault: Fault| Faults::builder().fault(Fault::throttle()).fault(fault).build();
        assert!(build(Fault::connection_cut()).is_ok());
        assert_eq!(
            build(Fault::throttle().chance(2.0)).unwrap_err(),
            FaultError::Chance { chance: 2.0 }
        );
        let reshard = |reshard| Faults::builder().reshard(later, "orders", reshard).build();
        assert!(reshard(Reshard::split(shard)).is_ok());
        assert!(reshard(Reshard::merge(shard, shard)).is_ok());
        assert!(reshard(Reshard::scale(10_000)).is_ok());
        assert_eq!(
            reshard(Reshard::scale(0)).unwrap_err(),
            FaultError::Target { target: 0 }
        );
        assert!(matches!(
            reshard(Reshard::merge(shard, "one")).unwrap_err(),
            FaultError::Shard { shard } if shard == "one"
        ));
    }

    #[test]
    fn reshards_are_by_number_and_split_in_the_middle_unless_told() {
        let middle = |_: &str| Some(HashKey::new(7));
        assert_eq!(
            Reshard::split("shardId-000000000003").resolve(middle),
            Some(crate::engine::Reshard::Split {
                shard: 3,
                at: HashKey::new(7)
            })
        );
        assert_eq!(Reshard::split("shardId-000000000003").resolve(|_| None), None);
        let at = Reshard::Split {
            shard: "shardId-000000000003".to_owned(),
            at: Some(9),
        };
        assert!(matches!(
            at.resolve(|_| None),
            Some(crate::engine::Reshard::Split { shard: 3, at }) if at == HashKey::new(9)
        ));
        assert_eq!(
            Reshard::merge("shardId-000000000000", "shardId-000000000001").resolve(middle),
            Some(crate::engine::Reshard::Merge {
                shard: 0,
                adjacent: 1
            })
        );
    }
}
