//! The way from a request that the service refuses as a whole to the records that are to blame.
//!
//! Nothing of such a request was stored, so it may be sent again in parts. It is halved, by entries and inside an entry
//! by records, and so are halves that are refused again, until a record is refused by itself: it fails, all others go
//! through. Where the refusal names an entry, that one is tried first.
//!
//! ```text
//! refused [a b c d]      sent [a b] stored     so [c d] is to blame: not sent, but halved
//!                             [c]   stored
//!                             [d]   refused    the record to blame
//! ```
//!
//! Parts go one after the other. Entries of one request share no key, so their order is free; the pieces of an entry are
//! sent from the front, each when the one before it is stored or refused for good. If that one is to be tried again,
//! those behind it are handed back with it. Meanwhile the entries count as on their way: their lanes wait.
//!
//! When it is the request itself that the service refuses, whatever is in it, each half would be refused, and each half
//! of a half. So when several records were refused one by one and not one was stored, single records from all over the
//! request are tried. If all of those are refused, the rest fails with the same words, unsent.

use std::collections::VecDeque;

use super::in_flight::SentEntry;
use super::lane::ShareId;
use super::lanes::LaneId;
use crate::failure::Failure;

/// One refused request on its way to be resolved.
#[derive(Debug)]
pub(super) struct Isolation<T> {
    failure: Failure,
    /// Parts of whole entries; the last is tried first.
    groups: Vec<Part<T>>,
    /// The pieces of the entry that is being taken apart.
    line: VecDeque<Part<T>>,
    /// Entries from all over, of which the first record is to be tried by itself.
    soundings: Vec<SentEntry<T>>,
    has_sounded: bool,
    out: Option<Origin<T>>,
    /// Whether anything of it was stored: then what is refused is refused for its own sake.
    has_stored: bool,
    /// Records that were refused by themselves.
    refused: u32,
    cuts: Vec<(LaneId, ShareId)>,
}

#[derive(Debug)]
struct Part<T> {
    entries: Vec<SentEntry<T>>,
    /// It was refused together with the part before it. If that one is stored, this one is to blame.
    is_other_half: bool,
}

/// Where the part on its way was taken from.
#[derive(Debug)]
enum Origin<T> {
    Groups,
    Line,
    /// With what is left of the entry.
    Soundings(Option<SentEntry<T>>),
}

/// What to do next.
#[derive(Debug)]
pub(super) enum Step<T> {
    /// Send these as one request, and tell how it went.
    Send(Vec<SentEntry<T>>),
    /// These fail, unsent, with the failure that all others had.
    GiveUp(Vec<SentEntry<T>>, Failure),
    /// Nothing: a part is on its way.
    Wait,
    /// All is resolved.
    Done,
}

impl<T> Isolation<T> {
    /// Of a request that was refused, or of an entry of one.
    pub(super) fn new(mut entries: Vec<SentEntry<T>>, failure: Failure) -> Self {
        let mut isolation = Self {
            groups: Vec::new(),
            line: VecDeque::new(),
            soundings: Vec::new(),
            has_sounded: false,
            out: None,
            has_stored: false,
            refused: 0,
            cuts: Vec::new(),
            failure: failure.clone(),
        };
        let named = named_entry(failure.message()).filter(|place| *place < entries.len());
        match named {
            Some(place) if entries.len() > 1 => {
                let named = entries.remove(place);
                isolation.groups.push(Part::new(entries));
                isolation.groups.push(Part::new(vec![named]));
            }
            _ => isolation.halve(entries),
        }
        isolation
    }

    /// The next step.
    pub(super) fn next(&mut self) -> Step<T> {
        if self.out.is_some() {
            return Step::Wait;
        }
        if !self.has_stored && self.refused >= SUSPICIOUS && !self.has_sounded && !self.groups.is_empty() {
            self.choose_soundings();
        }
        if let Some(mut entry) = self.soundings.pop() {
            let rest = (entry.records.len() > 1).then(|| self.divide(&mut entry, 1));
            self.out = Some(Origin::Soundings(rest));
            return Step::Send(vec![entry]);
        }
        if !self.has_stored && self.refused >= HOPELESS {
            let rest = self.line.drain(..).chain(self.groups.drain(..));
            let rest: Vec<_> = rest.flat_map(|part| part.entries).collect();
            if !rest.is_empty() {
                return Step::GiveUp(rest, self.failure.clone());
            }
        }
        let (part, origin) = match self.line.pop_front() {
            Some(piece) => (Some(piece), Origin::Line),
            None => (self.groups.pop(), Origin::Groups),
        };
        let Some(part) = part else { return Step::Done };
        self.out = Some(origin);
        Step::Send(part.entries)
    }

    /// The part was stored, all of it.
    pub(super) fn on_stored(&mut self) {
        self.has_stored = true;
        let other_half = match self.out.take() {
            None => None,
            Some(Origin::Soundings(rest)) => {
                self.keep_rest(rest);
                None
            }
            Some(Origin::Line) => self.line.pop_front_if(|part| part.must_be_to_blame()),
            Some(Origin::Groups) => self.groups.pop_if(|part| part.must_be_to_blame()),
        };
        // It need not be sent as it is to be proved guilty.
        if let Some(part) = other_half {
            self.halve(part.entries);
        }
        if !self.soundings.is_empty() {
            let unsounded = std::mem::take(&mut self.soundings);
            self.groups.push(Part::new(unsounded));
        }
    }

    /// The part was refused. Gives the record that is to blame, once it is by itself.
    pub(super) fn on_refused(
        &mut self,
        mut entries: Vec<SentEntry<T>>,
        failure: Failure,
    ) -> Option<SentEntry<T>> {
        if failure.code() != self.failure.code() {
            self.refused = 0;
        }
        self.failure = failure;
        self.leave_part();
        if entries.len() == 1 && entries[0].records.len() == 1 {
            self.refused += 1;
            return entries.pop();
        }
        self.halve(entries);
        None
    }

    /// The part met with something else. If it was a piece that is to be sent again, gives what is behind it.
    pub(super) fn on_other(&mut self, has_stored: bool, comes_back: bool) -> Vec<SentEntry<T>> {
        self.has_stored |= has_stored;
        if !comes_back {
            self.leave_part();
            return Vec::new();
        }
        match self.out.take() {
            Some(Origin::Line) => self.line.drain(..).flat_map(|part| part.entries).collect(),
            Some(Origin::Soundings(rest)) => rest.into_iter().collect(),
            Some(Origin::Groups) | None => {
                self.clear_suspicion();
                Vec::new()
            }
        }
    }

    /// What is unresolved, to be looked at.
    pub(super) fn entries(&self) -> impl Iterator<Item = &SentEntry<T>> {
        let behind = match &self.out {
            Some(Origin::Soundings(rest)) => rest.as_ref(),
            _ => None,
        };
        let parts = self.line.iter().chain(&self.groups);
        let entries = parts.flat_map(|part| &part.entries);
        entries.chain(&self.soundings).chain(behind)
    }

    /// All that is unresolved.
    pub(super) fn into_entries(self) -> Vec<SentEntry<T>> {
        let behind = match self.out {
            Some(Origin::Soundings(rest)) => rest,
            _ => None,
        };
        let parts = self.line.into_iter().chain(self.groups);
        let entries = parts.flat_map(|part| part.entries);
        entries.chain(self.soundings).chain(behind).collect()
    }

    /// Lanes of which an entry became two.
    pub(super) fn take_cuts(&mut self) -> Vec<(LaneId, ShareId)> {
        std::mem::take(&mut self.cuts)
    }

    /// The part has its end, but was not stored whole: what was refused with it is not proved guilty.
    fn leave_part(&mut self) {
        if let Some(Origin::Soundings(rest)) = self.out.take() {
            self.keep_rest(rest);
        } else {
            self.clear_suspicion();
        }
    }

    fn clear_suspicion(&mut self) {
        let next = match self.line.front_mut() {
            Some(piece) => Some(piece),
            None => self.groups.last_mut(),
        };
        if let Some(part) = next {
            part.is_other_half = false;
        }
    }

    /// The record before it has its end, so it is an entry as others are.
    fn keep_rest(&mut self, rest: Option<SentEntry<T>>) {
        if let Some(rest) = rest {
            self.groups.insert(0, Part::new(vec![rest]));
        }
    }

    fn halve(&mut self, mut entries: Vec<SentEntry<T>>) {
        if entries.len() > 1 {
            let second = entries.split_off(entries.len() / 2);
            self.groups.push(Part::other_half(second));
            self.groups.push(Part::new(entries));
        } else if let Some(mut first) = entries.pop() {
            let middle = first.records.len() / 2;
            let second = self.divide(&mut first, middle);
            self.line.push_front(Part::other_half(vec![second]));
            self.line.push_front(Part::new(vec![first]));
        }
    }

    /// Cuts the records from `at` off an entry.
    fn divide(&mut self, entry: &mut SentEntry<T>, at: usize) -> SentEntry<T> {
        self.cuts.push((entry.lane, entry.share));
        entry.cut(at)
    }

    fn choose_soundings(&mut self) {
        self.has_sounded = true;
        let groups = std::mem::take(&mut self.groups);
        let entries: Vec<_> = groups.into_iter().flat_map(|part| part.entries).collect();
        let step = entries.len().div_ceil(SOUNDINGS).max(1);
        let mut others = Vec::new();
        for (place, entry) in entries.into_iter().enumerate() {
            if place % step == 0 {
                self.soundings.push(entry);
            } else {
                others.push(entry);
            }
        }
        if !others.is_empty() {
            self.groups.push(Part::new(others));
        }
    }
}

impl<T> Part<T> {
    fn new(entries: Vec<SentEntry<T>>) -> Self {
        Self {
            entries,
            is_other_half: false,
        }
    }

    fn other_half(entries: Vec<SentEntry<T>>) -> Self {
        Self {
            entries,
            is_other_half: true,
        }
    }

    /// A record by itself is sent in any case: it fails with its own words.
    fn must_be_to_blame(&self) -> bool {
        self.is_other_half && (self.entries.len() > 1 || self.entries.iter().any(|e| e.records.len() > 1))
    }
}

/// The entry that a refusal names, from 0: "Value at 'records.3.member.data' failed to satisfy constraint". The service
/// counts from 1. A hint and no more: whatever it names is tried by itself.
fn named_entry(message: &str) -> Option<usize> {
    let (_, rest) = message.split_once("records.")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse::<usize>().ok()?.checked_sub(1)
}

/// Records refused one by one, and none stored, before others from elsewhere are tried.
const SUSPICIOUS: u32 = 4;
/// How many of those.
const SOUNDINGS: usize = 8;
/// Records refused one by one, and none stored, before the rest is given up.
const HOPELESS: u32 = 12;
