//! Whatever handlers answer, and whenever.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// What a scripted handler does with a call, and when it is over.
#[derive(Debug, Clone, Copy)]
enum Act {
    Accept(u8),
    /// Answers one of the calls that run.
    Answer(usize, u8),
    Letter(usize, bool),
    Wait(u64),
    Drain,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..6_u8).prop_map(Act::Accept),
        6 => (0..20_usize, 0..10_u8).prop_map(|(call, what)| Act::Answer(call, what)),
        2 => (0..8_usize, any::<bool>()).prop_map(|(letter, well)| Act::Letter(letter, well)),
        3 => (0..4_000_u64).prop_map(Act::Wait),
        1 => Just(Act::Drain),
    ]
}

/// What must be so of lanes, kept beside them.
#[derive(Default)]
struct Ledger {
    keys: Vec<u8>,
    passed: BTreeSet<u64>,
    running: Vec<Vec<u64>>,
    lettering: Vec<u64>,
    /// Tickets that wait for a time, a letter or for ever.
    held: BTreeMap<u64, Option<Instant>>,
}

impl Ledger {
    fn is_running(&self, ticket: u64) -> bool {
        self.running.iter().flatten().any(|&t| t == ticket)
    }

    /// Whether a record that waits for nothing is the first of its key.
    fn may_start(&self, ticket: u64, now: Instant) -> bool {
        let key = self.keys[usize::try_from(ticket).unwrap()];
        let first = (0..ticket).all(|earlier| {
            self.passed.contains(&earlier) || self.keys[usize::try_from(earlier).unwrap()] != key
        });
        let waits = match self.held.get(&ticket) {
            None => false,
            Some(None) => true,
            Some(Some(until)) => *until > now,
        };
        first && !waits && !self.passed.contains(&ticket) && !self.is_running(ticket)
    }

    fn take_in(&mut self, fates: Vec<(u64, Fate)>, now: Instant) {
        for (ticket, fate) in fates {
            match fate {
                Fate::Acked | Fate::Skipped(_) | Fate::DeadLettered(_) => {
                    assert!(self.passed.insert(ticket), "{ticket} has two ends");
                    self.held.remove(&ticket);
                }
                Fate::Again { after, .. } => {
                    self.held.insert(ticket, Some(now + after));
                }
                Fate::LetterDue | Fate::LetterFailed { .. } | Fate::Stop(_) => {
                    self.held.insert(ticket, None);
                }
            }
        }
    }
}

proptest! {
    /// Whatever handlers answer and whenever: order in each key, bounds, no key waits for another one, and the watermark
    /// is never past an unfinished record.
    #[test]
    fn lanes_keep_their_promises(
        acts in proptest::collection::vec(act(), 1..300),
        in_flight in 1..6_usize,
        most in 1..5_usize,
        chance in 0.0..1.0_f64,
    ) {
        let mut bench = Bench::new(Rules {
            in_flight: count(in_flight),
            window: count(20),
            call: CallSize { records: count(most), ..CallSize::ONE },
            ..rules()
        });
        let mut ledger = Ledger::default();
        let (mut draining, mut stopped) = (false, false);
        for act in acts {
            match act {
                Act::Accept(key) if bench.lanes.has_room() => {
                    bench.accept(&[&key.to_string()]);
                    ledger.keys.push(key);
                }
                Act::Accept(_) => {}
                Act::Answer(call, what) if !ledger.running.is_empty() => {
                    let tickets = ledger.running.remove(call % ledger.running.len());
                    let answer = match what {
                        0 | 1 => failed(),
                        2 => Answer::Given(Outcome::Retry(SECOND)),
                        3 => Answer::Given(Outcome::Skip),
                        4 => Answer::Given(Outcome::dead_letter("bad")),
                        5 if stopped => Answer::Given(Outcome::stop("enough")),
                        _ => Answer::Given(Outcome::Ack),
                    };
                    let answers = tickets.into_iter().map(|ticket| (ticket, answer.clone())).collect();
                    let fates = bench.lanes.on_answers(answers, what % 2 == 0, bench.now, chance);
                    ledger.take_in(fates, bench.now);
                }
                Act::Letter(letter, well) if !ledger.lettering.is_empty() => {
                    let ticket = ledger.lettering.remove(letter % ledger.lettering.len());
                    let fate = bench.lanes.on_letter(ticket, well, bench.now, chance).unwrap();
                    ledger.take_in(vec![(ticket, fate)], bench.now);
                }
                Act::Answer(..) | Act::Letter(..) => {}
                Act::Wait(ms) => bench.pass(Duration::from_millis(ms)),
                Act::Drain => {
                    // Rarely enough, and only once records were seen.
                    if bench.accepted > 30 {
                        bench.lanes.drain();
                        draining = true;
                        stopped = true;
                    }
                }
            }
            while let Some(job) = bench.lanes.next(bench.now) {
                match job {
                    Job::Letter(ticket) => ledger.lettering.push(ticket),
                    Job::Handle(tickets) => {
                        prop_assert!(!tickets.is_empty() && tickets.len() <= most);
                        prop_assert!(tickets.is_sorted());
                        // Those before it in the same call come before it.
                        let before: BTreeSet<u64> = ledger.passed.clone();
                        for &ticket in &tickets {
                            prop_assert!(ledger.may_start(ticket, bench.now), "{ticket} out of order");
                            ledger.passed.insert(ticket);
                        }
                        ledger.passed = before;
                        for &ticket in &tickets {
                            prop_assert!(!ledger.is_running(ticket));
                            ledger.held.remove(&ticket);
                        }
                        ledger.running.push(tickets);
                        prop_assert!(ledger.running.len() <= in_flight);
                    }
                }
            }
            if ledger.running.len() < in_flight && !draining {
                for ticket in 0..bench.accepted {
                    prop_assert!(!ledger.may_start(ticket, bench.now), "{ticket} waits for nothing");
                }
            }
            let first_open = (0..bench.accepted).find(|ticket| !ledger.passed.contains(ticket));
            let passed = first_open.unwrap_or(bench.accepted);
            let expected = passed.checked_sub(1).map(|ticket| at(ticket).to_string());
            prop_assert_eq!(bench.watermark(), expected);
            prop_assert_eq!(bench.lanes.is_finished(), first_open.is_none());
            prop_assert!(bench.accepted - passed <= 20);
            if let Some(wake) = bench.lanes.next_wake() {
                prop_assert!(wake > bench.now, "a wake-up that has nothing to do");
            }
        }
    }

    /// In the end every record is passed, each once, if its handler only fails for a while.
    #[test]
    fn everything_ends(keys in proptest::collection::vec(0..5_u8, 1..100), bad in proptest::collection::vec(0..6_u8, 100)) {
        let mut bench = Bench::new(Rules { attempts: None, ..rules() });
        let mut failures = bad;
        let mut passed = BTreeSet::new();
        let mut keys = keys.into_iter().peekable();
        let total = keys.len();
        for _ in 0..10_000 {
            while bench.lanes.has_room() && let Some(key) = keys.next() {
                bench.accept(&[&key.to_string()]);
            }
            for ticket in bench.singles() {
                let left = &mut failures[usize::try_from(ticket).unwrap()];
                if *left == 0 {
                    bench.ack(ticket);
                    prop_assert!(passed.insert(ticket));
                } else {
                    *left -= 1;
                    let again = bench.answer(ticket, failed());
                    let comes_again = matches!(again, Fate::Again { .. });
                    prop_assert!(comes_again);
                }
            }
            match bench.lanes.next_wake() {
                Some(wake) => bench.now = wake.max(bench.now),
                None if keys.peek().is_none() && bench.lanes.is_finished() => break,
                None => {}
            }
        }
        prop_assert_eq!(passed.len(), total);
    }
}
