//! What becomes of records by what was answered: passed, again, a letter, the end.

use std::time::{Duration, Instant};

use super::outcome::{Answer, Outcome, Reason, WhenExhausted};
use super::rules::LaneKey;
use super::{Lanes, Phase};

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    Acked,
    Skipped(Option<Reason>),
    /// A letter of this reason is written.
    DeadLettered(Reason),
    /// It comes again.
    Again {
        reason: Reason,
        after: Duration,
    },
    /// A letter is to be written first.
    LetterDue,
    /// Writing the letter failed so many times in a row; it is tried again.
    LetterFailed {
        attempts: u32,
        after: Duration,
    },
    /// It is not passed, and nothing more is started.
    Stop(Reason),
}

impl<T> Lanes<T> {
    /// A call of the handler ended. `whole`: one answer for all of them, so that none of them can be blamed alone.
    pub(crate) fn on_answers(
        &mut self,
        answers: Vec<(u64, Answer)>,
        whole: bool,
        now: Instant,
        chance: f64,
    ) -> Vec<(u64, Fate)> {
        self.calls = self.calls.saturating_sub(1);
        let together = if whole { answers.len() } else { 1 };
        let lanes: Vec<LaneKey> = answers
            .iter()
            .filter_map(|(ticket, _)| Some(self.entry(*ticket)?.lane.clone()))
            .collect();
        let fates = answers
            .into_iter()
            .filter_map(|(ticket, answer)| {
                Some((ticket, self.on_answer(ticket, answer, together, now, chance)?))
            })
            .collect();
        for lane in lanes {
            self.queues.release(&lane);
        }
        fates
    }

    /// The writing of a dead letter ended.
    pub(crate) fn on_letter(
        &mut self,
        ticket: u64,
        written: bool,
        now: Instant,
        chance: f64,
    ) -> Option<Fate> {
        self.letters_in_flight = self.letters_in_flight.saturating_sub(1);
        let entry = self.entry_mut(ticket)?;
        let (reason, attempts) = entry.letter.as_mut()?;
        if written {
            let reason = reason.clone();
            self.finish(ticket);
            return Some(Fate::DeadLettered(reason));
        }
        *attempts = attempts.saturating_add(1);
        let attempts = *attempts;
        let after = self.rules.pause(attempts, chance);
        self.letters.insert((now + after, ticket));
        Some(Fate::LetterFailed { attempts, after })
    }

    fn on_answer(
        &mut self,
        ticket: u64,
        answer: Answer,
        together: usize,
        now: Instant,
        chance: f64,
    ) -> Option<Fate> {
        self.entry(ticket)?;
        Some(match answer {
            Answer::Given(Outcome::Ack) => {
                self.finish(ticket);
                Fate::Acked
            }
            Answer::Given(Outcome::Skip) => {
                self.finish(ticket);
                Fate::Skipped(None)
            }
            Answer::Given(Outcome::Retry(after)) => {
                self.on_failure(ticket, Reason::RetriesAsked, Some(after), together, now, chance)?
            }
            Answer::Given(Outcome::DeadLetter(why)) => self.write_letter(ticket, Reason::Asked(why), now)?,
            Answer::Given(Outcome::Stop(why)) => self.stop_at(ticket, Reason::Asked(why)),
            Answer::Withdrawn => {
                let lane = self.entry(ticket)?.lane.clone();
                self.queues.block(&lane, ticket);
                return None;
            }
            Answer::Failed(reason) => self.on_failure(ticket, reason, None, together, now, chance)?,
        })
    }

    fn on_failure(
        &mut self,
        ticket: u64,
        reason: Reason,
        after: Option<Duration>,
        together: usize,
        now: Instant,
        chance: f64,
    ) -> Option<Fate> {
        let entry = self.entry_mut(ticket)?;
        if together > 1 {
            // Which of them is to blame shows when they come in smaller company.
            entry.company = (together / 2).max(1);
        } else {
            entry.failures = entry.failures.saturating_add(1);
        }
        let (failures, attempt) = (entry.failures, entry.attempt);
        if together <= 1 && self.rules.is_exhausted(failures) {
            return match self.rules.exhausted {
                WhenExhausted::DeadLetter => self.write_letter(ticket, reason, now),
                WhenExhausted::Stop => Some(self.stop_at(ticket, reason)),
                WhenExhausted::Skip => {
                    self.finish(ticket);
                    Some(Fate::Skipped(Some(reason)))
                }
            };
        }
        let after = after
            .unwrap_or_else(|| self.rules.pause(attempt, chance))
            .min(LONGEST_RETRY);
        let lane = self.entry(ticket)?.lane.clone();
        self.queues.postpone(&lane, ticket, now + after);
        Some(Fate::Again { reason, after })
    }

    fn write_letter(&mut self, ticket: u64, reason: Reason, now: Instant) -> Option<Fate> {
        let entry = self.entry_mut(ticket)?;
        entry.letter = Some((reason, 0));
        let lane = entry.lane.clone();
        self.queues.block(&lane, ticket);
        self.letters.insert((now, ticket));
        Some(Fate::LetterDue)
    }

    fn stop_at(&mut self, ticket: u64, reason: Reason) -> Fate {
        if let Some(lane) = self.entry(ticket).map(|entry| entry.lane.clone()) {
            self.queues.block(&lane, ticket);
        }
        self.phase = Phase::Stopped;
        Fate::Stop(reason)
    }
}

/// Ours: so that no sum of times overflows.
const LONGEST_RETRY: Duration = Duration::from_secs(7 * 24 * 3600);
