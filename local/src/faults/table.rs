//! The faults in force: which of them strike a call, in the order they were added.

use std::time::Duration;

use super::action::{Action, Refusal};
use super::call::Call;
use super::error::FaultError;
use super::fault::Fault;
use super::script::Faults;
use crate::engine::dice::Dice;

/// Names a fault that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(u64);

impl FaultId {
    /// The fault with this number, as the control endpoint gave it.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The number, unique within one endpoint.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// A fault in force and what it has done so far.
#[derive(Clone, Debug)]
pub struct FaultStatus {
    id: FaultId,
    fault: Fault,
    struck: u64,
}

impl FaultStatus {
    /// Its name.
    #[must_use]
    pub const fn id(&self) -> FaultId {
        self.id
    }

    /// The fault as it was added.
    pub const fn fault(&self) -> &Fault {
        &self.fault
    }

    /// How often it has struck: calls, entries of puts, or events.
    #[must_use]
    pub const fn struck(&self) -> u64 {
        self.struck
    }
}

/// What goes wrong with one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Added to the time the call takes.
    pub(crate) delay: Duration,
    pub(crate) ending: Option<Ending>,
    pub(crate) entries: Vec<EntryFault>,
    /// ListShards answers as of this long ago.
    pub(crate) stale: Option<Duration>,
    /// An index answers as of this long ago.
    pub(crate) index_lag: Option<Duration>,
    /// How far the caller's clock is ahead.
    pub(crate) skew_ms: i64,
}

/// How a call ends, if not by its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing happens, and this is the answer.
    Refuse(Refusal),
    /// Nothing happens, and the connection is cut.
    Cut,
    /// It all happens, and the connection is cut.
    LoseReply,
}

/// A fault of single entries, which the engine applies; tell [`FaultTable::settle`] how often it struck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntryFault {
    pub(crate) id: FaultId,
    pub(crate) refusal: Refusal,
    pub(crate) shard: Option<String>,
    pub(crate) times: Option<u32>,
    pub(crate) per_million: u32,
}

/// What goes wrong with one event of a subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventVerdict {
    pub(crate) duplicate: bool,
    pub(crate) half_open: bool,
    pub(crate) cut: bool,
}

/// All faults in force.
#[derive(Debug)]
pub(crate) struct FaultTable {
    rules: Vec<Rule>,
    added: u64,
    dice: Dice,
}

#[derive(Debug)]
struct Rule {
    id: FaultId,
    fault: Fault,
    from: Duration,
    until: Option<Duration>,
    skipped: u32,
    struck: u64,
}

impl FaultTable {
    /// The table of a script, at the start of the endpoint.
    pub(crate) fn new(script: &Faults) -> Self {
        let mut table = Self {
            rules: Vec::new(),
            added: 0,
            dice: Dice::new(script.seed),
        };
        for fault in &script.rules {
            table.push(fault.clone(), Duration::ZERO);
        }
        table
    }

    /// Puts a fault in force. `now` is the time since the start.
    pub(crate) fn add(&mut self, fault: Fault, now: Duration) -> Result<FaultId, FaultError> {
        fault.check()?;
        Ok(self.push(fault, now))
    }

    fn push(&mut self, fault: Fault, now: Duration) -> FaultId {
        self.added += 1;
        let id = FaultId(self.added);
        let from = now.saturating_add(fault.after);
        self.rules.push(Rule {
            id,
            from,
            until: fault.lasting.map(|lasting| from.saturating_add(lasting)),
            fault,
            skipped: 0,
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

    pub(crate) fn list(&self) -> Vec<FaultStatus> {
        let status = |rule: &Rule| FaultStatus {
            id: rule.id,
            fault: rule.fault.clone(),
            struck: rule.struck,
        };
        self.rules.iter().map(status).collect()
    }

    pub(crate) fn struck(&self, id: FaultId) -> Option<u64> {
        self.rules
            .iter()
            .find(|rule| rule.id == id)
            .map(|rule| rule.struck)
    }

    /// Whether any fault could still make an index lag.
    pub(crate) fn has_index_lag(&self, now: Duration) -> bool {
        let lags = |rule: &Rule| {
            matches!(rule.fault.action, Action::IndexLag(_))
                && !rule.is_spent()
                && rule.until.is_none_or(|end| now < end)
        };
        self.rules.iter().any(lags)
    }

    /// A number below `bound`, for the jitter of the latency model.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.dice.below(bound)
    }

    /// What goes wrong with this call. To be asked once for each call.
    pub(crate) fn decide(&mut self, call: &Call<'_>, now: Duration) -> Verdict {
        let mut verdict = Verdict::default();
        for rule in &mut self.rules {
            if rule.fault.action.is_of_events() || !rule.is_due(call, now) {
                continue;
            }
            if let Some(refusal) = rule.fault.entry_refusal(call) {
                if rule.is_past_skip() {
                    verdict.entries.push(rule.entry_fault(refusal));
                }
                continue;
            }
            // A call that has ended is not there to strike.
            let ends = rule.ending(call);
            if ends.is_some() && verdict.ending.is_some() {
                continue;
            }
            if !rule.strikes(&mut self.dice) {
                continue;
            }
            match &rule.fault.action {
                Action::Latency(added) => verdict.delay = verdict.delay.saturating_add(*added),
                Action::StaleShards(by) => verdict.stale = verdict.stale.max(Some(*by)),
                Action::IndexLag(by) => verdict.index_lag = verdict.index_lag.max(Some(*by)),
                Action::ClockSkew { ms } => verdict.skew_ms = verdict.skew_ms.saturating_add(*ms),
                _ => verdict.ending = ends,
            }
        }
        verdict
    }

    /// What goes wrong with this event. To be asked once for each event.
    pub(crate) fn decide_event(&mut self, call: &Call<'_>, now: Duration) -> EventVerdict {
        let mut verdict = EventVerdict::default();
        for rule in &mut self.rules {
            if !rule.fault.action.is_of_events() || !rule.is_due(call, now) || !rule.strikes(&mut self.dice) {
                continue;
            }
            match rule.fault.action {
                Action::DuplicateEvent => verdict.duplicate = true,
                Action::HalfOpen => verdict.half_open = true,
                _ => verdict.cut = true,
            }
        }
        verdict
    }

    /// Counts what a fault of entries has done.
    pub(crate) fn settle(&mut self, id: FaultId, struck: u32) {
        if let Some(rule) = self.rules.iter_mut().find(|rule| rule.id == id) {
            rule.struck = rule.struck.saturating_add(u64::from(struck));
        }
    }
}

impl Rule {
    fn is_spent(&self) -> bool {
        self.fault
            .times
            .is_some_and(|times| self.struck >= u64::from(times))
    }

    /// Everything but the counts and chance.
    fn is_due(&self, call: &Call<'_>, now: Duration) -> bool {
        self.from <= now
            && self.until.is_none_or(|until| now < until)
            && !self.is_spent()
            && self.fault.matches(call)
    }

    fn is_past_skip(&mut self) -> bool {
        if self.skipped < self.fault.skip {
            self.skipped += 1;
            return false;
        }
        true
    }

    fn strikes(&mut self, dice: &mut Dice) -> bool {
        if !self.is_past_skip() || !dice.happens(per_million(self.fault.chance)) {
            return false;
        }
        self.struck = self.struck.saturating_add(1);
        true
    }

    fn ending(&self, call: &Call<'_>) -> Option<Ending> {
        match &self.fault.action {
            Action::Error(refusal) => Some(Ending::Refuse(refusal.clone())),
            Action::Throttle => Some(Ending::Refuse(Refusal::throttle(call.service, call.operation))),
            Action::ConnectionCut => Some(Ending::Cut),
            Action::ReplyLost => Some(Ending::LoseReply),
            _ => None,
        }
    }

    fn entry_fault(&self, refusal: Refusal) -> EntryFault {
        let left = |times: u32| u32::try_from(u64::from(times).saturating_sub(self.struck)).unwrap_or(0);
        EntryFault {
            id: self.id,
            refusal,
            shard: self.fault.shard.clone(),
            times: self.fault.times.map(left),
            per_million: per_million(self.fault.chance),
        }
    }
}

/// A probability in the dice's terms. Checked before to be one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 0 to a million after the clamp"
)]
fn per_million(chance: f64) -> u32 {
    (chance.clamp(0.0, 1.0) * 1_000_000.0).round() as u32
}

#[cfg(test)]
#[path = "table_test.rs"]
mod tests;
