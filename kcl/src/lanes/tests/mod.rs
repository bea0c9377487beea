//! Calls, failures, letters and drains, one by one.

mod properties;

use std::collections::BTreeSet;
use std::num::{NonZeroU32, NonZeroUsize};

use super::outcome::{Answer, Outcome, WhenExhausted};
use super::rules::{CallSize, Order};
use super::*;
use crate::position::SequenceNumber;

const SECOND: Duration = Duration::from_secs(1);

fn count(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}

fn rules() -> Rules {
    Rules {
        in_flight: count(10),
        window: count(100),
        call: CallSize::ONE,
        order: Order::PartitionKey,
        attempts: NonZeroU32::new(3),
        exhausted: WhenExhausted::DeadLetter,
        min_pause: SECOND,
        max_pause: 8 * SECOND,
    }
}

fn at(ticket: u64) -> Position {
    Position::new(SequenceNumber::parse(&ticket.to_string()).unwrap(), 0)
}

/// Lanes, and a clock.
struct Bench {
    lanes: Lanes<u64>,
    now: Instant,
    accepted: u64,
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn new(rules: Rules) -> Self {
        Self {
            lanes: Lanes::new(rules),
            now: Instant::now(),
            accepted: 0,
        }
    }

    fn accept(&mut self, keys: &[&str]) {
        for key in keys {
            let ticket = self.accepted;
            self.lanes
                .accept(at(ticket), Some(Arc::from(*key)), 1, ticket, self.now);
            self.accepted += 1;
        }
    }

    /// The tickets of all calls that may begin.
    fn start(&mut self) -> Vec<Vec<u64>> {
        let mut calls = Vec::new();
        while let Some(job) = self.lanes.next(self.now) {
            match job {
                Job::Handle(tickets) => calls.push(tickets),
                Job::Letter(_) => panic!("no letter is due"),
            }
        }
        calls
    }

    fn singles(&mut self) -> Vec<u64> {
        self.start().concat()
    }

    fn letters(&mut self) -> Vec<u64> {
        let mut letters = Vec::new();
        while let Some(job) = self.lanes.next(self.now) {
            match job {
                Job::Letter(ticket) => letters.push(ticket),
                Job::Handle(_) => panic!("no call is due"),
            }
        }
        letters
    }

    fn answer(&mut self, ticket: u64, answer: Answer) -> Fate {
        let fates = self.lanes.on_answers(vec![(ticket, answer)], true, self.now, 0.0);
        fates.into_iter().next().unwrap().1
    }

    fn ack(&mut self, ticket: u64) {
        assert_eq!(self.answer(ticket, Answer::Given(Outcome::Ack)), Fate::Acked);
    }

    fn watermark(&self) -> Option<String> {
        self.lanes.watermark().map(ToString::to_string)
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }
}

fn failed() -> Answer {
    Answer::Failed(Reason::Failed("boom".to_owned()))
}

#[test]
fn one_key_waits_for_itself_alone_and_the_watermark_for_the_first() {
    let mut bench = Bench::new(rules());
    bench.accept(&["a", "b", "a", "c", "b"]);
    assert_eq!(bench.singles(), [0, 1, 3]);
    bench.ack(1);
    bench.ack(3);
    assert_eq!(bench.watermark(), None, "0 is unfinished");
    assert_eq!(bench.singles(), [4]);
    bench.ack(0);
    assert_eq!(bench.watermark().as_deref(), Some("1/0"));
    assert_eq!(bench.singles(), [2]);
    bench.ack(4);
    bench.ack(2);
    assert_eq!(bench.watermark().as_deref(), Some("4/0"));
    assert!(bench.lanes.is_finished() && bench.lanes.next_wake().is_none());
}

#[test]
fn calls_and_acceptance_are_bounded() {
    let mut bench = Bench::new(Rules {
        in_flight: count(2),
        window: count(4),
        ..rules()
    });
    bench.accept(&["a", "b", "c"]);
    assert!(bench.lanes.has_room());
    bench.accept(&["d"]);
    assert!(!bench.lanes.has_room());
    assert_eq!(bench.singles(), [0, 1]);
    bench.ack(1);
    assert_eq!(bench.singles(), [2]);
    assert!(
        !bench.lanes.has_room(),
        "the window begins at the first unfinished record"
    );
    bench.ack(0);
    assert!(bench.lanes.has_room());
}

#[test]
fn failures_come_again_later_each_time_and_end_in_a_dead_letter() {
    let mut bench = Bench::new(rules());
    bench.accept(&["a", "a", "b"]);
    let mut waited = Vec::new();
    assert_eq!(bench.singles(), [0, 2]);
    bench.ack(2);
    for _ in 0..2 {
        let Fate::Again { after, .. } = bench.answer(0, failed()) else {
            panic!("comes again")
        };
        waited.push(after);
        assert!(bench.start().is_empty(), "its lane waits");
        assert_eq!(bench.lanes.next_wake(), Some(bench.now + after));
        bench.pass(after);
        assert_eq!(bench.singles(), [0]);
    }
    assert_eq!(waited, [SECOND, 2 * SECOND]);
    assert_eq!(bench.lanes.entry(0).unwrap().attempt, 3);
    assert_eq!(bench.answer(0, failed()), Fate::LetterDue);
    assert_eq!(bench.letters(), [0]);
    assert_eq!(
        bench.lanes.on_letter(0, false, bench.now, 0.0),
        Some(Fate::LetterFailed {
            attempts: 1,
            after: SECOND
        })
    );
    assert_eq!(
        (bench.watermark(), bench.letters()),
        (None, vec![]),
        "not written, not passed"
    );
    bench.pass(SECOND);
    assert_eq!(bench.letters(), [0]);
    let reason = Reason::Failed("boom".to_owned());
    assert_eq!(bench.lanes.letter_reason(0), Some(&reason));
    let fate = bench.lanes.on_letter(0, true, bench.now, 0.0);
    assert_eq!(fate, Some(Fate::DeadLettered(reason)));
    assert_eq!(bench.watermark().as_deref(), Some("0/0"));
    assert_eq!(bench.singles(), [1]);
}

#[test]
fn what_follows_on_the_last_attempt_is_a_setting() {
    let cases = [
        (None, WhenExhausted::Skip, "again"),
        (NonZeroU32::new(1), WhenExhausted::Skip, "skipped"),
        (NonZeroU32::new(1), WhenExhausted::DeadLetter, "letter"),
        (NonZeroU32::new(1), WhenExhausted::Stop, "stop"),
    ];
    for (attempts, exhausted, expected) in cases {
        for answer in [failed(), Answer::Given(Outcome::Retry(SECOND))] {
            let mut bench = Bench::new(Rules {
                attempts,
                exhausted,
                ..rules()
            });
            bench.accept(&["a", "a"]);
            assert_eq!(bench.singles(), [0]);
            let what = match bench.answer(0, answer) {
                Fate::Again { .. } => "again",
                Fate::Skipped(Some(_)) => "skipped",
                Fate::LetterDue => "letter",
                Fate::Stop(_) => "stop",
                other => panic!("{other:?}"),
            };
            assert_eq!(what, expected, "{attempts:?} {exhausted:?}");
        }
    }
}

#[test]
fn after_a_stop_nothing_is_started_and_the_record_is_not_passed() {
    let mut bench = Bench::new(rules());
    bench.accept(&["a", "b", "a", "c"]);
    assert_eq!(bench.singles(), [0, 1, 3]);
    let stop = Answer::Given(Outcome::stop("enough"));
    assert!(matches!(bench.answer(1, stop), Fate::Stop(_)));
    bench.ack(0);
    assert!(bench.start().is_empty());
    assert!(!bench.lanes.is_drained());
    bench.ack(3);
    assert!(bench.lanes.is_drained());
    assert_eq!(bench.watermark().as_deref(), Some("0/0"));
}

#[test]
fn a_drain_closes_the_gaps_and_starts_nothing_beyond() {
    let mut bench = Bench::new(Rules {
        in_flight: count(3),
        ..rules()
    });
    bench.accept(&["a", "a", "b", "c", "d", "a"]);
    assert_eq!(bench.singles(), [0, 2, 3]);
    bench.ack(2);
    let Fate::Again { after, .. } = bench.answer(3, failed()) else {
        panic!("comes again")
    };
    bench.lanes.drain();
    let started = bench.start();
    assert!(
        started.is_empty(),
        "1 waits for 0, 4 and 5 are past everything started"
    );
    bench.ack(0);
    assert_eq!(bench.singles(), [1]);
    bench.ack(1);
    assert!(bench.start().is_empty(), "5 is past everything started");
    assert!(!bench.lanes.is_drained());
    assert_eq!(bench.lanes.next_wake(), Some(bench.now + after));
    bench.pass(after);
    assert_eq!(bench.singles(), [3]);
    bench.ack(3);
    assert!(bench.lanes.is_drained());
    assert_eq!(bench.lanes.next_wake(), None);
    assert_eq!(bench.watermark().as_deref(), Some("3/0"));
}

fn batches() -> Rules {
    Rules {
        call: CallSize {
            records: count(4),
            bytes: 6,
            linger: 10 * SECOND,
        },
        in_flight: count(2),
        ..rules()
    }
}

#[test]
fn a_batch_goes_when_it_is_full_or_somebody_waited_long_enough() {
    let mut bench = Bench::new(batches());
    bench.accept(&["a", "b", "a"]);
    assert!(bench.start().is_empty());
    assert_eq!(bench.lanes.next_wake(), Some(bench.now + 10 * SECOND));
    bench.accept(&["c"]);
    assert_eq!(bench.start(), [[0, 1, 2, 3]]);
    bench.accept(&["a", "d"]);
    bench.pass(10 * SECOND);
    assert_eq!(bench.start(), [[5]], "4 waits for those before it in its lane");
    for key in ["x", "y", "z"] {
        let ticket = bench.accepted;
        bench.accepted += 1;
        bench
            .lanes
            .accept(at(ticket), Some(Arc::from(key)), 3, ticket, bench.now);
    }
    let acks = [0, 1, 2, 3].map(|ticket| (ticket, Answer::Given(Outcome::Ack)));
    let _ = bench.lanes.on_answers(acks.into(), true, bench.now, 0.0);
    assert_eq!(bench.start(), [[4, 6]], "bytes bound a batch as well");
}

#[test]
fn a_batch_that_fails_comes_again_in_halves_and_only_the_culprit_fails_for_good() {
    let mut rules = batches();
    rules.call.linger = Duration::ZERO;
    let mut bench = Bench::new(rules);
    bench.accept(&["a", "b", "c", "d"]);
    let mut passed = BTreeSet::new();
    let mut letters = Vec::new();
    for _ in 0..40 {
        bench.pass(10 * SECOND);
        while let Some(job) = bench.lanes.next(bench.now) {
            match job {
                Job::Letter(ticket) => {
                    let _ = bench.lanes.on_letter(ticket, true, bench.now, 0.0);
                    letters.push(ticket);
                }
                Job::Handle(tickets) => {
                    let bad = tickets.contains(&2);
                    if !bad {
                        passed.extend(tickets.iter().copied());
                    }
                    let answer = |ticket| match bad {
                        true => (ticket, failed()),
                        false => (ticket, Answer::Given(Outcome::Ack)),
                    };
                    let answers = tickets.into_iter().map(answer).collect();
                    let _ = bench.lanes.on_answers(answers, true, bench.now, 0.0);
                }
            }
        }
    }
    assert_eq!(letters, [2]);
    assert_eq!(passed, BTreeSet::from([0, 1, 3]));
    assert!(bench.lanes.is_finished());
}
