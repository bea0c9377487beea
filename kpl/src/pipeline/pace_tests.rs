//! The rate against a bucket as the service keeps it, with others who drain it.

#![expect(clippy::cast_possible_truncation, reason = "seconds and entries are few")]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::config::{AdaptiveRate, RateLimit};
use crate::pipeline::limiter::Limiter;
use crate::pipeline::tests::start;

/// Bytes of a shard's second.
const SECOND: f64 = 1_048_576.0;

/// Those who write to the shard as well.
#[derive(Debug, Clone, Copy)]
struct Others {
    /// Their part of the quota.
    take: f64,
    /// Bytes at a time.
    chunk: f64,
    /// Whether they come at random times.
    random: bool,
    from: f64,
    until: f64,
}

const NOBODY: Others = Others {
    take: 0.0,
    chunk: 5_000.0,
    random: false,
    from: 0.0,
    until: 0.0,
};

/// How it went.
#[derive(Debug)]
struct Course {
    attempts: f64,
    throttled: f64,
    /// Of what the others left.
    goodput: f64,
    /// Stored in each second, of the quota.
    seconds: Vec<f64>,
}

/// The service's bucket for one shard: bytes that are left, and when.
struct Shard {
    level: f64,
    at: f64,
    next: f64,
    theirs: f64,
}

impl Shard {
    fn admit(&mut self, size: f64, at: f64) -> bool {
        self.level = (self.level + (at - self.at) * SECOND).min(SECOND);
        self.at = at;
        let fits = self.level >= size;
        if fits {
            self.level -= size;
        }
        fits
    }

    /// Lets the others write until `now`; what they are refused they do not send again.
    fn others(&mut self, others: Others, now: f64, rng: &mut StdRng) {
        while others.take > 0.0 && self.next <= now && self.next < others.until {
            let at = self.next;
            if self.admit(others.chunk, at) {
                self.theirs += others.chunk;
            }
            let mean = others.chunk / SECOND / others.take;
            self.next += if others.random {
                -mean * (1.0 - rng.random_range(0.0..1.0_f64)).ln()
            } else {
                mean
            };
        }
    }
}

/// Aggregates of one shard, one request at a time, as a lane sends them that always has more.
fn play(
    seed: u64,
    others: Others,
    entry: usize,
    seconds: f64,
    limiter: &mut Limiter,
    start: Instant,
) -> Course {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut shard = Shard {
        level: SECOND,
        at: 0.0,
        next: others.from,
        theirs: 0.0,
    };
    let mut course = Course {
        attempts: 0.0,
        throttled: 0.0,
        goodput: 0.0,
        seconds: vec![0.0; seconds as usize + 2],
    };
    let (mut now, mut stored, mut wait) = (0.0, 0.0, 0.0);
    let size = f64::from(u32::try_from(entry).expect("small"));
    while now < seconds {
        let at = limiter.ready_at(entry, start + Duration::from_secs_f64(now));
        // What gathers while a request is on its way leaves together.
        let most = limiter.allowance(at).bytes;
        let entries = ((most / size) as usize).clamp(1, 8);
        limiter.spend(entries, entries * entry, at);
        let sent = at.duration_since(start).as_secs_f64();
        let arrival = sent + rng.random_range(0.003..0.015);
        shard.others(others, arrival, &mut rng);
        let replies: Vec<_> = (0..entries).map(|_| shard.admit(size, arrival)).collect();
        now = arrival + rng.random_range(0.003..0.015);
        let reply = start + Duration::from_secs_f64(now);
        for is_stored in &replies {
            course.attempts += 1.0;
            if *is_stored {
                limiter.on_stored(entry);
                stored += size;
                course.seconds[now as usize] += size / SECOND;
            } else {
                limiter.on_throttled(at, reply);
                course.throttled += 1.0;
            }
        }
        if replies.contains(&false) {
            wait = rng.random_range(0.05..(wait * 3.0_f64).max(0.1));
            now += wait;
        } else {
            wait = 0.0;
        }
    }
    course.goodput = stored / (now * SECOND - shard.theirs);
    course
}

fn adaptive(start: Instant) -> Limiter {
    Limiter::new(RateLimit::percent(150), AdaptiveRate::Enabled, start)
}

fn course(seed: u64, others: Others, entry: usize, seconds: f64) -> Course {
    let start = start();
    play(seed, others, entry, seconds, &mut adaptive(start), start)
}

fn half(chunk: f64, random: bool) -> Others {
    Others {
        take: 0.5,
        chunk,
        random,
        from: 0.0,
        until: f64::INFINITY,
    }
}

#[test]
fn alone_it_finds_the_shards_limit() {
    for entry in [51_200, 20_000] {
        for seed in 0..10 {
            let course = course(seed, NOBODY, entry, 60.0);
            assert!(course.goodput >= 0.97, "seed {seed}: {course:?}");
            assert!(
                course.throttled <= 0.01 * course.attempts,
                "seed {seed}: {course:?}"
            );
        }
    }
}

#[test]
fn without_it_a_shard_is_throttled_all_the_time() {
    let start = start();
    let mut fixed = Limiter::new(RateLimit::percent(150), AdaptiveRate::Disabled, start);
    let course = play(1, NOBODY, 51_200, 60.0, &mut fixed, start);
    assert!(course.throttled > 0.2 * course.attempts, "{course:?}");
}

#[test]
fn it_leaves_to_others_what_they_take() {
    for others in [half(5_000.0, false), half(51_200.0, false), half(2_000.0, true)] {
        for seed in 0..10 {
            let course = course(seed, others, 51_200, 60.0);
            assert!(course.goodput >= 0.95, "seed {seed}, {others:?}: {course:?}");
            assert!(
                course.throttled <= 0.02 * course.attempts,
                "seed {seed}, {others:?}: {course:?}"
            );
        }
    }
}

/// From nothing known: within twenty seconds as well.
#[test]
fn it_converges_soon() {
    for seed in 0..20 {
        let course = course(seed, half(5_000.0, true), 51_200, 20.0);
        assert!(course.goodput >= 0.9, "seed {seed}: {course:?}");
        assert!(
            course.throttled <= 0.02 * course.attempts,
            "seed {seed}: {course:?}"
        );
    }
}

#[test]
fn it_follows_others_who_come_and_go() {
    let visitors = Others {
        from: 30.0,
        until: 70.0,
        ..half(5_000.0, false)
    };
    for seed in 0..10 {
        let course = course(seed, visitors, 51_200, 110.0);
        let mean = |from: usize, to: usize| {
            let span = &course.seconds[from..to];
            span.iter().sum::<f64>() / span.len() as f64
        };
        assert!(mean(10, 30) > 0.95, "seed {seed}: {course:?}");
        assert!((0.45..0.57).contains(&mean(35, 70)), "seed {seed}: {course:?}");
        assert!(mean(95, 110) > 0.9, "seed {seed}: recovered {course:?}");
        assert!(
            course.throttled <= 0.015 * course.attempts,
            "seed {seed}: {course:?}"
        );
    }
}

/// When nothing at all gets through, no rate is to blame: it is not lowered ever further.
#[test]
fn an_outage_is_no_reason_to_creep_afterwards() {
    let start = start();
    let mut limiter = adaptive(start);
    let mut now = start;
    for _ in 0..60 {
        now = limiter.ready_at(51_200, now);
        limiter.spend(1, 51_200, now);
        limiter.on_throttled(now, now + Duration::from_millis(10));
        now += Duration::from_secs(1);
    }
    let mut stored = 0.0;
    let back = now;
    while now < back + Duration::from_secs(5) {
        now = limiter.ready_at(51_200, now);
        limiter.spend(1, 51_200, now);
        limiter.on_stored(51_200);
        stored += 51_200.0;
    }
    assert!(stored > 5.0 * SECOND * 0.65, "{stored} bytes in five seconds");
}

#[test]
fn what_was_sent_before_it_slowed_down_does_not_slow_it_again() {
    let start = start();
    let mut limiter = adaptive(start);
    let later = start + Duration::from_millis(50);
    limiter.on_throttled(start, later);
    let rate = |limiter: &Limiter| {
        let mut spent = limiter.clone();
        spent.spend(0, 10 * 1_048_576, later);
        spent.ready_at(51_200, later).duration_since(later)
    };
    let once = rate(&limiter);
    for _ in 0..5 {
        limiter.on_throttled(start, later);
    }
    assert_eq!(rate(&limiter), once);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the others do: the rate stays in its bounds, and enough gets through.
    #[test]
    fn it_lives_beside_anybody(
        seed: u64,
        take in 0.0..0.8_f64,
        chunk in 500.0..60_000.0_f64,
        random: bool,
        entry in 5_000_usize..51_200,
        percent in 10_u32..300,
    ) {
        let others = Others { take, chunk, random, from: 0.0, until: f64::INFINITY };
        let start = start();
        let mut limiter = Limiter::new(RateLimit::percent(percent), AdaptiveRate::Enabled, start);
        let course = play(seed, others, entry, 60.0, &mut limiter, start);
        let stored: f64 = course.seconds.iter().sum();
        let most = 60.0 * f64::from(percent) / 100.0 + 2.0;
        prop_assert!(stored <= most, "{stored} of {most}");
        let left = (1.0 - take).min(f64::from(percent) / 100.0);
        prop_assert!(stored >= 0.6 * left * 60.0, "{stored} of {}", left * 60.0);
        prop_assert!(course.throttled <= 0.15 * course.attempts + 5.0, "{course:?}");
    }
}
