//! Whole histories: each invariant is checked by the simulation itself, for each seed.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::config::{
    Aggregation, Ordering, ProducerConfig, ProducerConfigBuilder, RateLimit, RetryPolicy, RetryRule,
};
use crate::failure::FailureKind;
use crate::pipeline::sim::{Load, Sim, Summary, Weather};

const MS: Duration = Duration::from_millis(1);

fn load() -> Load {
    Load {
        records: 4_000,
        keys: 60,
        max_size: 300,
        window: 2_000,
        every: Duration::from_micros(300),
    }
}

fn config() -> ProducerConfigBuilder {
    ProducerConfig::builder().aggregation_max_size(8_000)
}

fn run(seed: u64, shards: u128, config: ProducerConfigBuilder, weather: &Weather, load: &Load) -> Summary {
    Sim::new(
        seed,
        shards,
        config.build().expect("valid"),
        weather.clone(),
        load.clone(),
    )
    .run()
}

#[test]
fn calm() {
    for seed in 0..4 {
        let summary = run(seed, 4, config(), &Weather::default(), &load());
        assert_eq!(summary.failed, 0, "seed {seed}");
        assert_eq!(summary.resent, 0, "seed {seed}");
        assert!(summary.kinesis_records < 400, "seed {seed}: {summary:?}");
        assert!(summary.quiet_after < 300 * MS, "seed {seed}: {summary:?}");
    }
}

#[test]
fn entries_fail() {
    let weather = Weather {
        entry_fails: 0.3,
        ..Weather::default()
    };
    for seed in 10..16 {
        let summary = run(seed, 4, config(), &weather, &load());
        assert_eq!(summary.failed, 0, "seed {seed}");
        assert!(summary.resent > 100, "seed {seed}: {summary:?}");
        assert!(
            summary.quiet_after < Duration::from_secs(20),
            "seed {seed}: {summary:?}"
        );
    }
}

#[test]
fn requests_fail_and_replies_are_lost() {
    let weather = Weather {
        request_fails: 0.1,
        reply_lost: 0.1,
        ..Weather::default()
    };
    for seed in 20..24 {
        let summary = run(seed, 4, config().request_timeout(500 * MS), &weather, &load());
        assert_eq!(summary.failed, 0, "seed {seed}");
        assert!(summary.resent > 100, "seed {seed}: {summary:?}");
    }
}

#[test]
fn shards_come_and_go() {
    let weather = Weather {
        reshard_every: Some(60 * MS),
        list_lag: 150 * MS,
        list_fails: 0.2,
        ..Weather::default()
    };
    for seed in 30..36 {
        let summary = run(seed, 3, config(), &weather, &load());
        assert_eq!(summary.failed, 0, "seed {seed}");
        assert!(
            summary.reshards > 10 && summary.resent > 0,
            "seed {seed}: {summary:?}"
        );
    }
}

#[test]
fn all_at_once() {
    let weather = Weather {
        entry_fails: 0.15,
        request_fails: 0.05,
        reply_lost: 0.05,
        list_fails: 0.2,
        latency_ms: (2, 200),
        reshard_every: Some(200 * MS),
        list_lag: 300 * MS,
        ..Weather::default()
    };
    for seed in 40..48 {
        let summary = run(seed, 3, config().request_timeout(400 * MS), &weather, &load());
        assert!(
            summary.resent > 0 && summary.reshards > 0,
            "seed {seed}: {summary:?}"
        );
        assert!(
            summary.quiet_after < Duration::from_secs(31),
            "seed {seed}: {summary:?}"
        );
    }
}

#[test]
fn all_at_once_one_record_each() {
    let weather = Weather {
        entry_fails: 0.15,
        request_fails: 0.05,
        reply_lost: 0.05,
        list_fails: 0.2,
        latency_ms: (2, 100),
        reshard_every: Some(200 * MS),
        list_lag: 100 * MS,
        ..Weather::default()
    };
    for seed in 50..54 {
        let singles = config()
            .aggregation(Aggregation::Disabled)
            .request_timeout(400 * MS);
        let summary = run(seed, 3, singles, &weather, &load());
        assert!(summary.kinesis_records >= 4_000, "seed {seed}: {summary:?}");
    }
}

#[test]
fn records_expire_under_way() {
    let weather = Weather {
        entry_fails: 0.5,
        request_fails: 0.3,
        latency_ms: (50, 400),
        ..Weather::default()
    };
    let mut failed = 0;
    for seed in 60..64 {
        let hasty = config().record_ttl(1_500 * MS).request_timeout(400 * MS);
        let summary = run(seed, 2, hasty, &weather, &load());
        failed += summary.failed;
        assert!(
            summary.quiet_after < Duration::from_secs(3),
            "seed {seed}: {summary:?}"
        );
    }
    assert!(failed > 0, "the weather was bad enough for some to expire");
}

#[test]
fn a_backlog_leaves_in_several_aggregates() {
    let weather = Weather {
        entry_fails: 0.1,
        latency_ms: (150, 300),
        ..Weather::default()
    };
    let load = Load {
        records: 12_000,
        keys: 400,
        window: 12_000,
        every: Duration::from_micros(20),
        ..load()
    };
    for seed in 70..73 {
        let unlimited = config().rate_limit(RateLimit::Unlimited);
        let summary = run(seed, 2, unlimited, &weather, &load);
        assert!(
            summary.kinesis_records > 3 * summary.requests,
            "seed {seed}: {summary:?}"
        );
    }
}

#[test]
fn giants_among_the_small() {
    let weather = Weather {
        entry_fails: 0.1,
        reshard_every: Some(300 * MS),
        ..Weather::default()
    };
    let load = Load {
        records: 1_500,
        max_size: 12_000,
        ..load()
    };
    for seed in 80..84 {
        let summary = run(
            seed,
            3,
            config().rate_limit(RateLimit::Unlimited),
            &weather,
            &load,
        );
        assert_eq!(summary.failed, 0, "seed {seed}");
    }
}

#[test]
fn a_seed_is_a_history() {
    let weather = Weather {
        entry_fails: 0.2,
        reshard_every: Some(100 * MS),
        ..Weather::default()
    };
    let history = |seed| {
        run(
            seed,
            3,
            config(),
            &weather,
            &Load {
                records: 1_000,
                ..load()
            },
        )
    };
    assert_eq!(history(1), history(1));
    assert_ne!(history(1), history(2));
}

#[test]
fn a_shard_is_not_written_to_faster_than_its_rate() {
    let load = Load {
        records: 4_000,
        max_size: 4_000,
        every: Duration::from_micros(50),
        ..load()
    };
    for seed in 90..92 {
        let summary = run(
            seed,
            1,
            config().rate_limit(RateLimit::percent(100)),
            &Weather::default(),
            &load,
        );
        assert_eq!(summary.failed, 0, "seed {seed}");
    }
}

fn relaxed() -> ProducerConfigBuilder {
    config().ordering(Ordering::Relaxed)
}

#[test]
fn relaxed_and_calm_is_in_order() {
    for seed in 100..103 {
        let summary = run(seed, 4, relaxed(), &Weather::default(), &load());
        assert_eq!((summary.failed, summary.resent), (0, 0), "seed {seed}");
    }
}

#[test]
fn relaxed_all_at_once() {
    let weather = Weather {
        entry_fails: 0.15,
        request_fails: 0.05,
        reply_lost: 0.05,
        list_fails: 0.2,
        latency_ms: (2, 200),
        reshard_every: Some(200 * MS),
        list_lag: 300 * MS,
        ..Weather::default()
    };
    for (seed, aggregation) in
        (110..116).zip([Aggregation::Enabled, Aggregation::Disabled].into_iter().cycle())
    {
        let config = relaxed().request_timeout(400 * MS).aggregation(aggregation);
        let summary = run(seed, 3, config, &weather, &load());
        assert!(
            summary.resent > 0 && summary.reshards > 0,
            "seed {seed}: {summary:?}"
        );
        assert!(
            summary.quiet_after < Duration::from_secs(31),
            "seed {seed}: {summary:?}"
        );
    }
}

#[test]
fn lost_replies_are_told_wherever_they_left_a_second_copy() {
    let weather = Weather {
        entry_fails: 0.2,
        reply_lost: 0.2,
        ..Weather::default()
    };
    let mut duplicates = 0;
    for seed in 120..124 {
        duplicates += run(seed, 4, config().request_timeout(300 * MS), &weather, &load()).duplicates;
    }
    assert!(duplicates > 100, "{duplicates}: the weather was bad enough");
}

/// Each fiftieth record is poison, and fails by itself.
#[test]
fn poison_among_others() {
    let weather = Weather {
        poison_every: Some(50),
        entry_fails: 0.05,
        ..Weather::default()
    };
    for (seed, ordering) in (130..136).zip([Ordering::PerKey, Ordering::Relaxed].into_iter().cycle()) {
        let summary = run(seed, 4, config().ordering(ordering), &weather, &load());
        assert_eq!(summary.failed, 80, "seed {seed}: {summary:?}");
    }
}

#[test]
fn poison_while_shards_come_and_go() {
    let weather = Weather {
        poison_every: Some(200),
        entry_fails: 0.1,
        reply_lost: 0.03,
        reshard_every: Some(200 * MS),
        list_lag: 100 * MS,
        ..Weather::default()
    };
    for (seed, ordering) in (140..146).zip([Ordering::PerKey, Ordering::Relaxed].into_iter().cycle()) {
        let config = config().ordering(ordering).request_timeout(300 * MS);
        let summary = run(seed, 3, config, &weather, &load());
        assert_eq!(summary.failed, 20, "seed {seed}: {summary:?}");
    }
}

#[test]
fn credentials_lapse_and_come_back() {
    let weather = Weather {
        credentials_lapse_every: Some(400 * MS),
        ..Weather::default()
    };
    for seed in 150..153 {
        let summary = run(seed, 4, config(), &weather, &load());
        assert_eq!(
            (summary.failed, summary.duplicates),
            (0, 0),
            "seed {seed}: {summary:?}"
        );
        assert!(summary.resent > 50, "seed {seed}: {summary:?}");
    }
}

/// Deleted and made anew, with the same shard ids and other ranges: what is put meanwhile fails or waits, as the policy
/// says; nothing that was acknowledged is dropped by consumers of either stream.
#[test]
fn a_stream_is_deleted_and_made_anew() {
    let weather = Weather {
        deleted_after: Some((500 * MS, 800 * MS)),
        entry_fails: 0.05,
        ..Weather::default()
    };
    let patient =
        RetryPolicy::default().with_rule(FailureKind::StreamNotFound, RetryRule::retry(100 * MS, 500 * MS));
    let load = Load {
        records: 8_000,
        ..load()
    };
    for seed in 160..166 {
        let summary = run(seed, 3, config(), &weather, &load);
        assert!(summary.failed > 0, "seed {seed}: {summary:?}");
        assert!(summary.failed < 7_000, "seed {seed}: {summary:?}");
        let summary = run(seed, 3, config().retry(patient.clone()), &weather, &load);
        assert_eq!(summary.failed, 0, "seed {seed}: {summary:?}");
    }
}

/// Shards with limits that others use as well: hardly anything is throttled, and what they leave is used.
#[test]
fn a_competitor_takes_half() {
    let weather = Weather {
        limits: true,
        others_take: 0.5,
        ..Weather::default()
    };
    let load = Load {
        records: 30_000,
        keys: 500,
        max_size: 4_000,
        window: 4_000,
        every: Duration::from_micros(100),
    };
    for seed in 170..172 {
        let config = ProducerConfig::builder().record_ttl(Duration::from_secs(600));
        let summary = run(seed, 2, config, &weather, &load);
        assert_eq!(summary.failed, 0, "seed {seed}: {summary:?}");
        #[expect(clippy::cast_precision_loss, reason = "counts of millions")]
        let (throttled, sent, bytes) = (
            summary.throttled as f64,
            summary.kinesis_records as f64,
            summary.bytes as f64,
        );
        assert!(throttled <= 0.02 * sent, "seed {seed}: {summary:?}");
        // Two shards, of which half is left, for as long as it took.
        let left = 1_048_576.0 * summary.took.as_secs_f64();
        assert!(
            bytes >= 0.95 * left,
            "seed {seed}: {bytes} of {left}: {summary:?}"
        );
    }
}

#[test]
fn a_policy_that_gives_up_tells_the_truth() {
    let weather = Weather {
        entry_fails: 0.3,
        request_fails: 0.1,
        reply_lost: 0.1,
        ..Weather::default()
    };
    for (seed, attempts) in (180..186).zip([1, 2, 3].into_iter().cycle()) {
        let policy = RetryPolicy::default().with_max_attempts(NonZeroU32::new(attempts));
        let config = config().request_timeout(300 * MS).retry(policy);
        let summary = run(seed, 4, config, &weather, &load());
        assert!(summary.failed > 0, "seed {seed}: {summary:?}");
    }
    let summary = run(
        190,
        4,
        config().request_timeout(300 * MS).retry(RetryPolicy::none()),
        &weather,
        &load(),
    );
    assert_eq!((summary.resent, summary.duplicates), (0, 0), "{summary:?}");
}
