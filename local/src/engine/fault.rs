//! Faults within the engine: what goes wrong with entries, listings and events, where, when and how often. Faults of
//! whole calls are `crate::faults`' to decide.

use kinesis_aggregation::ShardId;

use super::dice::Dice;
use super::error::ServiceError;
use super::operation::Operation;

/// One thing that goes wrong. Whatever is not given matches everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) operation: Option<Operation>,
    pub(crate) stream: Option<String>,
    pub(crate) shard: Option<ShardId>,
    pub(crate) when: When,
    pub(crate) effect: Effect,
}

impl Fault {
    /// Every time, everywhere; to be narrowed.
    pub(crate) fn always(effect: Effect) -> Self {
        Self {
            operation: None,
            stream: None,
            shard: None,
            when: When::default(),
            effect,
        }
    }
}

/// Which of the matching occasions it goes wrong at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct When {
    pub(crate) from_ms: u64,
    /// Not at this moment or later.
    pub(crate) until_ms: u64,
    /// How many occasions pass unharmed first.
    pub(crate) skip: u32,
    /// How often at most; `None` is without end.
    pub(crate) times: Option<u32>,
    /// How likely it then is.
    pub(crate) per_million: u32,
}

impl Default for When {
    fn default() -> Self {
        Self {
            from_ms: 0,
            until_ms: u64::MAX,
            skip: 0,
            times: None,
            per_million: 1_000_000,
        }
    }
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// A record put to the shard is refused: one entry of PutRecords, or PutRecord as a whole.
    RefuseEntry(ServiceError),
    /// ListShards answers as it would have, this long ago.
    StaleShards { by_ms: u64 },
    /// A subscription's event comes twice.
    DuplicateEvent,
    /// A subscription falls silent, and nothing closes.
    HalfOpen,
    /// A subscription ends with this error in its stream.
    FailEvents(ServiceError),
    /// A subscription's connection is cut.
    CutEvents,
}

/// What an effect concerns, so that an occasion counts only for faults that could act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Entry,
    Listing,
    Event,
}

impl Effect {
    fn stage(&self) -> Stage {
        match self {
            Self::RefuseEntry(_) => Stage::Entry,
            Self::StaleShards { .. } => Stage::Listing,
            Self::DuplicateEvent | Self::HalfOpen | Self::FailEvents(_) | Self::CutEvents => Stage::Event,
        }
    }
}

/// Where an occasion is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Occasion<'a> {
    pub(crate) operation: Operation,
    pub(crate) stream: Option<&'a str>,
    pub(crate) shard: Option<&'a str>,
    pub(crate) now_ms: u64,
}

/// All scripted faults.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Vec<Rule>,
    added: u64,
}

#[derive(Debug)]
struct Rule {
    id: FaultId,
    fault: Fault,
    passed: u32,
    struck: u32,
}

/// Names a scripted fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FaultId(pub(crate) u64);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) -> FaultId {
        self.added += 1;
        let id = FaultId(self.added);
        self.rules.push(Rule {
            id,
            fault,
            passed: 0,
            struck: 0,
        });
        id
    }

    pub(crate) fn remove(&mut self, id: FaultId) -> bool {
        let before = self.rules.len();
        self.rules.retain(|rule| rule.id != id);
        self.rules.len() < before
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// How often a fault has struck.
    pub(crate) fn struck(&self, id: FaultId) -> Option<u32> {
        self.rules
            .iter()
            .find(|rule| rule.id == id)
            .map(|rule| rule.struck)
    }

    /// What goes wrong at this occasion, in the order in which it was scripted.
    pub(crate) fn draw(&mut self, stage: Stage, at: Occasion<'_>, dice: &mut Dice) -> Vec<Effect> {
        self.rules
            .iter_mut()
            .filter(|rule| rule.fault.effect.stage() == stage)
            .filter_map(|rule| rule.draw(at, dice))
            .collect()
    }
}

impl Rule {
    fn draw(&mut self, at: Occasion<'_>, dice: &mut Dice) -> Option<Effect> {
        let Fault {
            operation,
            stream,
            shard,
            when,
            effect,
        } = &self.fault;
        let matches = operation.is_none_or(|wanted| wanted == at.operation)
            && stream.as_deref().is_none_or(|wanted| at.stream == Some(wanted))
            && shard
                .as_ref()
                .is_none_or(|wanted| at.shard == Some(wanted.as_str()))
            && (when.from_ms..when.until_ms).contains(&at.now_ms)
            && when.times.is_none_or(|times| self.struck < times);
        if !matches {
            return None;
        }
        if self.passed < when.skip {
            self.passed += 1;
            return None;
        }
        if !dice.happens(when.per_million) {
            return None;
        }
        self.struck = self.struck.saturating_add(1);
        Some(effect.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(operation: Operation, stream: &str, now_ms: u64) -> Occasion<'_> {
        Occasion {
            operation,
            stream: Some(stream),
            shard: Some("shardId-000000000001"),
            now_ms,
        }
    }

    #[test]
    fn a_fault_strikes_only_where_it_is_meant_to() {
        let mut faults = Faults::default();
        let mut dice = Dice::new(1);
        faults.add(Fault {
            operation: Some(Operation::GetRecords),
            stream: Some("orders".to_owned()),
            shard: Some(ShardId::from_number(1)),
            when: When {
                from_ms: 10,
                until_ms: 20,
                ..When::default()
            },
            effect: Effect::CutEvents,
        });
        for (occasion, stage, strikes) in [
            (at(Operation::GetRecords, "orders", 10), Stage::Event, true),
            (at(Operation::GetRecords, "orders", 9), Stage::Event, false),
            (at(Operation::GetRecords, "orders", 20), Stage::Event, false),
            (at(Operation::GetRecords, "other", 10), Stage::Event, false),
            (at(Operation::PutRecord, "orders", 10), Stage::Event, false),
            (at(Operation::GetRecords, "orders", 10), Stage::Entry, false),
            (
                Occasion {
                    shard: None,
                    ..at(Operation::GetRecords, "orders", 10)
                },
                Stage::Event,
                false,
            ),
        ] {
            assert_eq!(
                !faults.draw(stage, occasion, &mut dice).is_empty(),
                strikes,
                "{occasion:?}"
            );
        }
    }

    #[test]
    fn skipped_counted_and_by_chance() {
        let mut faults = Faults::default();
        let mut dice = Dice::new(1);
        let id = faults.add(Fault {
            when: When {
                skip: 2,
                times: Some(3),
                ..When::default()
            },
            ..Fault::always(Effect::HalfOpen)
        });
        let struck: Vec<bool> = (0..7)
            .map(|now| {
                !faults
                    .draw(Stage::Event, at(Operation::PutRecord, "s", now), &mut dice)
                    .is_empty()
            })
            .collect();
        assert_eq!(struck, [false, false, true, true, true, false, false]);
        assert_eq!(faults.struck(id), Some(3));
        assert!(faults.remove(id) && !faults.remove(id));

        let when = When {
            per_million: 500_000,
            ..When::default()
        };
        faults.add(Fault {
            when,
            ..Fault::always(Effect::CutEvents)
        });
        let hits = (0..1_000)
            .filter(|&now| {
                !faults
                    .draw(Stage::Event, at(Operation::PutRecord, "s", now), &mut dice)
                    .is_empty()
            })
            .count();
        assert!((400..600).contains(&hits), "{hits}");
        faults.clear();
        assert!(
            faults
                .draw(Stage::Event, at(Operation::PutRecord, "s", 0), &mut dice)
                .is_empty()
        );
    }
}
