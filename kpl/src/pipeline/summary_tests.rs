//! When the stream is asked, and what follows.

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::pipeline::tests::start;

const SECOND: Duration = Duration::from_secs(1);
const REFRESH: Duration = Duration::from_secs(300);

/// The asking, with a clock and dice.
struct Asked {
    summary: Summary,
    now: Instant,
    rng: StdRng,
}

impl Asked {
    fn new(aggregation: Aggregation) -> Self {
        let config = StreamConfig::default().with_aggregation(aggregation);
        Self {
            summary: Summary::new(&config),
            now: start(),
            rng: StdRng::seed_from_u64(7),
        }
    }

    fn polls(&mut self) -> bool {
        self.summary.poll(self.now)
    }

    /// A record comes; whether the stream is asked for it.
    fn traffic(&mut self) -> bool {
        self.summary.on_traffic(self.now);
        self.polls()
    }

    fn answer(&mut self, answer: Result<StreamSummary, Failure>) -> Option<Notice> {
        self.summary.on_answer(answer, self.now, &mut self.rng)
    }

    fn says(&mut self, distribution: Distribution) -> Option<Notice> {
        self.answer(Ok(StreamSummary {
            distribution,
            max_record_size: Some(1 << 20),
        }))
    }

    fn fails(&mut self, code: &str) -> Option<Notice> {
        self.answer(Err(Failure::of_code(code, "scripted")))
    }

    /// When it wants to be woken, as time from now; the clock moves there.
    fn sleep(&mut self) -> Option<Duration> {
        let at = self.summary.timeout()?;
        let slept = at - self.now;
        self.now = at;
        self.summary.on_time(at);
        Some(slept)
    }

    fn packs(&self) -> bool {
        self.summary.manner().may_pack
    }
}

#[test]
fn who_decides_whether_records_are_packed() {
    use Distribution::{ByKey, ByService};
    let (on, always, off) = (Aggregation::Enabled, Aggregation::Always, Aggregation::Disabled);
    let cases = [
        (on, None, false, ByKey),
        (on, Some(ByKey), true, ByKey),
        (on, Some(ByService), false, ByService),
        (always, None, true, ByKey),
        (always, Some(ByKey), true, ByKey),
        (always, Some(ByService), true, ByKey),
        (off, None, false, ByKey),
        (off, Some(ByKey), false, ByKey),
        (off, Some(ByService), false, ByService),
    ];
    for (aggregation, said, may_pack, distribution) in cases {
        let mut asked = Asked::new(aggregation);
        assert_eq!(asked.summary.lets_records_go(), aggregation != on);
        assert!(asked.traffic(), "asked for the first record");
        if let Some(said) = said {
            asked.says(said);
            assert!(asked.summary.lets_records_go());
        }
        let manner = asked.summary.manner();
        assert_eq!(
            (manner.may_pack, manner.distribution),
            (may_pack, distribution),
            "{aggregation:?} {said:?}"
        );
    }
}

#[test]
fn without_records_nobody_asks() {
    let mut asked = Asked::new(Aggregation::Enabled);
    assert!(!asked.polls());
    assert_eq!(asked.sleep(), None);
}

#[test]
fn asked_again_with_traffic_once_it_is_time() {
    let mut asked = Asked::new(Aggregation::Enabled);
    assert!(asked.traffic());
    assert!(!asked.traffic(), "one question at a time");
    asked.says(Distribution::ByKey);
    assert_eq!(asked.sleep(), None, "an idle stream is left alone");
    asked.now += REFRESH.mul_f64(0.89);
    assert!(!asked.traffic());
    asked.now += REFRESH.mul_f64(0.22);
    assert!(asked.traffic());
    asked.says(Distribution::ByKey);
    asked.now += REFRESH * 100;
    assert!(!asked.polls(), "time alone asks nothing");
    assert!(asked.traffic());
}

#[test]
fn producers_that_started_together_ask_apart() {
    let rest = |seed| {
        let mut asked = Asked::new(Aggregation::Enabled);
        asked.rng = StdRng::seed_from_u64(seed);
        asked.traffic();
        asked.says(Distribution::ByKey);
        match asked.summary.asking {
            Asking::Rests { until: Some(until) } => until - asked.now,
            other => panic!("{other:?}"),
        }
    };
    assert_ne!(rest(1), rest(2));
}

#[test]
fn a_refusal_is_said_once_and_forgotten_when_permitted() {
    let mut asked = Asked::new(Aggregation::Enabled);
    asked.traffic();
    let notice = asked.fails("AccessDeniedException");
    assert!(matches!(notice, Some(Notice::NotPermitted(_))), "{notice:?}");
    assert!(asked.summary.lets_records_go() && !asked.packs());
    assert_eq!(asked.summary.record_limit(), &RecordLimit::Withheld);
    for _ in 0..3 {
        asked.now += REFRESH * 2;
        assert!(asked.traffic(), "permissions come");
        assert_eq!(asked.fails("AccessDeniedException"), None, "said before");
    }
    asked.now += REFRESH * 2;
    assert!(asked.traffic());
    assert_eq!(asked.says(Distribution::ByKey), None);
    assert!(asked.packs());
    asked.now += REFRESH * 2;
    asked.traffic();
    assert!(asked.fails("AccessDeniedException").is_some(), "permissions go");
    assert!(!asked.packs(), "nobody would tell if the stream changed");
}

#[test]
fn who_need_not_ask_is_not_told_that_it_may_not() {
    for aggregation in [Aggregation::Always, Aggregation::Disabled] {
        let mut asked = Asked::new(aggregation);
        asked.traffic();
        assert_eq!(asked.fails("AccessDeniedException"), None);
    }
}

#[test]
fn changes_are_noticed_once() {
    let mut asked = Asked::new(Aggregation::Enabled);
    asked.traffic();
    let said: Vec<_> = [true, true, false, false, true]
        .map(|auto| {
            asked.says(if auto {
                Distribution::ByService
            } else {
                Distribution::ByKey
            })
        })
        .into();
    assert_eq!(
        said,
        [
            Some(Notice::Auto),
            None,
            Some(Notice::ByKey),
            None,
            Some(Notice::Auto)
        ]
    );
    let mut always = Asked::new(Aggregation::Always);
    always.traffic();
    assert_eq!(always.says(Distribution::ByService), Some(Notice::PackedOnAuto));
    assert_eq!(always.says(Distribution::ByService), None);
}

#[test]
fn records_are_held_for_an_answer_and_not_for_long() {
    let mut asked = Asked::new(Aggregation::Enabled);
    asked.traffic();
    asked.summary.on_shards_known(asked.now);
    let mut tries = 1;
    let start = asked.now;
    while !asked.summary.lets_records_go() {
        asked.fails("LimitExceededException");
        asked.sleep().expect("time brings the next try");
        tries += u32::from(asked.polls());
        assert!(tries < 100);
    }
    assert!(tries >= 3, "{tries} tries");
    assert!(asked.now - start <= 2 * SECOND, "{:?}", asked.now - start);
    assert!(!asked.packs(), "not without knowing");
    // The tries go on with traffic, ever more slowly, until there is an answer.
    let mut waits = Vec::new();
    for _ in 0..8 {
        asked.fails("LimitExceededException");
        let before = asked.now;
        while !asked.traffic() {
            asked.now += SECOND / 20;
        }
        waits.push(asked.now - before);
    }
    assert!(waits.iter().all(|wait| *wait <= 34 * SECOND), "{waits:?}");
    assert!(waits[7] >= 26 * SECOND, "{waits:?}");
    asked.says(Distribution::ByKey);
    assert!(asked.packs());
}

#[test]
fn a_silent_service_holds_records_no_longer() {
    let mut asked = Asked::new(Aggregation::Enabled);
    asked.traffic();
    assert_eq!(asked.sleep(), None, "they wait for the shards as well");
    asked.summary.on_shards_known(asked.now);
    assert_eq!(asked.sleep(), Some(2 * SECOND));
    assert!(asked.summary.lets_records_go());
    let config = StreamConfig::default().with_first_contact_timeout(SECOND);
    let mut hasty = Asked::new(Aggregation::Enabled);
    hasty.summary = Summary::new(&config);
    hasty.traffic();
    hasty.summary.on_shards_known(hasty.now);
    assert_eq!(hasty.sleep(), Some(SECOND / 2), "before contact counts as failed");
}

#[test]
fn many_strays_ask_early_and_not_often() {
    let mut asked = Asked::new(Aggregation::Enabled);
    asked.traffic();
    asked.says(Distribution::ByKey);
    asked.now += 10 * SECOND;
    for landed in [false, false, true, false, false] {
        asked.summary.on_landed(landed, asked.now);
        assert!(!asked.polls(), "not enough in a row");
    }
    asked.summary.on_landed(false, asked.now);
    assert!(asked.polls());
    asked.says(Distribution::ByKey);
    for _ in 0..100 {
        asked.summary.on_landed(false, asked.now);
        assert!(!asked.polls(), "just asked");
    }
    assert_eq!(asked.sleep(), Some(SECOND));
    assert!(asked.polls());
}

#[test]
fn a_refused_request_asks_for_the_limit_again() {
    let mut asked = Asked::new(Aggregation::Disabled);
    asked.traffic();
    asked.says(Distribution::ByKey);
    asked.now += 10 * SECOND;
    asked.summary.on_refused(asked.now);
    assert!(asked.polls());
    asked.answer(Ok(StreamSummary {
        distribution: Distribution::ByKey,
        max_record_size: Some(2 << 20),
    }));
    assert_eq!(asked.summary.record_limit(), &RecordLimit::Bytes(2 << 20));
    assert_eq!(asked.summary.manner().max_record_size, Some(2 << 20));
}

#[test]
fn a_large_record_has_the_stream_asked_until_it_is_given_up() {
    let mut asked = Asked::new(Aggregation::Always);
    asked.summary.want(asked.now);
    assert!(asked.polls());
    asked.fails("InternalFailure");
    assert!(asked.sleep().is_some(), "time brings the next try");
    assert!(asked.polls());
    asked.fails("ResourceNotFoundException");
    assert!(matches!(asked.summary.record_limit(), RecordLimit::Unanswered(_)));
    assert_eq!(asked.sleep(), None, "whoever waited was told");

    asked.now += SECOND * 60;
    asked.summary.want(asked.now);
    let mut tries = 0;
    while asked.sleep().is_some() {
        assert!(asked.polls());
        asked.fails("InternalFailure");
        tries += 1;
    }
    assert!((2..20).contains(&tries), "{tries} tries in ten seconds");
    asked.now += SECOND * 60;
    asked.summary.want(asked.now);
    asked.sleep();
    assert!(asked.polls());
    asked.says(Distribution::ByKey);
    asked.summary.want(asked.now);
    assert!(!asked.polls(), "it is known");
}

#[test]
fn who_gives_up_waiting_takes_the_question_back() {
    let mut asked = Asked::new(Aggregation::Enabled);
    asked.traffic();
    asked.fails("InternalFailure");
    asked.summary.unwant();
    assert_eq!(asked.sleep(), None);
    assert!(!asked.summary.lets_records_go(), "the next one waits again");
    asked.now += SECOND;
    assert!(asked.traffic());
}
