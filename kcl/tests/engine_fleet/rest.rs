//! What a fleet at rest asks of its table, beside what was forecast.

use std::collections::BTreeMap;
use std::time::Duration;

use kcl::cost::{CostForecast, Purpose};
use kcl::fleet::NewFleet;
use tokio::time::{Instant, sleep};

use super::{Fleet, Scale, in_virtual_time, small};

impl Fleet {
    /// For the fleet as it is now.
    pub(super) fn forecast(&self) -> CostForecast {
        let workers = u32::try_from(self.workers.len()).unwrap();
        self.consumer(self.born).cost_forecast(self.scale.shards, workers)
    }

    /// What the requests of a time were, since the table had been asked so much.
    pub(super) fn tell_asked(&self, before: &BTreeMap<&str, u64>, time: Duration) {
        let asked = self.table.by_method().into_iter().filter_map(|(method, count)| {
            let more = count - before.get(method).copied().unwrap_or_default();
            (more > 0).then(|| format!("{method} {:.1}", more as f64 / time.as_secs_f64()))
        });
        println!("    {}", asked.collect::<Vec<_>>().join(", "));
    }

    /// Heartbeats up to now, and other requests.
    fn asked(&self) -> [f64; 2] {
        let of = |is_beat: bool| {
            let counts = self.table.by_method().into_iter();
            let counted = counts.filter(|(method, _)| ["renew", "beat"].contains(method) == is_beat);
            counted.map(|(_, count)| count as f64).sum()
        };
        [of(true), of(false)]
    }
}

/// Without a record, in a time that is a whole number of most periods.
async fn rest(scale: Scale) {
    let mut fleet = Fleet::new(scale).await;
    let (since, before) = (Instant::now(), fleet.counts());
    (0..scale.workers).for_each(|_| fleet.join());
    fleet.settle("start", since, before).await;
    sleep(Duration::from_secs(20)).await;

    let (since, before, asked) = (Instant::now(), fleet.asked(), fleet.table.by_method());
    sleep(Duration::from_secs(60)).await;
    let seconds = since.elapsed().as_secs_f64();
    let after = fleet.asked();
    let forecast = fleet.forecast();
    fleet.tell_asked(&asked, since.elapsed());
    println!("{forecast}");
    let lines = forecast
        .lines()
        .map(|(purpose, rate)| (purpose == Purpose::Heartbeats, rate.requests));
    let (beats, others): (Vec<_>, Vec<_>) = lines.partition(|(is_beat, _)| *is_beat);
    for (what, expected, before, after) in [
        ("heartbeats", beats, before[0], after[0]),
        ("others", others, before[1], after[1]),
    ] {
        let expected: f64 = expected.iter().map(|(_, requests)| requests).sum();
        let measured = (after - before) / seconds;
        assert!(
            (measured - expected).abs() <= expected / 10.0,
            "{what} of {scale:?}: {measured:.3} a second, and {expected:.3} was forecast"
        );
    }
    let everybody = fleet.workers.len();
    fleet.stop(everybody).await;
}

fn at_rest(led: NewFleet) -> Scale {
    Scale {
        idle: Duration::from_secs(20),
        ..small(led)
    }
}

#[test]
fn small_fleets_at_rest_ask_what_was_forecast() {
    for led in [NewFleet::TwoX, NewFleet::ThreeX] {
        in_virtual_time(rest(at_rest(led)));
    }
    in_virtual_time(rest(Scale {
        private: true,
        ..at_rest(NewFleet::TwoX)
    }));
}

#[test]
fn fleets_on_large_tables_at_rest_ask_what_was_forecast() {
    for (led, index) in [
        (NewFleet::TwoX, true),
        (NewFleet::TwoX, false),
        (NewFleet::ThreeX, true),
    ] {
        in_virtual_time(rest(Scale {
            shards: 300,
            index,
            ..at_rest(led)
        }));
    }
}
